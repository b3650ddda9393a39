"""What to do about the canary tenant, by its record. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import OPERATION
from tenkacloud.tenants.validation import TenantId, TenantStatus, Tier

#: Reserved: no customer's tenant may have it.
CANARY_ID: Final = TenantId("canary")
CANARY_NAME: Final = "Canary"
#: Attribute that tells the canary's record from one that a user gave the same id.
MARKER: Final = "canary"
REQUESTED_AT: Final = "requestedAt"
#: Seconds after which nobody comes for a PENDING record any more: the stream's records are dropped then
#: (Terraform, module provisioning), and it is not in the index of those in flight.
ABANDONED_AFTER: Final = 6 * 60 * 60

#: Of a tenant that is being offboarded, or was.
GOING: Final = (TenantStatus.OFFBOARDING, TenantStatus.DELETED)

#: A record in DynamoDB's JSON.
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Onboard:
    """There is no canary: write one."""


@dataclass(frozen=True)
class Replace:
    """Remove the canary and onboard it again.

    `seconds`: how long a completed onboarding took, None if that is not known or it is not completed.
    `reason`: why it is not completed, None if it is.
    """

    status: str
    seconds: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Wait:
    """The canary is under way, for `seconds` so far; None: an operator does something to it."""

    status: str
    seconds: float | None


@dataclass(frozen=True)
class Reserved:
    """A tenant that is not the canary has its id: leave it alone."""


Decision = Onboard | Replace | Wait | Reserved


def decide(record: Record | None, now: datetime) -> Decision:
    """Say what to do. `now`: in UTC."""
    if record is None:
        return Onboard()
    if record.get(MARKER) != {"BOOL": True}:
        return Reserved()
    if OPERATION in record or _text(record, "status") in GOING:
        return Wait(str(_text(record, "provisioningStatus")), None)
    return _decide(record, str(_text(record, "provisioningStatus")), now)


def _decide(record: Record, status: str, now: datetime) -> Replace | Wait:
    requested_at = _time(record, REQUESTED_AT)
    age = _seconds(requested_at, now)
    match status:
        case ProvisioningStatus.COMPLETED:
            return Replace(status, seconds=_seconds(requested_at, _time(record, "updatedAt")))
        case ProvisioningStatus.FAILED:
            return Replace(status, reason=str(_text(record, "failureReason")))
        case ProvisioningStatus.PENDING if age is None or age > ABANDONED_AFTER:
            return Replace(status, reason="nobody came for it")
        case ProvisioningStatus.PENDING | ProvisioningStatus.PROVISIONING:
            return Wait(status, age)
        case _:
            return Replace(status, reason="its status is unknown")


def new_record(now: datetime) -> dict[str, Any]:
    """Return the record that requests the canary, in DynamoDB's JSON. `now`: in UTC."""
    return {
        **Key.of(CANARY_ID).attributes,
        "id": {"S": CANARY_ID},
        "name": {"S": CANARY_NAME},
        "tier": {"S": Tier.FREE},
        "provisioningStatus": {"S": ProvisioningStatus.PENDING},
        MARKER: {"BOOL": True},
        REQUESTED_AT: {"S": rfc3339(now)},
    }


def _text(record: Record, name: str) -> str | None:
    value = record.get(name, {}).get("S")
    return value if isinstance(value, str) else None


def _time(record: Record, name: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(record, name) or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max((end - start).total_seconds(), 0.0)
