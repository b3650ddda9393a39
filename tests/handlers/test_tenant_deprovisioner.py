"""Offboarding request → purge in slices, or a look at what is left → result."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from tenkacloud.events.tenant_deprovisioned import Evidence, TenantDeprovisioned
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.isolation.places import Place, pool_place, silo_place
from tenkacloud.isolation.policies import silo_bucket_policy
from tenkacloud.isolation.resource_names import silo_bucket
from tenkacloud.objects import purging
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.operations import Operation, OperationKind, Phase, PhaseState
from tenkacloud.tenants.validation import Slug, TenantId, Tier
from tests.handlers.conftest import ACCOUNT, DATA_BUCKET, DATA_TABLE, REGION, ROLE, TABLE, Cloud, LogLines
from tests.handlers.slices import SliceFunction, operate
from tests.settings import MAINTENANCE_ROLE
from tests.support import Context

#: Powertools says so of an invocation that is killed before it has counted anything.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")

SERVICE: Final = "tenant-deprovisioner"
ACME: Final = TenantId("acme")
SLUG: Final = Slug("acme-corp")
SILO: Final = silo_bucket("test", SLUG, ACME, ACCOUNT, REGION)
LOG_GROUP: Final = "/tenkacloud/test/tenants/acme"
POOL: Final = pool_place(ACME)
#: Ids that are one another's beginnings, or differ in case only.
NEIGHBOURS: Final = ("acm", "acme-", "acme2", "ACME")
OPERATION_ID: Final = "01JD5T8Q2N4Z6Y8X0W2V4U6S8R"


def offboarding(
    phase: Phase = Phase.PURGE, *places: Place, tenant_id: TenantId = ACME, attempt: int = 1
) -> TenantOffboarding:
    return TenantOffboarding(
        tenant_id=tenant_id,
        operation_id=OPERATION_ID,
        phase=phase,
        attempt=attempt,
        timestamp="2026-01-02T03:04:05.678Z",
        places=places or (pool_place(tenant_id),),
        tier=Tier.ENTERPRISE if any(place.is_silo for place in places) else Tier.PRO,
        slug=SLUG,
    )


def at(event: TenantOffboarding, state: PhaseState = PhaseState.RUNNING, attempt: int = 1) -> Operation:
    return Operation(
        id=event.operation_id,
        kind=OperationKind.OFFBOARD,
        phase=event.phase,
        state=state,
        attempt=attempt,
        requested_at=event.timestamp,
        requested_by="operator",
        places=event.places,
    )


@pytest.fixture
def function(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> SliceFunction:
    """The function, in an account whose buckets keep versions."""
    # moto denies whatever a bucket policy's Deny is about, since it looks at no condition.
    monkeypatch.setattr(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)
    enabled: Any = {"Status": "Enabled"}
    cloud.s3.put_bucket_versioning(Bucket=DATA_BUCKET, VersioningConfiguration=enabled)
    return SliceFunction(cloud, SERVICE)


def purge(function: SliceFunction, *places: Place) -> list[dict[str, Any]]:
    event = offboarding(Phase.PURGE, *places)
    operate(function.cloud, event.tenant_id, at(event))
    return function.work(event)


def verify(function: SliceFunction, *places: Place) -> Evidence:
    event = offboarding(Phase.VERIFY, *places)
    operate(function.cloud, event.tenant_id, at(event))
    return result(function.work(event)).evidence


def result(events: list[dict[str, Any]]) -> TenantDeprovisioned:
    """Return the only result among what was published."""
    (found,) = [event for event in events if event["detail-type"] == TenantDeprovisioned.DETAIL_TYPE]
    return TenantDeprovisioned.parse(found["detail"])


def fill(cloud: Cloud, bucket: str, prefix: str) -> None:
    """Put two versions of an object, one that is deleted, and an unfinished upload."""
    for body in (b"1", b"22"):
        cloud.s3.put_object(Bucket=bucket, Key=f"{prefix}file", Body=body)
    cloud.s3.put_object(Bucket=bucket, Key=f"{prefix}deleted", Body=b"")
    cloud.s3.delete_object(Bucket=bucket, Key=f"{prefix}deleted")
    cloud.s3.create_multipart_upload(Bucket=bucket, Key=f"{prefix}unfinished")


def put_items(cloud: Cloud, tenant_id: str, number: int) -> None:
    for each in range(number):
        key = {"PK": {"S": f"TENANT#{tenant_id}"}, "SK": {"S": f"PROBLEM#{each:03}"}}
        cloud.dynamodb.put_item(TableName=DATA_TABLE, Item={**key, "text": {"S": "x"}})


def onboard_pooled(cloud: Cloud, tenant_id: str, items: int = 3) -> None:
    cloud.s3.put_object(Bucket=DATA_BUCKET, Key=f"tenants/{tenant_id}/.tenkacloud.json", Body=b"{}")
    fill(cloud, DATA_BUCKET, f"tenants/{tenant_id}/")
    put_items(cloud, tenant_id, items)


def onboard_siloed(cloud: Cloud, bucket: str = SILO, *, owner: str | None = ACME) -> None:
    """Make what provisioning made of an ENTERPRISE tenant before there was a maintenance role."""
    location: Any = {"LocationConstraint": REGION}
    cloud.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
    enabled: Any = {"Status": "Enabled"}
    cloud.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
    if owner:
        tags: Any = [{"Key": "tenantId", "Value": owner}]
        cloud.s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    fill(cloud, bucket, "")
    cloud.clients.logs.create_log_group(logGroupName=LOG_GROUP, tags={"tenantId": ACME})
    put_items(cloud, ACME, 2)


def everything(cloud: Cloud) -> list[str]:
    """Return the keys of all versions, markers and uploads there are, the items, buckets and log groups."""
    found = []
    for bucket in cloud.s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        listed = cloud.s3.list_object_versions(Bucket=name)
        uploads = cloud.s3.list_multipart_uploads(Bucket=name).get("Uploads", [])
        entries = [*listed.get("Versions", []), *listed.get("DeleteMarkers", []), *uploads]
        found += [name, *(f"{name}/{each['Key']}" for each in entries)]
    items = cloud.dynamodb.scan(TableName=DATA_TABLE)["Items"]
    found += [f"{item['PK']['S']} {item['SK']['S']}" for item in items]
    found += [group["logGroupName"] for group in cloud.clients.logs.describe_log_groups()["logGroups"]]
    return sorted(found)


# --- purge --------------------------------------------------------------------------------------------------


def test_a_pooled_tenant_goes_and_its_neighbours_keep_all(function: SliceFunction) -> None:
    for tenant_id in NEIGHBOURS:
        onboard_pooled(function.cloud, tenant_id)
    before = everything(function.cloud)
    onboard_pooled(function.cloud, ACME, items=60)
    found = result(purge(function, POOL))
    assert found.succeeded
    assert replace(found.evidence, checked_at="") == Evidence(
        object_versions=4, delete_markers=1, uploads=1, items=60, checked_at=""
    )
    assert everything(function.cloud) == before


def test_a_siloed_tenant_goes_with_its_bucket_its_log_group_and_what_it_left_in_the_pool(
    function: SliceFunction,
) -> None:
    onboard_siloed(function.cloud)
    onboard_pooled(function.cloud, ACME)
    found = result(purge(function, POOL, silo_place(SILO)))
    assert found.succeeded
    assert replace(found.evidence, checked_at="") == Evidence(
        object_versions=7, delete_markers=2, uploads=2, items=3, buckets_deleted=1, checked_at=""
    )
    assert everything(function.cloud) == [DATA_BUCKET]


def test_a_purge_finds_what_an_interrupted_onboarding_left(function: SliceFunction) -> None:
    """The record names nothing of it: the bucket was created, and no more came of it."""
    location: Any = {"LocationConstraint": REGION}
    function.cloud.s3.create_bucket(Bucket=SILO, CreateBucketConfiguration=location)
    function.cloud.clients.logs.create_log_group(logGroupName=LOG_GROUP, tags={"tenantId": ACME})
    assert result(purge(function, POOL)).evidence.buckets_deleted == 1
    assert everything(function.cloud) == [DATA_BUCKET]


def test_before_a_bucket_is_emptied_its_policy_lets_us_in_and_the_tenant_out(
    function: SliceFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    onboard_siloed(function.cloud)
    seen = []

    def note(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "ListObjectVersions" and arguments["Bucket"] == SILO:
            seen.append(json.loads(function.cloud.s3.get_bucket_policy(Bucket=SILO)["Policy"]))

    function.calls.before = note
    purge(function, silo_place(SILO))
    assert seen
    assert seen[0] == silo_bucket_policy(SILO, ACME, ROLE, MAINTENANCE_ROLE, open_to_tenant=False)


@pytest.mark.parametrize("owner", ["other", None])
def test_a_recorded_bucket_that_is_not_the_tenants_is_left_and_told(
    function: SliceFunction, owner: str | None
) -> None:
    onboard_siloed(function.cloud, owner=owner)
    found = result(purge(function, silo_place(SILO)))
    assert found.failure_reason is not None
    assert f"bucket {SILO}" in found.failure_reason
    assert f"{SILO}/file" in everything(function.cloud)


@pytest.mark.parametrize("owner", ["other", None])
def test_a_bucket_of_the_derived_name_that_is_not_the_tenants_is_left_in_peace(
    function: SliceFunction, owner: str | None
) -> None:
    onboard_siloed(function.cloud, owner=owner)
    assert result(purge(function, POOL)).succeeded
    assert f"{SILO}/file" in everything(function.cloud)
    assert verify(function, POOL).remaining == 0


def test_the_prefix_of_another_tenant_is_left_and_told(function: SliceFunction) -> None:
    onboard_pooled(function.cloud, "other")
    before = everything(function.cloud)
    found = result(purge(function, pool_place(TenantId("other"))))
    assert found.failure_reason is not None
    assert "not its own" in found.failure_reason
    assert everything(function.cloud) == before


def test_a_bucket_that_is_gone_already_is_no_error(function: SliceFunction) -> None:
    assert result(purge(function, silo_place(SILO))).succeeded


def test_a_tenant_of_which_nothing_but_its_places_is_known_goes(function: SliceFunction) -> None:
    """A late onboarding made them of a tenant that is DELETED: its record has no slug any more."""
    onboard_siloed(function.cloud)
    event = replace(offboarding(Phase.PURGE, POOL, silo_place(SILO)), slug=None, tier=None)
    operate(function.cloud, ACME, at(event))
    assert result(function.work(event)).evidence.buckets_deleted == 1
    assert everything(function.cloud) == [DATA_BUCKET]


# --- slices -------------------------------------------------------------------------------------------------


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """One page of few versions in a round, so that there are many rounds."""
    monkeypatch.setattr(purging, "PAGE_MAX", 2)
    monkeypatch.setattr(purging, "PAGES_TOGETHER", 1)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("calls", [12, 17, 30])
def test_the_work_goes_on_in_the_next_slice_and_everything_is_counted_once(
    function: SliceFunction, calls: int
) -> None:
    """The time is up after so many calls of each slice."""
    onboard_siloed(function.cloud)
    onboard_pooled(function.cloud, ACME)
    began = [0]

    def remaining() -> int:
        return 120_000 if len(function.calls.names) - began[0] < calls else 0

    def note(operation: str, _arguments: dict[str, Any]) -> None:
        if operation == "SendMessage":
            began[0] = len(function.calls.names)

    function.context = Context(remaining=remaining)
    event = offboarding(Phase.PURGE, POOL, silo_place(SILO))
    operate(function.cloud, ACME, at(event))
    function.send(event)
    published = []
    slices = 0
    while function.queue.waiting:
        began[0] = len(function.calls.names)
        assert function.take()
        slices += 1
        assert slices < 100
        published += function.cloud.published()
    found = result(published)
    assert slices > 1
    assert replace(found.evidence, checked_at="") == Evidence(
        object_versions=7, delete_markers=2, uploads=2, items=3, buckets_deleted=1, checked_at=""
    )
    progress = [each for each in published if each["detail-type"] == TenantOperationProgressed.DETAIL_TYPE]
    assert len(progress) == slices - 1
    objects = [each["detail"]["objects"] for each in progress]
    assert objects == sorted(objects)
    assert everything(function.cloud) == [DATA_BUCKET]


def event_of_both() -> TenantOffboarding:
    return offboarding(Phase.PURGE, POOL, silo_place(SILO))


def prepare(cloud: Cloud) -> None:
    onboard_siloed(cloud)
    onboard_pooled(cloud, ACME)
    operate(cloud, ACME, at(event_of_both()))


def prepare_little(cloud: Cloud) -> None:
    """Give the tenant one of each kind: a purge of it makes every call that there is."""
    location: Any = {"LocationConstraint": REGION}
    cloud.s3.create_bucket(Bucket=SILO, CreateBucketConfiguration=location)
    tags: Any = [{"Key": "tenantId", "Value": ACME}]
    cloud.s3.put_bucket_tagging(Bucket=SILO, Tagging={"TagSet": tags})
    cloud.s3.put_object(Bucket=SILO, Key="file", Body=b"")
    cloud.s3.put_object(Bucket=DATA_BUCKET, Key="tenants/acme/file", Body=b"")
    cloud.s3.create_multipart_upload(Bucket=DATA_BUCKET, Key="tenants/acme/unfinished")
    cloud.clients.logs.create_log_group(logGroupName=LOG_GROUP, tags={"tenantId": ACME})
    put_items(cloud, ACME, 1)
    operate(cloud, ACME, at(event_of_both()))


def test_a_crash_behind_any_call_ends_in_the_same_state(function: SliceFunction) -> None:
    cloud = function.cloud
    cloud.s3.put_object(Bucket=DATA_BUCKET, Key="tenants/acme2/file", Body=b"")
    before = everything(cloud)
    prepare_little(cloud)
    function.work(event_of_both())
    assert everything(cloud) == before
    for number in range(len(function.calls.names)):
        prepare_little(cloud)
        crashing = SliceFunction(cloud, SERVICE)
        crashing.calls.crash_at = 2 * number + 1
        crashing.send(event_of_both())
        assert not crashing.take()
        results = [
            TenantDeprovisioned.parse(each["detail"]) for each in [*cloud.published(), *crashing.work()]
        ]
        assert results, crashing.calls.names[: number + 1]
        assert all(each.succeeded for each in results)
        assert everything(cloud) == before


def test_an_error_of_any_call_is_worth_another_delivery(function: SliceFunction) -> None:
    cloud = function.cloud
    prepare_little(cloud)
    function.work(event_of_both())
    for operation in sorted(set(function.calls.names) - {"PutEvents"}):
        prepare_little(cloud)
        again = SliceFunction(cloud, SERVICE)
        answer = ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, operation)
        again.calls.answers[operation] = [answer]
        again.send(event_of_both())
        deliveries = 0
        while again.queue.waiting:
            again.take()
            deliveries += 1
            assert deliveries < 10
        published = cloud.published()
        assert result(published).succeeded, operation
        assert everything(cloud) == [DATA_BUCKET], operation


def test_an_error_that_stays_is_tried_again_soon_and_then_left_to_the_queue(function: SliceFunction) -> None:
    prepare_little(function.cloud)
    answer = ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "ListMultipartUploads")
    function.calls.answers["ListMultipartUploads"] = [answer] * 7
    function.send(event_of_both())
    taken = [function.take() for _ in range(6)]
    assert taken == [True] * 5 + [False]
    assert function.queue.delays == [5, 10, 20, 40, 80]
    assert function.cloud.published() == []
    # and when it is delivered for the last time, it has passed
    assert not function.take()
    assert result(function.work()).succeeded
    assert everything(function.cloud) == [DATA_BUCKET]


def test_duplicates_do_no_harm(function: SliceFunction) -> None:
    prepare(function.cloud)
    for _ in range(3):
        function.send(event_of_both())
    published = function.work()
    assert len(published) == 3
    assert {each["detail"]["status"] for each in published} == {"COMPLETED"}
    assert everything(function.cloud) == [DATA_BUCKET]


def test_what_is_written_meanwhile_has_it_begin_anew(function: SliceFunction) -> None:
    prepare(function.cloud)
    written: list[str] = []

    def write(operation: str, _arguments: dict[str, Any]) -> None:
        if operation == "DeleteBucket" and not written:
            written.append("late")
            function.cloud.s3.put_object(Bucket=SILO, Key="late", Body=b"")

    function.calls.before = write
    found = result(function.work(event_of_both()))
    assert written
    assert found.succeeded
    assert found.evidence.object_versions == 8
    assert function.queue.delays == [5]
    assert everything(function.cloud) == [DATA_BUCKET]


def test_who_writes_again_and_again_is_told(function: SliceFunction) -> None:
    prepare(function.cloud)

    def write(operation: str, _arguments: dict[str, Any]) -> None:
        if operation == "DeleteBucket":
            function.cloud.s3.put_object(Bucket=SILO, Key="late", Body=b"")

    function.calls.before = write
    found = result(function.work(event_of_both()))
    assert found.failure_reason is not None
    assert "is not empty any more" in found.failure_reason


# --- who may ask --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        None,
        at(replace(offboarding(), operation_id="01JD5T8Q2N4Z6Y8X0W2V4U6S8S")),
        at(offboarding(Phase.VERIFY)),
        at(offboarding(), PhaseState.RUNNING, attempt=2),
        at(offboarding(), PhaseState.REQUESTED, attempt=1),
        at(offboarding(), PhaseState.WAITING),
        at(offboarding(), PhaseState.FAILED),
        replace(at(offboarding()), kind=OperationKind.EXPORT, phase=Phase.EXPORT),
    ],
)
def test_an_event_that_the_record_is_not_at_deletes_nothing(
    function: SliceFunction, logs: LogLines, record: Operation | None
) -> None:
    onboard_pooled(function.cloud, ACME)
    before = everything(function.cloud)
    operate(function.cloud, ACME, record)
    assert function.work(offboarding()) == []
    assert everything(function.cloud) == before
    assert function.calls.names == ["GetItem"]
    assert logs.only("Slice dropped")["tenant_id"] == ACME


def test_an_event_of_no_record_and_of_a_tombstone_deletes_nothing(function: SliceFunction) -> None:
    onboard_pooled(function.cloud, ACME)
    before = everything(function.cloud)
    assert function.work(offboarding()) == []
    function.cloud.put(ACME, status={"S": "DELETED"}, provisioningStatus={"S": "DEPROVISIONED"})
    assert function.work(offboarding()) == []
    assert everything(function.cloud) == before


def test_a_request_that_overtakes_its_mark_is_done(function: SliceFunction) -> None:
    onboard_pooled(function.cloud, ACME)
    operate(function.cloud, ACME, at(offboarding(), PhaseState.REQUESTED, attempt=0))
    assert result(function.work(offboarding())).succeeded
    assert everything(function.cloud) == [DATA_BUCKET]


@pytest.mark.usefixtures("small_pages")
def test_slices_of_an_operation_that_is_over_are_dropped(function: SliceFunction) -> None:
    prepare(function.cloud)
    asked = [0]

    def remaining() -> int:
        asked[0] += 1
        return 120_000 if asked[0] < 5 else 0

    function.context = Context(remaining=remaining)
    function.send(event_of_both())
    assert function.take()
    assert function.queue.waiting
    operate(function.cloud, ACME, None)
    left = everything(function.cloud)
    function.work()
    assert everything(function.cloud) == left


@pytest.mark.parametrize(
    "cursor",
    [
        {},
        {"stage": "NONE", "places": [], "counts": {}, "rounds": 0},
        {"stage": "ITEMS", "places": "all", "counts": dict.fromkeys(("items",), 0), "rounds": 0},
        {"stage": "OBJECTS", "places": [], "counts": {"items": -1}, "rounds": 0},
    ],
)
def test_a_poison_slice_goes_to_the_dead_letter_queue_and_deletes_nothing(
    function: SliceFunction, cursor: Any
) -> None:
    prepare(function.cloud)
    before = everything(function.cloud)
    function.send(event_of_both())
    event = json.loads(function.queue.waiting.pop()[0])
    function.send_body(json.dumps({"event": event, "cursor": cursor}))
    assert function.work() == []
    (message,) = function.queue.dead
    assert message["responsePayload"]["errorMessage"].startswith("cursor")
    assert everything(function.cloud) == before


def test_a_cursor_with_the_prefix_of_another_tenant_is_poison(function: SliceFunction) -> None:
    onboard_pooled(function.cloud, "other")
    prepare(function.cloud)
    before = everything(function.cloud)
    function.send(event_of_both())
    event = json.loads(function.queue.waiting.pop()[0])
    counts = dict.fromkeys(
        ("object_versions", "delete_markers", "uploads", "items", "buckets_deleted", "bytes"), 0
    )
    cursor = {
        "stage": "OBJECTS",
        "places": [{"s3Prefix": "tenants/other/"}],
        "counts": counts,
        "rounds": 0,
        "failures": 0,
    }
    function.send_body(json.dumps({"event": event, "cursor": cursor}))
    assert function.work() == []
    (message,) = function.queue.dead
    assert "prefix of another tenant" in message["responsePayload"]["errorMessage"]
    assert everything(function.cloud) == before


# --- verification -------------------------------------------------------------------------------------------


def test_nothing_is_left_after_a_purge(function: SliceFunction) -> None:
    prepare(function.cloud)
    function.work(event_of_both())
    assert verify(function, POOL, silo_place(SILO)).remaining == 0


@pytest.mark.parametrize(
    ("left", "number"),
    [
        (lambda cloud: cloud.s3.put_object(Bucket=DATA_BUCKET, Key="tenants/acme/x", Body=b""), 1),
        (lambda cloud: cloud.s3.create_multipart_upload(Bucket=DATA_BUCKET, Key="tenants/acme/x"), 1),
        (lambda cloud: put_items(cloud, ACME, 3), 3),
        (lambda cloud: fill(cloud, DATA_BUCKET, "tenants/acme/"), 5),
        (lambda cloud: cloud.clients.logs.create_log_group(logGroupName=LOG_GROUP), 1),
        (
            lambda cloud: cloud.s3.create_bucket(
                Bucket=SILO, CreateBucketConfiguration={"LocationConstraint": REGION}
            ),
            1,
        ),
    ],
)
def test_whatever_is_left_is_found(function: SliceFunction, logs: LogLines, left: Any, number: int) -> None:
    left(function.cloud)
    before = everything(function.cloud)
    assert verify(function, POOL, silo_place(SILO)).remaining == number
    assert any(line.get("message") == "Something is left of the tenant" for line in logs.all())
    assert everything(function.cloud) == before


def test_what_neighbours_have_is_not_found(function: SliceFunction) -> None:
    for tenant_id in NEIGHBOURS:
        onboard_pooled(function.cloud, tenant_id)
        function.cloud.clients.logs.create_log_group(logGroupName=f"/tenkacloud/test/tenants/{tenant_id}")
    assert verify(function, POOL).remaining == 0


def test_a_verification_deletes_nothing_and_reads_no_object(function: SliceFunction) -> None:
    prepare(function.cloud)
    verify(function, POOL, silo_place(SILO))
    assert not {
        name for name in function.calls.names if name.startswith(("Delete", "Put", "Abort", "Batch"))
    } - {"PutEvents"}


# --- the record ---------------------------------------------------------------------------------------------


def test_the_record_is_the_control_planes(function: SliceFunction) -> None:
    prepare(function.cloud)
    before = function.cloud.item(ACME)
    function.work(event_of_both())
    assert function.cloud.item(ACME) == before
    written = function.calls.of("BatchWriteItem")
    assert {table for arguments in written for table in arguments["RequestItems"]} == {DATA_TABLE}
    read = [arguments["TableName"] for arguments in function.calls.of("GetItem")]
    assert set(read) == {TABLE}
    assert function.calls.of("GetItem")[0]["Key"] == Key.of(ACME).attributes
