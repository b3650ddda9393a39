"""What to do with a tenant that is listed as in flight, or that is to be repaired. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tenkacloud.errors import InvalidFieldError, PermanentError
from tenkacloud.events import TenantOnboarding
from tenkacloud.onboarding import OnboardingRequest, request_of, request_onboarding
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants import record as records
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.record import IN_FLIGHT_SINCE, Item, Key, Transition
from tenkacloud.tenants.repository import NotApplied, Outcome
from tenkacloud.tenants.validation import truncated_repr

#: The deadline doubles with each resumption, up to this many times the first. Whoever waits in a backlog is
#: not helped by being asked for again and again; and a backlog that is asked for twice is twice as long.
PATIENCE_MAX: Final = 8


@dataclass(frozen=True)
class Limits:
    """When an attempt counts as stuck, and how often a tenant is resumed.

    `stuck_after`: how long the first attempt may take. `growing`: whether later ones may take longer.
    """

    now: datetime
    stuck_after: timedelta
    automatic_retries_max: int
    growing: bool = True

    def stuck_before(self, automatic_retries: int) -> str:
        """Return the time (RFC 3339 UTC) since which an attempt may still be running."""
        patience = min(2**automatic_retries, PATIENCE_MAX) if self.growing else 1
        return rfc3339(self.now - patience * self.stuck_after)


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
    key: Key, item: Item, limits: Limits, request_id: str, now: str
) -> OnboardingRequest | Fail | Skip:
    """Say what to do with a tenant in flight, by its record as it is now."""
    status = item.get("provisioningStatus")
    if status not in (ProvisioningStatus.PENDING, ProvisioningStatus.PROVISIONING):
        return Skip(f"it is {truncated_repr(status)} meanwhile")
    since = records.in_flight_since(item.get(IN_FLIGHT_SINCE), limits.now)
    if since > limits.stuck_before(0):
        return Skip("its attempt may still be running")
    try:
        tenant = records.parse_tenant(key, item)
    except InvalidFieldError as error:
        return Fail(records.reject(key, item, str(error), now), str(error))
    if since > limits.stuck_before(tenant.automatic_retries):
        return Skip("it was asked for again; the more often, the longer that may take")
    if status == ProvisioningStatus.PROVISIONING and tenant.automatic_retries >= limits.automatic_retries_max:
        reason = (
            f"no result after {tenant.automatic_retries + 1} attempts, the last since {since}; "
            "see the functions' logs and dead-letter queues, then retry"
        )
        return Fail(records.fail_after_retries(tenant, reason, now), reason)
    return request_onboarding(tenant, request_id, now, resumed=True)


def fail_as_it_is(ask: OnboardingRequest, outcome: Outcome | Exception, now: str) -> Fail | None:
    """Return what fails a tenant whose mark can't be written, ever; None: it was, or may be next time."""
    if isinstance(outcome, PermanentError):
        reason = str(outcome)
    elif (
        isinstance(outcome, NotApplied) and outcome.item and records.is_as_read(outcome.item, ask.tenant.item)
    ):
        reason = "the record can't be changed as it is, although it is as it was read"
    else:
        return None
    return Fail(records.reject_as_it_is(ask.tenant.key, ask.tenant.item, reason, now), reason)


def repair(key: Key, item: Item | None, request_id: str, now: str) -> TenantOnboarding | RequestAgain | Skip:
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
        tenant = records.parse_tenant(key, item)
    except InvalidFieldError as error:
        return Skip(str(error))
    if reason := records.misplaced(item):
        return RequestAgain(records.request_again(key, item, f"repair: {reason}", now))
    return request_of(tenant, tenant.attempt, request_id, now)
