"""What to do with a result that did not fit the record. Pure."""

from dataclasses import dataclass
from datetime import datetime

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.record import Item, Tenant, parse_tenant
from tenkacloud.tenants.transitions import results
from tenkacloud.tenants.transitions.transition import Transition
from tenkacloud.tenants.validation import truncated_repr


@dataclass(frozen=True)
class Ignore:
    """The record needs nothing of this result: a duplicate, or one of an older attempt."""

    reason: str


@dataclass(frozen=True)
class WithMark:
    """The result overtook the mark of its attempt: write both, in one change."""

    change: Transition


@dataclass(frozen=True)
class Retry:
    """The result can't be judged yet; AWS is to deliver it again."""

    reason: str


Decision = Ignore | WithMark | Retry


def decide(item: Item, result: ProvisioningResult, now: datetime) -> Decision:
    """Say what to do with a result whose write failed its condition.

    `item` is the record as it was then. A result without an attempt is one of the current attempt.
    """
    status = item.get("provisioningStatus")
    if status not in (*ProvisioningStatus,):
        return Ignore(f"the record's provisioningStatus {truncated_repr(status)} is unknown")
    if status == ProvisioningStatus.COMPLETED:
        return Ignore(f"the record is already {status}")
    try:
        tenant = parse_tenant(Key.of(result.tenant_id), item)
    except InvalidFieldError as error:
        return Ignore(f"the record can't be provisioned as it is: {error}")
    if not results.answers(result, tenant):
        request = f"tier {result.tier}, slug {result.slug}" if result.tier else ", ".join(result.resources)
        return Ignore(
            f"it answers another request ({request}): the record is of tier {tenant.tier}, slug {tenant.slug}"
        )
    if status == ProvisioningStatus.FAILED:
        return _decide_failed(tenant, result, now)
    return _decide_in_flight(tenant, result, now)


def _decide_failed(tenant: Tenant, result: ProvisioningResult, now: datetime) -> Decision:
    if result.succeeded and result.attempt == tenant.next_attempt:
        # Requested by the reconciler; before its mark was written, the attempt before it failed.
        return WithMark(results.record_early_success(tenant, result, now))
    if result.attempt in (None, tenant.attempt):
        return Ignore(f"the record is already {tenant.provisioning_status}")
    return Ignore(_of_another_attempt(result, tenant.attempt))


def _decide_in_flight(tenant: Tenant, result: ProvisioningResult, now: datetime) -> Decision:
    pending = tenant.provisioning_status is ProvisioningStatus.PENDING
    # The next attempt's: provisioning's mark of a PENDING record, or the reconciler's, is not written yet.
    if result.attempt == tenant.next_attempt or (result.attempt is None and pending and not tenant.attempt):
        return WithMark(results.begin_attempt_with_result(tenant, result, now))
    if result.attempt is None:
        # Of the attempt before the retry, or of the retry? Once the retry is marked, it is the current.
        return Retry("it does not say of which attempt it is, and another one is about to begin")
    if not pending and results.counts_for(result, tenant.attempt):
        return Retry("the record changed while its result was written")
    return Ignore(_of_another_attempt(result, tenant.attempt))


def _of_another_attempt(result: ProvisioningResult, attempt: object) -> str:
    return f"the result is of attempt {result.attempt}, the record is at {attempt}"
