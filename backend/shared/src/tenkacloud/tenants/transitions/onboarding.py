"""From PENDING on: an attempt begins, or the record can't be requested. Pure."""

from datetime import datetime

from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.keys import (
    BY_SLUG,
    BY_STATUS_TIER,
    FAILED,
    IN_FLIGHT,
    IN_FLIGHT_PARTITION,
    Key,
    slug_partition,
    status_tier_partition,
)
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.record import (
    AUTOMATIC_RETRIES,
    REVISION,
    Item,
    Tenant,
    attempts_begun,
    created_at,
    is_counted,
    parse_provisioning_status,
    status_and_tier,
)
from tenkacloud.tenants.transitions.transition import HistoryEntry, Transition, as_read, failure, of_status


def begin_attempt(
    tenant: Tenant, now: datetime, correlation_id: str | None = None, *, automatic_retry: bool = False
) -> Transition:
    """PENDING → PROVISIONING: the onboarding of `tenant.next_attempt` was requested.

    As the first status change of a record, it writes what a bare record lacks. With `automatic_retry` it was
    requested because the tenant is stuck: PROVISIONING → PROVISIONING, too, and it is counted.
    """
    created = tenant.created_at or rfc3339(now)
    retries = {AUTOMATIC_RETRIES: tenant.automatic_retries + 1} if automatic_retry else {}
    return Transition(
        key=tenant.key,
        expected=(as_read(tenant.provisioning_status, tenant.item),),
        sets={
            "provisioningStatus": ProvisioningStatus.PROVISIONING,
            "provisioningAttempt": tenant.next_attempt,
            "slug": tenant.slug,
            "status": tenant.status,
            "createdAt": created,
            "updatedAt": rfc3339(now),
            "EntityType": "TENANT",
            **retries,
            **BY_SLUG.entry(slug_partition(tenant.slug), created),
            **BY_STATUS_TIER.entry(status_tier_partition(tenant.status, tenant.tier), created),
            **IN_FLIGHT.entry(IN_FLIGHT_PARTITION, rfc3339(now)),
        },
        history=(
            HistoryEntry(
                ProvisioningStatus.PROVISIONING,
                now,
                tenant.next_attempt,
                reason=f"attempt {tenant.attempt or 0} brought no result" if automatic_retry else None,
                correlation_id=correlation_id,
            ),
        ),
        removes=("failureReason", *FAILED.attributes, *(() if automatic_retry else (AUTOMATIC_RETRIES,))),
    )


def mark_in_flight(key: Key, item: Item, now: datetime) -> Transition:
    """Put a tenant whose change could not be made among those in flight, where the sweep finds it."""
    return Transition(
        key=key,
        # Whatever else was written since: the tenant is still to be seen to.
        expected=(of_status(item),),
        sets=_mended_revision(item),
        sets_if_absent=IN_FLIGHT.entry(IN_FLIGHT_PARTITION, rfc3339(now)),
        history=(),
    )


def _mended_revision(item: Item) -> dict[str, object]:
    """Return what a record's revision has to be set to: nothing, where it can be counted on from."""
    return {} if is_counted(item) else {REVISION: 1}


def reject(key: Key, item: Item, reason: str, now: datetime) -> Transition:
    """PENDING or PROVISIONING → FAILED: the record can't be requested. Counts as an attempt."""
    status = parse_provisioning_status(item.get("provisioningStatus"))
    begun = attempts_begun(item) + 1
    created = created_at(item) or rfc3339(now)
    return Transition(
        key=key,
        expected=(as_read(status, item),),
        sets={
            **_mended_revision(item),
            "provisioningAttempt": begun,
            "createdAt": created,
            **failure(reason, now),
            **BY_STATUS_TIER.entry(status_tier_partition(*status_and_tier(item)), created),
        },
        history=(HistoryEntry(ProvisioningStatus.FAILED, now, begun, reason),),
        sets_if_absent={"EntityType": "TENANT"},
        removes=(*IN_FLIGHT.attributes, AUTOMATIC_RETRIES),
    )


def reject_minimally(key: Key, item: Item, reason: str, now: datetime) -> Transition:
    """PENDING or PROVISIONING → FAILED, with as little written and required as can be.

    For a record that no other change can be made of, although it is as it was read.
    """
    begun = attempts_begun(item) + 1
    return Transition(
        key=key,
        expected=(of_status(item),),
        sets={**_mended_revision(item), "provisioningAttempt": begun, **failure(reason, now)},
        history=(HistoryEntry(ProvisioningStatus.FAILED, now, begun, reason),),
        removes=IN_FLIGHT.attributes,
    )
