"""What each stream record requests. Pure."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tenkacloud.errors import InvalidFieldError, PermanentError
from tenkacloud.tenants.keys import IN_FLIGHT, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.onboarding_request import OnboardingRequest, request_onboarding
from tenkacloud.tenants.operation_request import OutboxRequest, has_outbox, request_outbox
from tenkacloud.tenants.operations import Leftover
from tenkacloud.tenants.overwrites import carry, carrying, is_overwritten, lost_places, still_lost
from tenkacloud.tenants.record import Item, is_as_read, parse_any_tenant, parse_key, parse_tenant, read
from tenkacloud.tenants.transitions import onboarding
from tenkacloud.tenants.transitions.offboarding import undo_overwrite
from tenkacloud.tenants.transitions.transition import Image, NotApplied, Outcome, Transition
from tenkacloud.tenants.validation import truncated_repr

#: Who requests what is to be done because of a change by hand.
_BY: Final = "provisioning"


@dataclass(frozen=True)
class Onboard:
    """Publish and mark `request`. The mark names the places that the record lost when it was put anew."""

    request: OnboardingRequest
    lost: tuple[Leftover, ...] = ()

    @property
    def correlation_id(self) -> str:
        """Of the stream record."""
        return self.request.event.correlation_id or ""


@dataclass(frozen=True)
class Publish:
    """Publish and mark `request`: a phase of an operation, a fact, or both."""

    request: OutboxRequest


@dataclass(frozen=True)
class Reject:
    """The record breaks a rule: write `change`, which says which."""

    change: Transition
    item: Item
    reason: str
    correlation_id: str
    lost: tuple[Leftover, ...] = ()


@dataclass(frozen=True)
class Undo:
    """The record was put over one that nobody may put anew: write `change`, the image of before."""

    change: Transition
    image: Image
    item: Item
    correlation_id: str


@dataclass(frozen=True)
class Carry:
    """A result overtook the mark that was to name lost places: write `change`, which names them."""

    change: Transition
    item: Item
    lost: tuple[Leftover, ...]


@dataclass(frozen=True)
class Ignore:
    """Nothing to be done, and why."""

    reason: str


#: What is to be done for a tenant.
Step = Onboard | Publish | Reject | Undo | Carry
Plan = Step | Ignore


@dataclass(frozen=True)
class Change:
    """One change of a tenant record, as the stream shows it. `correlation_id`: the same for every delivery.

    `old_image` is None for a record that is new. `earlier` is the plan for the change before it, where that
    was in the same batch.
    """

    keys: Item
    new: Item
    correlation_id: str
    old_image: Image | None = None
    earlier: Plan | None = None


def plan(change: Change, now: datetime) -> Plan:
    """Return what one change of a tenant record requests."""
    try:
        key = parse_key(change.keys.get("PK"), change.keys.get("SK"))
    except InvalidFieldError as error:
        return Ignore(str(error))
    old = read(change.old_image.attributes) if change.old_image else {}
    if change.old_image and is_overwritten(old, change.new):
        return _undo(key, change.old_image, change.new, change.correlation_id, now)
    if not is_pending(change.new):
        return _plan_outbox(key, change, now)
    match change.earlier:
        case Undo(image=image):
            # Put over what was put over it.
            return _undo(key, image, change.new, change.correlation_id, now)
        case Onboard(lost=lost) | Reject(lost=lost):
            carried = lost
        case _:
            carried = ()
    lost = (*carried, *lost_places(old, change.new, change.correlation_id))
    return _plan_onboarding(key, change.new, lost, change.correlation_id, now)


def plan_again(step: Step, outcome: Outcome | Exception | None, now: datetime) -> Step | None:
    """Return what is to be done after all of a record of which a step could not be written; None: nothing.

    PENDING in another way than the one that was planned for: written anew before this, so it is planned anew.
    PENDING just as it was planned for, or such that DynamoDB takes no change: it will be so each time, and
    fails with a reason.
    """
    match step:
        case Publish():
            # Whatever else the record says by now has a stream record of its own.
            return None
        case Undo():
            return _undo_again(step, outcome, now)
        case Carry():
            return _carry(step.change.key, outcome, step.lost)
    return _plan_onboarding_again(step, outcome, now) or _carry(_key(step), outcome, step.lost)


def _undo_again(step: Undo, outcome: Outcome | Exception | None, now: datetime) -> Undo | None:
    match outcome:
        case NotApplied(dict() as found) if is_overwritten(read(step.image.attributes), found):
            return _undo(step.change.key, step.image, found, step.correlation_id, now)
    return None


def _carry(key: Key, outcome: Outcome | Exception | None, lost: tuple[Leftover, ...]) -> Carry | None:
    match outcome:
        case NotApplied(dict() as found) if still_lost(found, lost):
            return Carry(carry(key, found, still_lost(found, lost)), found, lost)
    return None


def _plan_onboarding_again(
    step: Onboard | Reject, outcome: Outcome | Exception | None, now: datetime
) -> Step | None:
    key, item, lost, correlation_id = _key(step), _item(step), step.lost, step.correlation_id
    match outcome:
        case NotApplied(dict() as found) if is_pending(found):
            if not is_as_read(found, item):
                return _plan_onboarding(key, found, lost, correlation_id, now)
            item = found
            reason = "the record can't be changed as it is, although it is PENDING and as it was read"
        case PermanentError():
            reason = str(outcome)
        case _:
            return None
    return Reject(onboarding.reject_minimally(key, item, reason, now), item, reason, correlation_id)


def mark_in_flight(step: Step, now: datetime) -> Transition | None:
    """Return the change by which the sweep finds a tenant that nothing else could be written of.

    None for one that it finds anyway, and for one that is not to be requested.
    """
    if isinstance(step, Publish | Undo | Carry) or IN_FLIGHT.sort in _item(step):
        return None
    return carrying(onboarding.mark_in_flight(_key(step), _item(step), now), _item(step), step.lost)


def _key(step: Onboard | Reject) -> Key:
    return step.change.key if isinstance(step, Reject) else step.request.tenant.key


def _item(step: Onboard | Reject) -> Item:
    return step.item if isinstance(step, Reject) else step.request.tenant.item


def is_pending(item: Item | None) -> bool:
    """Tell whether a record requests provisioning."""
    return item is not None and item.get("provisioningStatus") == ProvisioningStatus.PENDING


def _plan_outbox(key: Key, change: Change, now: datetime) -> Plan:
    if not has_outbox(change.new):
        status = truncated_repr(change.new.get("provisioningStatus"))
        return Ignore(f"provisioningStatus is {status}, not PENDING")
    try:
        return Publish(request_outbox(parse_any_tenant(key, change.new), change.correlation_id, now))
    except InvalidFieldError as error:
        return Ignore(f"nothing can be published of the record as it is: {error}")


def _plan_onboarding(
    key: Key, item: Item, lost: tuple[Leftover, ...], correlation_id: str, now: datetime
) -> Step:
    try:
        request = request_onboarding(parse_tenant(key, item), correlation_id, now, lost=lost)
        return Onboard(request, lost)
    except InvalidFieldError as error:
        reason = str(error)
        rejection = carrying(onboarding.reject(key, item, reason, now), item, lost)
        return Reject(rejection, item, reason, correlation_id, lost)


def _undo(key: Key, image: Image, item: Item, correlation_id: str, now: datetime) -> Undo:
    # The same for every delivery of the change.
    operation_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{key.pk} {correlation_id}").hex
    change = undo_overwrite(key, item, image, operation_id, now, _BY)
    return Undo(change, image, item, correlation_id)
