"""From PROVISIONING to COMPLETED or FAILED: what the application plane's result changes. Pure."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.isolation.places import Place
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.conditions import (
    Absent,
    AbsentOr,
    AtLeast,
    Is,
    OneOf,
    Requirement,
    Requirements,
    same,
)
from tenkacloud.tenants.keys import DUE, DUE_PARTITION, FAILED, IN_FLIGHT, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import LEFTOVERS, OUTBOX, Leftover
from tenkacloud.tenants.record import AUTOMATIC_RETRIES, REVISION, Item, Tenant
from tenkacloud.tenants.transitions.onboarding import begin_attempt
from tenkacloud.tenants.transitions.operation import due_at
from tenkacloud.tenants.transitions.transition import (
    HistoryEntry,
    Precondition,
    Transition,
    as_read,
    failure,
)
from tenkacloud.tenants.validation import RESOURCE_OF, Tier

#: Why the place that a tenant had is kept when an attempt gives it another: nobody knows what is in it.
KEPT: Final = "the tenant was provisioned anew in another place"


def record_result(result: ProvisioningResult, now: datetime) -> Transition:
    """PROVISIONING → COMPLETED or FAILED: the application plane's result of an attempt.

    The record must still be what the result answers (`_answered`). A failure counts for the attempt in flight
    only. A success that says which request it answers counts for any later attempt, too: they all request
    the same; so a backlog that is longer than automatic retries wait is no reason to fail. A success that
    comes late wins over FAILED. A result without an attempt (an application plane that knows only the
    design's fields) is taken for the current one.

    Only for a record that names no other place and has nothing to be published: `record_result_as_read` is
    for the others.
    """
    attempt: Requirements
    if result.attempt is None:
        attempt = {}
    elif result.succeeded and result.tier:
        attempt = {"provisioningAttempt": AtLeast(result.attempt)}
    else:
        attempt = {"provisioningAttempt": Is(result.attempt)}
    requires = {**_answered(result), **attempt, **_without_other_places(result), OUTBOX: Absent()}
    statuses = (ProvisioningStatus.PROVISIONING, *((ProvisioningStatus.FAILED,) if result.succeeded else ()))
    return Transition(
        key=Key.of(result.tenant_id),
        expected=tuple(
            Precondition(status, {"provisioningStatus": Is(status), **requires}) for status in statuses
        ),
        sets=_written(result, now),
        history=(_entry(result, result.attempt, now),),
        removes=_removed(result),
    )


def _without_other_places(result: ProvisioningResult) -> Requirements:
    if not result.resources:
        return {}
    return {LEFTOVERS: Absent(), "resources": AbsentOr(dict(result.resources))}


def has_places(tenant: Tenant, result: ProvisioningResult) -> bool:
    """Tell whether a record names what `record_result` is not for: places, or what is to be published."""
    resources = tenant.item.get("resources")
    others = tenant.leftovers or resources not in (None, result.resources)
    return OUTBOX in tenant.item or bool(result.resources and others)


def record_result_as_read(tenant: Tenant, result: ProvisioningResult, now: datetime) -> Transition:
    """PROVISIONING or FAILED → COMPLETED or FAILED, for a record that was read.

    The place that the tenant is then in is no leftover any more; one that it was in becomes one.
    """
    state = as_read(tenant.provisioning_status, tenant.item)
    revision = {REVISION: same(tenant.item.get(REVISION))}
    return _with_places(
        tenant,
        result,
        Transition(
            key=tenant.key,
            expected=(replace(state, requires={**state.requires, **revision}),),
            sets=_written(result, now),
            history=(_entry(result, tenant.attempt, now),),
            removes=_removed(result, tenant.item),
        ),
    )


def _with_places(tenant: Tenant, result: ProvisioningResult, change: Transition) -> Transition:
    """Return a change to a result with what it makes of the places that the record names."""
    if not result.resources:
        return change
    place, before = _place(result.resources), _place(tenant.item.get("resources"))
    leftovers = [leftover for leftover in tenant.leftovers if leftover.place != place]
    if before is not None and before not in (place, *(leftover.place for leftover in leftovers)):
        tier = next((tier for tier in Tier if RESOURCE_OF[tier] == before.kind), None)
        leftovers.append(Leftover(before, f"attempt {tenant.attempt or 0}", tier, kept=KEPT))
    if not leftovers and not tenant.leftovers:
        return change
    due = due_at(tenant.operation, tuple(leftovers))
    sets: dict[str, object] = {} if due is None else dict(DUE.entry(DUE_PARTITION, due))
    if leftovers:
        sets[LEFTOVERS] = [leftover.attributes() for leftover in leftovers]
    gone = (*(() if leftovers else (LEFTOVERS,)), *(DUE.attributes if due is None else ()))
    return replace(change, sets={**change.sets, **sets}, removes=(*change.removes, *gone))


def _place(resources: object) -> Place | None:
    try:
        return Place.of(resources)
    except InvalidFieldError:
        return None


def record_early_success(tenant: Tenant, result: ProvisioningResult, now: datetime) -> Transition:
    """FAILED → COMPLETED: a success of the next attempt, whose mark the failure of the last one overtook."""
    early = record_result_as_read(tenant, result, now)
    return replace(
        early,
        sets={**early.sets, "provisioningAttempt": tenant.next_attempt},
        history=(_entry(result, tenant.next_attempt, now),),
    )


def begin_attempt_with_result(tenant: Tenant, result: ProvisioningResult, now: datetime) -> Transition:
    """PENDING → PROVISIONING → COMPLETED or FAILED at once: the result overtook the mark of its attempt."""
    mark = begin_attempt(tenant, now, result.correlation_id)
    written = _written(result, now)
    removed = (*mark.removes, *_removed(result, tenant.item))
    return _with_places(
        tenant,
        result,
        Transition(
            key=mark.key,
            expected=mark.expected,
            sets={**{name: value for name, value in mark.sets.items() if name not in removed}, **written},
            history=(*mark.history, _entry(result, tenant.next_attempt, now)),
            removes=tuple(dict.fromkeys(name for name in removed if name not in written)),
        ),
    )


def _answered(result: ProvisioningResult) -> Requirements:
    """Return what the record must be for a result to be an answer to what is wanted of it.

    The result echoes the tier and the slug of its request. Where it does not, the kind of the resource has to
    be the one of the tier.
    """
    requires: dict[str, Requirement] = {}
    if result.tier:
        requires["tier"] = Is(result.tier)
    elif result.succeeded:
        requires["tier"] = OneOf(tuple(tier for tier in Tier if RESOURCE_OF[tier] in result.resources))
    if result.slug:
        requires["slug"] = Is(result.slug)
    return requires


def answers(result: ProvisioningResult, tenant: Tenant) -> bool:
    """Tell whether a result answers what the record requests now."""
    tier, slug = result.tier, result.slug
    fits = (
        tier is tenant.tier if tier else not result.succeeded or RESOURCE_OF[tenant.tier] in result.resources
    )
    return fits and (slug is None or slug == tenant.slug)


def counts_for(result: ProvisioningResult, attempt: int | None) -> bool:
    """Tell whether a result counts for the attempt that a record is at (the rule of `record_result`)."""
    if result.attempt is None or attempt is None:
        return result.attempt is None
    return result.attempt == attempt or (
        result.succeeded and result.tier is not None and result.attempt < attempt
    )


def _entry(result: ProvisioningResult, attempt: int | None, now: datetime) -> HistoryEntry:
    status = ProvisioningStatus(result.status)
    return HistoryEntry(status, now, attempt, result.failure_reason, result.correlation_id)


def _written(result: ProvisioningResult, now: datetime) -> dict[str, object]:
    resources = {"resources": dict(result.resources)} if result.resources else {}
    if result.failure_reason is None:
        return {
            "provisioningStatus": ProvisioningStatus.COMPLETED,
            "updatedAt": rfc3339(now),
            **resources,
        }
    return {**resources, **failure(result.failure_reason, now)}


def _removed(result: ProvisioningResult, item: Item | None = None) -> tuple[str, ...]:
    # What has something to be published is in flight until that is done.
    gone = (*(() if item and OUTBOX in item else IN_FLIGHT.attributes), AUTOMATIC_RETRIES)
    return gone if not result.succeeded else ("failureReason", *gone, *FAILED.attributes)
