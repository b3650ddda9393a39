"""What has to be true of every run (`decisions.md`, section 10). Each check yields what is wrong."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING
from scripts.verification.flow import reconciling
from tenkacloud.isolation.resource_names import pool_marker, pool_prefix
from tenkacloud.tenants.keys import (
    BY_SLUG,
    BY_STATUS_TIER,
    FAILED,
    HISTORY_PREFIX,
    IN_FLIGHT,
    INDEXES,
    METADATA,
)
from tenkacloud.tenants.lifecycle import DEPROVISION, TRANSITIONS, ProvisioningStatus
from tenkacloud.tenants.lifecycle import IN_FLIGHT as LIFECYCLE_IN_FLIGHT
from tenkacloud.tenants.operations import LEFTOVERS, OPERATION, OUTBOX, PhaseState, parse_operation
from tenkacloud.tenants.record import AUTOMATIC_RETRIES, read, resource_mismatch
from tenkacloud.tenants.transitions.offboarding import TOMBSTONE
from tenkacloud.tenants.validation import TenantId
from tests.settings import AUTOMATIC_RETRIES_MAX, STUCK_AFTER
from tests.simulation.delivery import event_for
from tests.simulation.life_invariants import LIFE_CHECKS
from tests.simulation.simulator import OPERATOR, Changed
from tests.simulation.workload import Tenant, Workload, silos

#: What operations change of a record, besides what onboarding does.
_OF_OPERATIONS: Final = (OPERATION, OUTBOX, LEFTOVERS, "status", "tier", IN_FLIGHT.sort)

Check = Callable[[Workload], Iterator[str]]


def violations(workload: Workload) -> list[str]:
    """Return what is wrong with a run that has been played."""
    return [f"{check.__name__}: {problem}" for check in CHECKS for problem in check(workload)]


def nobody_is_lost(workload: Workload) -> Iterator[str]:
    """1: COMPLETED, FAILED, listed as stuck, or in a queue; and COMPLETED or FAILED in the end."""
    if workload.restless:
        yield "something comes again and again"
    yield from (f"{tenant_id} is in flight, and listed nowhere" for tenant_id in workload.lost)
    for tenant in workload.tenants:
        record = workload.record(tenant)
        status = _string(record, "provisioningStatus")
        wanted = ProvisioningStatus.FAILED if tenant.reason else ProvisioningStatus.COMPLETED
        if workload.is_gone(tenant):
            wanted = ProvisioningStatus.DEPROVISIONED
        by_hand = _string(record, "status") == "DELETED" and status == ProvisioningStatus.FAILED
        if status != wanted and not by_hand:
            yield f"{tenant.id} is {status} in the end, not {wanted}"


def what_was_written_last_holds(workload: Workload) -> Iterator[str]:
    """No writer of ours takes back what somebody else wrote."""
    for tenant in workload.good:
        record = workload.record(tenant)
        last = {"tier": tenant.tier, "name": tenant.name, "slug": tenant.slug, "status": tenant.status}
        if tenant.id in workload.undone:
            last = {}
        elif tenant.id in workload.lives:
            last = {} if workload.is_gone(tenant) else {"name": tenant.name, "slug": tenant.slug}
        for name, value in last.items():
            if value is not None and _string(record, name) != value:
                yield f"{tenant.id}: {name} is {_string(record, name)}, but was written {value} last"
        if wrong := resource_mismatch(read(record)):
            yield f"{tenant.id} is COMPLETED, but {wrong}"


def completed_has_its_resources(workload: Workload) -> Iterator[str]:
    """2: they exist, are ours, hardened, and named on the record."""
    for tenant in workload.good:
        item = workload.record(tenant)
        if _string(item, "provisioningStatus") != ProvisioningStatus.COMPLETED:
            continue
        if tenant.status == "DELETED" and tenant.touched:
            continue  # it stays where it was
        resources = {name: value["S"] for name, value in item.get("resources", {}).get("M", {}).items()}
        if _string(item, "tier") == "ENTERPRISE":
            bucket = resources.get("dedicatedBucket", "")
            if bucket not in silos(tenant):
                yield f"{tenant.id} names {resources}, not one of the buckets {silos(tenant)}"
            yield from (
                f"{tenant.id}: {problem}" for problem in _bucket_problems(workload, bucket, tenant.id)
            )
        else:
            if resources != {"s3Prefix": f"tenants/{tenant.id}/"}:
                yield f"{tenant.id} names {resources}, not its prefix"
            if pool_marker(TenantId(tenant.id)) not in workload.simulator.state.pool():
                yield f"{tenant.id} has no marker"


def _once(tenant: Tenant) -> bool:
    """Whether only one thing was ever wanted of a tenant."""
    return len(tenant.wanted) == 1


def _bucket_problems(workload: Workload, name: str, tenant_id: str) -> Iterator[str]:
    bucket = workload.simulator.state.bucket(name)
    if bucket is None:
        yield f"the bucket {name} is missing"
        return
    if bucket.tags != {"tenantId": tenant_id}:
        yield f"the bucket's tags are {bucket.tags}"
    closed = bucket.public_access_block
    if not closed or not all(closed.values()):
        yield "the bucket is not closed to the public"
    if bucket.versioning != "Enabled" or not bucket.encryption:
        yield "the bucket has no versions, or no encryption"
    if tenant_id not in str(bucket.policy) or "DenyOtherTenants" not in str(bucket.policy):
        yield "the bucket's policy is another"


def failed_says_why(workload: Workload) -> Iterator[str]:
    """3 and 5: each FAILED has a reason, the right one where the record is bad."""
    for change in _records(workload):
        item = change.new or {}
        if _string(item, "provisioningStatus") == ProvisioningStatus.FAILED and not _string(
            item, "failureReason"
        ):
            yield f"{change.pk} is FAILED without a reason at {change.at:.3f}"
    for tenant in workload.tenants:
        reason = _string(workload.record(tenant), "failureReason") or ""
        if tenant.reason and not reason.startswith(tenant.reason):
            yield f"{tenant.id} FAILED because of {reason!r}, not {tenant.reason!r}"


def each_resource_is_made_once(workload: Workload) -> Iterator[str]:
    """4: however often it was requested, and none for somebody bad."""
    made = set(workload.simulator.state.buckets())
    allowed = {bucket for tenant in workload.good for bucket in silos(tenant)}
    required = {
        bucket
        for tenant in workload.good
        if tenant.id not in workload.lives
        if _once(tenant) and _status(workload.record(tenant)) is ProvisioningStatus.COMPLETED
        for bucket in silos(tenant)
    }
    if not required <= made <= allowed:
        yield f"the silo buckets are {sorted(made)}, not {sorted(allowed)}"
    prefixes = tuple(pool_prefix(TenantId(tenant_id)) for tenant_id in workload.lives)
    keys = {key for key in workload.simulator.state.pool() if not key.startswith(prefixes)}
    pooled = {
        pool_marker(TenantId(tenant.id))
        for tenant in workload.good
        if any(tier != "ENTERPRISE" for tier, _ in tenant.wanted)
    }
    if not keys <= pooled:
        yield f"the data bucket holds {sorted(keys)}, not {sorted(pooled)}"


def transitions_are_allowed(workload: Workload) -> Iterator[str]:
    """The state machine: our writers go through its table, and never back to an older attempt."""
    for change in _records(workload):
        if change.writer == OPERATOR or change.old is None or change.new is None:
            continue
        if workload.undoes(change):
            continue
        old, new = _status(change.old), _status(change.new)
        through = {*TRANSITIONS[old], *(then for each in TRANSITIONS[old] for then in TRANSITIONS[each])}
        # A mark and its result may come in one write, by the completion function.
        allowed = through if change.writer == COMPLETION else TRANSITIONS[old]
        if old != new and new not in allowed:
            yield f"{change.pk}: {old} → {new} by {change.writer} at {change.at:.3f}"
        touched = any(change.old.get(name) != change.new.get(name) for name in _OF_OPERATIONS)
        if old is ProvisioningStatus.COMPLETED and not (touched or resource_mismatch(read(change.old))):
            yield f"{change.pk} was changed by {change.writer} after it was COMPLETED"
        buried = _string(change.new, "EntityType") == TOMBSTONE
        if _attempt(change.new) < _attempt(change.old) and not buried:
            yield f"{change.pk} went back to attempt {_attempt(change.new)} at {change.at:.3f}"


def marked_means_requested(workload: Workload) -> Iterator[str]:
    """Publish, then mark: who is PROVISIONING has been requested."""
    for change in _records(workload):
        if change.writer == OPERATOR or change.new is None or not _is_of_onboarding(change):
            continue
        if _status(change.new) is ProvisioningStatus.PROVISIONING and not _was_published(
            workload, change, PROVISIONER
        ):
            yield f"{change.pk} was marked at {change.at:.3f}, but not requested"


def recorded_means_reported(workload: Workload) -> Iterator[str]:
    """A result is one of the attempt that the record is at."""
    for change in _records(workload):
        if change.writer != COMPLETION or change.new is None or not _is_of_onboarding(change):
            continue
        if _status(change.new) in DEPROVISION:
            continue
        if not _was_published(workload, change, COMPLETION, str(_status(change.new))):
            yield f"{change.pk} is {_status(change.new)} at {change.at:.3f} by no result of its attempt"


def a_success_wins_over_failed(workload: Workload) -> Iterator[str]:
    """Whoever is FAILED has had no success that answers what is wanted of it."""
    yield from workload.simulator.ignored


def _is_of_onboarding(change: Changed) -> bool:
    """Whether a change is one of the provisioning status or of the attempt."""
    old, new = change.old or {}, change.new or {}
    return any(old.get(name) != new.get(name) for name in ("provisioningStatus", "provisioningAttempt"))


def _was_published(workload: Workload, change: Changed, consumer: str, status: str | None = None) -> bool:
    """Whether a service was sent an event of the attempt that a change is of."""
    detail_type = event_for(consumer).DETAIL_TYPE
    return any(
        event.detail_type == detail_type
        and event.step <= change.step
        and f"TENANT#{event.detail.get('tenantId')}" == change.pk
        and _is_of(event.detail, change.new or {})
        and event.detail.get("status") == status
        for event in workload.simulator.published
    )


def _is_of(detail: dict[str, Any], record: dict[str, Any]) -> bool:
    """Whether an event is of the attempt that a record is at; or, a success, of one that wanted the same."""
    attempt, current = detail.get("provisioningAttempt"), _attempt(record)
    same = (detail.get("tier"), detail.get("slug")) == (_string(record, "tier"), _string(record, "slug"))
    if detail.get("status") == "COMPLETED" and same and isinstance(attempt, int):
        return attempt <= current
    return attempt == current and (same or detail.get("status") == "FAILED")


def indexes_say_what_the_record_says(workload: Workload) -> Iterator[str]:
    """In flight: PROVISIONING, maybe PENDING, or something under way or to be published. Failed: FAILED.

    By slug and by tier: whoever was begun.
    """
    for change in _records(workload):
        item = change.new
        if item is None or change.writer == OPERATOR:
            continue
        status = _status(item)
        in_flight, failed = IN_FLIGHT.partition in item, FAILED.partition in item
        operation = parse_operation(read(item, (OPERATION,)))
        busy = status is ProvisioningStatus.PROVISIONING or OUTBOX in item
        broken = status in (ProvisioningStatus.FAILED, ProvisioningStatus.DEPROVISION_FAILED)
        if operation is not None:
            busy = busy or operation.is_under_way
            broken = broken or operation.state is PhaseState.FAILED
        if workload.undoes(change):
            continue
        wrong = (in_flight != busy and status is not ProvisioningStatus.PENDING) or failed != broken
        rejected = status is ProvisioningStatus.FAILED and change.writer == PROVISIONING
        if rejected and BY_STATUS_TIER.partition not in item:
            yield f"{change.pk} was rejected, but is in no index by status and tier"
        begun = status in (ProvisioningStatus.PROVISIONING, ProvisioningStatus.COMPLETED)
        if _string(item, "status") == "DELETED" and "deletedAt" not in item:
            begun = False  # written so by hand: it was rejected, and a success of before came late
        if wrong or (begun and not {BY_SLUG.partition, BY_STATUS_TIER.partition} <= set(item)):
            indexes = [index.name for index in INDEXES if index.partition in item]
            yield f"{change.pk} is {status}, but in the indexes {indexes}"


def history_is_complete(workload: Workload) -> Iterator[str]:
    """Each transition that a writer of ours made is a line, in order, and no other is."""
    for tenant in workload.tenants:
        made = []
        for change in _records(workload, tenant.key["PK"]["S"]):
            raw = change.old is not None and change.new is not None and change.writer == OPERATOR
            if workload.buries_again(change):
                made.append((ProvisioningStatus.DEPROVISIONING.value, change.writer))
            if change.old is None or change.new is None or workload.undoes(change):
                continue
            if raw and (change.step in workload.raw or not _is_retry(change)):
                continue
            old, new = _status(change.old), _status(change.new)
            if old != new or _attempt(change.old) != _attempt(change.new):
                overtaken = old is ProvisioningStatus.PENDING and change.writer == COMPLETION
                retried = (
                    old is ProvisioningStatus.PROVISIONING
                    and change.writer == COMPLETION
                    and _attempt(change.old) != _attempt(change.new)
                )
                if overtaken or retried:
                    made.append((ProvisioningStatus.PROVISIONING.value, change.writer))
                made.append((new.value, change.writer))
        lines = sorted(
            (item["SK"]["S"], item["to"]["S"], item["by"]["S"])
            for item in workload.simulator.state.items()
            if item["PK"] == tenant.key["PK"]
            and item["SK"]["S"].startswith(HISTORY_PREFIX)
            and "attribute" not in item
        )
        told = [(to, writer) for _, to, writer in lines]
        if workload.simulator.pauses:
            # A line has the time at which its writer looked: of two writers, that may not be their order.
            made, told = sorted(made), sorted(told)
        if made != told:
            yield f"{tenant.id} went {made}, its history says {told}"
    yield from _untold(workload)


def _untold(workload: Workload) -> Iterator[str]:
    """Yield changes of a tenant's status, tier or operation that were written without a line."""
    told = {(each.step, each.pk) for each in workload.simulator.changes if each.sk.startswith(HISTORY_PREFIX)}
    for change in _records(workload):
        if change.old is None or change.new is None or change.step in workload.raw or workload.undoes(change):
            continue
        if workload.is_by_hand(change):
            continue
        before, after = (
            [_string(record, "status"), _string(record, "tier"), _phase_of(record)]
            for record in (change.old, change.new)
        )
        if before[0] is not None and before != after and (change.step, change.pk) not in told:
            yield f"{change.pk} went {before} → {after} by {change.writer}, and no line says so"


def _phase_of(record: dict[str, Any]) -> tuple[object, ...] | None:
    operation = parse_operation(read(record, (OPERATION,)))
    if operation is None:
        return None
    return operation.id, operation.phase, operation.state, operation.attempt


def _is_retry(change: Changed) -> bool:
    return (
        _status(change.old or {}) is ProvisioningStatus.FAILED
        and _status(change.new or {}) is ProvisioningStatus.PENDING
        and "createdAt" in (change.new or {})
    )


def a_running_attempt_is_left_alone(workload: Workload) -> Iterator[str]:
    """Automatic retries wait for the deadline, and do not go on for ever."""
    for change in _records(workload):
        if change.writer != reconciling.SERVICE or change.old is None or change.new is None:
            continue
        if _status(change.old) not in LIFECYCLE_IN_FLIGHT:
            continue  # a repair, or of an operation
        since = datetime.fromisoformat(str(_string(change.old, IN_FLIGHT.sort)))
        began = _string(change.new, "updatedAt")
        age = (datetime.fromisoformat(str(began)) - since).total_seconds()
        patience = STUCK_AFTER * min(2 ** _automatic_retries(change.old), 8)
        if age < (patience if _status(change.new) is ProvisioningStatus.PROVISIONING else STUCK_AFTER):
            yield f"{change.pk} was retried after {age:.0f} s"
        if _automatic_retries(change.new) > AUTOMATIC_RETRIES_MAX:
            yield f"{change.pk} was retried more than {AUTOMATIC_RETRIES_MAX} times"


def bad_events_are_kept_with_a_reason(workload: Workload) -> Iterator[str]:
    """Nothing that breaks the contract disappears, where what fails is delivered again."""
    if workload.simulator.no_retries:
        return
    kept = [
        message.payload["requestPayload"]["detail"]
        for message in workload.simulator.dead_letters
        if message.kind == "rejected" and message.payload["responsePayload"]["errorMessage"]
    ]
    known = {tenant.id for tenant in workload.tenants}
    for event in workload.simulator.published:
        if event.detail.get("tenantId") not in known and event.detail not in kept:
            yield f"{event.detail_type} {event.detail} is kept nowhere with a reason"


CHECKS: Final[tuple[Check, ...]] = (
    nobody_is_lost,
    what_was_written_last_holds,
    completed_has_its_resources,
    failed_says_why,
    each_resource_is_made_once,
    transitions_are_allowed,
    marked_means_requested,
    recorded_means_reported,
    a_success_wins_over_failed,
    indexes_say_what_the_record_says,
    history_is_complete,
    a_running_attempt_is_left_alone,
    bad_events_are_kept_with_a_reason,
    *LIFE_CHECKS,
)


def _records(workload: Workload, pk: str | None = None) -> Iterator[Changed]:
    for change in workload.simulator.changes:
        if change.sk == METADATA and pk in (None, change.pk):
            yield change


def _string(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name, {}).get("S")
    return value if isinstance(value, str) else None


def _status(item: dict[str, Any]) -> ProvisioningStatus:
    return ProvisioningStatus(str(_string(item, "provisioningStatus")))


def _automatic_retries(item: dict[str, Any]) -> int:
    return int(item.get(AUTOMATIC_RETRIES, {}).get("N", "0"))


def _attempt(item: dict[str, Any]) -> int:
    return int(item.get("provisioningAttempt", {}).get("N", "0"))
