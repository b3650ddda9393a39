"""What an invocation requests. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tenkacloud.errors import InvalidFieldError
from tenkacloud.tenants.validation import TenantId, parse_object, parse_tenant_id, truncated_repr

REPAIRS_MAX: Final = 100  # tenants in one request; what BatchGetItem reads at once
OLDER_THAN_MAX: Final = 7 * 24 * 60 * 60  # seconds


@dataclass(frozen=True)
class Sweep:
    """Look at the tenants in flight. `older_than`, in seconds, overrides the deadline of an attempt."""

    older_than: int | None = None


@dataclass(frozen=True)
class Repair:
    """Have the resources of these tenants put right."""

    tenant_ids: tuple[TenantId, ...]


def parse_request(event: object) -> Sweep | Repair:
    """Return what is requested: by the schedule's event, or by an operator's.

    Shapes of an operator's: `{"action": "sweep", "olderThanSeconds": 60}`, the seconds optional, and
    `{"action": "repair", "tenantIds": ["acme"]}`.

    Raises:
        InvalidFieldError: it is neither.
    """
    fields = parse_object("event", event)
    if fields.get("detail-type") == "Scheduled Event":
        return Sweep()
    match fields.get("action"):
        case "sweep":
            return Sweep(_older_than(fields))
        case "repair":
            return Repair(_tenant_ids(fields))
        case action:
            raise InvalidFieldError("action", f"{truncated_repr(action)} is unknown: one of sweep, repair")


def _older_than(fields: Mapping[str, object]) -> int | None:
    seconds = fields.get("olderThanSeconds")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= OLDER_THAN_MAX:
        raise InvalidFieldError(
            "olderThanSeconds", f"{truncated_repr(seconds)} is not a whole number from 0 to {OLDER_THAN_MAX}"
        )
    return seconds


def _tenant_ids(fields: Mapping[str, object]) -> tuple[TenantId, ...]:
    ids = fields.get("tenantIds")
    if not isinstance(ids, list) or not 1 <= len(ids) <= REPAIRS_MAX:
        raise InvalidFieldError("tenantIds", f"must be a list of 1 to {REPAIRS_MAX} tenant ids")
    return tuple(dict.fromkeys(parse_tenant_id("tenantIds", tenant_id) for tenant_id in ids))
