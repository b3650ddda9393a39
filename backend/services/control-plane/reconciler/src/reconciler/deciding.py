"""What to do with a tenant that is listed as in flight, or that is to be repaired. Pure."""

from dataclasses import dataclass

from tenkacloud import records
from tenkacloud.errors import InvalidField
from tenkacloud.events import TenantOnboarding
from tenkacloud.fields import shown
from tenkacloud.lifecycle import ProvisioningStatus
from tenkacloud.onboarding import Ask, ask_for, request_of
from tenkacloud.records import IN_FLIGHT_SINCE, Change, Item, Key


@dataclass(frozen=True)
class Limits:
    """When an attempt counts as stuck, and how often a tenant is resumed.

    `stuck_before`: RFC 3339 UTC; an attempt that began after it may still be running.
    """

    stuck_before: str
    resumptions_max: int


@dataclass(frozen=True)
class Fail:
    """Write `change`: FAILED, with the reason."""

    change: Change
    reason: str


@dataclass(frozen=True)
class Leave:
    """Nothing to be done, and why."""

    reason: str


def decide(key: Key, item: Item, limits: Limits, request_id: str, now: str) -> Ask | Fail | Leave:
    """Say what to do with a tenant in flight, by its record as it is now."""
    status = item.get("provisioningStatus")
    if status not in (ProvisioningStatus.PENDING, ProvisioningStatus.PROVISIONING):
        return Leave(f"it is {shown(status)} meanwhile")
    since = records.in_flight_since(item.get(IN_FLIGHT_SINCE))
    if since > limits.stuck_before:
        return Leave("its attempt may still be running")
    try:
        tenant = records.parse_tenant(key, item)
    except InvalidField as error:
        return Fail(records.refuse(key, item, str(error), now), str(error))
    if status == ProvisioningStatus.PROVISIONING and tenant.resumptions >= limits.resumptions_max:
        reason = (
            f"no result after {tenant.resumptions + 1} attempts, the last since {since}; "
            "see the functions' logs and dead-letter queues, then retry"
        )
        return Fail(records.give_up(tenant, reason, now), reason)
    return ask_for(tenant, request_id, now, resumed=True)


def repair(key: Key, item: Item | None, request_id: str, now: str) -> TenantOnboarding | Leave:
    """Return the event that has a completed tenant's resources put right: its own attempt's, once more.

    Provisioning is idempotent, so it makes what is missing and sets what was changed; and a result of an
    attempt that is COMPLETED changes nothing on the record.
    """
    if item is None:
        return Leave("there is no such tenant")
    status = item.get("provisioningStatus")
    if status != ProvisioningStatus.COMPLETED:
        return Leave(f"it is {status}, not COMPLETED")
    try:
        tenant = records.parse_tenant(key, item)
    except InvalidField as error:
        return Leave(str(error))
    return request_of(tenant, tenant.attempt, request_id, now)
