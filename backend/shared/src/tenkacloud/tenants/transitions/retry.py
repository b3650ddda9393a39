"""Another attempt for a tenant that is through, or none any more for one that is stuck. Pure."""

from collections.abc import Mapping
from datetime import datetime

from tenkacloud.errors import InvalidFieldError, OperationInProgressError
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.conditions import Absent, Is, Requirement, same
from tenkacloud.tenants.keys import FAILED, IN_FLIGHT, IN_FLIGHT_PARTITION, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import OPERATION
from tenkacloud.tenants.record import (
    AUTOMATIC_RETRIES,
    Item,
    Tenant,
    attempts_begun,
    parse_provisioning_status,
    resource_mismatch,
)
from tenkacloud.tenants.transitions.transition import (
    HistoryEntry,
    Precondition,
    Transition,
    as_read,
    failure,
)


def request_again(key: Key, item: Item, reason: str, now: datetime) -> Transition:
    """FAILED → PENDING, or COMPLETED with resources of another tier → PENDING: another attempt is wanted.

    `reason` is for the history.

    Raises:
        InvalidFieldError: the record is neither, or its tenant leaves or has left: nothing is made for it.
        OperationInProgressError: something is under way of the tenant.
    """
    if item.get(OPERATION) is not None:
        raise OperationInProgressError(OPERATION, "is under way: retry or cancel that")
    status = parse_provisioning_status(item.get("provisioningStatus"))
    if status is not ProvisioningStatus.FAILED and resource_mismatch(item) is None:
        raise InvalidFieldError(
            "provisioningStatus", f"is {status}, with nothing to be mended by another attempt"
        )
    as_found = as_read(status, item)
    expected = Precondition(status, {**as_found.requires, OPERATION: Absent()})
    if status is ProvisioningStatus.COMPLETED:
        expected = Precondition(status, {**expected.requires, "resources": _same_resources(item)})
    return Transition(
        key=key,
        expected=(expected,),
        sets={
            "provisioningStatus": ProvisioningStatus.PENDING,
            "updatedAt": rfc3339(now),
            # From the start: should the stream fail to bring it, the sweep of the stuck does.
            **IN_FLIGHT.entry(IN_FLIGHT_PARTITION, rfc3339(now)),
        },
        history=(HistoryEntry(ProvisioningStatus.PENDING, now, attempts_begun(item) or None, reason),),
        removes=(AUTOMATIC_RETRIES, *FAILED.attributes),
    )


def _same_resources(item: Item) -> Requirement:
    resources = item.get("resources")
    if isinstance(resources, Mapping) and all(isinstance(name, str) for name in resources.values()):
        return Is(dict(resources))
    return same(resources)


def fail_after_retries(tenant: Tenant, reason: str, now: datetime) -> Transition:
    """PROVISIONING → FAILED: attempt after attempt brought no result."""
    return Transition(
        key=tenant.key,
        expected=(as_read(tenant.provisioning_status, tenant.item),),
        sets=failure(reason, now),
        history=(HistoryEntry(ProvisioningStatus.FAILED, now, tenant.attempt, reason),),
        removes=(*IN_FLIGHT.attributes, AUTOMATIC_RETRIES),
    )
