"""Changing the tier: one write within the pool, a move of objects between pool and silo. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from tenkacloud.errors import NotInStateError
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.isolation.places import SILO_PLACE, Place, pool_place
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.operations import (
    ANY_DIGEST,
    Leftover,
    Operation,
    OperationKind,
    Outbox,
    Phase,
    PhaseState,
)
from tenkacloud.tenants.record import Tenant, resource_mismatch
from tenkacloud.tenants.transitions.operation import (
    Waits,
    answered,
    begin,
    begun,
    change,
    end,
    ended,
    entered,
    fail,
    may_end,
    require_no_operation,
    require_resources,
)
from tenkacloud.tenants.transitions.transition import HistoryEntry, Transition
from tenkacloud.tenants.validation import RESOURCE_OF, Tier


def is_move(from_tier: Tier, to_tier: Tier) -> bool:
    """Tell whether a change of tier moves the tenant's objects."""
    return RESOURCE_OF[from_tier] != RESOURCE_OF[to_tier]


def change_tier(tenant: Tenant, tier: Tier, operation_id: str, now: datetime, by: str) -> Transition:
    """Give a tenant another tier, or begin the move that does.

    Raises:
        NotInStateError: it has the tier, has no resources yet, is being offboarded, or a former move left
            something in the place that its objects would come to.
        OperationInProgressError: something else is under way.
    """
    require_no_operation(tenant)
    if tenant.tier is tier:
        raise NotInStateError("tier", f"is {tier} already")
    source = require_resources(tenant)
    if mismatch := resource_mismatch(tenant.item):
        raise NotInStateError("resources", f"have to be repaired first: {mismatch}")
    if not is_move(tenant.tier, tier):
        return _change_in_place(tenant, tier, now, by)
    _require_free_target(tenant, tier)
    operation = begun(
        Operation(
            id=operation_id,
            kind=OperationKind.CHANGE_TIER,
            phase=Phase.COPY,
            state=PhaseState.REQUESTED,
            attempt=0,
            requested_at=rfc3339(now),
            requested_by=by,
            from_tier=tenant.tier,
            to_tier=tier,
            from_=source,
            # A bucket's name is the application plane's to know.
            to=None if RESOURCE_OF[tier] == SILO_PLACE else pool_place(tenant.id),
        )
    )
    return begin(tenant, operation, now)


def _change_in_place(tenant: Tenant, tier: Tier, now: datetime, by: str) -> Transition:
    return change(
        tenant,
        now,
        (HistoryEntry(tier, now, None, f"it was {tenant.tier}", requested_by=by),),
        operation=None,
        sets={"tier": tier},
    )


def _require_free_target(tenant: Tenant, tier: Tier) -> None:
    for leftover in tenant.leftovers:
        if leftover.place.kind == RESOURCE_OF[tier]:
            until = (
                f"kept: {leftover.kept}" if leftover.kept else f"to be retired after {leftover.retire_after}"
            )
            raise NotInStateError(
                "leftovers", f"hold {leftover.place.name}, which a former move left and which is {until}"
            )


def cancel(tenant: Tenant, now: datetime, by: str) -> Transition:
    """Give up a move before its switch: the tenant can write again, and what was copied goes.

    Raises:
        NotInStateError: no move is under way that could be given up.
    """
    operation = tenant.operation
    if operation is None or operation.phase not in (Phase.COPY, Phase.CUTOVER):
        raise NotInStateError("operation", "is not a move before its switch: there is nothing to cancel")
    rollback = entered(operation, Phase.ROLLBACK, PhaseState.REQUESTED)
    entry = HistoryEntry(Phase.ROLLBACK, now, rollback.attempt or None, None, None, rollback, requested_by=by)
    return change(tenant, now, (entry,), operation=rollback, publish=Outbox.OPERATION)


def record_move(
    tenant: Tenant, operation: Operation, result: TenantTierChanged, waits: Waits, now: datetime
) -> Transition:
    """A phase of a move is over, COMPLETED or FAILED: begin the next one, switch, or end.

    `result` answers the attempt that the record is at (`is_answer_to`).
    """
    operation = answered(operation, result)
    to = _place_in(result) or operation.to
    operation = replace(operation, to=to)
    if result.failure_reason is not None:
        return fail(tenant, operation, result.failure_reason, now)
    match operation.phase:
        case Phase.COPY:
            # The drain is counted from the publication: the tenant is read-only by then, whatever this takes.
            cutover = entered(
                operation, Phase.CUTOVER, PhaseState.REQUESTED, drain_seconds=waits.drain_seconds
            )
            entries = (
                ended(operation, now),
                HistoryEntry(Phase.CUTOVER, now, cutover.attempt, operation=cutover),
            )
            return change(tenant, now, entries, operation=cutover, publish=Outbox.OPERATION)
        case Phase.CUTOVER:
            return _switch(tenant, operation, result, waits, now)
        case Phase.ROLLBACK:
            return _rolled_back(tenant, operation, result, now)
        case Phase.RETIRE:
            return _retired(tenant, operation, result, now)
    raise ValueError(f"{operation.phase} is not a phase of a move")


def _rolled_back(
    tenant: Tenant, operation: Operation, result: TenantTierChanged, now: datetime
) -> Transition:
    """The target is gone, or kept and said so: it held what the move had not brought."""
    leftovers = tenant.leftovers
    known = {leftover.place for leftover in leftovers}
    if result.kept is not None and operation.to is not None and operation.to not in known:
        leftovers += (Leftover(operation.to, operation.id, operation.to_tier, kept=result.kept),)
    return end(tenant, operation, now, leftovers=leftovers)


def _place_in(result: TenantTierChanged) -> Place | None:
    named = {name for name in result.resources if name in RESOURCE_OF.values()}
    return Place.of(result.resources) if len(named) == 1 else None


def _switch(
    tenant: Tenant, operation: Operation, result: TenantTierChanged, waits: Waits, now: datetime
) -> Transition:
    """The one point of no return: the record names the new place, and the old one is left over."""
    may_end(operation)
    if operation.from_ is None or operation.to_tier is None:
        raise ValueError("a move names its place and its tier")
    leftover = Leftover(
        place=operation.from_,
        operation_id=operation.id,
        tier=operation.from_tier,
        retire_after=rfc3339(now + timedelta(seconds=waits.retire_after_seconds)),
        digest=result.digest,
    )
    entries = (
        HistoryEntry(operation.to_tier, now, operation.attempt, f"it was {tenant.tier}"),
        ended(operation, now),
    )
    return change(
        tenant,
        now,
        entries,
        operation=None,
        leftovers=(*tenant.leftovers, leftover),
        sets={"tier": operation.to_tier, "resources": dict(result.resources)},
    )


def retire(tenant: Tenant, leftover: Leftover, operation_id: str, now: datetime, by: str) -> Transition:
    """A place that a move left is due: begin the operation that empties and removes it.

    Raises:
        OperationInProgressError: something else is under way; it waits.
    """
    require_no_operation(tenant)
    from_tier = leftover.tier or next(tier for tier in Tier if RESOURCE_OF[tier] == leftover.place.kind)
    operation = begun(
        Operation(
            id=operation_id,
            kind=OperationKind.CHANGE_TIER,
            phase=Phase.RETIRE,
            state=PhaseState.REQUESTED,
            attempt=0,
            requested_at=rfc3339(now),
            requested_by=by,
            from_tier=from_tier,
            to_tier=tenant.tier,
            from_=leftover.place,
            digest=leftover.digest,
        )
    )
    return begin(tenant, operation, now)


def release_leftover(tenant: Tenant, now: datetime, by: str) -> Transition:
    """An operator has looked at what is kept: it is due at once, and then goes, whatever is in it.

    Only where the tenant is in a place of the other kind: RETIRE takes away what one tier has and the other
    has not, so of a bucket beside the tenant's own it would take nothing, and say that it is done.

    Raises:
        NotInStateError: no place is kept that could go, or the tenant is not settled.
        OperationInProgressError: something is under way.
    """
    require_no_operation(tenant)
    kept = [leftover for leftover in tenant.leftovers if leftover.kept is not None]
    if not kept:
        raise NotInStateError("leftovers", "hold nothing that is kept: there is nothing to retire")
    own = require_resources(tenant)
    released = [leftover for leftover in kept if leftover.place.kind != own.kind]
    if not released:
        names = ", ".join(leftover.place.name for leftover in kept)
        raise NotInStateError(
            "leftovers",
            f"keep {names}, of the same kind as {own.name}, where the tenant is: empty it by hand",
        )
    told = "; ".join(f"{leftover.place.name} was kept: {leftover.kept}" for leftover in released)
    leftovers = tuple(
        replace(leftover, kept=None, retire_after=rfc3339(now), digest=ANY_DIGEST)
        if leftover in released
        else leftover
        for leftover in tenant.leftovers
    )
    entry = HistoryEntry(Phase.RETIRE, now, None, told, requested_by=by)
    return change(tenant, now, (entry,), operation=None, leftovers=leftovers)


def _retired(tenant: Tenant, operation: Operation, result: TenantTierChanged, now: datetime) -> Transition:
    """The place is gone, or kept and said so."""
    leftovers = []
    for leftover in tenant.leftovers:
        if leftover.place != operation.from_:
            leftovers.append(leftover)
        elif result.kept is not None:
            leftovers.append(replace(leftover, retire_after=None, kept=result.kept))
    return end(tenant, operation, now, leftovers=tuple(leftovers))
