"""What to do with a tenant that is listed as in flight, or that is to be repaired. Pure."""

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
from tenkacloud.tenants.record import Item, in_flight_since, is_as_read, parse_tenant, resource_mismatch
from tenkacloud.tenants.transitions.onboarding import reject, reject_minimally
from tenkacloud.tenants.transitions.retry import fail_after_retries, request_again
from tenkacloud.tenants.transitions.transition import NotApplied, Outcome, Transition
from tenkacloud.tenants.validation import truncated_repr

#: The deadline doubles with each automatic retry, up to this many times the first. Whoever waits in a backlog
#: is not helped by being requested again and again; and a backlog that is requested twice is twice as long.
PATIENCE_MAX: Final = 8


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
class RequestAgain:
    """Write `change`: PENDING, since another attempt is wanted."""

    change: Transition


@dataclass(frozen=True)
class Skip:
    """Nothing to be done, and why."""

    reason: str


def decide(
    key: Key, item: Item, limits: Limits, request_id: str, now: datetime
) -> OnboardingRequest | Fail | Skip:
    """Say what to do with a tenant in flight, by its record as it is now."""
    status = item.get("provisioningStatus")
    if status not in tuple(lifecycle.IN_FLIGHT):
        return Skip(f"it is {truncated_repr(status)} meanwhile")
    since = in_flight_since(item.get(IN_FLIGHT.sort), limits.now)
    if since > limits.stuck_before(0):
        return Skip("its attempt may still be running")
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
    if reason := resource_mismatch(item):
        return RequestAgain(request_again(key, item, f"repair: {reason}", now))
    return onboarding_event(tenant, tenant.attempt, request_id, now)
