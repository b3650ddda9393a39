"""Listing tenants, and showing one.

A list reads index pages in the indexes' own order and stops when it has what it needs, within `Bounds`,
however many tenants there are. Totals are counted by keys where keys suffice, else by the records looked at;
beyond the bounds a total is a lower bound, and is called one.
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile
from typing import Any, Final

from scripts.operator import environment as reads
from scripts.operator.environment import Environment, Partition, Record, plain, tenant_id_in
from scripts.operator.options import SORTS, Status
from scripts.operator.session import Bounds
from scripts.tooling.project import UsageError
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants import record as records
from tenkacloud.tenants.keys import DUE, FAILED, IN_FLIGHT, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import OPERATION, PhaseState
from tenkacloud.tenants.validation import Slug, TenantId, TenantStatus, Tier

_KEYS: Final = ("PK", "SK", "EntityType", "id")


@dataclass(frozen=True)
class Filters:
    """Which tenants a list has. Texts are found anywhere, in any case; `older_than` is in seconds."""

    status: Status | None = None
    tier: Tier | None = None
    stuck: bool = False
    name: str | None = None
    slug: str | None = None
    reason: str | None = None
    older_than: float | None = None

    @property
    def keys_suffice(self) -> bool:
        """Whether the index alone says who is in the list."""
        others = (self.tier, self.name, self.slug, self.reason, self.older_than)
        by_index = self.status in (None, Status.COMPLETED, Status.FAILED) or self._own_status is not None
        return by_index and all(each is None for each in others)

    def match(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a tenant, as `row_of` has it, is in the list."""
        return (
            self._has_status(row)
            and (self.tier is None or row.get("tier") == self.tier)
            and (not self.stuck or "inFlightSeconds" in row)
            and holds(row.get("name"), self.name)
            and (self.slug is None or row.get("slug") == self.slug)
            and holds(why_failed(row), self.reason)
            and (self.older_than is None or (row["ageSeconds"] or 0) >= self.older_than)
        )

    @property
    def _own_status(self) -> TenantStatus | None:
        """The value of a record's `status` that is wanted; None if it is one of `provisioningStatus`."""
        name = str(self.status)
        return TenantStatus(name) if name in (*TenantStatus,) else None

    def _has_status(self, row: Mapping[str, Any]) -> bool:
        if self.status is None:
            return True
        if own := self._own_status:
            return bool(row.get("status", TenantStatus.ACTIVE) == own)
        found = row.get("provisioningStatus")
        if self.status is Status.FAILED:
            return found in FAILURES or operation_of(row).get("state") == PhaseState.FAILED
        return bool(found == self.status)

    def partitions(self) -> list[Partition]:
        """Return the partitions that the list is read from, in order."""
        if self.slug is not None:
            return [reads.with_slug(Slug(self.slug)), reads.FAILED_TENANTS, reads.IN_FLIGHT_TENANTS]
        if self.stuck or self.status in (Status.PENDING, Status.PROVISIONING):
            return [reads.IN_FLIGHT_TENANTS]
        if self.status is Status.FAILED:
            return [reads.FAILED_TENANTS]
        tiers = [self.tier] if self.tier else list(Tier)
        if own := self._own_status:
            return [reads.status_and_tier(own, tier) for tier in (*tiers, None)]
        if self.status is Status.COMPLETED:
            # Tombstones may be many, and are none of them.
            statuses = [each for each in (*TenantStatus, None) if each is not TenantStatus.DELETED]
            return [reads.status_and_tier(status, tier) for status in statuses for tier in (*tiers, None)]
        return everywhere(tiers)

    def exceptions(self) -> list[Partition]:
        """Return the sparse partitions that tell who is in the list's own partitions, but not in the list."""
        sparse = [reads.FAILED_TENANTS, reads.IN_FLIGHT_TENANTS, reads.DUE_TENANTS]
        return sparse if self.status is Status.COMPLETED else []


#: What provisioning that failed is called.
FAILURES: Final = (ProvisioningStatus.FAILED, ProvisioningStatus.DEPROVISION_FAILED)


def operation_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a tenant, as `row_of` has it, has under way; empty if that is nothing."""
    operation = row.get(OPERATION)
    return operation if isinstance(operation, Mapping) else {}


def why_failed(row: Mapping[str, Any]) -> str | None:
    """Return why a tenant's provisioning or its operation failed; None if neither did, or says why."""
    for reason in (operation_of(row).get("failureReason"), row.get("failureReason")):
        if isinstance(reason, str):
            return reason
    return None


def holds(value: object, wanted: str | None) -> bool:
    """Tell whether a text has another in it, in any case."""
    return wanted is None or (isinstance(value, str) and wanted.casefold() in value.casefold())


@dataclass(frozen=True)
class Page:
    """A part of a list. `total` is a lower bound unless `exact`; `cursor` leads to the next part, if any.

    `looked_at_all` is False where the bounds ended the search before the list's end.
    """

    rows: list[dict[str, Any]]
    total: int
    exact: bool
    cursor: str | None
    looked_at_all: bool = True


def everywhere(tiers: list[Tier] | None = None) -> list[Partition]:
    """Return the partitions in which all tenants are that any index knows.

    The index by status and tier comes first, with the records in it whose status or tier is not a valid one.
    Records that were rejected before they were put there are in the index of the failed ones only, and those
    that could not be requested in that of those in flight. With `tiers`, other tiers may come from the latter
    two. A PENDING record that nobody has handled yet is in no index.
    """
    by_tier = [
        reads.status_and_tier(status, tier)
        for status in (*TenantStatus, None)
        for tier in (*(tiers or Tier), None)
    ]
    return [*by_tier, reads.FAILED_TENANTS, reads.IN_FLIGHT_TENANTS]


def everyone(environment: Environment) -> Iterator[Record]:
    """Yield the records of all tenants that any index knows, each once."""
    return (record for _, record in _walk(environment, everywhere()))


#: Where a list goes on: the number of the partition, and the cursor within it.
_Place = tuple[int, str | None]


def _walk(
    environment: Environment, partitions: list[Partition], start: _Place = (0, None)
) -> Iterator[tuple[int, Record]]:
    """Yield each tenant in some partitions once: the number of its partition, and its record.

    Whoever is in an earlier partition, too, is left to that: the record itself says so, and nothing needs to
    be remembered from one page to the next.
    """
    first, cursor = start
    for number, partition in enumerate(partitions[first:], first):
        for record in environment.records_of(partition, cursor if number == first else None):
            if not any(earlier.holds(record) for earlier in partitions[:number]):
                yield number, record


def row_of(record: Record, now: datetime) -> dict[str, Any]:
    """Return a tenant as lists have it: its record as plain values, `tenantId`, and ages in whole seconds.

    `ageSeconds`: since it is in flight or FAILED; else since the record was changed, or created; None if the
    record does not say. `inFlightSeconds` only for those in flight. `retainUntil` only for those that are
    offboarded: until when they can be restored.
    """
    row = {"tenantId": tenant_id_in(record), **plain(record, hidden=_KEYS)}
    retain_until = operation_of(row).get("retainUntil")
    if retain_until is not None:
        row["retainUntil"] = retain_until
    in_flight = seconds_in_flight(record, now)
    age = _seconds_since(record.get(FAILED.sort), now) if in_flight is None else in_flight
    for name in ("updatedAt", "createdAt"):
        age = _seconds_since(record.get(name), now) if age is None else age
    row["ageSeconds"] = None if age is None else max(0, round(age))
    return row if in_flight is None else {**row, "inFlightSeconds": max(0, round(in_flight))}


def _seconds_since(attribute: Mapping[str, Any] | None, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat((attribute or {})["S"])
        return (now - moment).total_seconds()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def seconds_in_flight(record: Mapping[str, Any], now: datetime) -> float | None:
    """Return for how long a tenant is in flight, None if it is not; since 1970 if no valid time is there."""
    attribute = record.get(IN_FLIGHT.sort)
    if attribute is None:
        return None
    return (now - records.in_flight_since(attribute.get("S"), now)).total_seconds()


def count_due(environment: Environment, now: datetime) -> int:
    """Return of how many tenants something is due by now: a phase that waited, or a place to be retired."""
    times = (record.get(DUE.sort, {}).get("S", "") for record in environment.records_of(reads.DUE_TENANTS))
    return sum(1 for _ in takewhile(lambda due: due <= rfc3339(now), times))


def page(
    environment: Environment,
    filters: Filters,
    limit: int,
    now: datetime,
    *,
    cursor: str | None = None,
    sort: str | None = None,
    bounds: Bounds | None = None,
) -> Page:
    """Return at most `limit` tenants of a list.

    `sort`: a name of `options.SORTS`, with `-` in front for descending; then what is within the bounds is
    sorted, and there is no cursor.

    Raises:
        UsageError: the cursor is of another list, or goes with `sort`.
    """
    before, start = _decoded(cursor, filters) if cursor else (0, (0, None))
    partitions, bounds = filters.partitions(), bounds or Bounds()
    if sort is not None:
        if cursor:
            raise UsageError("a sorted list has no cursor: leave out --sort, or --cursor")
        return _sorted(environment, filters, limit, now, sort, bounds.look)
    rows: list[dict[str, Any]] = []
    place, extra = start, 0
    walk = _walk(environment, partitions, start)
    for looked, (number, record) in enumerate(walk):
        if looked == bounds.look:
            total, _ = _total(environment, filters, before + len(rows), now, bounds)
            return Page(rows, total, False, _encoded(filters, before + len(rows), place), False)
        row = row_of(record, now)
        if filters.match(row):
            if len(rows) == limit:
                extra = 1
                break
            rows.append(row)
        place = (number, partitions[number].cursor_after(record))
    given = before + len(rows)
    if not extra:
        return Page(rows, given, True, None)
    if filters.keys_suffice:
        total, exact = _total(environment, filters, given + 1, now, bounds)
    else:
        rest = [row_of(record, now) for _, record in islice(walk, bounds.count)]
        total, exact = given + 1 + sum(map(filters.match, rest)), len(rest) < bounds.count
    return Page(rows, total, exact, _encoded(filters, given, place))


def _sorted(
    environment: Environment, filters: Filters, limit: int, now: datetime, sort: str, look_max: int
) -> Page:
    walk = _walk(environment, filters.partitions())
    looked = [row_of(record, now) for _, record in islice(walk, look_max)]
    rows = sorted(filter(filters.match, looked), key=SORTS[sort.lstrip("-")], reverse=sort.startswith("-"))
    everything = len(looked) < look_max
    return Page(rows[:limit], len(rows), everything, None, everything)


def _total(
    environment: Environment, filters: Filters, at_least: int, now: datetime, bounds: Bounds
) -> tuple[int, bool]:
    """Return how many tenants a list has by its keys, and whether that is all of them."""
    if not filters.keys_suffice:
        return at_least, False
    # Those that are in a sparse index, too, are few: their records say who of them is in the list.
    doubtful = (record for each in filters.exceptions() for record in environment.records_of(each))
    others, looked = set[Key](), 0
    for looked, record in enumerate(doubtful, 1):
        if looked > bounds.count:
            return at_least, False
        if not filters.match(row_of(record, now)):
            others.add(Key(record["PK"]["S"]))
    known = set[Key]()
    for key in (key for partition in filters.partitions() for key in environment.keys_of(partition)):
        if len(known) + looked >= bounds.keys:
            return max(at_least, len(known - others)), False
        known.add(key)
    return max(at_least, len(known - others)), True


def _encoded(filters: Filters, given: int, place: _Place) -> str:
    return f"{_mark(filters)}.{given}.{place[0]}.{place[1] or ''}"


def _decoded(cursor: str, filters: Filters) -> tuple[int, _Place]:
    found = re.fullmatch(r"([0-9a-f]+)\.(\d{1,12})\.(\d{1,3})\.([\w-]*)", cursor, re.ASCII)
    if found is None or found[1] != _mark(filters) or int(found[3]) >= len(filters.partitions()):
        raise UsageError("the cursor is not one of this list: use it with the filters that it came from")
    return int(found[2]), (int(found[3]), found[4] or None)


def _mark(filters: Filters) -> str:
    """Return what tells the cursors of one list from those of another."""
    return f"{zlib.crc32(repr(filters).encode()):x}"


def with_history(environment: Environment, tenant_id: TenantId, now: datetime) -> dict[str, Any]:
    """Return a tenant as `row_of` has it, with its whole `history`: `[{"at", "to", "attempt", "by", …}]`."""
    return {
        **row_of(environment.record(tenant_id), now),
        "history": environment.history(tenant_id),
    }


def named_resources(record: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what a record names as its tenant's resources; None for a name that is no string."""
    return {name: value.get("S") for name, value in record.get("resources", {}).get("M", {}).items()}


def misfit(record: Mapping[str, Any]) -> str | None:
    """Say why the resources that a COMPLETED record names can't be those of its tier; None if they can."""
    return records.resource_mismatch(records.read(record))
