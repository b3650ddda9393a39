"""What has to be true of the rest of a tenant's life, in every run. Each check yields what is wrong.

The numbers are those of the design of a tenant's life: what a simulation can show of its invariants.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from scripts.tooling.deployment import COMPLETION
from tenkacloud.events.tenant_deprovisioned import TenantDeprovisioned
from tenkacloud.isolation.places import PLACE_NAMES, Place, pool_place, silo_place
from tenkacloud.isolation.resource_names import POOL_MARKER, pool_prefix
from tenkacloud.tenants.keys import CERTIFICATE, DUE, IN_FLIGHT, METADATA
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import (
    LEFTOVERS,
    OPERATION,
    PHASES,
    Operation,
    OperationKind,
    Phase,
    PhaseState,
    parse_leftovers,
    parse_operation,
)
from tenkacloud.tenants.record import read
from tenkacloud.tenants.transitions.offboarding import TOMBSTONE
from tenkacloud.tenants.validation import TenantId
from tests.settings import DATA_BUCKET, EXPORTS_BUCKET, MAINTENANCE_ROLE, ROLE
from tests.simulation.life import Life
from tests.simulation.simulator import EPOCH, OPERATOR, VARIABLES, Changed, Write
from tests.simulation.traffic import ITEM, PROBLEM
from tests.simulation.workload import Tenant, Workload, silos

#: The two services that may touch tenants' data, through sessions of the second role.
_MARKERS: Final = frozenset({POOL_MARKER, ".tenkacloud-move.json"})
_DELETIONS: Final = frozenset({"delete_object", "delete_objects"})


def a_record_names_one_place(workload: Workload) -> Iterator[str]:
    """1: `resources` names exactly one place, and no request ever writes to two."""
    for change in _records(workload):
        if change.new and change.writer != OPERATOR and "resources" in change.new:
            named = [name for name in change.new["resources"].get("M", {}) if name in PLACE_NAMES]
            if len(named) != 1:
                yield f"{change.pk} names the places {named} at {change.at:.3f}"
    for tenant, life in _lives(workload):
        for request in life.traffic.requests:
            written = {
                write.arguments["Bucket"]
                for write in workload.simulator.writes
                if request.begun < write.step < request.ended and _is_of_tenant(write, tenant.id)
            }
            if len(written) > 1:
                yield f"{tenant.id}: a request wrote to {sorted(written)}"


def what_tenants_were_told_is_there(workload: Workload) -> Iterator[str]:
    """2: what was written is there, and what was deleted is not; also while it moves, and after."""
    for tenant, life in _lives(workload):
        if tenant.id in workload.overwritten:
            continue  # somebody replaced the record by one of another tier: its data is no tenant's concern
        buried = next((each.step for each in _of(workload, tenant) if _is_gone(each.new or {})), None)
        for request in life.traffic.requests:
            if buried is not None and request.begun > buried:
                continue  # what there was is gone
            possible = life.traffic.possible(request.name, request.begun)
            if request.method == "GET" and request.status in (200, 404) and request.value not in possible:
                yield f"{tenant.id} read {request.value!r} of {request.name}, not one of {possible}"
        record = workload.record(tenant)
        if _is_gone(record) or "resources" not in record:
            continue
        place = Place.of(read(record, ("resources",))["resources"])
        found = _objects(workload, place)
        for name in {*life.traffic.names(), *found}:
            possible = life.traffic.possible(name) if name in life.traffic.names() else {None}
            if found.get(name) not in possible:
                yield f"{tenant.id}: {name} is {found.get(name)!r}, not one of {possible}"
        items = workload.simulator.state.data_items(tenant.key["PK"]["S"])
        title = items.get(f"PROBLEM#{PROBLEM}", {}).get("title", {}).get("S")
        if title not in life.traffic.possible(ITEM):
            yield f"{tenant.id}: its item is {title!r}, not one of {life.traffic.possible(ITEM)}"


def nothing_is_written_while_the_last_changes_move(workload: Workload) -> Iterator[str]:
    """3: no write succeeds between the end of the drain and the switch, or the end of the fence."""
    for tenant, _ in _lives(workload):
        for start, end in _fences(workload, tenant):
            for write in workload.simulator.writes:
                if start < write.at < end and _is_of_tenant(write, tenant.id):
                    yield f"{tenant.id} wrote at {write.at:.3f}, read-only from {start:.3f} to {end:.3f}"


def nothing_is_deleted_of_others(workload: Workload) -> Iterator[str]:
    """4: deletions stay in the tenant's own prefix and buckets, and are made through its own sessions."""
    own = {tenant.id: silos(tenant) for tenant in workload.tenants}
    buckets = {bucket for each in own.values() for bucket in each}
    for write in workload.simulator.writes:
        bucket = write.arguments.get("Bucket")
        if write.operation == "delete_bucket" and bucket not in buckets:
            yield f"{write.function} deleted the bucket {bucket}, which is no tenant's"
        if write.operation not in _DELETIONS:
            continue
        if write.tenant is None:
            if not all(key.rpartition("/")[2] in _MARKERS for key in write.keys):
                yield f"{write.function} deleted {write.keys} of {bucket} with a permission of its own"
            continue
        prefix = pool_prefix(TenantId(write.tenant))
        for key in write.keys:
            if not (bucket in own[write.tenant] or (bucket == DATA_BUCKET and key.startswith(prefix))):
                yield f"{write.function} deleted {key} of {bucket} for {write.tenant}"


def nothing_is_deleted_too_early(workload: Workload) -> Iterator[str]:
    """5: nothing of where the tenant's data is, before the retention is over and its export is verified.

    Nor anything that somebody put into a place which the tenant has left.
    """
    deletions = [
        write
        for write in workload.simulator.writes
        if write.operation in _DELETIONS and write.role == MAINTENANCE_ROLE
    ]
    for tenant, life in _lives(workload):
        own = [write for write in deletions if write.tenant == tenant.id]
        for write in own:
            record = _record_at(workload, tenant, write.step)
            if _touches(write, record) and (problem := _why_too_early(workload, tenant, record, write)):
                yield f"{tenant.id}: {write.function} deleted {write.keys} at {write.at:.3f}: {problem}"
        for place, key in life.strays:
            gone = key not in _bucket_of(workload, place).objects() if _bucket_of(workload, place) else True
            if gone and not any(wish.what == "offboard" for wish in life.operating.granted):
                yield f"{tenant.id}: {key} of {place.name} is gone, which came there after the switch"


def _why_too_early(workload: Workload, tenant: Tenant, record: dict[str, Any], write: Write) -> str | None:
    operation = _operation(record)
    if operation is None or operation.kind is not OperationKind.OFFBOARD:
        return f"the operation is {operation and operation.kind}"
    if operation.phase not in (Phase.PURGE, Phase.VERIFY):
        return f"the phase is {operation.phase}"
    until = operation.retain_until
    if until and _seconds(until) > write.at:
        return f"it is to be kept until {_seconds(until):.3f}"
    if operation.export_requested and not _is_exported(workload, tenant, operation, write.step):
        return "its export is not verified"
    return None


def _is_exported(workload: Workload, tenant: Tenant, operation: Operation, step: int) -> bool:
    """Whether an export had been reported as verified, and its manifest is there."""
    if f"{tenant.id}/{operation.export_id}/manifest.json" not in workload.simulator.state.exports.objects():
        # Of a tenant that was never provisioned there is nothing to export.
        return not any(
            change.new and change.new.get("provisioningStatus") == {"S": ProvisioningStatus.COMPLETED}
            for change in _records(workload, tenant.key["PK"]["S"])
        )
    return any(
        event.detail_type == "TenantExported"
        and event.step <= step
        and event.detail["operationId"] == operation.id
        and event.detail["status"] == "COMPLETED"
        for event in workload.simulator.published
    )


def exports_hold_what_there_was(workload: Workload) -> Iterator[str]:
    """An export that was reported is there, with an object for each of the tenant's."""
    for event in workload.simulator.published:
        if event.detail_type != "TenantExported" or event.detail.get("status") != "COMPLETED":
            continue
        location = event.detail["location"].removeprefix(f"s3://{EXPORTS_BUCKET}/")
        folder = location.removesuffix("manifest.json").rstrip("/")
        objects = workload.simulator.state.exports.objects(f"{folder}/objects/")
        if len(objects) < event.detail["objects"]:
            yield f"{location} holds {len(objects)} objects, and was reported with {event.detail['objects']}"
        if not workload.simulator.state.exports.current(f"{folder}/manifest.json"):
            yield f"{folder} has no manifest"


def who_is_deleted_leaves_nothing(workload: Workload) -> Iterator[str]:
    """6: after a certificate an independent listing finds nothing, also after every event was replayed."""
    for tenant in workload.tenants:
        if CERTIFICATE in _items(workload, tenant):
            yield from (f"{tenant.id} is deleted, but {left}" for left in _what_is_left(workload, tenant))
    yield from workload.simulator.early_certificates


def _what_is_left(workload: Workload, tenant: Tenant) -> Iterator[str]:
    state = workload.simulator.state
    prefix = pool_prefix(TenantId(tenant.id))
    versions = [key for key in state.data.versions if key.startswith(prefix)]
    uploads = [key for each in state.data.uploads.values() if (key := each.version.key).startswith(prefix)]
    for what, found in (
        ("there are versions of", versions),
        ("there are uploads of", uploads),
        ("there are the buckets", sorted(silos(tenant) & set(state.buckets()))),
        ("there are the items", sorted(state.data_items(tenant.key["PK"]["S"]))),
        ("there are log groups", [name for name in state.logs.groups if name.endswith(f"/{tenant.id}")]),
    ):
        if found:
            yield f"{what} {found}"


def who_is_deleted_stays_deleted(workload: Workload) -> Iterator[str]:
    """7: no session, no resources and no other record for a tombstoned id; the certificate stays as it is."""
    for tenant, life in _lives(workload):
        pk = tenant.key["PK"]["S"]
        buried = next((each for each in _records(workload, pk) if _is_gone(each.new or {})), None)
        if buried is None:
            continue
        record = workload.record(tenant)
        personal = {"name", "slug", "resources", "statusReason", "failureReason", OPERATION, LEFTOVERS}
        if not _is_gone(record) or personal & set(record):
            yield f"{tenant.id} was deleted, but its record is {sorted(record)}"
        written = [each for each in workload.simulator.changes if (each.pk, each.sk) == (pk, CERTIFICATE)]
        if len(written) != 1:
            yield f"{tenant.id} has had {len(written)} certificates"
        moments = list(_overwritten_moments(workload, pk))
        for change in _records(workload, pk):
            status = (change.new or {}).get("status")
            excused = any(start <= change.step < end for start, end in moments)
            if change.step > buried.step and status != {"S": "DELETED"} and not excused:
                yield f"{tenant.id} became {status} by {change.writer} after it was deleted"
        for request in life.traffic.sessions():
            excused = any(start < request.ended and request.begun < end for start, end in moments)
            if request.begun > buried.step and not excused:
                yield f"{tenant.id} got a session at {request.at:.3f}, after it was deleted"


def _overwritten_moments(workload: Workload, pk: str) -> Iterator[tuple[int, int]]:
    """Yield from when to when somebody's put-item stood over a record, until it was undone: in steps."""
    start: int | None = None
    for change in _records(workload, pk):
        if change.step in workload.raw:
            start = change.step if start is None else start
        elif start is not None and workload.undoes(change):
            yield start, change.step
            start = None
    if start is not None:
        yield start, workload.simulator.step + 1


def deleted_means_verified_twice(workload: Workload) -> Iterator[str]:
    """A certificate follows two verifications that found nothing, the second a while after the first."""
    for change in workload.simulator.changes:
        if change.sk != CERTIFICATE or change.new is None:
            continue
        number = change.new["operationId"]["S"]
        times = sorted(
            _seconds(str(event.detail["timestamp"]))
            for event in workload.simulator.published
            if event.detail_type == TenantDeprovisioned.DETAIL_TYPE
            and event.step <= change.step
            and event.detail["operationId"] == number
            and event.detail["phase"] == Phase.VERIFY
            and event.detail["status"] == "COMPLETED"
            and event.detail["evidence"]["remaining"] == 0
        )
        wait = float(VARIABLES["verify_again_after_seconds"])
        if not times or times[-1] - times[0] < wait:
            yield f"{change.pk} has a certificate, but verifications at {times} only"


def one_operation_at_a_time(workload: Workload) -> Iterator[str]:
    """8: at most one, through its phases as they are declared, by results of its own attempts."""
    for change in _records(workload):
        if change.step not in workload.raw and not workload.undoes(change):
            yield from _wrong_with(workload, change)


def _wrong_with(workload: Workload, change: Changed) -> Iterator[str]:
    old, new = _operation(change.old or {}), _operation(change.new or {})
    if old is None:
        if new is not None and new.phase not in PHASES[new.kind][None]:
            yield f"{change.pk}: {new.kind} began with {new.phase} by {change.writer}"
        return
    if new is not None and new.id != old.id:
        if old.state is not PhaseState.FAILED or change.writer != OPERATOR:
            yield f"{change.pk}: {old.kind} was replaced by {new.kind} by {change.writer}"
        return
    then = new and new.phase
    if change.new is None or then is old.phase:
        return
    if then not in PHASES[old.kind][old.phase]:
        yield f"{change.pk}: {old.phase} → {then} by {change.writer} at {change.at:.3f}"
    if change.writer == COMPLETION and not _was_answered(workload, change, old):
        yield f"{change.pk}: {old.phase} → {then} at {change.at:.3f} by no result of its attempt"


def _was_answered(workload: Workload, change: Changed, operation: Operation) -> bool:
    """Whether a result of the attempt that a record was at, or was about to be at, had been published."""
    attempts = {operation.attempt}
    if operation.state is PhaseState.REQUESTED:
        attempts = {operation.next_attempt}
    if operation.kind is OperationKind.OFFBOARD and _results_of_provisioning(workload, change):
        return True  # what was made meanwhile is purged, too
    return any(
        event.step <= change.step
        and event.detail.get("operationId") == operation.id
        and event.detail.get("phase") == operation.phase
        and event.detail.get("attempt") in attempts
        and event.detail.get("status") == "COMPLETED"
        for event in workload.simulator.published
    )


def _results_of_provisioning(workload: Workload, change: Changed) -> bool:
    return any(
        event.detail_type == "TenantProvisioned"
        and event.step <= change.step
        and f"TENANT#{event.detail.get('tenantId')}" == change.pk
        for event in workload.simulator.published
    )


def all_comes_to_an_end(workload: Workload) -> Iterator[str]:
    """8: whatever crashed, and when: in the end nothing is under way, due or to be published."""
    for tenant, life in _lives(workload):
        record = workload.record(tenant)
        operation = _operation(record)
        if operation is not None:
            yield f"{tenant.id} is left with {operation.kind}, {operation.phase}, {operation.state}"
        for index in (IN_FLIGHT, DUE):
            if index.partition in record:
                yield f"{tenant.id} is listed as {index.name} in the end"
        if "outbox" in record:
            yield f"{tenant.id} has something to be published in the end"
        if tenant.id not in workload.overwritten:
            yield from _unlike_what_was_wanted(workload, tenant, life, record)
        if not _is_gone(record) and "resources" in record:
            yield from (f"{tenant.id}: {left}" for left in _left_elsewhere(workload, tenant, record))


def _unlike_what_was_wanted(
    workload: Workload, tenant: Tenant, life: Life, record: dict[str, Any]
) -> Iterator[str]:
    """Compare the end with what operators were granted, in its order."""
    status, tier, gone, before = "ACTIVE", tenant.tier, False, tenant.tier
    for wish in life.operating.granted:
        match wish.what:
            case "suspend":
                status = "SUSPENDED"
            case "reactivate":
                status = "ACTIVE"
            case "offboard":
                gone = True
                # It supersedes a move that FAILED: of a restored tenant the tier of then is wanted.
                tier = _record_at(workload, tenant, wish.step).get("tier", {}).get("S", tier)
            case "restore":
                status, gone = "SUSPENDED", False
            case "change tier":
                before, tier = tier, wish.argument
            case "cancel":
                tier = before
    is_now = (record.get("status", {}).get("S", "ACTIVE"), record.get("tier", {}).get("S"))
    if gone != _is_gone(record) or (not gone and is_now != (status, tier)):
        yield f"{tenant.id} is {is_now} in the end; what was granted: {_granted(life)}"


def _granted(life: Life) -> list[str]:
    return [f"{wish.what} {wish.argument or ''}" for wish in life.operating.granted]


def _left_elsewhere(workload: Workload, tenant: Tenant, record: dict[str, Any]) -> Iterator[str]:
    """Yield what is in places that a record does not name; but for what an event of long ago makes again."""
    known = {Place.of(read(record, ("resources",))["resources"])}
    known |= {leftover.place for leftover in parse_leftovers(read(record, (LEFTOVERS,)))}
    buckets = silos(tenant) & set(workload.simulator.state.buckets())
    places = {pool_place(TenantId(tenant.id)), *(silo_place(name) for name in buckets)}
    for place in sorted(places - known):
        found = _objects(workload, place)
        if found:
            yield f"{place.name} holds {sorted(found)}, and is on no record"


def nobody_gets_in_who_must_not(workload: Workload) -> Iterator[str]:
    """9: suspended or offboarding: no request that began after the write succeeds."""
    for tenant, life in _lives(workload):
        changes = list(_records(workload, tenant.key["PK"]["S"]))
        for request in life.traffic.sessions():
            statuses = _statuses_during(changes, request.begun, request.ended)
            if not statuses & {None, "ACTIVE"}:
                yield f"{tenant.id} got in at {request.at:.3f}, while it was {statuses}"


def reads_go_on(workload: Workload) -> Iterator[str]:
    """While a move ends the tenant is read-only, and not shut out: writes are put off, reads are answered."""
    for tenant, life in _lives(workload):
        for request in life.traffic.requests:
            if request.status == 503 and (request.method == "GET" or request.name == ITEM):
                yield f"{tenant.id}: {request.method} {request.name} was put off at {request.at:.3f}"


def places_are_touched_through_sessions(workload: Workload) -> Iterator[str]:
    """No function changes tenants' objects or items with a permission of its own, but for our markers."""
    for write in workload.simulator.writes:
        if write.tenant is not None or write.function == OPERATOR:
            continue
        if write.arguments.get("TableName") or "RequestItems" in write.arguments:
            yield f"{write.function} wrote items with a permission of its own"
        elif write.operation not in ("create_bucket", "delete_bucket") and not all(
            key.rpartition("/")[2] in _MARKERS for key in write.keys
        ):
            yield f"{write.function} changed {write.keys} with a permission of its own"


# --- what the checks look at --------------------------------------------------------------------------------


def _lives(workload: Workload) -> Iterator[tuple[Tenant, Life]]:
    for tenant in workload.good:
        if tenant.id in workload.lives:
            yield tenant, workload.lives[tenant.id]


def _records(workload: Workload, pk: str | None = None) -> Iterator[Changed]:
    for change in workload.simulator.changes:
        if change.sk == METADATA and pk in (None, change.pk):
            yield change


def _of(workload: Workload, tenant: Tenant) -> Iterator[Changed]:
    return _records(workload, tenant.key["PK"]["S"])


def _items(workload: Workload, tenant: Tenant) -> dict[str, dict[str, Any]]:
    return workload.simulator.state.table.items.get(tenant.key["PK"]["S"], {})


def _record_at(workload: Workload, tenant: Tenant, step: int) -> dict[str, Any]:
    """Return a record as it was before a step of the run."""
    record: dict[str, Any] = {}
    for change in _records(workload, tenant.key["PK"]["S"]):
        if change.step >= step:
            break
        record = change.new or {}
    return record


def _operation(record: dict[str, Any]) -> Operation | None:
    return parse_operation(read(record, (OPERATION,)))


def _is_gone(record: dict[str, Any]) -> bool:
    return record.get("EntityType") == {"S": TOMBSTONE}


def _is_of_tenant(write: Write, tenant_id: str) -> bool:
    return write.role == ROLE and write.tenant == tenant_id and "Bucket" in write.arguments


def _bucket_of(workload: Workload, place: Place) -> Any:
    state = workload.simulator.state
    return state.bucket(place.name) if place.is_silo else state.data


def _objects(workload: Workload, place: Place) -> dict[str, str]:
    """Return the files of a place by their names, and whatever else is there by its key."""
    bucket = _bucket_of(workload, place)
    prefix = "" if place.is_silo else place.name
    found = {} if bucket is None else bucket.objects(prefix)
    folder = f"problems/{PROBLEM}/"
    return {
        name.removeprefix(folder): (version.body or b"").decode()
        for name, version in ((key.removeprefix(prefix), version) for key, version in found.items())
        if name not in _MARKERS and not name.startswith("stray")
    }


def _touches(write: Write, record: dict[str, Any]) -> bool:
    """Whether a deletion is in the place that a record names."""
    if "resources" not in record:
        return False
    place = Place.of(read(record, ("resources",))["resources"])
    bucket = place.name if place.is_silo else DATA_BUCKET
    prefix = "" if place.is_silo else place.name
    if write.arguments["Bucket"] != bucket:
        return False
    return any(key.startswith(prefix) and key.removeprefix(prefix) not in _MARKERS for key in write.keys)


def _fences(workload: Workload, tenant: Tenant) -> Iterator[tuple[float, float]]:
    """Yield from when to when a tenant was read-only, its requests drained: in seconds of the run."""
    start: float | None = None
    for change in _records(workload, tenant.key["PK"]["S"]):
        operation = _operation(change.new or {})
        fenced = operation is not None and operation.is_read_only
        if fenced and start is None and operation is not None and operation.not_before:
            start = _seconds(operation.not_before)
        elif not fenced and start is not None:
            yield start, change.at
            start = None


def _statuses_during(changes: list[Changed], begun: int, ended: int) -> set[str | None]:
    """Return what a tenant's status was while a request ran."""
    statuses: set[str | None] = set()
    before: str | None = None
    for change in changes:
        status = (change.new or {}).get("status", {}).get("S")
        if change.step <= begun:
            before = status
        elif change.step <= ended:
            statuses.add(status)
    return statuses | {before}


def _seconds(time: str) -> float:
    return (datetime.fromisoformat(time) - EPOCH).total_seconds()


LIFE_CHECKS: Final = (
    a_record_names_one_place,
    what_tenants_were_told_is_there,
    nothing_is_written_while_the_last_changes_move,
    nothing_is_deleted_of_others,
    nothing_is_deleted_too_early,
    exports_hold_what_there_was,
    who_is_deleted_leaves_nothing,
    who_is_deleted_stays_deleted,
    deleted_means_verified_twice,
    one_operation_at_a_time,
    all_comes_to_an_end,
    nobody_gets_in_who_must_not,
    reads_go_on,
    places_are_touched_through_sessions,
)
