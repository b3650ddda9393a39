"""What is under way of tenants after their onboarding: operations, and places that are to be retired."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scripts.operator import environment as reads
from scripts.operator.environment import Environment, Record, plain, tenant_id_in
from scripts.operator.options import OperationState
from scripts.operator.tenants import operation_of, row_of
from tenkacloud.tenants.keys import DUE
from tenkacloud.tenants.operations import LEFTOVERS, OperationKind, Phase, PhaseState

_OF_A_TENANT: Final = ("tier", "status", "provisioningStatus")
#: Where whatever is under way, has failed or is due later is found. Kept leftovers are in no index.
_PARTITIONS: Final = (reads.FAILED_TENANTS, reads.IN_FLIGHT_TENANTS, reads.DUE_TENANTS)


@dataclass(frozen=True)
class Filters:
    """Which operations a list has."""

    kind: OperationKind | None = None
    state: OperationState | None = None

    def match(self, row: Mapping[str, Any]) -> bool:
        """Tell whether an operation, as `rows_of` has it, is in the list."""
        return self.kind in (None, row.get("kind")) and self.state in (None, row.get("state"))


def everything(environment: Environment, filters: Filters, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the operations of all tenants: those that FAILED, then those under way, then what is due."""
    for number, partition in enumerate(_PARTITIONS):
        for record in environment.records_of(partition):
            if not any(earlier.holds(record) for earlier in _PARTITIONS[:number]):
                yield from filter(filters.match, rows_of(record, now))


def rows_of(record: Record, now: datetime) -> list[dict[str, Any]]:
    """Return what a tenant has under way, as plain values: its operation, and the places it left.

    Shape: `tenantId`, `operationId`, `kind`, `phase`, `state`, and what the operation has besides by its own
    names; `dueAt` where it goes on later; `ageSeconds` since its last sign of life. A leftover is the phase
    RETIRE that is to come, with its `place`; its state is KEPT, with the reason, where nobody retires it.
    """
    row, rows = row_of(record, now), []
    operation = operation_of(row)
    due = record.get(DUE.sort, {}).get("S")
    if operation:
        known = {name: value for name, value in operation.items() if name != "id"}
        waits = {"dueAt": due} if operation.get("state") == PhaseState.WAITING and due else {}
        rows.append(
            {
                "tenantId": row["tenantId"],
                "operationId": operation.get("id"),
                **known,
                **waits,
                "ageSeconds": row["ageSeconds"],
            }
        )
    leftovers = row.get(LEFTOVERS)
    places = leftovers if isinstance(leftovers, list) else []
    return rows + [_row_of_leftover(row["tenantId"], each) for each in places if isinstance(each, Mapping)]


def _row_of_leftover(tenant_id: str, leftover: Mapping[str, Any]) -> dict[str, Any]:
    kept = leftover.get("kept")
    return {
        "tenantId": tenant_id,
        "operationId": leftover.get("operationId"),
        "kind": OperationKind.CHANGE_TIER.value,
        "phase": Phase.RETIRE.value,
        "state": (OperationState.KEPT if kept else OperationState.WAITING).value,
        "place": place_of(leftover),
        **({"failureReason": kept} if kept else {}),
        **({"dueAt": leftover["retireAfter"]} if "retireAfter" in leftover else {}),
    }


def place_of(place: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a map what names a place."""
    return {name: place[name] for name in ("s3Prefix", "dedicatedBucket") if name in place}


def released(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say which places a tenant had left that were kept and are due now, by its record before and after."""
    kept = [place_of(each) for each in old.get(LEFTOVERS, []) if "kept" in each]
    due = [place_of(each) for each in new.get(LEFTOVERS, []) if "kept" not in each]
    change = f"{OperationState.KEPT.value} → {OperationState.WAITING.value}"
    return [f"{', '.join(place.values())}: {change}" for place in kept if place in due]


def told(row: Mapping[str, Any]) -> str | None:
    """Say in one line what a tenant, as `tenants.row_of` has it, has under way; None if that is nothing."""
    operation = operation_of(row)
    return told_operation(operation) if operation else None


def told_operation(operation: Mapping[str, Any]) -> str:
    """Say in one line how far an operation is, by its attributes on the record."""
    words = [str(operation.get(name)) for name in ("kind", "phase", "state")]
    tiers = [operation[name] for name in ("fromTier", "toTier") if name in operation]
    if len(tiers) == len(("from", "to")):
        words.insert(1, f"{tiers[0]} → {tiers[1]}")
    parts = [" ".join(words), told_progress(operation.get("progress"))]
    if operation.get("state") == PhaseState.WAITING and operation.get("phase") == Phase.RETAIN:
        parts.append(f"until {operation.get('retainUntil')}")
    parts.append(str(operation.get("failureReason") or ""))
    return ", ".join(filter(None, parts))


def told_progress(progress: object) -> str:
    """Say how many objects are done, and of how many; empty if nobody knows."""
    if not isinstance(progress, Mapping) or not isinstance(progress.get("objects"), int):
        return ""
    total = progress.get("totalObjects")
    of = f" of {total:,}" if isinstance(total, int) else ""
    return f"{progress['objects']:,}{of} objects"


def state_row(record: Record, now: datetime) -> dict[str, Any]:
    """Return the tenant of a record with what it has under way: `tenantId`, `status`, …, `operations`."""
    row = plain(record)
    known: dict[str, Any] = {name: row[name] for name in _OF_A_TENANT if name in row}
    return {"tenantId": tenant_id_in(record), **known, "operations": rows_of(record, now)}
