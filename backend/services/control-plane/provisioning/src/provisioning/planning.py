"""What each stream record asks for. Pure."""

from dataclasses import dataclass

from tenkacloud import records
from tenkacloud.errors import InvalidField
from tenkacloud.fields import shown
from tenkacloud.lifecycle import ProvisioningStatus
from tenkacloud.onboarding import Ask, ask_for
from tenkacloud.records import Change, Item


@dataclass(frozen=True)
class Refuse:
    """The record breaks a rule: write `change`, which says which."""

    change: Change
    reason: str


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
    status = new_image.get("provisioningStatus")
    if status != ProvisioningStatus.PENDING:
        return Ignore(f"provisioningStatus is {shown(status)}, not PENDING")
    try:
        return ask_for(records.parse_tenant(key, new_image), correlation_id, now)
    except InvalidField as error:
        return Refuse(records.refuse(key, new_image, str(error), now), str(error))
