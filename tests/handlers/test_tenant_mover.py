"""Moves: a tenant's objects come to another place, whatever the function dies of."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket, s3_backends

from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.isolation.places import Place, pool_place, silo_place
from tenkacloud.isolation.resource_names import silo_bucket
from tenkacloud.objects import purging
from tenkacloud.objects.comparison import MOVE_MARKER, Digest
from tenkacloud.objects.copying import PART_MIN
from tenkacloud.objects.lease import DURATION
from tenkacloud.objects.listing import Location, current_objects
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.operations import ANY_DIGEST, Operation, OperationKind, Phase, PhaseState
from tenkacloud.tenants.validation import Slug, TenantId, Tier
from tests.handlers.conftest import ACCOUNT, DATA_BUCKET, REGION, Cloud
from tests.handlers.slices import CrashError, SliceFunction, crash_points, operate
from tests.settings import EXPORTS_BUCKET, MAINTENANCE_ROLE

ACME: Final = TenantId("acme")
SILO: Final = silo_bucket("test", Slug("acme-corp"), ACME, ACCOUNT, REGION)
POOL_PLACE: Final = pool_place(ACME)
SILO_PLACE: Final = silo_place(SILO)
POOL: Final = Location(DATA_BUCKET, "tenants/acme/", ACCOUNT)
OWN: Final = Location(SILO, "", ACCOUNT)
OPERATION: Final = "0b0e7c1e-4d9c-4f0a-9a55-3c5b1c1f2d3e"
#: More than a phase takes of three objects, with a crash.
SLICES_MAX: Final = 20
DRAIN: Final = timedelta(seconds=3)

Objects = dict[str, bytes]


@pytest.fixture
def mover(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> SliceFunction:
    # moto denies by bucket policies without a look at their conditions: all of a bucket that wants TLS.
    monkeypatch.setattr(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)
    cloud.s3.create_bucket(Bucket=EXPORTS_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    cloud.s3.put_bucket_versioning(Bucket=DATA_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    cloud.s3.put_object(Bucket=DATA_BUCKET, Key="tenants/acme-b/x", Body=b"not acme's")
    return SliceFunction(cloud, "tenant-mover")


class Move:
    """A move of acme, from the pool to a bucket of its own or back, as the control plane sees it."""

    def __init__(self, cloud: Cloud, mover: SliceFunction, *, to_silo: bool = True) -> None:
        self.cloud, self.mover = cloud, mover
        self.tiers = (Tier.PRO, Tier.ENTERPRISE) if to_silo else (Tier.ENTERPRISE, Tier.PRO)
        self.places = (POOL_PLACE, SILO_PLACE) if to_silo else (SILO_PLACE, POOL_PLACE)
        self.source, self.target = (POOL, OWN) if to_silo else (OWN, POOL)
        self.to: Place | None = None if to_silo else POOL_PLACE
        self.attempt = 1
        if not to_silo:
            self.make_silo()

    def make_silo(self) -> None:
        self.cloud.s3.create_bucket(Bucket=SILO, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.cloud.s3.put_bucket_versioning(Bucket=SILO, VersioningConfiguration={"Status": "Enabled"})
        self.cloud.s3.put_bucket_tagging(
            Bucket=SILO, Tagging={"TagSet": [{"Key": "tenantId", "Value": "acme"}]}
        )

    def event(self, phase: Phase, **fields: Any) -> TenantTierChanging:
        given: dict[str, Any] = {
            "tenant_id": ACME,
            "operation_id": OPERATION,
            "phase": phase,
            "attempt": self.attempt,
            "timestamp": rfc3339(self.cloud.clock.now()),
            "tenant_name": "Acme Corp.",
            "slug": Slug("acme-corp"),
            "from_tier": self.tiers[0],
            "to_tier": self.tiers[1],
            "from_": self.places[0],
            "to": self.to,
        }
        if phase is Phase.CUTOVER:
            given["not_before"] = rfc3339(self.cloud.clock.now() + DRAIN)
        return TenantTierChanging(**{**given, **fields})

    def record(
        self, event: TenantTierChanging, state: PhaseState = PhaseState.RUNNING, **changes: Any
    ) -> None:
        """Let the record be at the attempt that an event is of."""
        operation = Operation(
            id=event.operation_id,
            kind=OperationKind.CHANGE_TIER,
            phase=event.phase,
            state=state,
            attempt=event.attempt,
            requested_at=event.timestamp,
            requested_by="operator",
            from_tier=event.from_tier,
            to_tier=event.to_tier,
            from_=event.from_,
            to=event.to,
        )
        place = self.places[1] if event.phase is Phase.RETIRE else self.places[0]
        operate(self.cloud, ACME, replace(operation, **changes), resources=place.as_resources())

    def run(self, phase: Phase, **fields: Any) -> TenantTierChanged:
        """Have a phase done; return its result."""
        event = self.event(phase, **fields)
        self.record(event)
        return self.result(self.mover.work(event), event)

    def result(self, events: list[dict[str, Any]], event: TenantTierChanging) -> TenantTierChanged:
        (found,) = [each for each in events if each["detail-type"] == TenantTierChanged.DETAIL_TYPE]
        result = TenantTierChanged.parse(found["detail"])
        assert (result.operation_id, result.phase, result.attempt) == (OPERATION, event.phase, event.attempt)
        if "dedicatedBucket" in result.resources:
            self.to = SILO_PLACE
        return result

    def switched(self) -> "Move":
        """Do the phases before the switch."""
        assert self.run(Phase.COPY).succeeded
        assert self.run(Phase.CUTOVER).succeeded
        return self

    def put(self, **objects: str) -> None:
        for key, body in objects.items():
            self.cloud.s3.put_object(Bucket=self.source.bucket, Key=self.source.key(key), Body=body.encode())

    def delete(self, key: str) -> None:
        self.cloud.s3.delete_object(Bucket=self.source.bucket, Key=self.source.key(key))


def contents(cloud: Cloud, location: Location) -> Objects:
    return {
        stored.key: cloud.s3.get_object(Bucket=location.bucket, Key=location.key(stored.key))["Body"].read()
        for stored in current_objects(cloud.s3, location)
    }


def digest(cloud: Cloud, location: Location) -> str:
    found = Digest()
    for stored in current_objects(cloud.s3, location):
        found.add(stored)
    return found.hex()


def lets_tenant_in(cloud: Cloud) -> bool:
    policy = json.loads(cloud.s3.get_bucket_policy(Bucket=SILO)["Policy"])
    return "AllowTenantObjects" in {statement["Sid"] for statement in policy["Statement"]}


def versions(cloud: Cloud, location: Location) -> int:
    found = cloud.s3.list_object_versions(Bucket=location.bucket, Prefix=location.prefix)
    return len(found.get("Versions", [])) + len(found.get("DeleteMarkers", []))


def buckets(cloud: Cloud) -> set[str]:
    return {bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]}


both_ways = pytest.mark.parametrize("to_silo", [True, False], ids=["to a silo", "to the pool"])

# --- a whole move -------------------------------------------------------------------------------------------


@both_ways
def test_copy_fills_the_target_and_leaves_the_source(
    cloud: Cloud, mover: SliceFunction, to_silo: bool
) -> None:
    move = Move(cloud, mover, to_silo=to_silo)
    move.put(a="1", b="22")
    result = move.run(Phase.COPY)
    assert result.succeeded
    assert (result.objects, result.bytes) == (2, 3)
    assert Place.of(result.resources) == move.places[1]
    assert contents(cloud, move.target) == contents(cloud, move.source) == {"a": b"1", "b": b"22"}


def test_a_silo_is_made_with_all_that_its_tier_gives_and_stays_closed(
    cloud: Cloud, mover: SliceFunction
) -> None:
    result = Move(cloud, mover).run(Phase.COPY)
    assert dict(result.resources) == {
        "dedicatedBucket": SILO,
        "logGroup": "/tenkacloud/test/tenants/acme",
    }
    assert not lets_tenant_in(cloud)


@both_ways
def test_cutover_brings_what_changed_since_and_says_what_there_is(
    cloud: Cloud, mover: SliceFunction, to_silo: bool
) -> None:
    move = Move(cloud, mover, to_silo=to_silo)
    move.put(same="s", changed="old", gone="x")
    move.run(Phase.COPY)
    move.put(changed="newer", new="n")
    move.delete("gone")
    fenced = cloud.clock.now()
    result = move.run(Phase.CUTOVER)
    wanted = {"same": b"s", "changed": b"newer", "new": b"n"}
    assert contents(cloud, move.target) == contents(cloud, move.source) == wanted
    assert (result.objects, result.bytes) == (3, 7)
    assert Place.of(result.resources) == move.places[1]
    assert result.digest == digest(cloud, move.source)
    assert result.read_only_ms is not None
    passed = (cloud.clock.now() - fenced) / timedelta(milliseconds=1)
    assert DRAIN / timedelta(milliseconds=1) <= result.read_only_ms <= passed
    assert not to_silo or lets_tenant_in(cloud)


def policy_of_before() -> dict[str, Any]:
    arn = f"arn:aws:s3:::{SILO}/*"
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": arn}],
    }


def test_a_bucket_of_before_lets_the_mover_in(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover, to_silo=False)
    role = MAINTENANCE_ROLE
    cloud.s3.put_bucket_policy(Bucket=SILO, Policy=json.dumps(policy_of_before()))
    assert move.run(Phase.COPY).succeeded
    assert role in cloud.s3.get_bucket_policy(Bucket=SILO)["Policy"]
    # and the tenant, who works on in it
    assert lets_tenant_in(cloud)


def test_an_empty_place_moves(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover)
    assert move.run(Phase.COPY).objects == 0
    result = move.run(Phase.CUTOVER)
    assert (result.objects, result.bytes, result.digest) == (0, 0, Digest().hex())


def test_what_is_written_while_requests_drain_is_moved(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover)
    move.put(a="1", b="2")
    move.run(Phase.COPY)

    def sleep(seconds: float) -> None:
        move.put(a="acknowledged", late="too")
        move.delete("b")
        type(cloud.clock).sleep(cloud.clock, seconds)

    cloud.clock.sleep = sleep  # type: ignore[method-assign]
    assert move.run(Phase.CUTOVER).succeeded
    assert contents(cloud, OWN) == {"a": b"acknowledged", "late": b"too"}


def test_a_long_drain_is_waited_for_in_the_queue(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover)
    move.run(Phase.COPY)
    not_before = cloud.clock.now() + timedelta(seconds=35)
    assert move.run(Phase.CUTOVER, not_before=rfc3339(not_before)).succeeded
    assert cloud.clock.now() >= not_before
    (delay,) = [delay for delay in mover.queue.delays if delay]
    assert 20 <= delay < 35


def test_a_write_after_the_drain_fails_the_cutover(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover)
    move.put(a="1")
    move.run(Phase.COPY)
    # moto's clock is behind: all that there is was written after this
    result = move.run(Phase.CUTOVER, not_before=rfc3339(cloud.clock.now() - timedelta(hours=1)))
    assert "something was written to tenants/acme/ at" in str(result.failure_reason)
    assert not lets_tenant_in(cloud)


def test_an_object_above_the_threshold_moves_in_parts(cloud: Cloud, mover: SliceFunction) -> None:
    mover.variables = {"MULTIPART_THRESHOLD_BYTES": str(PART_MIN)}
    move = Move(cloud, mover)
    move.put(film="x" * (PART_MIN + 1), note="y")
    move.switched()
    assert mover.calls.of("UploadPartCopy")
    assert contents(cloud, OWN) == {"film": b"x" * (PART_MIN + 1), "note": b"y"}


# --- slices -------------------------------------------------------------------------------------------------


@both_ways
def test_work_is_cut_into_slices_that_report(
    cloud: Cloud, mover: SliceFunction, to_silo: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenkacloud.objects.sync.CHUNK_KEYS", 3)
    monkeypatch.setattr("tenant_mover.service.SLICE", timedelta(0))
    move = Move(cloud, mover, to_silo=to_silo)
    move.put(**{f"k{number}": str(number) for number in range(10)})
    event = move.event(Phase.COPY)
    move.record(event)
    published = mover.work(event)
    progress = [each["detail"] for each in published if each["detail-type"] == "TenantOperationProgressed"]
    assert [each["objects"] for each in progress] == [3, 6, 9]
    assert {each["totalObjects"] for each in progress} == {10}
    assert move.result(published, event).objects == 10
    assert len(mover.calls.of("CopyObject")) == 10
    assert contents(cloud, move.target) == contents(cloud, move.source)
    assert move.run(Phase.CUTOVER).objects == 10
    assert len(mover.queue.delays) > 3


def test_a_slice_ends_before_the_functions_time_does(
    cloud: Cloud, mover: SliceFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenkacloud.objects.sync.CHUNK_KEYS", 1)
    mover.context.remaining = lambda: 20_000
    move = Move(cloud, mover)
    move.put(a="1", b="2")
    event = move.event(Phase.COPY)
    move.record(event)
    mover.send(event)
    assert mover.take()
    assert list(contents(cloud, OWN)) == ["a"]
    assert move.result(mover.work(), event).objects == 2


def test_a_big_change_is_copied_once_more_before_the_tenant_has_to_wait(
    cloud: Cloud, mover: SliceFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenkacloud.objects.sync.CHUNK_KEYS", 1)
    monkeypatch.setattr("tenant_mover.service.SLICE", timedelta(0))
    monkeypatch.setattr("tenant_mover.decisions.CHANGES_MAX", 1)
    move = Move(cloud, mover)
    move.put(a="1", b="2")
    event = move.event(Phase.COPY)
    move.record(event)
    mover.send(event)
    assert mover.take()
    move.put(a="changed", aa="3")
    assert move.result(mover.work(), event).succeeded
    assert contents(cloud, OWN) == {"a": b"changed", "aa": b"3", "b": b"2"}


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "another-operation"},
        {"attempt": 2},
        {"phase": Phase.ROLLBACK},
        {"state": PhaseState.FAILED},
        {"state": PhaseState.REQUESTED},
    ],
    ids=str,
)
def test_a_slice_that_the_record_is_not_at_is_dropped(
    cloud: Cloud, mover: SliceFunction, changes: dict[str, Any]
) -> None:
    move = Move(cloud, mover)
    move.put(a="1")
    event = move.event(Phase.COPY)
    move.record(event, **changes)
    assert mover.work(event) == []
    assert buckets(cloud) == {DATA_BUCKET, EXPORTS_BUCKET}
    assert set(mover.calls.names) == {"GetItem"}


def test_a_slice_of_a_tenant_without_a_record_is_dropped(cloud: Cloud, mover: SliceFunction) -> None:
    assert mover.work(Move(cloud, mover).event(Phase.COPY)) == []


def test_an_event_that_overtook_its_mark_is_done(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover)
    event = move.event(Phase.COPY)
    move.record(event, state=PhaseState.REQUESTED, attempt=0)
    assert move.result(mover.work(event), event).succeeded


def test_a_cancelled_copy_stops_at_the_next_slice(
    cloud: Cloud, mover: SliceFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenkacloud.objects.sync.CHUNK_KEYS", 1)
    monkeypatch.setattr("tenant_mover.service.SLICE", timedelta(0))
    move = Move(cloud, mover)
    move.put(a="1", b="2")
    event = move.event(Phase.COPY)
    move.record(event)
    mover.send(event)
    assert mover.take()
    move.record(event, phase=Phase.ROLLBACK)
    mover.work()
    assert list(contents(cloud, OWN)) == ["a"]


def test_duplicates_do_the_work_once_and_answer_alike(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover)
    move.put(a="1", b="2")
    event = move.event(Phase.COPY)
    move.record(event)
    first = move.result(mover.work(event), event)
    copies = len(mover.calls.of("CopyObject"))
    assert move.result(mover.work(event), event) == first
    assert len(mover.calls.of("CopyObject")) == copies


def test_an_answer_is_repeated_and_not_made_anew_when_the_tenant_writes_already(
    cloud: Cloud, mover: SliceFunction
) -> None:
    """The result was published, the function died, and its message comes again while the switch is made."""
    move = Move(cloud, mover)
    move.put(a="1")
    move.run(Phase.COPY)
    event = move.event(Phase.CUTOVER)
    move.record(event)
    result = move.result(mover.work(event), event)
    cloud.s3.put_object(Bucket=SILO, Key="a", Body=b"after the switch")
    cloud.s3.put_object(Bucket=SILO, Key="new", Body=b"after the switch")
    cloud.clock.sleep(DURATION.total_seconds())
    assert move.result(mover.work(event), event) == result
    assert contents(cloud, OWN) == {"a": b"after the switch", "new": b"after the switch"}


def test_one_slice_at_a_time_writes(cloud: Cloud, mover: SliceFunction) -> None:
    """A second delivery comes while the first is copying: it waits, and then finds the work done."""
    move = Move(cloud, mover)
    move.put(a="1", b="2")
    event = move.event(Phase.COPY)
    move.record(event)
    other = SliceFunction(cloud, "tenant-mover")
    other.send(event)

    def before(operation: str, _arguments: dict[str, Any]) -> None:
        if operation == "CopyObject" and not other.calls.names:
            assert other.take()

    mover.calls.before = before
    assert move.result(mover.work(event), event).succeeded
    assert other.calls.of("CopyObject") == []
    ((_body, delay),) = other.queue.waiting
    assert delay > 0
    assert move.result(other.work(), event).succeeded
    assert other.calls.of("CopyObject") == []


def test_a_slice_that_was_away_for_too_long_writes_no_more(cloud: Cloud, mover: SliceFunction) -> None:
    """It stands still in front of a copy until another has ended the move, and the tenant writes again."""
    move = Move(cloud, mover)
    move.put(a="1", b="2")
    event = move.event(Phase.COPY)
    move.record(event)
    other = SliceFunction(cloud, "tenant-mover")

    def before(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "CopyObject" and not other.calls.names:
            cloud.clock.sleep(DURATION.total_seconds() + 1)
            finished = Move(cloud, other)
            finished.attempt = 2
            finished.switched()
            operate(cloud, ACME, None, resources=SILO_PLACE.as_resources())
            cloud.s3.put_object(Bucket=SILO, Key="b", Body=b"after the switch")

    mover.calls.before = before
    mover.send(event)
    assert not mover.take()
    assert contents(cloud, OWN)["b"] == b"after the switch"
    mover.work()
    assert contents(cloud, OWN)["b"] == b"after the switch"


# --- what cannot be moved -----------------------------------------------------------------------------------


@both_ways
def test_a_target_that_is_not_empty_is_named_and_left_alone(
    cloud: Cloud, mover: SliceFunction, to_silo: bool
) -> None:
    move = Move(cloud, mover, to_silo=to_silo)
    if to_silo:
        move.make_silo()
    move.put(a="1")
    cloud.s3.put_object(Bucket=move.target.bucket, Key=move.target.key("theirs"), Body=b"!")
    result = move.run(Phase.COPY)
    assert str(result.failure_reason) == f"{move.places[1].name} is not empty: it holds 'theirs'"
    kept = move.run(Phase.ROLLBACK)
    assert kept.kept == f"{move.places[1].name} holds 'theirs', which this move did not bring"
    assert contents(cloud, move.target) == {"theirs": b"!"}
    assert contents(cloud, move.source) == {"a": b"1"}


def test_our_own_earlier_copies_are_gone_on_with(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover)
    move.put(a="1")
    move.run(Phase.COPY)
    move.attempt = 2
    assert move.run(Phase.COPY).succeeded


def test_a_bucket_that_is_somebody_elses_is_said_so(cloud: Cloud, mover: SliceFunction) -> None:
    mover.calls.reject("CreateBucket", "BucketAlreadyExists")
    result = Move(cloud, mover).run(Phase.COPY)
    assert result.failure_reason == f"bucket {SILO} is owned by another AWS account"


def test_a_source_that_is_not_there_is_said_so(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover, to_silo=False)
    cloud.s3.delete_bucket(Bucket=SILO)
    assert "a bucket of this move does not exist" in str(move.run(Phase.COPY).failure_reason)


def test_the_prefix_of_another_tenant_is_denied(cloud: Cloud, mover: SliceFunction) -> None:
    result = Move(cloud, mover).run(Phase.COPY, from_=pool_place(TenantId("acme-b")))
    assert result.failure_reason == "tenant 'acme' has no place 'tenants/acme-b/'"


def test_a_poison_slice_is_left_to_the_queue(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover)
    move.put(a="1")
    event = move.event(Phase.COPY)
    move.record(event)
    mover.send(event)
    for _ in range(5):  # then the queue has enough of it (maxReceiveCount, module queue-consumer)
        mover.calls.reject("CopyObject", "InternalError")
        assert not mover.take()
    assert cloud.published() == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "Expecting property name"),
        ('{"detail-type": "TenantMoved"}', "detail-type 'TenantMoved' is unknown"),
        ("[]", "message must be an object"),
    ],
)
def test_a_message_that_is_none_of_ours_is_rejected(
    cloud: Cloud, mover: SliceFunction, body: str, reason: str
) -> None:
    mover.send_body(body)
    assert mover.take()
    (dead,) = mover.queue.dead
    assert reason in dead["responsePayload"]["errorMessage"]


@pytest.mark.parametrize("cursor", [{"stage": "NEVER"}, {"unknown": 1}])
def test_a_cursor_that_is_none_of_ours_is_rejected(
    cloud: Cloud, mover: SliceFunction, cursor: dict[str, Any]
) -> None:
    move = Move(cloud, mover)
    event = move.event(Phase.COPY)
    move.record(event)
    mover.send(event)
    body, _delay = mover.queue.waiting.popleft()
    mover.send_body(json.dumps({"event": json.loads(body), "cursor": cursor}))
    assert mover.take()
    (dead,) = mover.queue.dead
    assert dead["responsePayload"]["errorMessage"] == "cursor is not one of a move"


# --- giving up, and the old place ---------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("phase", [Phase.COPY, Phase.CUTOVER])
def test_a_rollback_takes_the_target_away_and_nothing_else(
    cloud: Cloud, mover: SliceFunction, to_silo: bool, phase: Phase
) -> None:
    move = Move(cloud, mover, to_silo=to_silo)
    move.put(a="1", b="2")
    move.run(Phase.COPY)
    if phase is Phase.CUTOVER:
        move.delete("b")
        move.run(Phase.CUTOVER)
    result = move.run(Phase.ROLLBACK)
    assert (result.failure_reason, result.kept) == (None, None)
    assert "a" in contents(cloud, move.source)
    if to_silo:
        assert buckets(cloud) == {DATA_BUCKET, EXPORTS_BUCKET}
        assert cloud.clients.logs.describe_log_groups()["logGroups"] == []
    else:
        assert versions(cloud, POOL) == 0
        assert SILO in buckets(cloud)


def test_a_rollback_that_was_interrupted_between_two_deletions_goes_on(
    cloud: Cloud, mover: SliceFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What says that the target is the move's own is then gone."""
    move = Move(cloud, mover, to_silo=False)
    move.put(a="1", b="2")
    move.run(Phase.COPY)
    monkeypatch.setattr(purging, "PAGE_MAX", 1)

    def before(operation: str, _arguments: dict[str, Any]) -> None:
        if operation == "DeleteObjects" and "DeleteObjects" in mover.calls.names:
            raise CrashError(operation)

    mover.calls.before = before
    event = move.event(Phase.ROLLBACK)
    move.record(event)
    mover.send(event)
    assert not mover.take()
    mover.calls.before = lambda _operation, _arguments: None
    cloud.clock.sleep(DURATION.total_seconds())
    result = move.result(mover.work(), event)
    assert (result.failure_reason, result.kept) == (None, None)
    assert versions(cloud, POOL) == 0


def test_a_rollback_of_a_copy_that_made_nothing_yet(cloud: Cloud, mover: SliceFunction) -> None:
    assert Move(cloud, mover).run(Phase.ROLLBACK).succeeded


def test_a_rollback_does_not_close_the_place_that_the_tenant_stays_in(
    cloud: Cloud, mover: SliceFunction
) -> None:
    move = Move(cloud, mover, to_silo=False)
    move.run(Phase.COPY)
    move.run(Phase.ROLLBACK)
    assert lets_tenant_in(cloud)


@both_ways
def test_the_old_place_is_retired_if_it_is_as_it_was(
    cloud: Cloud, mover: SliceFunction, to_silo: bool
) -> None:
    move = Move(cloud, mover, to_silo=to_silo)
    move.put(a="1", b="2")
    move.put(a="again")
    move.switched()
    result = move.run(Phase.RETIRE, digest=digest(cloud, move.source))
    assert (result.failure_reason, result.kept) == (None, None)
    assert contents(cloud, move.target) == {"a": b"again", "b": b"2"}
    if to_silo:
        assert versions(cloud, POOL) == 0
        assert cloud.s3.list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"] == 1  # the neighbour's
    else:
        assert SILO not in buckets(cloud)
        assert cloud.clients.logs.describe_log_groups()["logGroups"] == []
    keys = [each["Key"] for each in cloud.s3.list_objects_v2(Bucket=move.target.bucket)["Contents"]]
    assert move.target.key(MOVE_MARKER) not in keys


@both_ways
def test_an_old_place_that_changed_is_kept(cloud: Cloud, mover: SliceFunction, to_silo: bool) -> None:
    move = Move(cloud, mover, to_silo=to_silo)
    move.put(a="1")
    move.switched()
    before = digest(cloud, move.source)
    move.put(late="!")
    result = move.run(Phase.RETIRE, digest=before)
    assert result.kept == f"{move.places[0].name} has changed since the switch"
    assert contents(cloud, move.source) == {"a": b"1", "late": b"!"}


def test_an_old_place_that_nobody_knows_of_is_kept(cloud: Cloud, mover: SliceFunction) -> None:
    move = Move(cloud, mover)
    move.put(a="1")
    move.switched()
    assert move.run(Phase.RETIRE).kept == "nobody knows what was in tenants/acme/ at the switch"
    assert contents(cloud, POOL) == {"a": b"1"}


def test_an_old_place_of_the_tier_that_the_tenant_has_is_kept(cloud: Cloud, mover: SliceFunction) -> None:
    """By hand, a tenant got another bucket: nothing may be done to the one that it has now."""
    move = Move(cloud, mover)
    move.put(a="1")
    move.switched()
    old = silo_place("tenkacloud-test-silo-older")
    result = move.run(Phase.RETIRE, from_=old, from_tier=Tier.ENTERPRISE, digest=Digest().hex())
    assert str(result.kept).startswith(f"{old.name} is a place like the tenant's own")
    assert contents(cloud, OWN) == {"a": b"1"}
    assert lets_tenant_in(cloud)


@both_ways
def test_an_old_place_that_an_operator_has_looked_at_goes_whatever_is_in_it(
    cloud: Cloud, mover: SliceFunction, to_silo: bool
) -> None:
    move = Move(cloud, mover, to_silo=to_silo)
    move.put(a="1")
    move.switched()
    before = digest(cloud, move.source)
    move.put(late="!")
    assert move.run(Phase.RETIRE, digest=before).kept is not None
    move.attempt += 1
    result = move.run(Phase.RETIRE, digest=ANY_DIGEST)
    assert (result.failure_reason, result.kept) == (None, None)
    assert contents(cloud, move.target) == {"a": b"1"}
    if to_silo:
        assert versions(cloud, POOL) == 0
        assert cloud.s3.list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"] == 1  # the neighbour's
    else:
        assert SILO not in buckets(cloud)


@pytest.mark.parametrize("wanted", [None, ANY_DIGEST])
@pytest.mark.parametrize("phase", [Phase.RETIRE, Phase.ROLLBACK])
def test_the_place_that_the_record_names_is_never_emptied(
    cloud: Cloud, mover: SliceFunction, phase: Phase, wanted: str | None
) -> None:
    move = Move(cloud, mover)
    move.put(a="1")
    move.run(Phase.COPY)
    event = move.event(phase, digest=wanted or digest(cloud, POOL))
    move.record(event)
    place = POOL_PLACE if phase is Phase.RETIRE else SILO_PLACE
    cloud.update(ACME, resources={"M": {name: {"S": value} for name, value in place.as_resources().items()}})
    result = move.result(mover.work(event), event)
    assert str(result.failure_reason).startswith(f"{place.name} is the tenant's place")
    assert contents(cloud, POOL) == contents(cloud, OWN) == {"a": b"1"}


# --- crashes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [Phase.COPY, Phase.CUTOVER, Phase.RETIRE, Phase.ROLLBACK])
def test_a_crash_anywhere_ends_in_the_same_state(cloud: Cloud, mover: SliceFunction, phase: Phase) -> None:
    """Behind each call that changes something, and in front of all; the message comes again, and ends it."""
    points = crash_points(crash(cloud, phase, None))
    assert len(points) > 5
    for point in points:
        crash(cloud, phase, point)


def crash(cloud: Cloud, phase: Phase, point: int | None) -> list[str]:
    """Crash at one call of a phase, go on, and see what it came to; return the calls of the phase."""
    for name in buckets(cloud):
        s3_backends[ACCOUNT]["aws"].buckets[name].keys.clear()
        if name not in (DATA_BUCKET, EXPORTS_BUCKET):
            cloud.s3.delete_bucket(Bucket=name)
    mover = SliceFunction(cloud, "tenant-mover")
    move = Move(cloud, mover)
    move.put(a="1", b="2", c="3")
    for before in {Phase.COPY: (), Phase.CUTOVER: (Phase.COPY,)}.get(phase, (Phase.COPY, Phase.CUTOVER)):
        move.put(a="changed")
        move.delete("c")
        assert move.run(before).succeeded
    event = move.event(phase, digest=digest(cloud, POOL))
    move.record(event)
    begun = len(mover.calls.names)
    mover.calls.crash_at = None if point is None else begun * 2 + point
    mover.send(event)
    for _ in range(SLICES_MAX):
        if not mover.queue.waiting:
            break
        if not mover.take():
            mover.calls.crash_at = None
            cloud.clock.sleep(DURATION.total_seconds())
    assert not mover.queue.waiting
    results = [each["detail"] for each in cloud.published() if each["detail-type"] == "TenantTierChanged"]
    assert results
    assert {result["status"] for result in results} == {"COMPLETED"}
    assert all("kept" not in result for result in results)
    wanted = {"a": b"1", "b": b"2", "c": b"3"} if phase is Phase.COPY else {"a": b"changed", "b": b"2"}
    match phase:
        case Phase.RETIRE:
            assert versions(cloud, POOL) == 0
            assert contents(cloud, OWN) == wanted
        case Phase.ROLLBACK:
            assert SILO not in buckets(cloud)
            assert contents(cloud, POOL) == wanted
        case _:
            assert contents(cloud, OWN) == contents(cloud, POOL) == wanted
    return mover.calls.names[begun:]
