"""What to do with the result of a phase of an operation. Pure."""

from dataclasses import dataclass
from datetime import datetime

from provisioning_completion.decisions import Ignore, Retry
from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.operation import OperationResult
from tenkacloud.events.tenant_deprovisioned import TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.isolation.places import PLACE_NAMES, Place, pool_place
from tenkacloud.provisioners import inventory
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.operations import Operation, OperationKind, PhaseState
from tenkacloud.tenants.record import Item, Tenant, parse_any_tenant
from tenkacloud.tenants.transitions.offboarding import record_deprovisioning, record_offboarding_export
from tenkacloud.tenants.transitions.operation import Waits, answered, fail, is_answer_to, record_export
from tenkacloud.tenants.transitions.tier import record_move
from tenkacloud.tenants.transitions.transition import Transition
from tenkacloud.tenants.validation import RESOURCE_OF


@dataclass(frozen=True)
class Next:
    """Write `change`: what the result makes of the operation."""

    change: Transition
    operation: Operation


def decide(item: Item, result: OperationResult, waits: Waits, now: datetime) -> Next | Ignore | Retry:
    """Say what a result makes of a record. One of another operation, phase or attempt changes nothing."""
    try:
        tenant = parse_any_tenant(Key.of(result.tenant_id), item)
    except InvalidFieldError as error:
        return Ignore(f"the record can't be gone on with as it is: {error}")
    operation = tenant.operation
    if operation is not None and is_answer_to(result, operation):
        return Next(_change(tenant, operation, result, waits, now), operation)
    if operation is not None and _is_of_next_attempt(result, operation):
        return Retry("its attempt, an automatic retry, is being marked")
    return Ignore(_of_another(result, operation))


def _is_of_next_attempt(result: OperationResult, operation: Operation) -> bool:
    """Tell whether a result may be that of an automatic retry that is published, and not marked yet."""
    return operation.state is PhaseState.RUNNING and (
        (result.operation_id, result.phase, result.attempt)
        == (operation.id, operation.phase, operation.next_attempt)
    )


def _change(
    tenant: Tenant, operation: Operation, result: OperationResult, waits: Waits, now: datetime
) -> Transition:
    match result:
        case TenantTierChanged():
            if problem := _misplaced(tenant, operation, result):
                reason = result.failure_reason or problem
                return fail(tenant, answered(operation, result), reason, now)
            return record_move(tenant, operation, result, waits, now)
        case TenantExported() if operation.kind is OperationKind.OFFBOARD:
            return record_offboarding_export(tenant, operation, result, now)
        case TenantExported():
            return record_export(tenant, operation, result, now)
        case TenantDeprovisioned():
            remains = inventory.remains() | _export_of(operation)
            return record_deprovisioning(tenant, operation, result, waits, remains, now)
    raise TypeError(f"{type(result).__name__} is the result of no phase")


def _misplaced(tenant: Tenant, operation: Operation, result: TenantTierChanged) -> str | None:
    """Say how the place that a result names can't be that of the move; None if it can, or none is named."""
    if not any(name in result.resources for name in PLACE_NAMES):
        return None
    try:
        place = Place.of(result.resources)
    except InvalidFieldError as error:
        return f"the result of {operation.phase} names no place: {error}"
    wanted = operation.to_tier and RESOURCE_OF[operation.to_tier]
    own = place.is_silo or place == pool_place(tenant.id)
    if place.kind == wanted and own and operation.to in (None, place):
        return None
    return f"the result of {operation.phase} names {place.name}, which is not where the objects are to go"


def _export_of(operation: Operation) -> dict[str, str]:
    return {"exports": f"an export, until {operation.expires_at}"} if operation.expires_at else {}


def _of_another(result: OperationResult, operation: Operation | None) -> str:
    said = f"the result is of operation {result.operation_id}, {result.phase}, attempt {result.attempt}"
    if operation is None:
        return f"{said}; nothing is under way"
    at = f"operation {operation.id}, {operation.phase}, attempt {operation.attempt}, {operation.state}"
    return f"{said}; the record is at {at}"
