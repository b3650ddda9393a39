"""Requesting a phase, and telling of a status: the events to publish, and the mark to write. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import Event
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.events.tenant_status import TenantReactivated, TenantSuspended
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.operations import (
    OPERATION,
    OUTBOX,
    Operation,
    OperationKind,
    Outbox,
    Phase,
    PhaseState,
)
from tenkacloud.tenants.record import Item, Tenant
from tenkacloud.tenants.transitions.operation import draining, mark_published, place_of
from tenkacloud.tenants.transitions.transition import Transition
from tenkacloud.tenants.validation import TenantStatus


@dataclass(frozen=True)
class OutboxRequest:
    """What a record requests to be published: publish `events`, then write `mark`."""

    tenant: Tenant
    events: tuple[Event, ...]
    mark: Transition


def has_outbox(item: Item) -> bool:
    """Tell whether a record requests something to be published, besides its onboarding."""
    return item.get(OUTBOX) is not None


def request_outbox(
    tenant: Tenant, correlation_id: str, now: datetime, *, automatic_retry: bool = False
) -> OutboxRequest:
    """Return what publishes all that a record requests. `automatic_retry`: its phase is stuck.

    Raises:
        InvalidFieldError: the operation lacks what its event needs.
    """
    events: list[Event] = []
    outbox = tenant.item.get(OUTBOX)
    if outbox in (Outbox.STATUS, Outbox.BOTH):
        events += _status_fact(tenant, correlation_id, now)
    operation = tenant.operation
    requested = operation is not None and operation.state is PhaseState.REQUESTED
    if operation is not None and (requested or (automatic_retry and operation.is_under_way)):
        events.append(operation_event(tenant, operation, operation.next_attempt, correlation_id, now))
    return OutboxRequest(
        tenant, tuple(events), mark_published(tenant, now, correlation_id, automatic_retry=automatic_retry)
    )


def _status_fact(tenant: Tenant, correlation_id: str, now: datetime) -> list[Event]:
    kinds = {TenantStatus.SUSPENDED: TenantSuspended, TenantStatus.ACTIVE: TenantReactivated}
    if tenant.status not in kinds:
        return []
    reason = tenant.item.get("statusReason")
    return [
        kinds[tenant.status](
            tenant_id=tenant.id,
            timestamp=rfc3339(now),
            reason=reason if isinstance(reason, str) and reason else None,
            correlation_id=correlation_id or None,
        )
    ]


def operation_event(
    tenant: Tenant, operation: Operation, attempt: int, correlation_id: str, now: datetime
) -> Event:
    """Return the event that requests one attempt of an operation's phase.

    Raises:
        InvalidFieldError: the operation lacks what the event needs, or its phase requests nothing.
    """
    common: dict[str, Any] = {
        "tenant_id": tenant.id,
        "operation_id": operation.id,
        "phase": operation.phase,
        "attempt": attempt,
        "timestamp": rfc3339(now),
        "correlation_id": correlation_id or None,
    }
    operation = draining(operation, now)
    match operation.kind, operation.phase:
        case OperationKind.CHANGE_TIER, _:
            if operation.from_tier is None or operation.to_tier is None or operation.from_ is None:
                raise InvalidFieldError(OPERATION, "does not say from where to where")
            return TenantTierChanging(
                **common,
                tenant_name=tenant.name,
                slug=tenant.slug,
                from_tier=operation.from_tier,
                to_tier=operation.to_tier,
                from_=operation.from_,
                to=operation.to,
                not_before=operation.not_before,
                digest=operation.digest,
            )
        case _, Phase.EXPORT:
            if operation.export_id is None or operation.expires_at is None:
                raise InvalidFieldError(OPERATION, "does not say which export it is")
            return TenantExporting(
                **common,
                place=place_of(tenant.item),
                export_id=operation.export_id,
                expires_at=operation.expires_at,
            )
        case _, Phase.PURGE | Phase.VERIFY:
            return TenantOffboarding(
                **common,
                places=operation.places,
                tier=tenant.tier,
                # A tombstone has none any more.
                slug=operation.slug if tenant.status is TenantStatus.DELETED else tenant.slug,
            )
    raise InvalidFieldError(OPERATION, f"in phase {operation.phase} requests nothing")
