"""What to do with a tenant that is in flight, of whom something is due, or that is to be repaired. Pure."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tenkacloud.errors import InvalidFieldError, PermanentError
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants import lifecycle
from tenkacloud.tenants.keys import IN_FLIGHT, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.onboarding_request import OnboardingRequest, onboarding_event, request_onboarding
from tenkacloud.tenants.operation_request import OutboxRequest, has_outbox, request_outbox
from tenkacloud.tenants.operations import Leftover, Operation, Phase, PhaseState, moment
from tenkacloud.tenants.record import (
    Item,
    Tenant,
    in_flight_since,
    is_as_read,
    parse_any_tenant,
    parse_tenant,
    resource_mismatch,
    revision,
)
from tenkacloud.tenants.transitions.offboarding import retention_over, verify_again
from tenkacloud.tenants.transitions.onboarding import reject, reject_minimally
from tenkacloud.tenants.transitions.operation import change, describe, fail, require_resources
from tenkacloud.tenants.transitions.retry import fail_after_retries, request_again
from tenkacloud.tenants.transitions.tier import retire
from tenkacloud.tenants.transitions.transition import NotApplied, Outcome, Transition
from tenkacloud.tenants.validation import truncated_repr

#: The deadline doubles with each automatic retry, up to this many times the first. Whoever waits in a backlog
#: is not helped by being requested again and again; and a backlog that is requested twice is twice as long.
PATIENCE_MAX: Final = 8
#: Automatic retries of a phase in which the tenant can't write. Then it is FAILED, and the tenant can again.
READ_ONLY_RETRIES_MAX: Final = 2
#: Who begins what is due, for the record.
_BY: Final = "reconciler"


@dataclass(frozen=True)
class Limits:
    """When an attempt counts as stuck, and how often a tenant is retried without an operator.

    `stuck_after`: how long the first attempt may take. `growing`: whether later ones may take longer.
    """

    now: datetime
    stuck_after: timedelta
    automatic_retries_max: int
    growing: bool = True

    def stuck_before(self, automatic_retries: int) -> datetime:
        """Return the time since which an attempt may still be running."""
        patience = min(2**automatic_retries, PATIENCE_MAX) if self.growing else 1
        return self.now - patience * self.stuck_after


@dataclass(frozen=True)
class Fail:
    """Write `change`: FAILED, with the reason."""

    change: Transition
    reason: str


@dataclass(frozen=True)
class Begin:
    """Write `change`: what is due begins, and the stream has it published."""

    change: Transition
    what: str


@dataclass(frozen=True)
class RequestAgain:
    """Write `change`: PENDING, since another attempt is wanted."""

    change: Transition


@dataclass(frozen=True)
class Skip:
    """Nothing to be done, and why."""

    reason: str


def decide(
    key: Key, item: Item, limits: Limits, request_id: str, now: datetime
) -> OnboardingRequest | OutboxRequest | Fail | Skip:
    """Say what to do with a tenant in flight, by its record as it is now."""
    status = item.get("provisioningStatus")
    since = in_flight_since(item.get(IN_FLIGHT.sort), limits.now)
    if since > limits.stuck_before(0):
        return Skip("its attempt may still be running")
    if status not in tuple(lifecycle.IN_FLIGHT):
        return _decide_outbox(key, item, since, limits, request_id, now)
    try:
        tenant = parse_tenant(key, item)
    except InvalidFieldError as error:
        return Fail(reject(key, item, str(error), now), str(error))
    if since > limits.stuck_before(tenant.automatic_retries):
        return Skip("it was requested again; the more often, the longer that may take")
    if status == ProvisioningStatus.PROVISIONING and tenant.automatic_retries >= limits.automatic_retries_max:
        reason = (
            f"no result after {tenant.automatic_retries + 1} attempts, the last since {rfc3339(since)}; "
            "see the functions' logs and dead-letter queues, then retry"
        )
        return Fail(fail_after_retries(tenant, reason, now), reason)
    return request_onboarding(tenant, request_id, now, automatic_retry=True)


def _decide_outbox(
    key: Key, item: Item, since: datetime, limits: Limits, request_id: str, now: datetime
) -> OutboxRequest | Fail | Skip:
    """Say what to do with a tenant that is in flight, and not because of its onboarding."""
    try:
        tenant = parse_any_tenant(key, item)
        operation = tenant.operation
        if operation is not None and operation.state is PhaseState.RUNNING:
            return _decide_running(tenant, operation, since, limits, request_id, now)
        if has_outbox(item) or (operation is not None and operation.is_under_way):
            return request_outbox(tenant, request_id, now)
    except InvalidFieldError as error:
        return Skip(f"nothing can be published of it as it is: {error}")
    return Skip(f"it is {truncated_repr(item.get('provisioningStatus'))} meanwhile, and nothing is under way")


def _decide_running(
    tenant: Tenant, operation: Operation, since: datetime, limits: Limits, request_id: str, now: datetime
) -> OutboxRequest | Fail | Skip:
    if since > limits.stuck_before(operation.automatic_retries):
        return Skip("its phase was requested again; the more often, the longer that may take")
    retries_max = limits.automatic_retries_max
    if operation.is_read_only:
        retries_max = min(retries_max, READ_ONLY_RETRIES_MAX)
    if operation.automatic_retries >= retries_max:
        reason = (
            f"no result after {operation.automatic_retries + 1} attempts, the last sign of life at "
            f"{rfc3339(since)}; see the functions' logs and dead-letter queues, then retry"
        )
        return Fail(fail(tenant, operation, reason, now), reason)
    return request_outbox(tenant, request_id, now, automatic_retry=True)


def begin_due(key: Key, item: Item, export_retention: timedelta, now: datetime) -> Begin | Skip:
    """Say what begins of a tenant of whom something is due, by its record as it is now.

    `export_retention`: for how long an export is kept.
    """
    try:
        tenant = parse_any_tenant(key, item)
        if tenant.operation is None:
            return _begin_retirement(tenant, now)
        return _go_on(tenant, tenant.operation, now + export_retention, now)
    except InvalidFieldError as error:
        return Skip(str(error))


def _go_on(tenant: Tenant, operation: Operation, expires_at: datetime, now: datetime) -> Begin | Skip:
    """Return what goes on with an operation that waits.

    Raises:
        NotInStateError: it waits for longer.
    """
    match operation.phase, operation.state:
        case Phase.RETAIN, PhaseState.WAITING:
            return Begin(retention_over(tenant, operation, expires_at, now), "the retention is over")
        case Phase.VERIFY, PhaseState.WAITING:
            return Begin(verify_again(tenant, operation, now), "the second verification is due")
    return Skip(f"something is under way: {describe(operation)}")


def _begin_retirement(tenant: Tenant, now: datetime) -> Begin | Skip:
    """Return what retires a place that a tenant left.

    Raises:
        NotInStateError: the tenant is in no state for it.
    """
    place = require_resources(tenant)
    due = [each for each in tenant.leftovers if each.retire_after and moment(each.retire_after) <= now]
    if not due:
        return Skip("nothing is due meanwhile")
    if any(leftover.place == place for leftover in due):
        others = tuple(leftover for leftover in tenant.leftovers if leftover.place != place)
        return Begin(change(tenant, now, (), operation=None, leftovers=others), "the place is in use again")
    leftover = min(due, key=lambda each: each.retire_after or "")
    return Begin(
        retire(tenant, leftover, _operation_id(tenant, leftover), now, _BY), f"{leftover.place.name} is due"
    )


def _operation_id(tenant: Tenant, leftover: Leftover) -> str:
    """Return the id of the operation that retires a place: the same, however often it is tried."""
    name = f"{tenant.id} {leftover.operation_id} {leftover.place.name} {revision(tenant.item)}"
    return uuid.uuid5(uuid.NAMESPACE_OID, name).hex


def fail_minimally(request: OnboardingRequest, outcome: Outcome | Exception, now: datetime) -> Fail | None:
    """Return what fails a tenant whose mark can't be written, ever; None: it was, or may be next time."""
    if isinstance(outcome, PermanentError):
        reason = str(outcome)
    elif isinstance(outcome, NotApplied) and outcome.item and is_as_read(outcome.item, request.tenant.item):
        reason = "the record can't be changed as it is, although it is as it was read"
    else:
        return None
    return Fail(reject_minimally(request.tenant.key, request.tenant.item, reason, now), reason)


def repair(
    key: Key, item: Item | None, request_id: str, now: datetime
) -> TenantOnboarding | RequestAgain | Skip:
    """Return the event that has a completed tenant's resources put right: its own attempt's, once more.

    Provisioning is idempotent, so it makes what is missing and sets what was changed; and a result of an
    attempt that is COMPLETED changes nothing on the record. Where the record names resources of another tier
    than its own, only another attempt, with a result of its own, mends it.
    """
    if item is None:
        return Skip("there is no such tenant")
    status = item.get("provisioningStatus")
    if status != ProvisioningStatus.COMPLETED:
        return Skip(f"it is {status}, not COMPLETED")
    try:
        tenant = parse_tenant(key, item)
    except InvalidFieldError as error:
        return Skip(str(error))
    if tenant.operation is not None:
        return Skip(f"something is under way: {describe(tenant.operation)}")
    if reason := resource_mismatch(item):
        return RequestAgain(request_again(key, item, f"repair: {reason}", now))
    return onboarding_event(tenant, tenant.attempt, request_id, now)
