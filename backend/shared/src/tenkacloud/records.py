"""The tenant record: its key and index layout, how it is read, and every change made to it.

A `Change` is data: what to write, the condition under which it may be written, and what the tenant's history
says of it. `store.TenantStore` applies it. So each decision can be tested without AWS, no write goes without
its condition, and no transition without its line in the history.

| item    | PK                  | SK                                          |
|---------|---------------------|---------------------------------------------|
| tenant  | `TENANT#<tenantId>` | `METADATA`                                  |
| history | `TENANT#<tenantId>` | `HISTORY#<at>#<attempt>#<rank><status>`     |

| index          | partition key                        | sort key            | holds                       |
|----------------|--------------------------------------|---------------------|-----------------------------|
| by-slug        | GSI1PK `SLUG#<slug>`                 | GSI1SK `createdAt`  | tenants once asked for      |
| by-status-tier | GSI2PK `STATUS#<status>#TIER#<tier>` | GSI2SK `createdAt`  | tenants once asked for      |
| in-flight      | GSI3PK `IN_FLIGHT`                   | GSI3SK since when   | tenants PROVISIONING, and   |
|                |                                      |                     | PENDING ones not asked for  |
| failed         | GSI4PK `FAILED`                      | GSI4SK since when   | only tenants FAILED         |

The indexes project keys only: an index entry costs a write when its keys change, and no other time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tenkacloud.errors import InvalidField
from tenkacloud.events import TenantProvisioned
from tenkacloud.fields import (
    Slug,
    TenantId,
    TenantStatus,
    Tier,
    derive_slug,
    parse_attempt,
    parse_name,
    parse_slug,
    parse_tenant_id,
    parse_tenant_status,
    parse_tier,
    shown,
)
from tenkacloud.lifecycle import ProvisioningStatus, allowed_from

TENANT_PREFIX: Final = "TENANT#"
METADATA: Final = "METADATA"
HISTORY_PREFIX: Final = "HISTORY#"
IN_FLIGHT: Final = "IN_FLIGHT"
FAILED: Final = "FAILED"
IN_FLIGHT_SINCE: Final = "GSI3SK"
REASON_MAX: Final = 1000  # characters of a failureReason that are kept

_SLUG_INDEX: Final = ("GSI1PK", "GSI1SK")
_STATUS_TIER_INDEX: Final = ("GSI2PK", "GSI2SK")
_IN_FLIGHT_INDEX: Final = ("GSI3PK", "GSI3SK")
_FAILED_INDEX: Final = ("GSI4PK", "GSI4SK")
#: What this code reads of a record.
READ_ATTRIBUTES: Final = (
    "id",
    "name",
    "slug",
    "tier",
    "status",
    "provisioningStatus",
    "provisioningAttempt",
    "resumptions",
    "createdAt",
    IN_FLIGHT_SINCE,
)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")

#: Since when a tenant is in flight whose index key is no time: for so long that somebody looks at it.
_LONG_AGO: Final = "1970-01-01T00:00:00.000Z"

Item = Mapping[str, object]


@dataclass(frozen=True)
class Key:
    """Primary key of a tenant record, as the table holds it: maybe with a bad id in it."""

    pk: str
    sk: str = METADATA

    @classmethod
    def of(cls, tenant_id: TenantId) -> "Key":
        """Return the key of a valid tenant id."""
        return cls(f"{TENANT_PREFIX}{tenant_id}")


@dataclass(frozen=True)
class Tenant:
    """A valid tenant record.

    `attempt` is the last one begun, None if none was. `resumptions` counts the attempts that the reconciler
    began since the tenant last entered PENDING.
    """

    key: Key
    id: TenantId
    name: str
    slug: Slug
    tier: Tier
    status: TenantStatus
    provisioning_status: ProvisioningStatus
    attempt: int | None
    resumptions: int
    created_at: str | None

    @property
    def next_attempt(self) -> int:
        """The attempt to begin next; the same for every delivery of one change."""
        return (self.attempt or 0) + 1


@dataclass(frozen=True)
class Expected:
    """One state of the record in which a change is right.

    `attempt` must equal the record's; None: the record has none; ANY_ATTEMPT: whatever it has.
    """

    status: ProvisioningStatus
    attempt: int | None


ANY_ATTEMPT: Final = -1


@dataclass(frozen=True)
class Entry:
    """A line of a tenant's history: one transition. `attempt` is None where the writer does not know it."""

    to: ProvisioningStatus
    at: str
    attempt: int | None
    reason: str | None = None
    correlation_id: str | None = None

    @property
    def sort_key(self) -> str:
        """SK of its item: in the order of time, then of the state machine."""
        return f"{HISTORY_PREFIX}{self.at}#{self.attempt or 0:06d}#{_RANK[self.to]}{self.to}"

    def attributes(self, writer: str) -> dict[str, object]:
        """Return what its item holds besides its key. `writer` is who made the transition."""
        optional = {"attempt": self.attempt, "reason": self.reason, "correlationId": self.correlation_id}
        return {
            "EntityType": "HISTORY",
            "to": self.to,
            "at": self.at,
            "by": writer,
            **{name: value for name, value in optional.items() if value is not None},
        }


#: Of two transitions at one time, the one that comes first.
_RANK: Final = {
    ProvisioningStatus.PENDING: 0,
    ProvisioningStatus.PROVISIONING: 1,
    ProvisioningStatus.FAILED: 2,
    ProvisioningStatus.COMPLETED: 3,
}


@dataclass(frozen=True)
class Change:
    """A conditional update of one tenant record, and the lines of history that are written with it.

    Shapes: `sets` and `sets_if_absent` map attribute names to values (str, int, or a map of str);
    `removes` names attributes. The record must exist and be in one of the `expected` states. `history` has a
    line for each transition that the change makes, in order: none for a change that leaves the status alone.

    Raises:
        ValueError: a transition that `lifecycle.TRANSITIONS` does not have.
    """

    key: Key
    expected: tuple[Expected, ...]
    sets: Mapping[str, object]
    history: tuple[Entry, ...]
    sets_if_absent: Mapping[str, object] = field(default_factory=dict)
    removes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for state in self.expected:
            source = state.status
            for entry in self.history:
                if source not in allowed_from(entry.to):
                    raise ValueError(f"no transition from {source} to {entry.to}")
                source = entry.to

    @property
    def to(self) -> ProvisioningStatus | None:
        """The status that the record then has; None if the change leaves it alone."""
        return self.history[-1].to if self.history else None


def read(image: Mapping[str, Any]) -> Item:
    """Return what this code reads of a record in DynamoDB's JSON, as Python values.

    Attributes of other names are not touched, whatever they hold. Types that no attribute of ours has
    come through as they are: the parsers then say that they are no strings.
    """
    return {name: _plain(image[name]) for name in READ_ATTRIBUTES if name in image}


def _plain(attribute: Mapping[str, Any]) -> object:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return Decimal(value)
        case "NULL":
            return None
        case "B":
            return b""  # a string in streams, bytes from the API; nobody needs to see which
        case _:
            return value


def in_flight_since(value: object) -> str:
    """Return the time that the in-flight index has of a tenant: long ago, if what it has is no time."""
    return value if isinstance(value, str) and _RFC3339.fullmatch(value) else _LONG_AGO


def parse_key(pk: object, sk: object) -> Key:
    """Return the key of a record that the stream's filter let through.

    Raises:
        InvalidField: it is no tenant's METADATA record.
    """
    if not isinstance(pk, str) or not pk.startswith(TENANT_PREFIX) or sk != METADATA:
        raise InvalidField("key", f"is not {TENANT_PREFIX}<id> / {METADATA}")
    return Key(pk)


def parse_tenant(key: Key, item: Item) -> Tenant:
    """Return the tenant that a record describes, its slug derived where it has none.

    Raises:
        InvalidField: a field breaks its rule, the id differs from the key's, or the tenant is DELETED.
    """
    tenant_id = parse_tenant_id("id", item.get("id"))
    if key.pk != f"{TENANT_PREFIX}{tenant_id}":
        raise InvalidField("id", f"{tenant_id!r} differs from the id in the record's key")
    name = parse_name("name", item.get("name"))
    slug = item.get("slug")
    status = item.get("status")
    attempt = item.get("provisioningAttempt")
    created_at = item.get("createdAt")
    tenant = Tenant(
        key=key,
        id=tenant_id,
        name=name,
        slug=derive_slug(name, tenant_id) if slug in (None, "") else parse_slug("slug", slug),
        tier=parse_tier("tier", item.get("tier")),
        status=TenantStatus.ACTIVE if status is None else parse_tenant_status("status", status),
        provisioning_status=parse_provisioning_status(item.get("provisioningStatus")),
        attempt=None if attempt is None else parse_attempt("provisioningAttempt", attempt, least=0),
        resumptions=_resumptions(item),
        created_at=created_at if isinstance(created_at, str) and _RFC3339.fullmatch(created_at) else None,
    )
    if tenant.status is TenantStatus.DELETED:
        raise InvalidField("status", "is DELETED: a deleted tenant is not provisioned")
    return tenant


def parse_provisioning_status(value: object) -> ProvisioningStatus:
    """Return the provisioning status that a record has.

    Raises:
        InvalidField: it is none.
    """
    if not isinstance(value, str) or value not in (*ProvisioningStatus,):
        allowed = ", ".join(ProvisioningStatus)
        raise InvalidField("provisioningStatus", f"{shown(value)} is unknown: one of {allowed}")
    return ProvisioningStatus(value)


def _resumptions(item: Item) -> int:
    """Return the count of resumptions; a bad one counts as none, since only the reconciler writes it."""
    try:
        return parse_attempt("resumptions", item.get("resumptions", 0), least=0)
    except InvalidField:
        return 0


def begin_attempt(
    tenant: Tenant, now: str, correlation_id: str | None = None, *, resumed: bool = False
) -> Change:
    """PENDING → PROVISIONING: the onboarding of `tenant.next_attempt` was asked for.

    As the first status change of a record, it writes what a bare record lacks. With `resumed` it is the
    reconciler who asked, for a tenant that is stuck: PROVISIONING → PROVISIONING, too, and it is counted.
    """
    created_at = tenant.created_at or now
    resumption = {"resumptions": tenant.resumptions + 1} if resumed else {}
    return Change(
        key=tenant.key,
        expected=(Expected(tenant.provisioning_status, tenant.attempt),),
        sets={
            "provisioningStatus": ProvisioningStatus.PROVISIONING,
            "provisioningAttempt": tenant.next_attempt,
            "slug": tenant.slug,
            "status": tenant.status,
            "createdAt": created_at,
            "updatedAt": now,
            "EntityType": "TENANT",
            **resumption,
            **_index(_SLUG_INDEX, f"SLUG#{tenant.slug}", created_at),
            **_index(_STATUS_TIER_INDEX, f"STATUS#{tenant.status}#TIER#{tenant.tier}", created_at),
            **_index(_IN_FLIGHT_INDEX, IN_FLIGHT, now),
        },
        history=(
            Entry(
                ProvisioningStatus.PROVISIONING,
                now,
                tenant.next_attempt,
                reason=f"attempt {tenant.attempt or 0} brought no result" if resumed else None,
                correlation_id=correlation_id,
            ),
        ),
        removes=("failureReason", *_FAILED_INDEX, *(() if resumed else ("resumptions",))),
    )


def enlist(tenant: Tenant, now: str) -> Change:
    """Put a tenant that could not be asked for among those in flight, where the reconciler finds it."""
    return Change(
        key=tenant.key,
        expected=(Expected(tenant.provisioning_status, tenant.attempt),),
        sets={},
        sets_if_absent=_index(_IN_FLIGHT_INDEX, IN_FLIGHT, now),
        history=(),
    )


def refuse(key: Key, item: Item, reason: str, now: str) -> Change:
    """PENDING or PROVISIONING → FAILED: the record can't be asked for. Counts as an attempt."""
    raw = item.get("provisioningAttempt")
    try:
        attempt = None if raw is None else parse_attempt("provisioningAttempt", raw, least=0)
    except InvalidField:
        attempt = ANY_ATTEMPT
    begun = max(attempt or 0, 0) + 1
    stuck = item.get("provisioningStatus") == ProvisioningStatus.PROVISIONING
    return Change(
        key=key,
        expected=(
            Expected(ProvisioningStatus.PROVISIONING if stuck else ProvisioningStatus.PENDING, attempt),
        ),
        sets={
            "provisioningStatus": ProvisioningStatus.FAILED,
            "provisioningAttempt": begun,
            **_failure(reason, now),
        },
        history=(Entry(ProvisioningStatus.FAILED, now, begun, reason=reason[:REASON_MAX]),),
        sets_if_absent={"createdAt": now, "EntityType": "TENANT"},
        removes=(*_IN_FLIGHT_INDEX, "resumptions"),
    )


def give_up(tenant: Tenant, reason: str, now: str) -> Change:
    """PROVISIONING → FAILED: attempt after attempt brought no result."""
    return Change(
        key=tenant.key,
        expected=(Expected(tenant.provisioning_status, tenant.attempt),),
        sets={"provisioningStatus": ProvisioningStatus.FAILED, **_failure(reason, now)},
        history=(Entry(ProvisioningStatus.FAILED, now, tenant.attempt, reason=reason[:REASON_MAX]),),
        removes=(*_IN_FLIGHT_INDEX, "resumptions"),
    )


def retry(key: Key, attempt: int | None, reason: str, now: str) -> Change:
    """FAILED → PENDING: an operator asks for another attempt."""
    return Change(
        key=key,
        expected=(Expected(ProvisioningStatus.FAILED, attempt),),
        sets={
            "provisioningStatus": ProvisioningStatus.PENDING,
            "updatedAt": now,
            # From the start: should the stream fail to bring it, the reconciler does.
            **_index(_IN_FLIGHT_INDEX, IN_FLIGHT, now),
        },
        history=(Entry(ProvisioningStatus.PENDING, now, attempt, reason=reason[:REASON_MAX]),),
        removes=("resumptions", *_FAILED_INDEX),
    )


def settle(result: TenantProvisioned, now: str) -> Change:
    """PROVISIONING → COMPLETED or FAILED: the application plane's result of an attempt.

    A success that comes late for the current attempt wins over FAILED. A result without an attempt (an
    application plane that knows only the design's fields) is taken for the current one.
    """
    attempt = ANY_ATTEMPT if result.attempt is None else result.attempt
    in_flight = Expected(ProvisioningStatus.PROVISIONING, attempt)
    late = () if result.failure_reason is not None else (Expected(ProvisioningStatus.FAILED, attempt),)
    return Change(
        key=Key.of(result.tenant_id),
        expected=(in_flight, *late),
        sets=_settled(result, now),
        history=(_outcome(result, result.attempt, now),),
        removes=_unsettled(result),
    )


def settle_unmarked(tenant: Tenant, result: TenantProvisioned, now: str) -> Change:
    """PENDING → PROVISIONING → COMPLETED or FAILED at once: the result overtook the mark of its attempt."""
    mark = begin_attempt(tenant, now, result.correlation_id)
    settled = _settled(result, now)
    gone = (*mark.removes, *_unsettled(result))
    return Change(
        key=mark.key,
        expected=mark.expected,
        sets={**{name: value for name, value in mark.sets.items() if name not in gone}, **settled},
        history=(*mark.history, _outcome(result, tenant.next_attempt, now)),
        removes=tuple(dict.fromkeys(name for name in gone if name not in settled)),
    )


def _outcome(result: TenantProvisioned, attempt: int | None, now: str) -> Entry:
    reason = None if result.failure_reason is None else result.failure_reason[:REASON_MAX]
    return Entry(ProvisioningStatus(result.status), now, attempt, reason, result.correlation_id)


def _settled(result: TenantProvisioned, now: str) -> dict[str, object]:
    resources = {"resources": dict(result.resources)} if result.resources else {}
    if result.failure_reason is None:
        return {"provisioningStatus": ProvisioningStatus.COMPLETED, "updatedAt": now, **resources}
    return {
        "provisioningStatus": ProvisioningStatus.FAILED,
        **resources,
        **_failure(result.failure_reason, now),
    }


def _unsettled(result: TenantProvisioned) -> tuple[str, ...]:
    """Return what a result removes from the record."""
    gone = (*_IN_FLIGHT_INDEX, "resumptions")
    return gone if result.failure_reason is not None else ("failureReason", *gone, *_FAILED_INDEX)


def _failure(reason: str, now: str) -> dict[str, str]:
    return {"failureReason": reason[:REASON_MAX], "updatedAt": now, **_index(_FAILED_INDEX, FAILED, now)}


def _index(names: tuple[str, str], partition: str, sort: str) -> dict[str, str]:
    return dict(zip(names, (partition, sort), strict=True))
