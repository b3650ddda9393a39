"""What has to be true of every run (`decisions.md`, section 10). Each check yields what is wrong."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from tenkacloud.isolation.resource_names import pool_marker, silo_bucket
from tenkacloud.tenants import record as records
from tenkacloud.tenants.lifecycle import TRANSITIONS, ProvisioningStatus
from tenkacloud.tenants.record import HISTORY_PREFIX
from tenkacloud.tenants.validation import Slug, TenantId
from tests.simulation.cloud import (
    ACCOUNT,
    REGION,
    RESUMPTIONS_MAX,
    SETTINGS,
    STUCK_AFTER,
)
from tests.simulation.scenario import Tenant, Workload
from tests.simulation.world import COMPLETION, OPERATOR, PROVISIONING, RECONCILER, Changed

Check = Callable[[Workload], Iterator[str]]


def violations(scenario: Workload) -> list[str]:
    """Return what is wrong with a run that has been played."""
    return [f"{check.__name__}: {problem}" for check in CHECKS for problem in check(scenario)]


def nobody_is_lost(scenario: Workload) -> Iterator[str]:
    """1: settled, or listed as stuck, or in a queue; and everybody settled in the end."""
    yield from (f"{tenant_id} is settled nowhere, and listed nowhere" for tenant_id in scenario.lost)
    for tenant in scenario.tenants:
        record = scenario.record(tenant)
        status = _string(record, "provisioningStatus")
        wanted = ProvisioningStatus.FAILED if tenant.reason else ProvisioningStatus.COMPLETED
        if status != wanted and not (tenant.status == "DELETED" and status == ProvisioningStatus.FAILED):
            yield f"{tenant.id} is {status} in the end, not {wanted}"


def what_was_written_last_holds(scenario: Workload) -> Iterator[str]:
    """No writer of ours takes back what somebody else wrote."""
    for tenant in scenario.good:
        record = scenario.record(tenant)
        last = {"tier": tenant.tier, "name": tenant.name, "slug": tenant.slug, "status": tenant.status}
        for name, value in last.items():
            if value is not None and _string(record, name) != value:
                yield f"{tenant.id}: {name} is {_string(record, name)}, but was written {value} last"
        if wrong := records.misplaced(records.read(record)):
            yield f"{tenant.id} is COMPLETED, but {wrong}"


def completed_has_its_resources(scenario: Workload) -> Iterator[str]:
    """2: they exist, are ours, hardened, and named on the record."""
    for tenant in scenario.good:
        item = scenario.record(tenant)
        if _string(item, "provisioningStatus") != ProvisioningStatus.COMPLETED:
            continue
        if tenant.status == "DELETED" and tenant.touched:
            continue  # it stays where it was
        resources = {name: value["S"] for name, value in item.get("resources", {}).get("M", {}).items()}
        if tenant.tier == "ENTERPRISE":
            bucket = resources.get("dedicatedBucket", "")
            if bucket not in silos(tenant):
                yield f"{tenant.id} names {resources}, not one of the buckets {silos(tenant)}"
            yield from (
                f"{tenant.id}: {problem}" for problem in _bucket_problems(scenario, bucket, tenant.id)
            )
        else:
            if resources != {"s3Prefix": f"tenants/{tenant.id}/"}:
                yield f"{tenant.id} names {resources}, not its prefix"
            if pool_marker(TenantId(tenant.id)) not in scenario.world.state.pool():
                yield f"{tenant.id} has no marker"


def silos(tenant: Tenant) -> set[str]:
    """Return the names of the buckets of a tenant: one for each slug with which a silo was ever wanted."""
    environment = SETTINGS["TENKACLOUD_ENVIRONMENT"]
    return {
        silo_bucket(environment, Slug(slug), TenantId(tenant.id), ACCOUNT, REGION)
        for tier, slug in tenant.wanted
        if tier == "ENTERPRISE"
    }


def _once(tenant: Tenant) -> bool:
    """Whether only one thing was ever wanted of a tenant."""
    return len(tenant.wanted) == 1


def _bucket_problems(scenario: Workload, name: str, tenant_id: str) -> Iterator[str]:
    bucket = scenario.world.state.bucket(name)
    if bucket is None:
        yield f"the bucket {name} is missing"
        return
    if scenario.world.state.tags(name) != {"tenantId": tenant_id}:
        yield f"the bucket's tags are {scenario.world.state.tags(name)}"
    closed = bucket.public_access_block
    if not closed or not (
        closed.block_public_acls
        and closed.ignore_public_acls
        and closed.block_public_policy
        and closed.restrict_public_buckets
    ):
        yield "the bucket is not closed to the public"
    if bucket.versioning_status != "Enabled" or not bucket.encryption:
        yield "the bucket has no versions, or no encryption"
    if tenant_id not in str(bucket.policy) or "DenyOtherTenants" not in str(bucket.policy):
        yield "the bucket's policy is another"


def failed_says_why(scenario: Workload) -> Iterator[str]:
    """3 and 5: each FAILED has a reason, the right one where the record is bad."""
    for change in _records(scenario):
        item = change.new or {}
        if _string(item, "provisioningStatus") == ProvisioningStatus.FAILED and not _string(
            item, "failureReason"
        ):
            yield f"{change.pk} is FAILED without a reason at {change.at:.3f}"
    for tenant in scenario.tenants:
        reason = _string(scenario.record(tenant), "failureReason") or ""
        if tenant.reason and not reason.startswith(tenant.reason):
            yield f"{tenant.id} FAILED because of {reason!r}, not {tenant.reason!r}"


def each_resource_is_made_once(scenario: Workload) -> Iterator[str]:
    """4: however often it was asked for, and none for somebody bad."""
    made = set(scenario.world.state.buckets())
    allowed = {bucket for tenant in scenario.good for bucket in silos(tenant)}
    required = {
        bucket
        for tenant in scenario.good
        if _once(tenant) and _status(scenario.record(tenant)) is ProvisioningStatus.COMPLETED
        for bucket in silos(tenant)
    }
    if not required <= made <= allowed:
        yield f"the silo buckets are {sorted(made)}, not {sorted(allowed)}"
    keys = scenario.world.state.pool()
    pooled = {
        pool_marker(TenantId(tenant.id))
        for tenant in scenario.good
        if any(tier != "ENTERPRISE" for tier, _ in tenant.wanted)
    }
    if not keys <= pooled:
        yield f"the data bucket holds {sorted(keys)}, not {sorted(pooled)}"


def transitions_are_allowed(scenario: Workload) -> Iterator[str]:
    """The state machine: our writers go through its table, and never back to an older attempt."""
    for change in _records(scenario):
        if change.writer == OPERATOR or change.old is None or change.new is None:
            continue
        old, new = _status(change.old), _status(change.new)
        through = {*TRANSITIONS[old], *(then for each in TRANSITIONS[old] for then in TRANSITIONS[each])}
        # A mark and its result may come in one write, by the completion function.
        allowed = through if change.writer == COMPLETION else TRANSITIONS[old]
        if old != new and new not in allowed:
            yield f"{change.pk}: {old} → {new} by {change.writer} at {change.at:.3f}"
        if old is ProvisioningStatus.COMPLETED and not records.misplaced(records.read(change.old)):
            yield f"{change.pk} was changed by {change.writer} after it was COMPLETED"
        if _attempt(change.new) < _attempt(change.old):
            yield f"{change.pk} went back to attempt {_attempt(change.new)} at {change.at:.3f}"


def marked_means_asked(scenario: Workload) -> Iterator[str]:
    """Publish, then mark: who is PROVISIONING has been asked for."""
    for change in _records(scenario):
        if change.writer == OPERATOR or change.new is None:
            continue
        if _status(change.new) is ProvisioningStatus.PROVISIONING and not _was_published(
            scenario, change, "TenantOnboarding"
        ):
            yield f"{change.pk} was marked at {change.at:.3f}, but not asked for"


def settled_means_reported(scenario: Workload) -> Iterator[str]:
    """A result is one of the attempt that the record is at."""
    for change in _records(scenario):
        if change.writer != COMPLETION or change.new is None:
            continue
        if not _was_published(scenario, change, "TenantProvisioned", str(_status(change.new))):
            yield f"{change.pk} was settled at {change.at:.3f} by no result of its attempt"


def a_success_wins_over_failed(scenario: Workload) -> Iterator[str]:
    """Whoever is FAILED has had no success that answers what is wanted of it."""
    yield from scenario.world.ignored


def _was_published(scenario: Workload, change: Changed, detail_type: str, status: str | None = None) -> bool:
    return any(
        event.detail_type == detail_type
        and event.step <= change.step
        and f"TENANT#{event.detail.get('tenantId')}" == change.pk
        and _is_of(event.detail, change.new or {})
        and event.detail.get("status") == status
        for event in scenario.world.published
    )


def _is_of(detail: dict[str, Any], record: dict[str, Any]) -> bool:
    """Whether an event is of the attempt that a record is at; or, a success, of one that asked the same."""
    attempt, current = detail.get("provisioningAttempt"), _attempt(record)
    same = (detail.get("tier"), detail.get("slug")) == (_string(record, "tier"), _string(record, "slug"))
    if detail.get("status") == "COMPLETED" and same and isinstance(attempt, int):
        return attempt <= current
    return attempt == current and (same or detail.get("status") == "FAILED")


def indexes_say_what_the_record_says(scenario: Workload) -> Iterator[str]:
    """In flight: PROVISIONING, maybe PENDING. Failed: FAILED. By slug and by tier: whoever was begun."""
    for change in _records(scenario):
        item = change.new
        if item is None or change.writer == OPERATOR:
            continue
        status = _status(item)
        in_flight, failed = "GSI3PK" in item, "GSI4PK" in item
        wrong = (
            in_flight != (status is ProvisioningStatus.PROVISIONING)
            and status is not ProvisioningStatus.PENDING
        ) or failed != (status is ProvisioningStatus.FAILED)
        rejected = status is ProvisioningStatus.FAILED and change.writer == PROVISIONING
        if rejected and "GSI2PK" not in item:
            yield f"{change.pk} was rejected, but is in no index by status and tier"
        begun = status in (ProvisioningStatus.PROVISIONING, ProvisioningStatus.COMPLETED)
        if wrong or (begun and not {"GSI1PK", "GSI2PK"} <= set(item)):
            yield f"{change.pk} is {status}, but in the indexes as {sorted(k for k in item if 'GSI' in k)}"


def history_is_complete(scenario: Workload) -> Iterator[str]:
    """Each transition that a writer of ours made is a line, in order, and no other is."""
    for tenant in scenario.tenants:
        made = []
        for change in _records(scenario, tenant.key["PK"]["S"]):
            raw = change.old is not None and change.new is not None and change.writer == OPERATOR
            if change.old is None or change.new is None or (raw and not _is_retry(change)):
                continue
            old, new = _status(change.old), _status(change.new)
            if old != new or _attempt(change.old) != _attempt(change.new):
                overtaken = old is ProvisioningStatus.PENDING and change.writer == COMPLETION
                resumed = (
                    old is ProvisioningStatus.PROVISIONING
                    and change.writer == COMPLETION
                    and _attempt(change.old) != _attempt(change.new)
                )
                if overtaken or resumed:
                    made.append((ProvisioningStatus.PROVISIONING.value, change.writer))
                made.append((new.value, change.writer))
        lines = sorted(
            (item["SK"]["S"], item["to"]["S"], item["by"]["S"])
            for item in scenario.world.state.items()
            if item["PK"] == tenant.key["PK"] and item["SK"]["S"].startswith(HISTORY_PREFIX)
        )
        if made != [(to, writer) for _, to, writer in lines]:
            yield f"{tenant.id} went {made}, its history says {[(to, by) for _, to, by in lines]}"


def _is_retry(change: Changed) -> bool:
    return (
        _status(change.old or {}) is ProvisioningStatus.FAILED
        and _status(change.new or {}) is ProvisioningStatus.PENDING
        and "createdAt" in (change.new or {})
    )


def a_running_attempt_is_left_alone(scenario: Workload) -> Iterator[str]:
    """The reconciler waits for the deadline, and does not go on for ever."""
    for change in _records(scenario):
        if change.writer != RECONCILER or change.old is None or change.new is None:
            continue
        if _status(change.old) is ProvisioningStatus.COMPLETED:
            continue  # a repair
        since = datetime.fromisoformat(str(_string(change.old, "GSI3SK")))
        began = _string(change.new, "updatedAt")
        age = (datetime.fromisoformat(str(began)) - since).total_seconds()
        patience = STUCK_AFTER * min(2 ** int(change.old.get("resumptions", {}).get("N", "0")), 8)
        if age < (patience if _status(change.new) is ProvisioningStatus.PROVISIONING else STUCK_AFTER):
            yield f"{change.pk} was resumed after {age:.0f} s"
        if int(change.new.get("resumptions", {}).get("N", "0")) > RESUMPTIONS_MAX:
            yield f"{change.pk} was resumed more than {RESUMPTIONS_MAX} times"


def bad_events_are_kept_with_a_reason(scenario: Workload) -> Iterator[str]:
    """Nothing that breaks the contract disappears, where what fails is delivered again."""
    if scenario.world.bare:
        return
    kept = [
        letter["requestPayload"]["detail"]
        for _, kind, letter in scenario.world.letters
        if kind == "rejected" and letter["responsePayload"]["errorMessage"]
    ]
    known = {tenant.id for tenant in scenario.tenants}
    for event in scenario.world.published:
        if event.detail.get("tenantId") not in known and event.detail not in kept:
            yield f"{event.detail_type} {event.detail} is kept nowhere with a reason"


CHECKS: Final[tuple[Check, ...]] = (
    nobody_is_lost,
    what_was_written_last_holds,
    completed_has_its_resources,
    failed_says_why,
    each_resource_is_made_once,
    transitions_are_allowed,
    marked_means_asked,
    settled_means_reported,
    a_success_wins_over_failed,
    indexes_say_what_the_record_says,
    history_is_complete,
    a_running_attempt_is_left_alone,
    bad_events_are_kept_with_a_reason,
)


def _records(scenario: Workload, pk: str | None = None) -> Iterator[Changed]:
    for change in scenario.world.changes:
        if change.sk == "METADATA" and pk in (None, change.pk):
            yield change


def _string(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name, {}).get("S")
    return value if isinstance(value, str) else None


def _status(item: dict[str, Any]) -> ProvisioningStatus:
    return ProvisioningStatus(str(_string(item, "provisioningStatus")))


def _attempt(item: dict[str, Any]) -> int:
    return int(item.get("provisioningAttempt", {}).get("N", "0"))
