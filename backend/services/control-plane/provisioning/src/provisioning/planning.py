"""What each stream record asks for. Pure."""

from dataclasses import dataclass

from tenkacloud import records
from tenkacloud.errors import InvalidField
from tenkacloud.fields import shown
from tenkacloud.lifecycle import ProvisioningStatus
from tenkacloud.onboarding import Ask, ask_for
from tenkacloud.records import Change, Item, Key


@dataclass(frozen=True)
class Refuse:
    """The record breaks a rule: write `change`, which says which."""

    change: Change
    reason: str
    correlation_id: str


@dataclass(frozen=True)
class Ignore:
    """Nothing to be done, and why."""

    reason: str


Plan = Ask | Refuse | Ignore


def plan(keys: Item, new_image: Item, correlation_id: str, now: str) -> Plan:
    """Return what one change of a tenant record asks for.

    `correlation_id` is the same for every delivery of the change.
    """
    try:
        key = records.parse_key(keys.get("PK"), keys.get("SK"))
    except InvalidField as error:
        return Ignore(str(error))
    if not is_pending(new_image):
        return Ignore(f"provisioningStatus is {shown(new_image.get('provisioningStatus'))}, not PENDING")
    return _plan(key, new_image, correlation_id, now)


def plan_again(step: Plan, item: Item | None, now: str) -> Plan:
    """Return what a record asks for that is PENDING in another way than the one that was planned for."""
    match step, item:
        case Ask(), dict():
            return _plan(step.mark.key, item, step.event.correlation_id or "", now)
        case Refuse(), dict():
            return _plan(step.change.key, item, step.correlation_id, now)
        case _:
            return step


def is_pending(item: Item | None) -> bool:
    """Tell whether a record asks for provisioning."""
    return item is not None and item.get("provisioningStatus") == ProvisioningStatus.PENDING


def _plan(key: Key, item: Item, correlation_id: str, now: str) -> Ask | Refuse:
    try:
        return ask_for(records.parse_tenant(key, item), correlation_id, now)
    except InvalidField as error:
        return Refuse(records.refuse(key, item, str(error), now), str(error), correlation_id)
