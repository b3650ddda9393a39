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
| by-status-tier | GSI2PK `STATUS#<status>#TIER#<tier>` | GSI2SK `createdAt`  | tenants once asked for, and |
|                |                                      |                     | rejected ones: `UNKNOWN`    |
|                |                                      |                     | stands for what is invalid  |
| in-flight      | GSI3PK `IN_FLIGHT`                   | GSI3SK since when   | tenants PROVISIONING, and   |
|                |                                      |                     | PENDING ones not asked for  |
| failed         | GSI4PK `FAILED`                      | GSI4SK since when   | only tenants FAILED         |

The indexes project keys only: an index entry costs a write when its keys change, and no other time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events import TenantProvisioned
from tenkacloud.isolation.resource_names import pool_prefix
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.conditions import AtLeast, Is, OneOf, Requirement, Requirements, same
from tenkacloud.tenants.lifecycle import ProvisioningStatus, allowed_from
from tenkacloud.tenants.validation import (
    NULL,
    RESOURCE_OF,
    Opaque,
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
    truncated_repr,
)

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
    "resources",
    "createdAt",
    IN_FLIGHT_SINCE,
)
#: What a decision about a record is made from. Whoever acts on one requires all of it to be as it was.
DECISIVE_ATTRIBUTES: Final = (
    "id",
    "name",
    "slug",
    "tier",
    "status",
    "provisioningStatus",
    "provisioningAttempt",
)
#: In the index by status and tier: what stands for a status or a tier that is not valid.
UNKNOWN: Final = "UNKNOWN"
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")

#: How far a clock may be ahead of ours.
CLOCK_SKEW: Final = timedelta(hours=1)
#: Since when a tenant is in flight whose index key is no time: for so long that somebody looks at it.
_LONG_AGO: Final = "1970-01-01T00:00:00.000Z"

Item = Mapping[str, object]
_C = TypeVar("_C", bound=StrEnum)


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
    began since the tenant last entered PENDING. `item` is the record that all this was read from.
    """

    key: Key
    id: TenantId
    name: str
    slug: Slug
    tier: Tier
    status: TenantStatus
    provisioning_status: ProvisioningStatus
    attempt: int | None
    automatic_retries: int
    created_at: str | None
    item: Item

    @property
    def next_attempt(self) -> int:
        """The attempt to begin next; the same for every delivery of one change."""
        return (self.attempt or 0) + 1


@dataclass(frozen=True)
class Precondition:
    """One state of the record in which a change is right: its status, and what else is required of it."""

    status: ProvisioningStatus
    requires: Requirements = field(default_factory=dict)


def as_read(status: ProvisioningStatus, item: Item) -> Precondition:
    """Return the state in which a record was read: each decisive attribute is still what it was."""
    return Precondition(status, {name: same(item.get(name)) for name in DECISIVE_ATTRIBUTES})


def is_as_read(item: Item, read_before: Item) -> bool:
    """Tell whether a record says of each decisive attribute what it said before."""
    return all(item.get(name) == read_before.get(name) for name in DECISIVE_ATTRIBUTES)


@dataclass(frozen=True)
class HistoryEntry:
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
class Transition:
    """A conditional update of one tenant record, and the lines of history that are written with it.

    Shapes: `sets` and `sets_if_absent` map attribute names to values (str, int, or a map of str);
    `removes` names attributes. The record must exist and be in one of the `expected` states. `history` has a
    line for each transition that the change makes, in order: none for a change that leaves the status alone.

    Raises:
        ValueError: a transition that `lifecycle.TRANSITIONS` does not have.
    """

    key: Key
    expected: tuple[Precondition, ...]
    sets: Mapping[str, object]
    history: tuple[HistoryEntry, ...]
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

    Attributes of other names are not touched, whatever they hold. No two types become the same, and NULL is
    not the same as absent: the parsers then say what is wrong, and conditions require what was there.
    """
    return {name: _plain(image[name]) for name in READ_ATTRIBUTES if name in image}


def _plain(attribute: Mapping[str, Any]) -> object:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return Decimal(value)
        case "NULL":
            return NULL
        case "M":
            return {name: _plain(each) for name, each in value.items()}
        case "L":
            return [_plain(each) for each in value]
        case "S" | "BOOL":
            return value
        case _:
            # Binary is a string in streams, bytes from the API; nobody needs to see which.
            return Opaque(kind)


def in_flight_since(value: object, now: datetime) -> str:
    """Return the time that the in-flight index has of a tenant, in UTC.

    Long ago, if what it has is no time, or one that is still to come: no writer of ours writes that.
    """
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            since = datetime.fromisoformat(value)
            return rfc3339(since) if since <= now + CLOCK_SKEW else _LONG_AGO
        except (ValueError, OverflowError):
            pass  # the 99th of a month; a time that in UTC is before the year 1
    return _LONG_AGO


def parse_key(pk: object, sk: object) -> Key:
    """Return the key of a record that the stream's filter let through.

    Raises:
        InvalidFieldError: it is no tenant's METADATA record.
    """
    if not isinstance(pk, str) or not pk.startswith(TENANT_PREFIX) or sk != METADATA:
        raise InvalidFieldError("key", f"is not {TENANT_PREFIX}<id> / {METADATA}")
    return Key(pk)


def parse_tenant(key: Key, item: Item) -> Tenant:
    """Return the tenant that a record describes, its slug derived where it has none.

    Raises:
        InvalidFieldError: a field breaks its rule, the id differs from the key's, or the tenant is DELETED.
    """
    tenant_id = parse_tenant_id("id", item.get("id"))
    if key.pk != f"{TENANT_PREFIX}{tenant_id}":
        raise InvalidFieldError("id", f"{tenant_id!r} differs from the id in the record's key")
    name = parse_name("name", item.get("name"))
    slug = item.get("slug")
    status = item.get("status")
    attempt = item.get("provisioningAttempt")
    tenant = Tenant(
        key=key,
        id=tenant_id,
        name=name,
        slug=derive_slug(name, tenant_id) if slug in (None, "") else parse_slug("slug", slug),
        tier=parse_tier("tier", item.get("tier")),
        status=TenantStatus.ACTIVE if status is None else parse_tenant_status("status", status),
        provisioning_status=parse_provisioning_status(item.get("provisioningStatus")),
        attempt=None if attempt is None else parse_attempt("provisioningAttempt", attempt, least=0),
        automatic_retries=_resumptions(item),
        created_at=_created_at(item),
        item=item,
    )
    if tenant.status is TenantStatus.DELETED:
        raise InvalidFieldError("status", "is DELETED: a deleted tenant is not provisioned")
    return tenant


def parse_provisioning_status(value: object) -> ProvisioningStatus:
    """Return the provisioning status that a record has.

    Raises:
        InvalidFieldError: it is none.
    """
    if not isinstance(value, str) or value not in (*ProvisioningStatus,):
        allowed = ", ".join(ProvisioningStatus)
        raise InvalidFieldError("provisioningStatus", f"{truncated_repr(value)} is unknown: one of {allowed}")
    return ProvisioningStatus(value)


def _created_at(item: Item) -> str | None:
    value = item.get("createdAt")
    return value if isinstance(value, str) and _RFC3339.fullmatch(value) else None


def _resumptions(item: Item) -> int:
    """Return the count of resumptions; a bad one counts as none, since only the reconciler writes it."""
    try:
        return parse_attempt("resumptions", item.get("resumptions", 0), least=0)
    except InvalidFieldError:
        return 0


def begin_attempt(
    tenant: Tenant, now: str, correlation_id: str | None = None, *, resumed: bool = False
) -> Transition:
    """PENDING → PROVISIONING: the onboarding of `tenant.next_attempt` was asked for.

    As the first status change of a record, it writes what a bare record lacks. With `resumed` it is the
    reconciler who asked, for a tenant that is stuck: PROVISIONING → PROVISIONING, too, and it is counted.
    """
    created_at = tenant.created_at or now
    resumption = {"resumptions": tenant.automatic_retries + 1} if resumed else {}
    return Transition(
        key=tenant.key,
        expected=(as_read(tenant.provisioning_status, tenant.item),),
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
            **_index(_STATUS_TIER_INDEX, status_tier_key(tenant.status, tenant.tier), created_at),
            **_index(_IN_FLIGHT_INDEX, IN_FLIGHT, now),
        },
        history=(
            HistoryEntry(
                ProvisioningStatus.PROVISIONING,
                now,
                tenant.next_attempt,
                reason=f"attempt {tenant.attempt or 0} brought no result" if resumed else None,
                correlation_id=correlation_id,
            ),
        ),
        removes=("failureReason", *_FAILED_INDEX, *(() if resumed else ("resumptions",))),
    )


def status_tier_key(status: TenantStatus | None, tier: Tier | None) -> str:
    """Return the partition key in the index by status and tier; None: it is not a valid one."""
    return f"STATUS#{status or UNKNOWN}#TIER#{tier or UNKNOWN}"


def mark_in_flight(key: Key, item: Item, now: str) -> Transition:
    """Put a tenant whose change could not be made among those in flight, where the reconciler finds it."""
    return Transition(
        key=key,
        # Whatever else was written since: the tenant is still to be seen to.
        expected=(_status_alone(item),),
        sets={},
        sets_if_absent=_index(_IN_FLIGHT_INDEX, IN_FLIGHT, now),
        history=(),
    )


def reject(key: Key, item: Item, reason: str, now: str) -> Transition:
    """PENDING or PROVISIONING → FAILED: the record can't be asked for. Counts as an attempt."""
    status = parse_provisioning_status(item.get("provisioningStatus"))
    begun = _attempts_begun(item) + 1
    created_at = _created_at(item) or now
    return Transition(
        key=key,
        expected=(as_read(status, item),),
        sets={
            "provisioningStatus": ProvisioningStatus.FAILED,
            "provisioningAttempt": begun,
            "createdAt": created_at,
            **_failure(reason, now),
            **_index(_STATUS_TIER_INDEX, status_tier_key(*_status_and_tier(item)), created_at),
        },
        history=(HistoryEntry(ProvisioningStatus.FAILED, now, begun, reason=reason[:REASON_MAX]),),
        sets_if_absent={"EntityType": "TENANT"},
        removes=(*_IN_FLIGHT_INDEX, "resumptions"),
    )


def reject_as_it_is(key: Key, item: Item, reason: str, now: str) -> Transition:
    """PENDING or PROVISIONING → FAILED, with as little written and required as can be.

    For a record that no other change can be made of, although it is as it was read.
    """
    begun = _attempts_begun(item) + 1
    return Transition(
        key=key,
        expected=(_status_alone(item),),
        sets={
            "provisioningStatus": ProvisioningStatus.FAILED,
            "provisioningAttempt": begun,
            **_failure(reason, now),
        },
        history=(HistoryEntry(ProvisioningStatus.FAILED, now, begun, reason=reason[:REASON_MAX]),),
        removes=_IN_FLIGHT_INDEX,
    )


def _status_alone(item: Item) -> Precondition:
    status = parse_provisioning_status(item.get("provisioningStatus"))
    return Precondition(status, {"provisioningStatus": Is(status)})


def _attempts_begun(item: Item) -> int:
    """Return the record's attempt, 0 where it has none that can be counted on from."""
    try:
        return parse_attempt("provisioningAttempt", item.get("provisioningAttempt"), least=0)
    except InvalidFieldError:
        return 0


def _status_and_tier(item: Item) -> tuple[TenantStatus | None, Tier | None]:
    status, tier = item.get("status"), item.get("tier")
    return (
        TenantStatus.ACTIVE if status is None else _choice(TenantStatus, status),
        _choice(Tier, tier),
    )


def _choice(choices: type[_C], value: object) -> _C | None:
    return choices(value) if isinstance(value, str) and value in (*choices,) else None


def fail_after_retries(tenant: Tenant, reason: str, now: str) -> Transition:
    """PROVISIONING → FAILED: attempt after attempt brought no result."""
    return Transition(
        key=tenant.key,
        expected=(as_read(tenant.provisioning_status, tenant.item),),
        sets={"provisioningStatus": ProvisioningStatus.FAILED, **_failure(reason, now)},
        history=(HistoryEntry(ProvisioningStatus.FAILED, now, tenant.attempt, reason=reason[:REASON_MAX]),),
        removes=(*_IN_FLIGHT_INDEX, "resumptions"),
    )


def request_again(key: Key, item: Item, reason: str, now: str) -> Transition:
    """FAILED → PENDING, or COMPLETED with misplaced resources → PENDING: another attempt is wanted.

    `reason` is for the history.

    Raises:
        InvalidFieldError: the record is neither.
    """
    status = parse_provisioning_status(item.get("provisioningStatus"))
    if status is not ProvisioningStatus.FAILED and misplaced(item) is None:
        raise InvalidFieldError(
            "provisioningStatus", f"is {status}, with nothing to be mended by another attempt"
        )
    attempt = _attempts_begun(item)
    expected = as_read(status, item)
    if status is ProvisioningStatus.COMPLETED:
        expected = Precondition(status, {**expected.requires, "resources": _same_resources(item)})
    return Transition(
        key=key,
        expected=(expected,),
        sets={
            "provisioningStatus": ProvisioningStatus.PENDING,
            "updatedAt": now,
            # From the start: should the stream fail to bring it, the reconciler does.
            **_index(_IN_FLIGHT_INDEX, IN_FLIGHT, now),
        },
        history=(HistoryEntry(ProvisioningStatus.PENDING, now, attempt or None, reason=reason[:REASON_MAX]),),
        removes=("resumptions", *_FAILED_INDEX),
    )


def _same_resources(item: Item) -> Requirement:
    resources = item.get("resources")
    if isinstance(resources, Mapping) and all(isinstance(place, str) for place in resources.values()):
        return Is(dict(resources))
    return same(resources)


def misplaced(item: Item) -> str | None:
    """Say how the resources of a COMPLETED record do not fit its tier; None if they do, or it is not so far.

    A DELETED tenant gets no other place any more, so its own is not looked at.
    A silo bucket's name is not compared: it was derived from the slug that the tenant had then.
    """
    tier, tenant_id = _choice(Tier, item.get("tier")), item.get("id")
    done = item.get("provisioningStatus") == ProvisioningStatus.COMPLETED
    if not done or tier is None or item.get("status") == TenantStatus.DELETED:
        return None
    resources = item.get("resources")
    named = dict(resources) if isinstance(resources, Mapping) else {}
    kind = RESOURCE_OF[tier]
    place = named.get(kind)
    fits = list(named) == [kind] and isinstance(place, str) and bool(place)
    if tier is not Tier.ENTERPRISE:
        fits = fits and place == pool_prefix(TenantId(str(tenant_id)))
    return None if fits else f"resources do not fit tier {tier}: the record names {named or 'none'}"


def record_result(result: TenantProvisioned, now: str) -> Transition:
    """PROVISIONING → COMPLETED or FAILED: the application plane's result of an attempt.

    The record must still be what the result answers (`_answered`). A failure counts for the attempt in flight
    only. A success that says which request it answers counts for any later attempt, too: they all ask for
    the same; so a backlog that is longer than the reconciler's patience is no reason to fail. A success that
    comes late wins over FAILED. A result without an attempt (an application plane that knows only the
    design's fields) is taken for the current one.
    """
    attempt: Requirements
    if result.attempt is None:
        attempt = {}
    elif result.succeeded and result.tier:
        attempt = {"provisioningAttempt": AtLeast(result.attempt)}
    else:
        attempt = {"provisioningAttempt": Is(result.attempt)}
    requires = {**_answered(result), **attempt}
    statuses = (ProvisioningStatus.PROVISIONING, *((ProvisioningStatus.FAILED,) if result.succeeded else ()))
    return Transition(
        key=Key.of(result.tenant_id),
        expected=tuple(
            Precondition(status, {"provisioningStatus": Is(status), **requires}) for status in statuses
        ),
        sets=_settled(result, now),
        history=(_outcome(result, result.attempt, now),),
        removes=_unsettled(result),
    )


def _answered(result: TenantProvisioned) -> Requirements:
    """Return what the record must be for a result to be an answer to what is wanted of it.

    The result echoes the tier and the slug of its request. Where it does not, the kind of the resource has to
    be the one of the tier.
    """
    requires: dict[str, Requirement] = {}
    if result.tier:
        requires["tier"] = Is(result.tier)
    elif result.succeeded:
        requires["tier"] = OneOf(tuple(tier for tier in Tier if RESOURCE_OF[tier] in result.resources))
    if result.slug:
        requires["slug"] = Is(result.slug)
    return requires


def answers(result: TenantProvisioned, tenant: Tenant) -> bool:
    """Tell whether a result answers what the record asks for now."""
    tier, slug = result.tier, result.slug
    fits = (
        tier is tenant.tier if tier else not result.succeeded or RESOURCE_OF[tenant.tier] in result.resources
    )
    return fits and (slug is None or slug == tenant.slug)


def counts_for(result: TenantProvisioned, attempt: int | None) -> bool:
    """Tell whether a result counts for the attempt that a record is at, or for any later one (`settle`)."""
    if result.attempt is None or attempt is None:
        return result.attempt is None
    return result.attempt == attempt or (
        result.succeeded and result.tier is not None and result.attempt < attempt
    )


def record_result_ahead(tenant: Tenant, result: TenantProvisioned, now: str) -> Transition:
    """FAILED → COMPLETED: a success of the next attempt, whose mark the failure of the last one overtook."""
    return Transition(
        key=tenant.key,
        expected=(as_read(tenant.provisioning_status, tenant.item),),
        sets={**_settled(result, now), "provisioningAttempt": tenant.next_attempt},
        history=(_outcome(result, tenant.next_attempt, now),),
        removes=_unsettled(result),
    )


def record_result_unmarked(tenant: Tenant, result: TenantProvisioned, now: str) -> Transition:
    """PENDING → PROVISIONING → COMPLETED or FAILED at once: the result overtook the mark of its attempt."""
    mark = begin_attempt(tenant, now, result.correlation_id)
    settled = _settled(result, now)
    gone = (*mark.removes, *_unsettled(result))
    return Transition(
        key=mark.key,
        expected=mark.expected,
        sets={**{name: value for name, value in mark.sets.items() if name not in gone}, **settled},
        history=(*mark.history, _outcome(result, tenant.next_attempt, now)),
        removes=tuple(dict.fromkeys(name for name in gone if name not in settled)),
    )


def _outcome(result: TenantProvisioned, attempt: int | None, now: str) -> HistoryEntry:
    reason = None if result.failure_reason is None else result.failure_reason[:REASON_MAX]
    return HistoryEntry(ProvisioningStatus(result.status), now, attempt, reason, result.correlation_id)


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
    return gone if not result.succeeded else ("failureReason", *gone, *_FAILED_INDEX)


def _failure(reason: str, now: str) -> dict[str, str]:
    return {"failureReason": reason[:REASON_MAX], "updatedAt": now, **_index(_FAILED_INDEX, FAILED, now)}


def _index(names: tuple[str, str], partition: str, sort: str) -> dict[str, str]:
    return dict(zip(names, (partition, sort), strict=True))
