"""What all operations have in common: a phase is requested, published, reported on, retried, ended. Pure.

Each of these changes is made from a record as it was read, and requires it to be so still (`as_operated`):
its revision, which every change of ours raises, and what raw writes to the table might change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from tenkacloud.errors import NotInStateError, OperationInProgressError
from tenkacloud.events.operation import OperationEvent
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.isolation.places import Place
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.conditions import Absent, Is, OneOf, Requirement, same
from tenkacloud.tenants.keys import (
    BY_STATUS_TIER,
    DUE,
    DUE_PARTITION,
    FAILED,
    FAILED_PARTITION,
    IN_FLIGHT,
    IN_FLIGHT_PARTITION,
    Key,
    status_tier_partition,
)
from tenkacloud.tenants.lifecycle import IN_FLIGHT as ONBOARDING
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import (
    LEFTOVERS,
    OPERATION,
    OUTBOX,
    PHASES,
    UNDER_WAY,
    Leftover,
    Operation,
    OperationKind,
    Outbox,
    Phase,
    PhaseState,
    Progress,
    progress_attributes,
)
from tenkacloud.tenants.record import REVISION, Item, Tenant
from tenkacloud.tenants.transitions.transition import (
    REASON_MAX,
    HistoryEntry,
    Precondition,
    Transition,
    as_read,
)
from tenkacloud.tenants.validation import TenantStatus

#: The sort key of the item that tells of an export.
EXPORT_PREFIX: Final = "EXPORT#"
#: What identifies the attempt of a phase that a decision was made from.
_OF_OPERATION: Final = ("id", "phase", "state", "attempt")


def as_operated(tenant: Tenant) -> Precondition:
    """Return the state in which a record was read, its operation and its revision included."""
    item = tenant.item
    state = as_read(tenant.provisioning_status, item)
    found = item.get(OPERATION)
    operation: dict[str, Requirement] = {OPERATION: Absent()}
    if isinstance(found, Mapping):
        operation = {f"{OPERATION}.{name}": same(found.get(name)) for name in _OF_OPERATION}
    requires = {
        **state.requires,
        **operation,
        REVISION: same(item.get(REVISION)),
        OUTBOX: same(item.get(OUTBOX)),
    }
    return Precondition(state.status, requires, tenant.status)


def require_no_operation(tenant: Tenant) -> None:
    """Do nothing if nothing is under way of a tenant.

    Raises:
        OperationInProgressError: something is.
    """
    if tenant.operation is not None:
        raise OperationInProgressError(OPERATION, f"is under way: {describe(tenant.operation)}")


def describe(operation: Operation) -> str:
    """Return an operation in a few words."""
    return f"{operation.kind}, phase {operation.phase}, {operation.state}"


def entered(operation: Operation, phase: Phase, state: PhaseState, **changes: Any) -> Operation:
    """Return an operation in its next phase. Attempts are counted on, so that each has a number of its own.

    Raises:
        ValueError: the kind has no such transition (`operations.PHASES`).
    """
    if phase not in PHASES[operation.kind][operation.phase]:
        raise ValueError(f"{operation.kind}: no transition from {operation.phase} to {phase}")
    return replace(
        operation,
        phase=phase,
        state=state,
        automatic_retries=0,
        failure_reason=None,
        progress=None,
        due=changes.pop("due", None),
        drain_seconds=changes.pop("drain_seconds", 0),
        not_before=None,
        **changes,
    )


def begun(operation: Operation) -> Operation:
    """Return a new operation, if it may begin in its phase.

    Raises:
        ValueError: the kind does not begin so.
    """
    if operation.phase not in PHASES[operation.kind][None]:
        raise ValueError(f"{operation.kind} does not begin with {operation.phase}")
    return operation


def may_end(operation: Operation) -> None:
    """Do nothing if an operation may end in its phase.

    Raises:
        ValueError: it may not.
    """
    if None not in PHASES[operation.kind][operation.phase]:
        raise ValueError(f"{operation.kind} does not end with {operation.phase}")


def change(
    tenant: Tenant,
    now: datetime,
    history: tuple[HistoryEntry, ...],
    *,
    operation: Operation | None,
    leftovers: tuple[Leftover, ...] | None = None,
    status: TenantStatus | None = None,
    provisioning_status: ProvisioningStatus | None = None,
    publish: Outbox | None = None,
    published: bool = False,
    sets: Mapping[str, object] | None = None,
    removes: tuple[str, ...] = (),
    puts: Mapping[str, Mapping[str, object]] | None = None,
) -> Transition:
    """Return a change of a record, with its index keys as they then have to be.

    `operation` is what is then under way, None if nothing is. What is None else stays as it is. `publish`:
    the stream is to publish that, besides what it is to publish already; `published`: it has published all.
    """
    leftovers = tenant.leftovers if leftovers is None else leftovers
    status = status or tenant.status
    provisioning = provisioning_status or tenant.provisioning_status
    outbox = None if published else _outbox(tenant.item.get(OUTBOX), publish)
    written: dict[str, object] = {"updatedAt": rfc3339(now), **(sets or {})}
    absent: dict[str, object] = {"createdAt": rfc3339(now)} if tenant.created_at is None else {}
    gone = list(removes)

    def put(name: str, value: object | None) -> None:
        if value:
            written[name] = value
        elif name in tenant.item:
            gone.append(name)

    put(OPERATION, operation and operation.attributes())
    put(LEFTOVERS, [leftover.attributes() for leftover in leftovers])
    put(OUTBOX, outbox)
    if status is not tenant.status:
        written["status"] = status
    if provisioning is not tenant.provisioning_status:
        written["provisioningStatus"] = provisioning
    created = tenant.created_at or rfc3339(now)
    tier = written.get("tier", tenant.tier)
    written |= BY_STATUS_TIER.entry(status_tier_partition(status, type(tenant.tier)(str(tier))), created)
    onboarding = provisioning in ONBOARDING
    if operation is not None and operation.is_under_way:
        written |= IN_FLIGHT.entry(IN_FLIGHT_PARTITION, rfc3339(now))
    elif onboarding or outbox:
        absent |= IN_FLIGHT.entry(IN_FLIGHT_PARTITION, rfc3339(now))
    else:
        gone += IN_FLIGHT.attributes
    failed = provisioning in (ProvisioningStatus.FAILED, ProvisioningStatus.DEPROVISION_FAILED)
    if failed or (operation is not None and operation.state is PhaseState.FAILED):
        absent |= FAILED.entry(FAILED_PARTITION, rfc3339(now))
    else:
        gone += FAILED.attributes
    due = due_at(operation, leftovers)
    if due is None:
        gone += DUE.attributes
    else:
        written |= DUE.entry(DUE_PARTITION, due)
    return Transition(
        key=tenant.key,
        expected=(as_operated(tenant),),
        sets=written,
        sets_if_absent=absent,
        removes=tuple(dict.fromkeys(name for name in gone if name not in written)),
        history=history,
        puts=puts or {},
    )


def due_at(operation: Operation | None, leftovers: tuple[Leftover, ...]) -> str | None:
    """Return when the reconciler is to look at a tenant (RFC 3339 UTC), None if at no time.

    What waits in an operation goes first. A leftover waits until no operation is under way.
    """
    if operation is not None:
        return operation.due if operation.state is PhaseState.WAITING else None
    due = [leftover.retire_after for leftover in leftovers if leftover.retire_after is not None]
    return min(due, default=None)


def _outbox(present: object, added: Outbox | None) -> Outbox | None:
    known = Outbox(present) if isinstance(present, str) and present in (*Outbox,) else None
    if known is None or added is None or known is added:
        return known or added
    return Outbox.BOTH


# --- what is published, and what is heard of it -------------------------------------------------------------


def mark_published(
    tenant: Tenant, now: datetime, correlation_id: str | None = None, *, automatic_retry: bool = False
) -> Transition:
    """REQUESTED → RUNNING: the next attempt of the phase was published, and whatever else was to be.

    With `automatic_retry`, RUNNING → RUNNING, too: the attempt before brought no result.
    """
    operation = tenant.operation
    expected = UNDER_WAY if automatic_retry else {PhaseState.REQUESTED}
    if operation is None or operation.state not in expected:
        return change(tenant, now, (), operation=operation, published=True)
    running = replace(
        draining(operation, now),
        state=PhaseState.RUNNING,
        attempt=operation.next_attempt,
        automatic_retries=operation.automatic_retries + automatic_retry,
    )
    reason = f"attempt {operation.attempt} brought no result" if automatic_retry else None
    entry = HistoryEntry(running.phase, now, running.attempt, reason, correlation_id, running)
    return change(tenant, now, (entry,), operation=running, published=True)


def draining(operation: Operation, now: datetime) -> Operation:
    """Return an operation that is about to be published: of a CUTOVER, the drain begins, once."""
    if not operation.is_read_only or operation.not_before is not None:
        return operation
    ends = now + timedelta(seconds=operation.drain_seconds)
    return replace(operation, not_before=rfc3339(ends))


def is_answer_to(event: OperationEvent, operation: Operation | None) -> bool:
    """Tell whether an event is of the attempt that a record is at, or whose mark it has overtaken."""
    if operation is None or (event.operation_id, event.phase) != (operation.id, operation.phase):
        return False
    match operation.state:
        case PhaseState.RUNNING:
            return event.attempt == operation.attempt
        case PhaseState.REQUESTED:
            return event.attempt == operation.next_attempt
    return False


def record_progress(event: TenantOperationProgressed, now: datetime) -> Transition:
    """Write how far a phase is: a sign of life. For the record of whatever revision."""
    progress = progress_attributes(Progress(event.objects, event.bytes, event.total_objects))
    requires: dict[str, Requirement] = {
        f"{OPERATION}.id": Is(event.operation_id),
        f"{OPERATION}.phase": Is(event.phase),
        f"{OPERATION}.attempt": Is(event.attempt),
        f"{OPERATION}.state": OneOf((PhaseState.RUNNING,)),
    }
    return Transition(
        key=Key.of(event.tenant_id),
        expected=(Precondition(ProvisioningStatus.COMPLETED, requires),),
        sets={f"{OPERATION}.progress": progress, IN_FLIGHT.sort: rfc3339(now)},
        history=(),
    )


def fail(tenant: Tenant, operation: Operation, reason: str, now: datetime) -> Transition:
    """The phase is FAILED: nobody goes on with it until an operator does."""
    failed = replace(operation, state=PhaseState.FAILED, failure_reason=reason[:REASON_MAX])
    entry = HistoryEntry(failed.phase, now, failed.attempt or None, reason, None, failed)
    deprovision = operation.phase in (Phase.PURGE, Phase.VERIFY)
    if not deprovision:
        return change(tenant, now, (entry,), operation=failed)
    status = ProvisioningStatus.DEPROVISION_FAILED
    return change(
        tenant,
        now,
        (HistoryEntry(status, now, operation.attempt or None, reason), entry),
        operation=failed,
        provisioning_status=status,
        sets={"failureReason": reason[:REASON_MAX]},
    )


def end(
    tenant: Tenant,
    operation: Operation,
    now: datetime,
    *,
    leftovers: tuple[Leftover, ...] | None = None,
    sets: Mapping[str, object] | None = None,
    puts: Mapping[str, Mapping[str, object]] | None = None,
) -> Transition:
    """The operation is over, in the phase that it is in."""
    may_end(operation)
    return change(
        tenant,
        now,
        (ended(operation, now),),
        operation=None,
        leftovers=leftovers,
        sets=sets,
        puts=puts,
    )


def ended(operation: Operation, now: datetime) -> HistoryEntry:
    """Return the entry of a phase that is over, and well."""
    return HistoryEntry(operation.phase, now, operation.attempt, operation=operation, ended=True)


# --- what operators want ------------------------------------------------------------------------------------


def retry_phase(tenant: Tenant, now: datetime, by: str) -> Transition:
    """FAILED → REQUESTED: an operator wants another attempt of the phase.

    A CUTOVER begins with COPY again: the tenant has written since it could write again, and that is copied
    before it is read-only once more.

    Raises:
        NotInStateError: no phase FAILED.
    """
    operation = tenant.operation
    if operation is None or operation.state is not PhaseState.FAILED:
        raise NotInStateError(OPERATION, "has not failed: there is nothing to retry")
    if operation.phase is Phase.CUTOVER:
        again = entered(operation, Phase.COPY, PhaseState.REQUESTED)
    else:
        again = replace(
            operation, state=PhaseState.REQUESTED, failure_reason=None, automatic_retries=0, progress=None
        )
    entry = HistoryEntry(again.phase, now, again.attempt or None, None, None, again, requested_by=by)
    if tenant.provisioning_status is not ProvisioningStatus.DEPROVISION_FAILED:
        return change(tenant, now, (entry,), operation=again, publish=Outbox.OPERATION)
    status = ProvisioningStatus.DEPROVISIONING
    return change(
        tenant,
        now,
        (HistoryEntry(status, now, again.attempt or None), entry),
        operation=again,
        provisioning_status=status,
        publish=Outbox.OPERATION,
        removes=("failureReason",),
    )


def request_export(
    tenant: Tenant, operation_id: str, expires_at: datetime, now: datetime, by: str
) -> Transition:
    """An operator wants a copy of all that a tenant has. The export has the operation's id.

    Raises:
        NotInStateError: the tenant has nothing yet, or is being offboarded.
        OperationInProgressError: something else is under way.
    """
    require_no_operation(tenant)
    require_resources(tenant)
    operation = begun(
        Operation(
            id=operation_id,
            kind=OperationKind.EXPORT,
            phase=Phase.EXPORT,
            state=PhaseState.REQUESTED,
            attempt=0,
            requested_at=rfc3339(now),
            requested_by=by,
            export_id=operation_id,
            expires_at=rfc3339(expires_at),
        )
    )
    return begin(tenant, operation, now)


def begin(
    tenant: Tenant, operation: Operation, now: datetime, leftovers: tuple[Leftover, ...] | None = None
) -> Transition:
    """An operation begins with a phase that is to be published."""
    entry = HistoryEntry(
        operation.phase,
        now,
        operation.attempt or None,
        operation.reason,
        None,
        operation,
        requested_by=operation.requested_by,
    )
    return change(tenant, now, (entry,), operation=operation, leftovers=leftovers, publish=Outbox.OPERATION)


def require_resources(tenant: Tenant) -> Place:
    """Return where a tenant's objects are.

    Raises:
        NotInStateError: it is not in use, or nothing was provisioned for it.
    """
    if tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
        raise NotInStateError("status", f"is {tenant.status}: neither ACTIVE nor SUSPENDED")
    if tenant.provisioning_status is not ProvisioningStatus.COMPLETED:
        raise NotInStateError("provisioningStatus", f"is {tenant.provisioning_status}, not COMPLETED")
    return place_of(tenant.item)


def place_of(item: Item) -> Place:
    """Return the place that a record names.

    Raises:
        InvalidFieldError: it names none.
    """
    return Place.of(item.get("resources"))


def export_puts(
    tenant: Tenant, operation: Operation, result: TenantExported, now: datetime
) -> dict[str, Mapping[str, object]]:
    """Return the item that tells of an export, by its sort key."""
    item = {
        "EntityType": "EXPORT",
        "tenantId": tenant.id,
        "exportId": operation.export_id,
        "location": result.location,
        "manifestSha256": result.manifest_sha256,
        "objects": result.objects,
        "items": result.items,
        "bytes": result.bytes,
        "requestedAt": operation.requested_at,
        "requestedBy": operation.requested_by,
        "completedAt": rfc3339(now),
        "expiresAt": operation.expires_at,
    }
    known = {name: value for name, value in item.items() if value is not None}
    return {f"{EXPORT_PREFIX}{operation.export_id}": known}


def record_export(tenant: Tenant, operation: Operation, result: TenantExported, now: datetime) -> Transition:
    """EXPORT is over: COMPLETED or FAILED. That of an offboarding is in `offboarding`."""
    if result.failure_reason is not None:
        return fail(tenant, answered(operation, result), result.failure_reason, now)
    over = answered(operation, result)
    return end(tenant, over, now, puts=export_puts(tenant, over, result, now))


def answered(operation: Operation, result: OperationEvent) -> Operation:
    """Return an operation as its result says: it may have overtaken the mark of its attempt."""
    return replace(operation, state=PhaseState.RUNNING, attempt=result.attempt)


@dataclass(frozen=True)
class Waits:
    """How long is waited before what can't be undone, as Terraform has it."""

    drain_seconds: int
    retire_after_seconds: int
    verify_again_after_seconds: int
