"""The rest of a tenant's life, as transitions on the table: who may do what when, and what is written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tenkacloud.errors import NotInStateError, OperationInProgressError
from tenkacloud.events.operation import OperationResult
from tenkacloud.events.tenant_deprovisioned import Evidence, TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.isolation.places import Place, pool_place, silo_place
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.keys import CERTIFICATE, Key
from tenkacloud.tenants.operation_request import operation_event, request_outbox
from tenkacloud.tenants.operations import ANY_DIGEST, Leftover, Phase, PhaseState, is_read_only
from tenkacloud.tenants.record import Tenant, parse_any_tenant, read
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions import offboarding, operation, status, tier
from tenkacloud.tenants.transitions.operation import Waits
from tenkacloud.tenants.transitions.transition import Applied, Image, NotApplied, Transition
from tenkacloud.tenants.validation import Slug, TenantId, Tier
from tests.handlers.conftest import TABLE, Cloud

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
ID = TenantId("acme")
KEY = Key.of(ID)
OPERATION = "01JD5T8Q2N4Z6Y8X0W2V4U6S8R"
BUCKET = "tenkacloud-test-silo-acme-0123456789abcdef"
WAITS = Waits(drain_seconds=35, retire_after_seconds=3600, verify_again_after_seconds=1800)
BY = "an operator"
REMAINS = {"backups": "35 days"}


class Life:
    """A tenant on a table, changed by transitions."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.repository = TenantRepository(cloud.clients.dynamodb, TABLE, "tests", cloud.clock)
        self.now = NOW

    @property
    def tenant(self) -> Tenant:
        item = self.repository.find(KEY)
        assert item is not None
        return parse_any_tenant(KEY, item)

    @property
    def item(self) -> dict[str, Any]:
        return self.cloud.item(ID)

    def do(self, change: Transition) -> None:
        assert self.repository.apply(change) == Applied()
        self.now += timedelta(seconds=1)

    def publish(self) -> list[Any]:
        request = request_outbox(self.tenant, "c", self.now)
        self.do(request.mark)
        return list(request.events)

    def answer(self, kind: type[OperationResult], **fields: Any) -> Any:
        under_way = self.tenant.operation
        assert under_way is not None
        request: Any = operation_event(self.tenant, under_way, under_way.attempt, "c", self.now)
        return kind.answering(request, rfc3339(self.now), **fields)

    def move(self, **fields: Any) -> None:
        result = self.answer(TenantTierChanged, **{"resources": {}, **fields})
        tenant = self.tenant
        assert tenant.operation
        assert operation.is_answer_to(result, tenant.operation)
        self.do(tier.record_move(tenant, tenant.operation, result, WAITS, self.now))

    def deprovisioned(self, remaining: int = 0, failure_reason: str | None = None, **counts: int) -> None:
        evidence = Evidence(checked_at=rfc3339(self.now), remaining=remaining, **counts)
        result = self.answer(TenantDeprovisioned, evidence=evidence, failure_reason=failure_reason)
        tenant = self.tenant
        assert tenant.operation
        change = offboarding.record_deprovisioning(tenant, tenant.operation, result, WAITS, REMAINS, self.now)
        self.do(change)

    def change_tier(self, to: Tier) -> None:
        self.do(tier.change_tier(self.tenant, to, OPERATION, self.now, BY))

    def offboard(self, seconds: int = 0, *, export: bool = False) -> None:
        until = self.now + timedelta(seconds=seconds)
        self.do(offboarding.offboard(self.tenant, until, OPERATION, self.now, BY, export=export))

    def purge(self) -> None:
        tenant = self.tenant
        assert tenant.operation
        self.do(offboarding.retention_over(tenant, tenant.operation, self.now, self.now))


@pytest.fixture
def life(cloud: Cloud) -> Life:
    cloud.put(
        ID,
        tier={"S": "FREE"},
        slug={"S": "acme"},
        status={"S": "ACTIVE"},
        provisioningStatus={"S": "COMPLETED"},
        provisioningAttempt={"N": "1"},
        createdAt={"S": "2026-01-01T00:00:00.000Z"},
        resources={"M": {"s3Prefix": {"S": "tenants/acme/"}}},
    )
    return Life(cloud)


def indexes(item: dict[str, Any]) -> set[str]:
    names = {"GSI3PK": "in-flight", "GSI4PK": "failed", "GSI5PK": "due"}
    return {name for key, name in names.items() if key in item}


# --- suspension ---------------------------------------------------------------------------------------------


def test_a_suspension_is_one_write_that_the_stream_is_to_tell_of(life: Life) -> None:
    life.do(status.suspend(life.tenant, "an unpaid bill", life.now, BY))
    assert life.item["status"] == {"S": "SUSPENDED"}
    assert life.item["GSI2PK"] == {"S": "STATUS#SUSPENDED#TIER#FREE"}
    assert indexes(life.item) == {"in-flight"}
    (event,) = life.publish()
    assert (event.DETAIL_TYPE, event.reason) == ("TenantSuspended", "an unpaid bill")
    assert indexes(life.item) == set()
    assert "outbox" not in life.item
    (line,) = life.cloud.history(ID)
    assert (line["to"], line["attribute"], line["requestedBy"]) == ("SUSPENDED", "status", BY)
    life.do(status.reactivate(life.tenant, life.now, BY))
    assert life.item["status"] == {"S": "ACTIVE"}
    assert "statusReason" not in life.item
    assert [each.DETAIL_TYPE for each in life.publish()] == ["TenantReactivated"]


def test_only_what_may_change_the_status_does(life: Life) -> None:
    with pytest.raises(NotInStateError, match="is ACTIVE, not SUSPENDED"):
        status.reactivate(life.tenant, NOW, BY)
    life.do(status.suspend(life.tenant, "x", life.now, BY))
    with pytest.raises(NotInStateError, match="is SUSPENDED, not ACTIVE"):
        status.suspend(life.tenant, "x", life.now, BY)
    life.do(operation.request_export(life.tenant, OPERATION, life.now, life.now, BY))
    with pytest.raises(OperationInProgressError, match="EXPORT, phase EXPORT, REQUESTED"):
        status.reactivate(life.tenant, life.now, BY)


def test_suspending_while_a_phase_is_requested_publishes_both(life: Life) -> None:
    life.change_tier(Tier.ENTERPRISE)
    life.do(status.suspend(life.tenant, "x", life.now, BY))
    assert life.item["outbox"] == {"S": "BOTH"}
    assert [each.DETAIL_TYPE for each in life.publish()] == ["TenantSuspended", "TenantTierChanging"]
    under_way = life.tenant.operation
    assert under_way
    assert (under_way.state, under_way.attempt) == (PhaseState.RUNNING, 1)


def test_telling_of_a_status_begins_no_attempt_of_a_phase_that_runs(life: Life) -> None:
    life.change_tier(Tier.ENTERPRISE)
    life.publish()
    life.do(status.suspend(life.tenant, "x", life.now, BY))
    assert [each.DETAIL_TYPE for each in life.publish()] == ["TenantSuspended"]
    assert life.tenant.operation
    assert life.tenant.operation.attempt == 1
    assert indexes(life.item) == {"in-flight"}


# --- tiers --------------------------------------------------------------------------------------------------


def test_a_change_within_the_pool_is_one_write(life: Life) -> None:
    life.change_tier(Tier.PRO)
    assert (life.item["tier"], life.item["GSI2PK"]) == ({"S": "PRO"}, {"S": "STATUS#ACTIVE#TIER#PRO"})
    assert life.item["revision"] == {"N": "1"}
    assert indexes(life.item) == set()
    assert not {"operation", "outbox"} & set(life.item)


def test_a_move_copies_fences_and_switches_in_one_write(life: Life) -> None:
    life.change_tier(Tier.ENTERPRISE)
    assert not is_read_only(read(life.item))
    (event,) = life.publish()
    assert (event.phase, event.attempt, event.to) == (Phase.COPY, 1, None)
    life.move(resources={"dedicatedBucket": BUCKET})
    assert is_read_only(read(life.item))
    assert life.item["resources"] == {"M": {"s3Prefix": {"S": "tenants/acme/"}}}
    (event,) = life.publish()
    assert (event.phase, event.attempt, event.to) == (Phase.CUTOVER, 2, silo_place(BUCKET))
    assert datetime.fromisoformat(event.not_before) - life.now >= timedelta(seconds=30)
    before = set(life.item["resources"]["M"])
    life.move(resources={"dedicatedBucket": BUCKET, "logGroup": "/x"}, digest="d", objects=3)
    assert not is_read_only(read(life.item))
    assert before == {"s3Prefix"}
    assert life.item["resources"] == {"M": {"dedicatedBucket": {"S": BUCKET}, "logGroup": {"S": "/x"}}}
    assert (life.item["tier"], life.item["GSI2PK"]) == (
        {"S": "ENTERPRISE"},
        {"S": "STATUS#ACTIVE#TIER#ENTERPRISE"},
    )
    assert "operation" not in life.item
    assert indexes(life.item) == {"due"}
    (leftover,) = life.tenant.leftovers
    assert (leftover.place, leftover.digest, leftover.tier) == (pool_place(ID), "d", Tier.FREE)
    assert leftover.retire_after == life.item["GSI5SK"]["S"]


def test_the_drain_begins_when_the_cutover_is_published_and_a_retry_does_not_begin_it_anew(
    life: Life,
) -> None:
    life.change_tier(Tier.ENTERPRISE)
    life.publish()
    life.move(resources={"dedicatedBucket": BUCKET})
    # However long the write took, or the stream: the tenant is read-only when the drain begins
    life.now += timedelta(minutes=10)
    published = life.now
    (event,) = life.publish()
    assert datetime.fromisoformat(event.not_before) == published + timedelta(seconds=WAITS.drain_seconds)
    life.now += timedelta(minutes=20)
    request = request_outbox(life.tenant, "c", life.now, automatic_retry=True)
    (again,) = request.events
    assert isinstance(again, TenantTierChanging)
    assert (again.attempt, again.not_before) == (event.attempt + 1, event.not_before)


def test_what_a_move_left_is_retired_by_an_operation_of_its_own(life: Life) -> None:
    switched(life)
    with pytest.raises(NotInStateError, match="tenants/acme/, which a former move left"):
        life.change_tier(Tier.PRO)
    (leftover,) = life.tenant.leftovers
    life.do(tier.retire(life.tenant, leftover, "retire-00000001", life.now, BY))
    assert indexes(life.item) == {"in-flight"}
    (event,) = life.publish()
    assert (event.phase, event.from_, event.digest) == (Phase.RETIRE, pool_place(ID), "d")
    life.move()
    assert not {"operation", "leftovers"} & set(life.item)
    assert indexes(life.item) == set()
    life.change_tier(Tier.PRO)
    assert life.tenant.operation
    assert life.tenant.operation.to == pool_place(ID)


def test_what_was_changed_since_the_switch_is_kept_and_said_so(life: Life) -> None:
    switched(life)
    (leftover,) = life.tenant.leftovers
    life.do(tier.retire(life.tenant, leftover, "retire-00000001", life.now, BY))
    life.publish()
    life.move(kept="it was written to since")
    (leftover,) = life.tenant.leftovers
    assert (leftover.kept, leftover.retire_after) == ("it was written to since", None)
    assert indexes(life.item) == set()
    with pytest.raises(NotInStateError, match="kept: it was written to since"):
        life.change_tier(Tier.PRO)


def test_an_operator_who_has_looked_lets_go_of_what_is_kept(life: Life) -> None:
    switched(life)
    with pytest.raises(NotInStateError, match="there is nothing to retire"):
        tier.release_leftover(life.tenant, life.now, BY)
    (leftover,) = life.tenant.leftovers
    life.do(tier.retire(life.tenant, leftover, "retire-00000001", life.now, BY))
    with pytest.raises(OperationInProgressError, match="CHANGE_TIER, phase RETIRE"):
        tier.release_leftover(life.tenant, life.now, BY)
    life.publish()
    life.move(kept="it was written to since")
    life.do(tier.release_leftover(life.tenant, life.now, "another operator"))
    (leftover,) = life.tenant.leftovers
    assert (leftover.place, leftover.kept, leftover.digest) == (pool_place(ID), None, ANY_DIGEST)
    assert life.item["GSI5SK"] == {"S": leftover.retire_after}
    assert datetime.fromisoformat(str(leftover.retire_after)) <= life.now
    line = life.cloud.history(ID)[-1]
    assert (line["to"], line["attribute"], line["requestedBy"]) == ("RETIRE", "operation", "another operator")
    assert line["reason"] == "tenants/acme/ was kept: it was written to since"
    life.do(tier.retire(life.tenant, leftover, "retire-00000002", life.now, BY))
    (event,) = life.publish()
    assert (event.phase, event.from_, event.digest) == (Phase.RETIRE, pool_place(ID), ANY_DIGEST)
    life.move()
    life.change_tier(Tier.PRO)
    assert life.tenant.operation
    assert life.tenant.operation.phase is Phase.COPY


def keeping(life: Life, *places: Place) -> None:
    leftovers = tuple(Leftover(place, OPERATION, kept="a put-item lost it") for place in places)
    life.do(operation.change(life.tenant, life.now, (), operation=None, leftovers=leftovers))


def test_a_bucket_is_not_let_go_of_beside_the_one_that_the_tenant_is_in(life: Life) -> None:
    switched(life)
    former = silo_place("tenkacloud-test-silo-former")
    keeping(life, former)
    with pytest.raises(NotInStateError, match=f"keep {former.name}, of the same kind as {BUCKET}"):
        tier.release_leftover(life.tenant, life.now, BY)
    keeping(life, former, pool_place(ID))
    life.do(tier.release_leftover(life.tenant, life.now, BY))
    assert {each.place: each.kept for each in life.tenant.leftovers} == {
        former: "a put-item lost it",
        pool_place(ID): None,
    }


def test_nothing_is_let_go_of_while_the_tenant_is_not_settled(life: Life) -> None:
    switched(life)
    keeping(life, pool_place(ID))
    life.cloud.update(ID, provisioningStatus={"S": "FAILED"})
    with pytest.raises(NotInStateError, match="is FAILED, not COMPLETED"):
        tier.release_leftover(life.tenant, life.now, BY)


def switched(life: Life) -> None:
    life.change_tier(Tier.ENTERPRISE)
    life.publish()
    life.move(resources={"dedicatedBucket": BUCKET})
    life.publish()
    life.move(resources={"dedicatedBucket": BUCKET}, digest="d")


@pytest.mark.parametrize("phase", [Phase.COPY, Phase.CUTOVER])
def test_a_failed_phase_lifts_the_fence_and_goes_on_with_a_retry(life: Life, phase: Phase) -> None:
    life.change_tier(Tier.ENTERPRISE)
    life.publish()
    if phase is Phase.CUTOVER:
        life.move(resources={"dedicatedBucket": BUCKET})
        life.publish()
    life.move(failure_reason="the bucket is somebody else's")
    assert not is_read_only(read(life.item))
    assert indexes(life.item) == {"failed"}
    under_way = life.tenant.operation
    assert under_way
    assert (under_way.state, under_way.failure_reason) == (
        PhaseState.FAILED,
        "the bucket is somebody else's",
    )
    life.do(operation.retry_phase(life.tenant, life.now, BY))
    assert indexes(life.item) == {"in-flight"}
    (event,) = life.publish()
    # What was written while it could write again is copied before it is read-only once more
    assert event.phase is Phase.COPY
    assert event.attempt == under_way.attempt + 1


@pytest.mark.parametrize("failed", [True, False])
def test_a_move_is_given_up_before_its_switch(life: Life, failed: bool) -> None:
    life.change_tier(Tier.ENTERPRISE)
    life.publish()
    if failed:
        life.move(failure_reason="x")
    life.do(tier.cancel(life.tenant, life.now, BY))
    (event,) = life.publish()
    assert event.phase is Phase.ROLLBACK
    life.move()
    assert (life.item["tier"], indexes(life.item)) == ({"S": "FREE"}, set())
    assert "operation" not in life.item
    with pytest.raises(NotInStateError, match="nothing to cancel"):
        tier.cancel(life.tenant, life.now, BY)


def test_a_tier_is_changed_only_where_it_can_be(life: Life) -> None:
    with pytest.raises(NotInStateError, match="is FREE already"):
        life.change_tier(Tier.FREE)
    life.change_tier(Tier.ENTERPRISE)
    with pytest.raises(OperationInProgressError, match="CHANGE_TIER, phase COPY, REQUESTED"):
        life.change_tier(Tier.PRO)
    life.cloud.update(ID, provisioningStatus={"S": "FAILED"})
    life.cloud.dynamodb.update_item(
        TableName=TABLE, Key=life.cloud.key(ID), UpdateExpression="REMOVE operation"
    )
    with pytest.raises(NotInStateError, match="is FAILED, not COMPLETED"):
        life.change_tier(Tier.PRO)


# --- answers, and what is not one ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"operation_id": "another-0001"}, {"phase": Phase.CUTOVER}, {"attempt": 2}, {"attempt": 9}]
)
def test_a_result_of_another_operation_phase_or_attempt_is_none(life: Life, change: dict[str, Any]) -> None:
    life.change_tier(Tier.ENTERPRISE)
    life.publish()
    right = life.answer(TenantTierChanged, resources={"dedicatedBucket": BUCKET})
    wrong = type(right)(**{**vars(right), **change})
    assert operation.is_answer_to(right, life.tenant.operation)
    assert not operation.is_answer_to(wrong, life.tenant.operation)


def test_a_result_that_overtook_the_mark_counts_and_the_mark_does_not(life: Life) -> None:
    life.change_tier(Tier.ENTERPRISE)
    request = request_outbox(life.tenant, "c", life.now)
    (event,) = request.events
    result = TenantTierChanged.answering(event, rfc3339(life.now), resources={"dedicatedBucket": BUCKET})  # type: ignore[arg-type]
    tenant = life.tenant
    assert tenant.operation
    assert operation.is_answer_to(result, tenant.operation)
    life.do(tier.record_move(tenant, tenant.operation, result, WAITS, life.now))
    assert isinstance(life.repository.apply(request.mark), NotApplied)
    under_way = life.tenant.operation
    assert under_way
    assert (under_way.phase, under_way.state, under_way.attempt) == (
        Phase.CUTOVER,
        PhaseState.REQUESTED,
        1,
    )


def test_progress_is_a_sign_of_life_of_the_attempt_that_runs(life: Life) -> None:
    life.change_tier(Tier.ENTERPRISE)
    life.publish()
    under_way = life.tenant.operation
    assert under_way
    event = TenantOperationProgressed(
        tenant_id=ID,
        operation_id=under_way.id,
        phase=under_way.phase,
        attempt=1,
        timestamp="t",
        objects=5,
        bytes=7,
        total_objects=9,
    )
    before = life.item["GSI3SK"]["S"]
    life.do(operation.record_progress(event, life.now))
    assert life.item["GSI3SK"]["S"] > before
    assert life.item["operation"]["M"]["progress"] == {
        "M": {"objects": {"N": "5"}, "bytes": {"N": "7"}, "totalObjects": {"N": "9"}}
    }
    stale = type(event)(**{**vars(event), "attempt": 2})
    assert isinstance(life.repository.apply(operation.record_progress(stale, life.now)), NotApplied)


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda life: life.do(status.suspend(life.tenant, "x", life.now, BY)),
        lambda life: life.cloud.update(ID, tier={"S": "PRO"}),
        lambda life: life.cloud.update(ID, slug={"S": "other"}),
        lambda life: life.cloud.update(ID, operation={"M": {"id": {"S": "other"}}}),
    ],
)
def test_a_change_is_of_the_record_as_it_was_read(life: Life, meanwhile: Callable[[Life], None]) -> None:
    change = operation.request_export(life.tenant, OPERATION, life.now, life.now, BY)
    meanwhile(life)
    assert isinstance(life.repository.apply(change), NotApplied)


# --- exports ------------------------------------------------------------------------------------------------


def test_an_export_is_told_of_by_an_item_of_its_own(life: Life) -> None:
    life.do(operation.request_export(life.tenant, OPERATION, NOW + timedelta(days=7), life.now, BY))
    (event,) = life.publish()
    assert (event.place, event.export_id) == (pool_place(ID), OPERATION)
    result = life.answer(TenantExported, location="s3://b/k", manifest_sha256="d", objects=2, items=1)
    tenant = life.tenant
    assert tenant.operation
    life.do(operation.record_export(tenant, tenant.operation, result, life.now))
    assert "operation" not in life.item
    export = life.repository.find_item(Key(KEY.pk, f"{operation.EXPORT_PREFIX}{OPERATION}"))
    assert export
    assert (export["location"], export["objects"], export["items"]) == ("s3://b/k", 2, 1)


# --- offboarding --------------------------------------------------------------------------------------------


def test_a_tenant_that_is_offboarded_can_be_restored_until_the_purge_begins(life: Life) -> None:
    life.offboard(60)
    assert (life.item["status"], indexes(life.item)) == ({"S": "OFFBOARDING"}, {"due"})
    assert "outbox" not in life.item
    tenant = life.tenant
    assert tenant.operation
    with pytest.raises(NotInStateError, match="is in retention until"):
        offboarding.retention_over(tenant, tenant.operation, life.now, life.now)
    life.do(offboarding.restore(life.tenant, life.now, BY))
    assert (life.item["status"], indexes(life.item)) == ({"S": "SUSPENDED"}, {"in-flight"})
    assert "operation" not in life.item
    assert [each.DETAIL_TYPE for each in life.publish()] == ["TenantSuspended"]


@pytest.mark.parametrize("restored_first", [True, False])
def test_of_a_restore_and_a_purge_that_race_exactly_one_is_written(life: Life, restored_first: bool) -> None:
    life.offboard()
    tenant = life.tenant
    assert tenant.operation
    both = [
        offboarding.restore(tenant, life.now, BY),
        offboarding.retention_over(tenant, tenant.operation, life.now, life.now),
    ]
    first, second = both if restored_first else reversed(both)
    life.do(first)
    assert isinstance(life.repository.apply(second), NotApplied)
    if not restored_first:
        with pytest.raises(NotInStateError, match="is beyond return"):
            offboarding.restore(life.tenant, life.now, BY)


def test_a_deletion_is_verified_twice_and_leaves_a_tombstone_and_a_certificate(life: Life) -> None:
    life.cloud.update(ID, email={"S": "someone@example.com"}, phone={"B": b"1"})
    life.offboard()
    life.purge()
    assert life.item["provisioningStatus"] == {"S": "DEPROVISIONING"}
    (event,) = life.publish()
    assert (event.DETAIL_TYPE, event.phase, event.places) == (
        "TenantOffboarding",
        Phase.PURGE,
        (pool_place(ID),),
    )
    life.deprovisioned(object_versions=7, delete_markers=2, items=3)
    assert [each.phase for each in life.publish()] == [Phase.VERIFY]
    life.deprovisioned()
    assert indexes(life.item) == {"due"}
    tenant = life.tenant
    assert tenant.operation
    with pytest.raises(NotInStateError, match="waits until"):
        offboarding.verify_again(tenant, tenant.operation, life.now)
    life.now += timedelta(seconds=WAITS.verify_again_after_seconds)
    life.do(offboarding.verify_again(tenant, tenant.operation, life.now))
    life.publish()
    life.deprovisioned()
    assert set(life.item) == {
        "PK",
        "SK",
        "id",
        "tier",
        "status",
        "provisioningStatus",
        "createdAt",
        "deletedAt",
        "updatedAt",
        "EntityType",
        "revision",
        "GSI2PK",
        "GSI2SK",
    }
    assert (life.item["status"], life.item["provisioningStatus"]) == (
        {"S": "DELETED"},
        {"S": "DEPROVISIONED"},
    )
    certificate = life.repository.find_item(Key(KEY.pk, CERTIFICATE))
    assert certificate
    evidence: Any = certificate["evidence"]
    assert (evidence["objectVersions"], evidence["items"], evidence["remaining"]) == (7, 3, 0)
    assert {"verifiedAt1", "verifiedAt2"} <= set(evidence)
    assert certificate["remains"] == REMAINS
    assert [line["to"] for line in life.cloud.history(ID)][-3:] == ["DEPROVISIONED", "DELETED", "VERIFY"]


def test_nothing_is_purged_before_the_export_was_verified(life: Life) -> None:
    life.offboard(export=True)
    life.purge()
    (event,) = life.publish()
    assert (event.DETAIL_TYPE, life.item["provisioningStatus"]) == ("TenantExporting", {"S": "COMPLETED"})
    tenant = life.tenant
    assert tenant.operation
    failed = life.answer(TenantExported, failure_reason="no room")
    life.do(offboarding.record_offboarding_export(tenant, tenant.operation, failed, life.now))
    assert indexes(life.item) == {"failed"}
    life.do(operation.retry_phase(life.tenant, life.now, BY))
    life.publish()
    tenant = life.tenant
    assert tenant.operation
    done = life.answer(TenantExported, location="s3://b/k", manifest_sha256="d")
    life.do(offboarding.record_offboarding_export(tenant, tenant.operation, done, life.now))
    assert [each.phase for each in life.publish()] == [Phase.PURGE]
    assert life.repository.find_item(Key(KEY.pk, f"{operation.EXPORT_PREFIX}{OPERATION}"))


def test_what_is_still_there_is_purged_again_and_then_an_operator_is_told(life: Life) -> None:
    life.offboard()
    life.purge()
    for purge in range(1, offboarding.PURGES_MAX + 1):
        assert [each.phase for each in life.publish()] == [Phase.PURGE]
        life.deprovisioned(object_versions=1)
        assert [each.phase for each in life.publish()] == [Phase.VERIFY]
        life.deprovisioned(remaining=2)
        assert (indexes(life.item) == {"failed"}) == (purge == offboarding.PURGES_MAX)
    assert life.item["provisioningStatus"] == {"S": "DEPROVISION_FAILED"}
    life.do(operation.retry_phase(life.tenant, life.now, BY))
    assert life.item["provisioningStatus"] == {"S": "DEPROVISIONING"}
    assert [each.phase for each in life.publish()] == [Phase.VERIFY]


def test_a_failed_move_is_superseded_and_its_target_goes_too(life: Life) -> None:
    life.change_tier(Tier.ENTERPRISE)
    life.publish()
    with pytest.raises(OperationInProgressError):
        life.offboard()
    life.move(failure_reason="x", resources={"dedicatedBucket": BUCKET})
    life.offboard()
    life.purge()
    (event,) = life.publish()
    assert set(event.places) == {pool_place(ID), silo_place(BUCKET)}


def test_something_made_of_a_deleted_tenant_goes_again(life: Life) -> None:
    life.offboard()
    life.purge()
    life.publish()
    life.deprovisioned()
    life.publish()
    life.deprovisioned()
    life.now += timedelta(seconds=WAITS.verify_again_after_seconds)
    tenant = life.tenant
    assert tenant.operation
    life.do(offboarding.verify_again(tenant, tenant.operation, life.now))
    life.publish()
    life.deprovisioned()
    deleted_at, certificate = life.item["deletedAt"], life.repository.find_item(Key(KEY.pk, CERTIFICATE))
    place: Place = silo_place(BUCKET)
    item = life.repository.find(KEY)
    assert item
    life.do(offboarding.purge_deleted(KEY, item, place, Slug("former"), "again-00000001", life.now, BY))
    (event,) = life.publish()
    assert (set(event.places), event.slug) == ({pool_place(ID), place}, "former")
    assert life.item["status"] == {"S": "DELETED"}
    life.deprovisioned(buckets_deleted=1)
    life.publish()
    life.deprovisioned()
    tenant = life.tenant
    assert tenant.operation
    life.now += timedelta(seconds=WAITS.verify_again_after_seconds)
    life.do(offboarding.verify_again(tenant, tenant.operation, life.now))
    life.publish()
    life.deprovisioned()
    assert (life.item["provisioningStatus"], life.item["deletedAt"]) == ({"S": "DEPROVISIONED"}, deleted_at)
    assert "operation" not in life.item
    assert life.repository.find_item(Key(KEY.pk, CERTIFICATE)) == certificate


def test_a_record_that_a_raw_write_replaced_is_written_back_whole(life: Life) -> None:
    life.offboard(60)
    life.cloud.dynamodb.put_item(TableName=TABLE, Item={**life.item, "blob": {"B": b"\x00\xff"}})
    old = life.item
    # As the stream has it: binary is text there.
    image = {**old, "blob": {"B": "AP8="}}
    assert offboarding.is_protected(read(old))
    life.cloud.put(ID, tier={"S": "PRO"})
    found = read(life.item)
    assert not offboarding.is_protected(found)
    life.do(offboarding.undo_overwrite(KEY, found, Image(image), "again-00000001", life.now, BY))
    assert life.item == old
    assert read(life.item)["revision"] == Decimal(1)
