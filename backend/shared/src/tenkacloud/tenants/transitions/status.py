"""Suspending and reactivating: one write each, in force from the next request on. Pure."""

from datetime import datetime

from tenkacloud.errors import NotInStateError
from tenkacloud.tenants.operations import Outbox
from tenkacloud.tenants.record import Tenant
from tenkacloud.tenants.transitions.operation import change, require_no_operation
from tenkacloud.tenants.transitions.transition import REASON_MAX, HistoryEntry, Transition
from tenkacloud.tenants.validation import TenantStatus


def suspend(tenant: Tenant, reason: str, now: datetime, by: str) -> Transition:
    """ACTIVE → SUSPENDED, whatever is under way.

    Raises:
        NotInStateError: the tenant is not ACTIVE.
    """
    if tenant.status is not TenantStatus.ACTIVE:
        raise NotInStateError("status", f"is {tenant.status}, not ACTIVE")
    status = TenantStatus.SUSPENDED
    return change(
        tenant,
        now,
        (HistoryEntry(status, now, None, reason, requested_by=by),),
        operation=tenant.operation,
        status=status,
        publish=Outbox.STATUS,
        sets={"statusReason": reason[:REASON_MAX]},
    )


def reactivate(tenant: Tenant, now: datetime, by: str) -> Transition:
    """SUSPENDED → ACTIVE.

    Raises:
        NotInStateError: the tenant is not SUSPENDED.
        OperationInProgressError: something is under way that has to end first.
    """
    if tenant.status is not TenantStatus.SUSPENDED:
        raise NotInStateError("status", f"is {tenant.status}, not SUSPENDED")
    require_no_operation(tenant)
    status = TenantStatus.ACTIVE
    return change(
        tenant,
        now,
        (HistoryEntry(status, now, None, requested_by=by),),
        operation=None,
        status=status,
        publish=Outbox.STATUS,
        removes=("statusReason",),
    )
