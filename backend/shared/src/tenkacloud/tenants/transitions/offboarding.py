"""Offboarding: retention, export, purge, two verifications, and what then stays for ever. Pure."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from tenkacloud.errors import InvalidFieldError, NotInStateError, OperationInProgressError
from tenkacloud.events.tenant_deprovisioned import TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.isolation.places import Place, pool_place
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.conditions import Absent, Requirement, same
from tenkacloud.tenants.keys import (
    BY_STATUS_TIER,
    CERTIFICATE,
    IN_FLIGHT,
    IN_FLIGHT_PARTITION,
    Key,
    status_tier_partition,
)
from tenkacloud.tenants.lifecycle import FINAL, ProvisioningStatus
from tenkacloud.tenants.operations import (
    OPERATION,
    OUTBOX,
    Leftover,
    Operation,
    OperationKind,
    Outbox,
    Phase,
    PhaseState,
    moment,
    parse_leftovers,
    parse_operation,
)
from tenkacloud.tenants.record import (
    REVISION,
    Item,
    Tenant,
    created_at,
    parse_provisioning_status,
    read,
    revision,
    status_and_tier,
)
from tenkacloud.tenants.transitions.operation import (
    Waits,
    answered,
    as_operated,
    begun,
    change,
    describe,
    ended,
    entered,
    export_puts,
    fail,
    may_end,
    place_of,
)
from tenkacloud.tenants.transitions.transition import (
    HistoryEntry,
    Image,
    Precondition,
    Transition,
    as_read,
)
from tenkacloud.tenants.validation import Slug, TenantId, TenantStatus, parse_slug, parse_tenant_id

#: `EntityType` of what stays of a tenant that was deleted.
TOMBSTONE: Final = "TOMBSTONE"
#: Purges of one offboarding without an operator: what is still there after so many comes from somewhere.
PURGES_MAX: Final = 5
_RESTORABLE: Final = (Phase.RETAIN, Phase.EXPORT)


def offboard(
    tenant: Tenant, retain_until: datetime, operation_id: str, now: datetime, by: str, *, export: bool = False
) -> Transition:
    """ACTIVE or SUSPENDED → OFFBOARDING: nobody may use it from now on, and `retain_until` all goes.

    An operation that FAILED is superseded; the place that it was to fill goes, too.

    Raises:
        NotInStateError: it is being offboarded, was, or is being onboarded.
        OperationInProgressError: something else is under way.
    """
    if tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
        raise NotInStateError("status", f"is {tenant.status}: neither ACTIVE nor SUSPENDED")
    if tenant.provisioning_status not in FINAL:
        raise NotInStateError(
            "provisioningStatus", f"is {tenant.provisioning_status}, neither COMPLETED nor FAILED"
        )
    leftovers = tenant.leftovers
    if tenant.operation is not None:
        if tenant.operation.state is not PhaseState.FAILED:
            raise OperationInProgressError(OPERATION, f"is under way: {describe(tenant.operation)}")
        leftovers += _left_by(tenant.operation, tenant)
    operation = begun(
        Operation(
            id=operation_id,
            kind=OperationKind.OFFBOARD,
            phase=Phase.RETAIN,
            state=PhaseState.WAITING,
            attempt=0,
            requested_at=rfc3339(now),
            requested_by=by,
            due=rfc3339(retain_until),
            retain_until=rfc3339(retain_until),
            export_requested=export,
        )
    )
    status = TenantStatus.OFFBOARDING
    entries = (
        HistoryEntry(status, now, None, requested_by=by),
        HistoryEntry(Phase.RETAIN, now, None, operation=operation, requested_by=by),
    )
    return change(tenant, now, entries, operation=operation, leftovers=leftovers, status=status)


def _left_by(operation: Operation, tenant: Tenant) -> tuple[Leftover, ...]:
    """Return what an operation that is given up leaves: the place that it was filling."""
    known = {leftover.place for leftover in tenant.leftovers}
    if operation.kind is not OperationKind.CHANGE_TIER or operation.to is None or operation.to in known:
        return ()
    return (
        Leftover(
            operation.to, operation.id, operation.to_tier, kept=f"{operation.phase} FAILED and was given up"
        ),
    )


def restore(tenant: Tenant, now: datetime, by: str) -> Transition:
    """OFFBOARDING → SUSPENDED, until the purge begins. Of this and the purge exactly one is written.

    Raises:
        NotInStateError: it is not being offboarded, or its data is being purged.
    """
    operation = tenant.operation
    if tenant.status is not TenantStatus.OFFBOARDING or operation is None:
        raise NotInStateError("status", f"is {tenant.status}, not OFFBOARDING")
    if operation.phase not in _RESTORABLE:
        raise NotInStateError(OPERATION, f"is beyond return: {describe(operation)}")
    may_end(operation)
    status = TenantStatus.SUSPENDED
    return change(
        tenant,
        now,
        (HistoryEntry(status, now, None, "restored", requested_by=by),),
        operation=None,
        status=status,
        publish=Outbox.STATUS,
        sets={"statusReason": "restored"},
    )


def retention_over(tenant: Tenant, operation: Operation, expires_at: datetime, now: datetime) -> Transition:
    """RETAIN → EXPORT, if one was requested, else PURGE. `expires_at` is that of the export.

    Raises:
        NotInStateError: the retention is not over.
    """
    if operation.phase is not Phase.RETAIN or operation.state is not PhaseState.WAITING:
        raise NotInStateError(OPERATION, f"is not in retention: {describe(operation)}")
    if moment(operation.retain_until or "") > now:
        raise NotInStateError(OPERATION, f"is in retention until {operation.retain_until}")
    if operation.export_requested and tenant.provisioning_status is ProvisioningStatus.COMPLETED:
        export = entered(
            operation,
            Phase.EXPORT,
            PhaseState.REQUESTED,
            export_id=operation.id,
            expires_at=rfc3339(expires_at),
        )
        entry = HistoryEntry(Phase.EXPORT, now, None, operation=export)
        return change(tenant, now, (entry,), operation=export, publish=Outbox.OPERATION)
    return _purge(tenant, operation, now, ())


def record_offboarding_export(
    tenant: Tenant, operation: Operation, result: TenantExported, now: datetime
) -> Transition:
    """EXPORT → PURGE, once it was verified. FAILED: nothing is deleted, and an operator is told."""
    operation = answered(operation, result)
    if result.failure_reason is not None:
        return fail(tenant, operation, result.failure_reason, now)
    return _purge(
        tenant, operation, now, (ended(operation, now),), puts=export_puts(tenant, operation, result, now)
    )


def _purge(
    tenant: Tenant,
    operation: Operation,
    now: datetime,
    entries: tuple[HistoryEntry, ...],
    puts: Mapping[str, Mapping[str, object]] | None = None,
    places: Iterable[Place] = (),
) -> Transition:
    """PURGE begins: from here on there is no way back."""
    purge = entered(
        operation,
        Phase.PURGE,
        PhaseState.REQUESTED,
        places=places_of(tenant.id, tenant.item, (*operation.places, *places)),
        purges=operation.purges + 1,
        verifications=0,
    )
    entries = (*entries, HistoryEntry(Phase.PURGE, now, purge.attempt or None, operation=purge))
    status = ProvisioningStatus.DEPROVISIONING
    if tenant.provisioning_status is not status:
        entries = (HistoryEntry(status, now, purge.attempt or None), *entries)
    return change(
        tenant,
        now,
        entries,
        operation=purge,
        provisioning_status=status,
        publish=Outbox.OPERATION,
        puts=puts,
    )


def places_of(tenant_id: TenantId, item: Item, more: Iterable[Place] = ()) -> tuple[Place, ...]:
    """Return every place that a tenant's objects are known to be in, or to have been: its prefix always."""
    found = [pool_place(tenant_id), *more]
    # Of an onboarding that FAILED, it has none.
    with suppress(InvalidFieldError):
        found.append(place_of(item))
    found += [leftover.place for leftover in parse_leftovers(item)]
    operation = parse_operation(item)
    if operation is not None:
        found += [place for place in (operation.from_, operation.to, *operation.places) if place is not None]
    return tuple(dict.fromkeys(found))


def record_deprovisioning(
    tenant: Tenant,
    operation: Operation,
    result: TenantDeprovisioned,
    waits: Waits,
    remains: Mapping[str, str],
    now: datetime,
) -> Transition:
    """PURGE → VERIFY → VERIFY, a while later → the tombstone. What is found left is purged again.

    `remains` says what is left of the tenant elsewhere, and until when: for the certificate.
    """
    operation = answered(operation, result)
    if result.failure_reason is not None:
        return fail(tenant, operation, result.failure_reason, now)
    if operation.phase is Phase.PURGE:
        counted = _added(operation.evidence, result.evidence.attributes())
        verify = entered(operation, Phase.VERIFY, PhaseState.REQUESTED, evidence=counted)
        entries = (
            ended(operation, now),
            HistoryEntry(Phase.VERIFY, now, verify.attempt, operation=verify),
        )
        return change(tenant, now, entries, operation=verify, publish=Outbox.OPERATION)
    if result.evidence.remaining:
        reason = f"{result.evidence.remaining} things were still there after purge {operation.purges}"
        if operation.purges >= PURGES_MAX:
            return fail(tenant, operation, reason, now)
        entry = HistoryEntry(Phase.VERIFY, now, operation.attempt, reason, operation=operation)
        return _purge(tenant, operation, now, (entry,))
    verified = replace(operation, verifications=operation.verifications + 1)
    checked = {"remaining": 0, f"verifiedAt{verified.verifications}": result.evidence.checked_at}
    verified = replace(verified, evidence={**(operation.evidence or {}), **checked})
    if verified.verifications == 1:
        due = rfc3339(now + timedelta(seconds=waits.verify_again_after_seconds))
        waiting = entered(verified, Phase.VERIFY, PhaseState.WAITING, due=due)
        entry = HistoryEntry(Phase.VERIFY, now, operation.attempt, None, None, waiting)
        return change(tenant, now, (ended(operation, now), entry), operation=waiting)
    return _tombstone(tenant, verified, remains, now)


def _added(evidence: Mapping[str, object] | None, more: Mapping[str, object]) -> dict[str, object]:
    """Return the counts of all purges of one offboarding, and when the last one looked."""
    total = dict(more)
    for name, value in (evidence or {}).items():
        if name in total and isinstance(total[name], int):
            total[name] = int(str(total[name])) + int(str(value))
    return total


def verify_again(tenant: Tenant, operation: Operation, now: datetime) -> Transition:
    """VERIFY, WAITING → REQUESTED: the second look is due.

    Raises:
        NotInStateError: it is not.
    """
    if operation.phase is not Phase.VERIFY or operation.state is not PhaseState.WAITING:
        raise NotInStateError(OPERATION, f"does not wait: {describe(operation)}")
    if moment(operation.due or "") > now:
        raise NotInStateError(OPERATION, f"waits until {operation.due}")
    again = entered(operation, Phase.VERIFY, PhaseState.REQUESTED)
    entry = HistoryEntry(Phase.VERIFY, now, again.attempt, operation=again)
    return change(tenant, now, (entry,), operation=again, publish=Outbox.OPERATION)


def _tombstone(tenant: Tenant, operation: Operation, remains: Mapping[str, str], now: datetime) -> Transition:
    """DELETED, for ever: the record keeps the id, and nothing personal; the certificate says the rest."""
    may_end(operation)
    status, provisioning = TenantStatus.DELETED, ProvisioningStatus.DEPROVISIONED
    deleted_at = tenant.item.get("deletedAt")
    again = tenant.status is status
    record: dict[str, object] = {
        "id": tenant.id,
        "tier": tenant.tier,
        "status": status,
        "provisioningStatus": provisioning,
        "createdAt": tenant.created_at or rfc3339(now),
        "deletedAt": deleted_at if again and isinstance(deleted_at, str) else rfc3339(now),
        "updatedAt": rfc3339(now),
        "EntityType": TOMBSTONE,
        REVISION: revision(tenant.item) + 1,
        **BY_STATUS_TIER.entry(status_tier_partition(status, tenant.tier), tenant.created_at or rfc3339(now)),
    }
    entries = [HistoryEntry(provisioning, now, operation.attempt), ended(operation, now)]
    if not again:
        entries.insert(0, HistoryEntry(status, now, operation.attempt))
    return Transition(
        key=tenant.key,
        expected=(as_operated(tenant),),
        sets={},
        history=tuple(entries),
        replacement=record,
        puts={} if again else {CERTIFICATE: certificate(tenant, operation, remains, now)},
    )


def certificate(
    tenant: Tenant, operation: Operation, remains: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """Return the certificate of a deletion: what was deleted, how much, when it was checked, what remains.

    `remains` maps a store to until when it may hold something of the tenant (RFC 3339 UTC, or a rule).
    """
    return {
        "EntityType": CERTIFICATE,
        "tenantId": tenant.id,
        "tier": tenant.tier,
        "operationId": operation.id,
        "requestedAt": operation.requested_at,
        "requestedBy": operation.requested_by,
        "retainUntil": operation.retain_until or operation.requested_at,
        "deletedAt": rfc3339(now),
        "evidence": dict(operation.evidence or {}),
        "places": [place.as_resources() for place in operation.places],
        "remains": dict(remains),
        **({"exportId": operation.export_id} if operation.export_id else {}),
    }


# --- what comes back ----------------------------------------------------------------------------------------


def purge_again(tenant: Tenant, operation: Operation, place: Place, now: datetime) -> Transition:
    """PURGE once more, with a place that a late result names: something of the tenant was made meanwhile."""
    entry = HistoryEntry(
        operation.phase, now, operation.attempt or None, f"{place.name} was made meanwhile", None, operation
    )
    return _purge(tenant, operation, now, (entry,), places=(place,))


def purge_deleted(
    key: Key, item: Item, place: Place | None, slug: Slug | None, operation_id: str, now: datetime, by: str
) -> Transition:
    """DEPROVISIONED → DEPROVISIONING: something was made of a tenant that is DELETED. It goes again.

    `place` is what was made, None where nobody says; `slug` is what it was made by: names of resources may
    be made of it, and the record has none any more.

    Raises:
        NotInStateError: the record is not such a tombstone.
    """
    status, tier = status_and_tier(item)
    provisioning = parse_provisioning_status(item.get("provisioningStatus"))
    if status is not TenantStatus.DELETED or provisioning is not ProvisioningStatus.DEPROVISIONED:
        raise NotInStateError("status", "is not that of a deleted tenant")
    tenant_id = parse_tenant_id("id", item.get("id"))
    operation = begun(
        Operation(
            id=operation_id,
            kind=OperationKind.OFFBOARD,
            phase=Phase.PURGE,
            state=PhaseState.REQUESTED,
            attempt=0,
            requested_at=rfc3339(now),
            requested_by=by,
            purges=1,
            places=tuple(dict.fromkeys(each for each in (pool_place(tenant_id), place) if each)),
            slug=slug,
        )
    )
    state = as_read(provisioning, item)
    requires: dict[str, Requirement] = {
        **state.requires,
        REVISION: same(item.get(REVISION)),
        OPERATION: Absent(),
    }
    to = ProvisioningStatus.DEPROVISIONING
    what = "something" if place is None else place.name
    return Transition(
        key=key,
        expected=(Precondition(provisioning, requires, status),),
        sets={
            "provisioningStatus": to,
            "updatedAt": rfc3339(now),
            OPERATION: operation.attributes(),
            OUTBOX: Outbox.OPERATION,
            **BY_STATUS_TIER.entry(status_tier_partition(status, tier), created_at(item) or rfc3339(now)),
            **IN_FLIGHT.entry(IN_FLIGHT_PARTITION, rfc3339(now)),
        },
        history=(
            HistoryEntry(to, now, None, f"{what} was made of a deleted tenant"),
            HistoryEntry(Phase.PURGE, now, None, operation=operation),
        ),
    )


def undo_overwrite(
    key: Key, found: Item, old: Image, operation_id: str, now: datetime, by: str
) -> Transition:
    """Write back the record that a raw write replaced, although the tenant was being seen to, or deleted.

    `found` is the record as the write left it, or as it has become since. Where something was made of a
    deleted tenant meanwhile, and recorded there, that is purged, as what is reported later is.
    """
    # Whatever the write made of it: it is not a status from which this is a transition.
    status = ProvisioningStatus.PENDING
    more = {name: same(found.get(name)) for name in (OPERATION, REVISION)}
    undo = Transition(
        key=key,
        expected=(Precondition(status, {**as_read(status, found).requires, **more}),),
        sets={},
        history=(),
        replacement=old,
    )
    if not revision(found):
        # Nobody but the raw write has had it, so nothing was made.
        return undo
    tombstone = read(old.attributes, old.attributes)
    with suppress(InvalidFieldError):
        slug = parse_slug("slug", found.get("slug"))
        purge = purge_deleted(key, tombstone, place_of(found), slug, operation_id, now, by)
        return replace(
            undo,
            expected=tuple(replace(state, status=purge.expected[0].status) for state in undo.expected),
            history=purge.history,
            replacement={**tombstone, **purge.sets, REVISION: revision(tombstone) + 1},
        )
    return undo


def is_protected(item: Item) -> bool:
    """Tell whether a record must not be replaced by a raw write: an operation is under way, or it is gone."""
    return item.get(OPERATION) is not None or item.get("status") in (
        TenantStatus.OFFBOARDING,
        TenantStatus.DELETED,
    )
