"""What to do with a provisioning's result that did not fit the record. Pure."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.isolation.places import Place, pool_place
from tenkacloud.tenants import lifecycle
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import Phase, PhaseState
from tenkacloud.tenants.record import Item, Tenant, parse_any_tenant, parse_tenant, revision
from tenkacloud.tenants.transitions import results
from tenkacloud.tenants.transitions.offboarding import places_of, purge_again, purge_deleted
from tenkacloud.tenants.transitions.operation import change
from tenkacloud.tenants.transitions.transition import Transition
from tenkacloud.tenants.validation import TenantId, TenantStatus, truncated_repr

#: Who begins another purge, for the record.
_BY: Final = "provisioning-completion"


@dataclass(frozen=True)
class Ignore:
    """The record needs nothing of this result: a duplicate, or one of an older attempt."""

    reason: str


@dataclass(frozen=True)
class Write:
    """Write `change`, made of the record as it was read. `reason` says why it is not the usual one."""

    change: Transition
    reason: str


#: The result overtook the mark of its attempt: both are written, in one change.
_OVERTOOK: Final = "it overtook the mark of its attempt"
#: The record names places that a result has to be seen together with.
_OTHER_PLACES: Final = "the record names other places, too"


@dataclass(frozen=True)
class Purge:
    """Something was made of a tenant that leaves, or left. Write `change`, by which it goes, too."""

    change: Transition
    reason: str


@dataclass(frozen=True)
class Retry:
    """The result can't be judged yet; AWS is to deliver it again."""

    reason: str


Decision = Ignore | Write | Purge | Retry


def decide(item: Item, result: ProvisioningResult, now: datetime) -> Decision:
    """Say what to do with a result whose write failed its condition.

    `item` is the record as it was then. A result without an attempt is one of the current attempt.
    """
    status = item.get("provisioningStatus")
    if status not in (*ProvisioningStatus,):
        return Ignore(f"the record's provisioningStatus {truncated_repr(status)} is unknown")
    if status in lifecycle.DEPROVISION or item.get("status") == TenantStatus.OFFBOARDING:
        return _decide_leaving(Key.of(result.tenant_id), item, result, now)
    return _decide_onboarding(item, status, result, now)


def _decide_onboarding(item: Item, status: object, result: ProvisioningResult, now: datetime) -> Decision:
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


def _decide_leaving(key: Key, item: Item, result: ProvisioningResult, now: datetime) -> Decision:
    """Say what to do with a result of a tenant that is being offboarded, or was: what was made has to go."""
    deleted = item.get("provisioningStatus") == ProvisioningStatus.DEPROVISIONED
    # A provisioning that FAILED may have made some of it. Of a tenant that leaves, the purge or its second
    # verification comes by that.
    if not result.succeeded and not (deleted and result.slug):
        return Ignore("nothing was made of a tenant that leaves, or left")
    try:
        place = _own_place(result) if result.succeeded else None
        if deleted:
            operation_id = _operation_id(result.tenant_id, item)
            purge = purge_deleted(key, item, place, result.slug, operation_id, now, _BY)
            return Purge(purge, "it was made of a deleted tenant")
        if place is None:
            return Ignore("nothing was made of a tenant that leaves")
        return _decide_offboarding(parse_any_tenant(key, item), place, now)
    except InvalidFieldError as error:
        return Ignore(f"nothing can be done about it on the record as it is: {error}")


def _decide_offboarding(tenant: Tenant, place: Place, now: datetime) -> Decision:
    operation = tenant.operation
    if operation is None:
        return Ignore("the record has no operation, although the tenant leaves")
    if operation.phase in (Phase.PURGE, Phase.VERIFY):
        to_come = operation.phase is Phase.PURGE and operation.state is PhaseState.REQUESTED
        if to_come and place in operation.places:
            return Ignore("a purge of all that was made is about to begin")
        return Purge(purge_again(tenant, operation, place, now), "it was made during the purge")
    if place in places_of(tenant.id, tenant.item):
        return Ignore("the purge will go by this place")
    named = replace(operation, places=(*operation.places, place))
    return Purge(change(tenant, now, (), operation=named), "the purge has to go by this place, too")


def _own_place(result: ProvisioningResult) -> Place:
    """Return the place that a result names.

    Raises:
        InvalidFieldError: it is a prefix of another tenant's, or none.
    """
    place = Place.of(result.resources)
    if not place.is_silo and place != pool_place(result.tenant_id):
        raise InvalidFieldError(f"detail.resources.{place.kind}", "is not the tenant's own prefix")
    return place


def _operation_id(tenant_id: TenantId, item: Item) -> str:
    """Return the id of the purge of what was made of a deleted tenant: of each try the same."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant_id} {revision(item)}").hex


def _decide_failed(tenant: Tenant, result: ProvisioningResult, now: datetime) -> Decision:
    if result.succeeded and result.attempt == tenant.next_attempt:
        # An automatic retry; before its mark was written, the attempt before it failed.
        return Write(results.record_early_success(tenant, result, now), _OVERTOOK)
    if result.succeeded and results.counts_for(result, tenant.attempt) and results.has_places(tenant, result):
        return Write(results.record_result_as_read(tenant, result, now), _OTHER_PLACES)
    if result.attempt in (None, tenant.attempt):
        return Ignore(f"the record is already {tenant.provisioning_status}")
    return Ignore(_of_another_attempt(result, tenant.attempt))


def _decide_in_flight(tenant: Tenant, result: ProvisioningResult, now: datetime) -> Decision:
    pending = tenant.provisioning_status is ProvisioningStatus.PENDING
    # The next attempt's: the mark of a PENDING record, or of an automatic retry, is not written yet.
    if result.attempt == tenant.next_attempt or (result.attempt is None and pending and not tenant.attempt):
        return Write(results.begin_attempt_with_result(tenant, result, now), _OVERTOOK)
    if result.attempt is None:
        # Of the attempt before the retry, or of the retry? Once the retry is marked, it is the current.
        return Retry("it does not say of which attempt it is, and another one is about to begin")
    if not pending and results.counts_for(result, tenant.attempt):
        if results.has_places(tenant, result):
            return Write(results.record_result_as_read(tenant, result, now), _OTHER_PLACES)
        return Retry("the record changed while its result was written")
    return Ignore(_of_another_attempt(result, tenant.attempt))


def _of_another_attempt(result: ProvisioningResult, attempt: object) -> str:
    return f"the result is of attempt {result.attempt}, the record is at {attempt}"
