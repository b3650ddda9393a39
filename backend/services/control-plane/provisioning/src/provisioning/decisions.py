"""What each stream record requests. Pure."""

from dataclasses import dataclass
from datetime import datetime

from tenkacloud.errors import InvalidFieldError, PermanentError
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.onboarding_request import OnboardingRequest, request_onboarding
from tenkacloud.tenants.record import Item, is_as_read, parse_key, parse_tenant
from tenkacloud.tenants.transitions import onboarding
from tenkacloud.tenants.transitions.transition import NotApplied, Outcome, Transition
from tenkacloud.tenants.validation import truncated_repr


@dataclass(frozen=True)
class Reject:
    """The record breaks a rule: write `change`, which says which."""

    change: Transition
    item: Item
    reason: str
    correlation_id: str


@dataclass(frozen=True)
class Ignore:
    """Nothing to be done, and why."""

    reason: str


#: What is to be done for a tenant.
Step = OnboardingRequest | Reject
Plan = Step | Ignore


def plan(keys: Item, new_image: Item, correlation_id: str, now: datetime) -> Plan:
    """Return what one change of a tenant record requests.

    `correlation_id` is the same for every delivery of the change.
    """
    try:
        key = parse_key(keys.get("PK"), keys.get("SK"))
    except InvalidFieldError as error:
        return Ignore(str(error))
    if not is_pending(new_image):
        return Ignore(
            f"provisioningStatus is {truncated_repr(new_image.get('provisioningStatus'))}, not PENDING"
        )
    return _plan(key, new_image, correlation_id, now)


def plan_again(step: Step, outcome: Outcome | Exception | None, now: datetime) -> Step | None:
    """Return what is to be done after all of a record of which a step could not be written; None: nothing.

    PENDING in another way than the one that was planned for: written anew before this, so it is planned anew.
    PENDING just as it was planned for, or such that DynamoDB takes no change: it will be so each time, and
    fails with a reason.
    """
    key, item, correlation_id = _subject(step)
    match outcome:
        case NotApplied(dict() as found) if is_pending(found):
            if not is_as_read(found, item):
                return _plan(key, found, correlation_id, now)
            reason = "the record can't be changed as it is, although it is PENDING and as it was read"
            return Reject(onboarding.reject_minimally(key, found, reason, now), found, reason, correlation_id)
        case PermanentError():
            reason = str(outcome)
            return Reject(onboarding.reject_minimally(key, item, reason, now), item, reason, correlation_id)
    return None


def mark_in_flight(step: Step, now: datetime) -> Transition:
    """Return the change by which the reconciler finds a tenant that nothing else could be written of."""
    key, item, _ = _subject(step)
    return onboarding.mark_in_flight(key, item, now)


def _subject(step: Step) -> tuple[Key, Item, str]:
    if isinstance(step, Reject):
        return step.change.key, step.item, step.correlation_id
    return step.tenant.key, step.tenant.item, step.event.correlation_id or ""


def is_pending(item: Item | None) -> bool:
    """Tell whether a record requests provisioning."""
    return item is not None and item.get("provisioningStatus") == ProvisioningStatus.PENDING


def _plan(key: Key, item: Item, correlation_id: str, now: datetime) -> Step:
    try:
        return request_onboarding(parse_tenant(key, item), correlation_id, now)
    except InvalidFieldError as error:
        reason = str(error)
        return Reject(onboarding.reject(key, item, reason, now), item, reason, correlation_id)
