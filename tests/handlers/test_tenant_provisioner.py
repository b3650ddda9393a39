"""Onboarding request → resources → result."""

import json
import threading
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from scripts.verification.resources import problems_of_silo_bucket
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.isolation.policies import silo_bucket_policy
from tenkacloud.isolation.resource_names import silo_bucket
from tenkacloud.platform.clients import Clients, one_by_one
from tenkacloud.tenants.validation import Slug, TenantId
from tests.handlers.conftest import ACCOUNT, DATA_BUCKET, REGION, ROLE, Cloud, LogLines
from tests.handlers.faults import Calls
from tests.settings import MAINTENANCE_ROLE
from tests.support import Context, golden

SILO = silo_bucket("test", Slug("acme-corp"), TenantId("acme"), ACCOUNT, REGION)
LOG_GROUP = "/tenkacloud/test/tenants/acme"


def onboarding(**fields: Any) -> dict[str, Any]:
    event: dict[str, Any] = golden("tenant_onboarding")
    detail = {**event["detail"], **fields}
    event["detail"] = {name: value for name, value in detail.items() if value is not None}
    return event


def run(cloud: Cloud, event: Any) -> None:
    cloud.run("tenant-provisioner", event)


def only(events: list[dict[str, Any]]) -> dict[str, Any]:
    (event,) = events
    assert event["source"] == ProvisioningResult.SOURCE == "tenkacloud.application-plane"
    assert event["detail-type"] == ProvisioningResult.DETAIL_TYPE
    detail: dict[str, Any] = event["detail"]
    return detail


@pytest.mark.parametrize("tier", ["FREE", "PRO"])
def test_pooled_tiers_get_a_prefix(cloud: Cloud, tier: str) -> None:
    run(cloud, onboarding(tier=tier))
    marker = cloud.s3.get_object(Bucket=DATA_BUCKET, Key="tenants/acme/.tenkacloud.json")
    assert json.loads(marker["Body"].read()) == {"tenantId": "acme"}
    detail = only(cloud.published())
    assert detail.pop("timestamp")
    assert detail == {
        "tenantId": "acme",
        "status": "COMPLETED",
        "resources": {"s3Prefix": "tenants/acme/"},
        "provisioningAttempt": 1,
        "correlationId": golden("tenant_onboarding")["detail"]["correlationId"],
        "tier": tier,
        "slug": "acme-corp",
    }


def test_enterprise_gets_a_hardened_bucket_of_its_own(cloud: Cloud) -> None:
    run(cloud, onboarding(tier="ENTERPRISE"))
    assert only(cloud.published())["resources"] == {"dedicatedBucket": SILO, "logGroup": LOG_GROUP}
    s3 = cloud.s3
    assert s3.get_bucket_location(Bucket=SILO)["LocationConstraint"] == REGION
    assert s3.get_bucket_tagging(Bucket=SILO)["TagSet"] == [{"Key": "tenantId", "Value": "acme"}]
    assert list(problems_of_silo_bucket(s3, SILO, ACCOUNT, TenantId("acme"), ROLE, MAINTENANCE_ROLE)) == []


@pytest.mark.parametrize("tier", ["FREE", "ENTERPRISE"])
def test_ten_duplicates_end_in_the_same_state(cloud: Cloud, tier: str) -> None:
    for _ in range(10):
        run(cloud, onboarding(tier=tier))
    results = [event["detail"] for event in cloud.published()]
    assert len(results) == 10
    assert len({json.dumps({**result, "timestamp": ""}) for result in results}) == 1
    buckets = [bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]]
    assert buckets == ([DATA_BUCKET] if tier == "FREE" else [DATA_BUCKET, SILO])
    assert cloud.s3.list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"] == (1 if tier == "FREE" else 0)


def test_the_designs_fields_alone_are_enough(cloud: Cloud) -> None:
    event = golden("tenant_onboarding_design_only")
    run(cloud, event)
    detail = only(cloud.published())
    assert detail["status"] == "COMPLETED"
    assert "provisioningAttempt" not in detail
    assert detail["correlationId"] == event["id"]


def test_fields_that_it_does_not_know_are_ignored(cloud: Cloud) -> None:
    run(cloud, onboarding(region="eu-west-1", extra={"deep": [1]}))
    assert only(cloud.published())["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tier": "GOLD"}, "detail.tier 'GOLD' is unknown: one of FREE, PRO, ENTERPRISE"),
        ({"tier": None}, "detail.tier is missing"),
        ({"slug": None}, "detail.slug is missing"),
        ({"slug": "../x"}, "detail.slug '../x' is not a valid slug"),
        ({"tenantName": ""}, "detail.tenantName is empty"),
        ({"timestamp": None}, "detail.timestamp is missing"),
    ],
)
def test_an_event_that_breaks_the_contract_fails_its_tenant(cloud: Cloud, fields: Any, reason: str) -> None:
    run(cloud, onboarding(**fields))
    detail = only(cloud.published())
    assert detail["status"] == "FAILED"
    assert detail["provisioningAttempt"] == 1
    assert detail["failureReason"].startswith(f"the onboarding event is invalid: {reason}")
    assert cloud.s3.list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"] == 0
    assert cloud.rejected() == []


@pytest.mark.parametrize("attempt", ["1", 0, 1.5, True])
def test_a_bad_attempt_fails_its_tenant_too(cloud: Cloud, attempt: Any) -> None:
    run(cloud, onboarding(provisioningAttempt=attempt))
    detail = only(cloud.published())
    assert detail["status"] == "FAILED"
    assert "detail.provisioningAttempt" in detail["failureReason"]
    assert "provisioningAttempt" not in detail
    assert cloud.rejected() == []


@pytest.mark.parametrize("detail", ["text", 1, None, [], {"tenantId": "../x"}, {"tenantId": 7}, {}])
def test_an_event_of_no_tenant_goes_to_the_dead_message_queue_with_its_reason(
    cloud: Cloud, detail: Any
) -> None:
    event = {**golden("tenant_onboarding"), "detail": detail}
    run(cloud, event)
    assert cloud.published() == []
    (message,) = cloud.rejected()
    assert message["requestPayload"] == event
    assert message["requestContext"]["condition"] == "Rejected"
    assert message["responsePayload"]["errorType"] == "InvalidFieldError"
    assert message["responsePayload"]["errorMessage"].startswith("detail")


def test_a_bad_event_as_large_as_events_get_is_kept_too(cloud: Cloud) -> None:
    """With the reason around it, it is larger than a message may be."""
    event = golden("tenant_onboarding")
    event["detail"] = {"tenantId": "../x", "note": ""}
    event["detail"]["note"] = "x" * (256 * 1024 - len(json.dumps(event)))
    run(cloud, event)
    (message,) = cloud.rejected()
    assert message["responsePayload"]["errorMessage"].startswith(
        "detail.tenantId '../x' is not a valid tenant id"
    )
    assert message["requestPayload"]["id"] == event["id"]
    assert message["requestPayload"]["time"] == event["time"]
    assert message["requestPayload"]["truncated"] is True


def test_an_event_of_another_kind_is_rejected(cloud: Cloud) -> None:
    run(cloud, golden("tenant_provisioned"))
    (message,) = cloud.rejected()
    assert message["responsePayload"]["errorMessage"].startswith("source ")


def test_a_bucket_of_another_account_fails_the_tenant(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as other:
        other.setenv("MOTO_ACCOUNT_ID", "999999999999")
        s3: Any = boto3.client("s3")
        s3.create_bucket(Bucket=SILO, CreateBucketConfiguration={"LocationConstraint": REGION})
    run(cloud, onboarding(tier="ENTERPRISE"))
    detail = only(cloud.published())
    assert detail["status"] == "FAILED"
    assert detail["failureReason"] == f"bucket {SILO} is owned by another AWS account"
    assert detail["resources"] == {}


def make_bucket(cloud: Cloud, tags: dict[str, str] | None = None, *, empty: bool = True) -> None:
    cloud.s3.create_bucket(Bucket=SILO, CreateBucketConfiguration={"LocationConstraint": REGION})
    if tags:
        make_tags(cloud, tags)
    if not empty:
        cloud.s3.put_object(Bucket=SILO, Key="data", Body=b"precious")


def make_tags(cloud: Cloud, tags: dict[str, str]) -> None:
    tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
    cloud.s3.put_bucket_tagging(Bucket=SILO, Tagging={"TagSet": tag_set})


@pytest.mark.parametrize(
    ("tags", "empty"), [({"tenantId": "other"}, True), ({"team": "billing"}, True), (None, False)]
)
def test_a_bucket_of_somebody_else_in_this_account_is_not_adopted(
    cloud: Cloud, tags: Any, empty: bool
) -> None:
    make_bucket(cloud, tags, empty=empty)
    run(cloud, onboarding(tier="ENTERPRISE"))
    detail = only(cloud.published())
    assert detail["status"] == "FAILED"
    assert f"bucket {SILO} exists in this AWS account" in detail["failureReason"]
    # and nothing about it has changed
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        cloud.s3.get_bucket_policy(Bucket=SILO)
    assert tags_of(cloud) == (tags or {})


@pytest.mark.parametrize(
    ("tags", "empty"), [(None, True), ({"tenantId": "acme"}, True), ({"tenantId": "acme", "x": "y"}, False)]
)
def test_a_bucket_left_by_a_crash_is_finished(cloud: Cloud, tags: Any, empty: bool) -> None:
    make_bucket(cloud, tags, empty=empty)
    run(cloud, onboarding(tier="ENTERPRISE"))
    assert only(cloud.published())["status"] == "COMPLETED"
    assert cloud.s3.get_bucket_versioning(Bucket=SILO)["Status"] == "Enabled"
    assert tags_of(cloud) == {**(tags or {}), "tenantId": "acme"}


@pytest.mark.parametrize("tags", [{}, {"team": "billing", "cost": "1"}])
@pytest.mark.parametrize("empty", [True, False])
def test_a_bucket_that_lost_its_tag_is_known_by_its_policy(
    cloud: Cloud, tags: dict[str, str], empty: bool
) -> None:
    make_bucket(cloud, tags, empty=empty)
    policy = silo_bucket_policy(SILO, TenantId("acme"), ROLE, MAINTENANCE_ROLE)
    cloud.s3.put_bucket_policy(Bucket=SILO, Policy=json.dumps(policy))
    run(cloud, onboarding(tier="ENTERPRISE"))
    assert only(cloud.published())["status"] == "COMPLETED"
    assert tags_of(cloud) == {**tags, "tenantId": "acme"}
    assert cloud.s3.get_bucket_versioning(Bucket=SILO)["Status"] == "Enabled"


@pytest.mark.parametrize(
    ("tags", "named"), [({"tenantId": "other"}, "acme"), ({}, "other"), ({"team": "billing"}, "other")]
)
def test_a_policy_shows_nothing_against_a_tag_or_for_another_tenant(
    cloud: Cloud, tags: dict[str, str], named: str
) -> None:
    make_bucket(cloud, tags, empty=False)
    policy = silo_bucket_policy(SILO, TenantId(named), ROLE, MAINTENANCE_ROLE)
    cloud.s3.put_bucket_policy(Bucket=SILO, Policy=json.dumps(policy))
    run(cloud, onboarding(tier="ENTERPRISE"))
    assert only(cloud.published())["status"] == "FAILED"
    assert tags_of(cloud) == tags
    assert json.loads(cloud.s3.get_bucket_policy(Bucket=SILO)["Policy"]) == policy


def test_the_reason_says_which_tag_shows_whose_a_bucket_is(cloud: Cloud) -> None:
    make_bucket(cloud, {"team": "billing"}, empty=False)
    run(cloud, onboarding(tier="ENTERPRISE"))
    reason = only(cloud.published())["failureReason"]
    assert "add the tag tenantId=acme to it, then retry" in reason
    # and that is all there is to do
    make_tags(cloud, {"team": "billing", "tenantId": "acme"})
    run(cloud, onboarding(tier="ENTERPRISE"))
    assert only(cloud.published())["status"] == "COMPLETED"


def tags_of(cloud: Cloud) -> dict[str, str]:
    try:
        found = cloud.s3.get_bucket_tagging(Bucket=SILO)["TagSet"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchTagSet":
            raise
        return {}
    return {tag["Key"]: tag["Value"] for tag in found}


class Watched(Calls):
    """The function, with the calls that it makes."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__()
        self.function = cloud.function("tenant-provisioner", self.clients(cloud))

    def of(self, event: Any) -> list[str]:
        """Return the calls that an event causes, by name."""
        self.names.clear()
        self.function(event, Context())
        return sorted(self.names)


@pytest.fixture
def calls(cloud: Cloud) -> Watched:
    return Watched(cloud)


CLOSED = {
    "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }
}
ENCRYPTED = {
    "ServerSideEncryptionConfiguration": {
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    }
}
NEEDED = [
    "CreateBucket",
    "CreateLogGroup",
    "PutBucketPolicy",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutEvents",
    "PutRetentionPolicy",
]


@pytest.mark.parametrize("tier", ["FREE", "PRO"])
def test_a_pooled_tenant_costs_two_calls(calls: Watched, tier: str) -> None:
    assert calls.of(onboarding(tier=tier)) == ["PutEvents", "PutObject"]


def test_what_new_buckets_were_seen_to_have_by_default_is_not_set_again(cloud: Cloud, calls: Watched) -> None:
    # GIVEN an account in which S3 gives new buckets what it has given them since 2023; moto's has not
    calls.answers = {"GetPublicAccessBlock": [CLOSED], "GetBucketEncryption": [ENCRYPTED]}
    looked = calls.of(onboarding(tenantId="first", tier="ENTERPRISE"))
    assert looked == sorted([*NEEDED, "GetBucketEncryption", "GetPublicAccessBlock"])
    assert calls.of(onboarding(tenantId="second", tier="ENTERPRISE")) == NEEDED
    # BUT a bucket that was there may have been changed
    adopted = calls.of(onboarding(tenantId="second", tier="ENTERPRISE"))
    assert {"PutPublicAccessBlock", "PutBucketEncryption", "PutBucketVersioning", "PutBucketPolicy"} <= set(
        adopted
    )


@pytest.mark.parametrize(
    ("read", "default", "write"),
    [
        (
            "GetPublicAccessBlock",
            {
                "PublicAccessBlockConfiguration": {
                    **CLOSED["PublicAccessBlockConfiguration"],
                    "BlockPublicAcls": False,
                }
            },
            "PutPublicAccessBlock",
        ),
        ("GetBucketEncryption", {"ServerSideEncryptionConfiguration": {"Rules": []}}, "PutBucketEncryption"),
    ],
)
def test_a_weaker_default_is_no_default(
    cloud: Cloud, calls: Watched, read: str, default: Any, write: str
) -> None:
    calls.answers = {read: [default, default]}
    for tenant_id in ("first", "second"):
        made = calls.of(onboarding(tenantId=tenant_id, tier="ENTERPRISE"))
        assert (made.count(read), made.count(write)) == (1, 1)


@pytest.mark.parametrize("operation", ["PutBucketPolicy", "PutPublicAccessBlock", "PutBucketTagging"])
def test_settings_that_are_in_each_others_way_are_made_one_by_one(
    cloud: Cloud, calls: Watched, operation: str
) -> None:
    calls.reject(operation, "OperationAborted")
    assert calls.of(onboarding(tier="ENTERPRISE")).count(operation) == 2
    assert only(cloud.published())["status"] == "COMPLETED"
    assert tags_of(cloud) == {"tenantId": "acme"}
    assert all(cloud.s3.get_public_access_block(Bucket=SILO)["PublicAccessBlockConfiguration"].values())
    assert json.loads(cloud.s3.get_bucket_policy(Bucket=SILO)["Policy"]) == silo_bucket_policy(
        SILO, TenantId("acme"), ROLE, MAINTENANCE_ROLE
    )


@pytest.mark.parametrize("codes", [("OperationAborted", "OperationAborted"), ("SlowDown",)])
def test_a_setting_that_fails_leaves_the_tenant_to_a_retry(cloud: Cloud, calls: Watched, codes: Any) -> None:
    calls.reject("PutBucketPolicy", *codes)
    with pytest.raises(ClientError, match=codes[-1]):
        calls.of(onboarding(tier="ENTERPRISE"))
    assert cloud.published() == []
    calls.of(onboarding(tier="ENTERPRISE"))
    assert only(cloud.published())["status"] == "COMPLETED"


def test_calls_made_together_are_under_way_at_the_same_time_and_have_all_ended() -> None:
    before = threading.active_count()
    meeting = threading.Barrier(3)
    ended = []

    def call(number: int) -> None:
        meeting.wait(timeout=30)
        ended.append(number)
        if number:
            raise ValueError(number)

    errors = Clients().together([partial(call, number) for number in range(3)])
    assert [str(error) for error in errors] == ["None", "1", "2"]
    assert sorted(ended) == [0, 1, 2]
    assert threading.active_count() == before


def test_calls_one_by_one_keep_their_order_and_one_that_fails_stops_none() -> None:
    made = []

    def call(number: int) -> None:
        made.append(number)
        if number == 1:
            raise ValueError(number)

    errors = one_by_one([partial(call, number) for number in range(3)])
    assert [str(error) for error in errors] == ["None", "1", "None"]
    assert made == [0, 1, 2]


def replayed(**fields: Any) -> dict[str, Any]:
    """Return an onboarding as a replay brings it from the archive."""
    return {**onboarding(**fields), "replay-name": "tenkacloud-1"}


def nothing_was_made(cloud: Cloud) -> bool:
    buckets = [bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]]
    objects = cloud.s3.list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"]
    groups = cloud.clients.logs.describe_log_groups()["logGroups"]
    return buckets == [DATA_BUCKET] and not objects and not groups


@pytest.mark.parametrize("tier", ["FREE", "ENTERPRISE"])
@pytest.mark.parametrize(
    "record",
    [
        None,
        {"status": {"S": "DELETED"}},
        {"status": {"S": "GONE"}},
        {"status": {"NULL": True}},
        {"tier": {"S": "PRO"}},
        {"tier": None},
        {"slug": {"S": "another"}},
    ],
)
def test_a_replay_builds_nothing_that_no_record_requests(
    cloud: Cloud, logs: LogLines, tier: str, record: dict[str, Any] | None
) -> None:
    if record is not None:
        cloud.put("acme", **{"tier": {"S": tier}, **record})
    run(cloud, replayed(tier=tier))
    assert nothing_was_made(cloud)
    assert cloud.published() == []
    assert cloud.rejected() == []
    lines = logs.all()
    (said,) = [line for line in lines if line.get("message") == "Replayed event ignored"]
    assert (said["tenant_id"], said["replay"]) == ("acme", "tenkacloud-1")
    assert [line["ReplayIgnored"] for line in lines if "ReplayIgnored" in line] == [[1.0]]


@pytest.mark.parametrize("tier", ["FREE", "ENTERPRISE"])
@pytest.mark.parametrize(
    "record",
    [
        {},
        {"status": {"S": "ACTIVE"}, "slug": {"S": "acme-corp"}},
        {"status": {"S": "SUSPENDED"}, "provisioningStatus": {"S": "COMPLETED"}},
    ],
)
def test_a_replay_builds_what_is_missing(cloud: Cloud, tier: str, record: dict[str, Any]) -> None:
    cloud.put("acme", tier={"S": tier}, **record)
    run(cloud, replayed(tier=tier))
    assert only(cloud.published())["status"] == "COMPLETED"
    assert not nothing_was_made(cloud)


@pytest.mark.parametrize("exists", [True, False])
def test_a_replay_reports_a_bad_event_only_if_there_is_somebody_to_report_on(
    cloud: Cloud, exists: bool
) -> None:
    if exists:
        cloud.put("acme")
    run(cloud, replayed(tier="GOLD"))
    assert [event["detail"]["status"] for event in cloud.published()] == ["FAILED"] * exists
    assert cloud.rejected() == []


def test_a_replay_is_tried_again_if_the_record_cannot_be_read(cloud: Cloud, calls: Watched) -> None:
    calls.reject("GetItem", "ProvisionedThroughputExceededException")
    with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
        calls.of(replayed())
    assert nothing_was_made(cloud)


def test_only_a_replay_looks_at_the_record(cloud: Cloud, calls: Watched) -> None:
    assert calls.of(onboarding()) == ["PutEvents", "PutObject"]
    cloud.put("acme")
    assert calls.of(replayed()) == ["GetItem", "PutEvents", "PutObject"]


def test_a_transient_error_is_raised_so_that_aws_retries(cloud: Cloud) -> None:
    cloud.s3.delete_bucket(Bucket=DATA_BUCKET)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        run(cloud, onboarding())
    assert cloud.published() == []
    assert cloud.rejected() == []


def test_logs_carry_the_tenant_and_the_correlation_id(cloud: Cloud, logs: LogLines) -> None:
    run(cloud, onboarding(secret="do-not-log-me"))
    lines = logs.all()
    (said,) = [line for line in lines if line.get("message") == "Tenant provisioned"]
    assert said["tenant_id"] == "acme"
    assert said["correlation_id"] == golden("tenant_onboarding")["detail"]["correlationId"]
    assert "do-not-log-me" not in json.dumps(lines)
