"""What each stream record asks for. Pure."""

from dataclasses import dataclass

from tenkacloud.errors import InvalidFieldError, PermanentError
from tenkacloud.onboarding import OnboardingRequest, request_onboarding
from tenkacloud.tenants import record as records
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.record import Item, Key, Transition
from tenkacloud.tenants.repository import NotApplied, Outcome
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


Plan = OnboardingRequest | Reject | Ignore


def plan(keys: Item, new_image: Item, correlation_id: str, now: str) -> Plan:
    """Return what one change of a tenant record asks for.

    `correlation_id` is the same for every delivery of the change.
    """
    try:
        key = records.parse_key(keys.get("PK"), keys.get("SK"))
    except InvalidFieldError as error:
        return Ignore(str(error))
    if not is_pending(new_image):
        return Ignore(
            f"provisioningStatus is {truncated_repr(new_image.get('provisioningStatus'))}, not PENDING"
        )
    return _plan(key, new_image, correlation_id, now)


def plan_again(
    step: OnboardingRequest | Reject, outcome: Outcome | Exception, now: str
) -> OnboardingRequest | Reject | None:
    """Return what is to be done after all of a record of which a step could not be written; None: nothing.

    PENDING in another way than the one that was planned for: written anew before this, so it is planned anew.
    PENDING just as it was planned for, or such that DynamoDB takes no change: it will be so each time, and
    fails with a reason.
    """
    key, item, correlation_id = _subject(step)
    match outcome:
        case NotApplied(dict() as found) if is_pending(found):
            if not records.is_as_read(found, item):
                return _plan(key, found, correlation_id, now)
            reason = "the record can't be changed as it is, although it is PENDING and as it was read"
            return Reject(records.reject_as_it_is(key, found, reason, now), found, reason, correlation_id)
        case PermanentError():
            reason = str(outcome)
            return Reject(records.reject_as_it_is(key, item, reason, now), item, reason, correlation_id)
    return None


def list_in_flight(step: OnboardingRequest | Reject, now: str) -> Transition:
    """Return the change by which the reconciler finds a tenant that nothing else could be written of."""
    key, item, _ = _subject(step)
    return records.mark_in_flight(key, item, now)


def _subject(step: OnboardingRequest | Reject) -> tuple[Key, Item, str]:
    if isinstance(step, Reject):
        return step.change.key, step.item, step.correlation_id
    return step.tenant.key, step.tenant.item, step.event.correlation_id or ""


def is_pending(item: Item | None) -> bool:
    """Tell whether a record asks for provisioning."""
    return item is not None and item.get("provisioningStatus") == ProvisioningStatus.PENDING


def _plan(key: Key, item: Item, correlation_id: str, now: str) -> OnboardingRequest | Reject:
    try:
        return request_onboarding(records.parse_tenant(key, item), correlation_id, now)
    except InvalidFieldError as error:
        return Reject(records.reject(key, item, str(error), now), item, str(error), correlation_id)
