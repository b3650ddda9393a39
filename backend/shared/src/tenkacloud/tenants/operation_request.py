"""What a record's outbox requests: the event to publish, and the mark to write. Pure.

A fact goes first: where there is a phase to be published as well, the mark of the fact leaves that in the
outbox, and the stream shows it once more. So each request is one event and one mark.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import Event
from tenkacloud.events.operation import OperationEvent
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.events.tenant_status import TenantReactivated, TenantSuspended
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.operations import OPERATION, OUTBOX, Operation, Outbox, Phase, PhaseState
from tenkacloud.tenants.record import Tenant
from tenkacloud.tenants.transitions.operation import mark_published, mark_told, place_of
from tenkacloud.tenants.transitions.transition import Transition
from tenkacloud.tenants.validation import TenantStatus, parse_text


@dataclass(frozen=True)
class OutboxRequest:
    """A phase to be requested or a fact to be told: publish `event`, then write `mark`."""

    tenant: Tenant
    event: Event
    mark: Transition


def request_outbox(tenant: Tenant, correlation_id: str, now: datetime) -> OutboxRequest | None:
    """Return what a record has in its outbox, None if that is nothing.

    Raises:
        InvalidFieldError: it can't be published as the record is.
    """
    outbox = tenant.item.get(OUTBOX)
    if outbox in (Outbox.STATUS, Outbox.BOTH):
        return OutboxRequest(tenant, _fact(tenant, correlation_id, now), mark_told(tenant, now))
    operation = tenant.operation
    if outbox == Outbox.OPERATION and operation is not None and operation.state is PhaseState.REQUESTED:
        return request_phase(tenant, operation, correlation_id, now)
    return None


def request_phase(
    tenant: Tenant,
    operation: Operation,
    correlation_id: str,
    now: datetime,
    *,
    automatic_retry: bool = False,
) -> OutboxRequest:
    """Return what requests the next attempt of a phase. `automatic_retry`: it is stuck.

    Raises:
        InvalidFieldError: it can't be published as the record is.
    """
    mark = mark_published(tenant, now, correlation_id, automatic_retry=automatic_retry)
    return OutboxRequest(tenant, phase_event(tenant, operation, correlation_id, now), mark)


def phase_event(
    tenant: Tenant, operation: Operation, correlation_id: str, now: datetime
) -> OperationEvent:
    """Return the event that requests the next attempt of an operation's phase.

    Raises:
        InvalidFieldError: the record lacks what the event has to say, or nobody does such a phase.
    """
    common: dict[str, Any] = {
        "tenant_id": tenant.id,
        "operation_id": operation.id,
        "phase": operation.phase,
        "attempt": operation.next_attempt,
        "timestamp": rfc3339(now),
        "correlation_id": correlation_id or None,
    }
    match operation.phase:
        case Phase.COPY | Phase.CUTOVER | Phase.ROLLBACK | Phase.RETIRE:
            if operation.from_ is None or operation.from_tier is None or operation.to_tier is None:
                raise InvalidFieldError(OPERATION, "does not say from where to where the tenant moves")
            return TenantTierChanging(
                **common,
                slug=tenant.slug,
                tenant_name=tenant.name,
                from_tier=operation.from_tier,
                to_tier=operation.to_tier,
                from_=operation.from_,
                to=operation.to,
                not_before=operation.not_before,
                digest=operation.digest,
            )
        case Phase.EXPORT:
            return TenantExporting(
                **common,
                place=place_of(tenant.item),
                export_id=parse_text("operation.exportId", operation.export_id),
                expires_at=parse_text("operation.expiresAt", operation.expires_at),
            )
        case Phase.PURGE | Phase.VERIFY:
            return TenantOffboarding(
                **common, tier=tenant.tier, slug=tenant.slug, places=operation.places
            )
    raise InvalidFieldError(f"{OPERATION}.phase", f"{operation.phase} is done by nobody")


def _fact(tenant: Tenant, correlation_id: str, now: datetime) -> Event:
    """Return what is so of a tenant now: of one that is being offboarded, that it is not in use."""
    common: dict[str, Any] = {
        "tenant_id": tenant.id,
        "timestamp": rfc3339(now),
        "correlation_id": correlation_id or None,
    }
    if tenant.status is TenantStatus.ACTIVE:
        return TenantReactivated(**common)
    reason = tenant.item.get("statusReason")
    return TenantSuspended(**common, reason=reason if isinstance(reason, str) and reason else None)
