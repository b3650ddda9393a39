"""TenantOnboarding → resources → TenantProvisioned."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tenant_provisioner.handler import handler
from tenkacloud.fields import Slug, TenantId
from tenkacloud.names import silo_bucket
from tenkacloud.policies import silo_bucket_policy
from tests.handlers.conftest import ACCOUNT, DATA_BUCKET, REGION, ROLE, Cloud, LogLines
from tests.support import Context, golden

SILO = silo_bucket("test", Slug("acme-corp"), TenantId("acme"), ACCOUNT, REGION)


def onboarding(**fields: Any) -> dict[str, Any]:
    event: dict[str, Any] = golden("tenant_onboarding")
    detail = {**event["detail"], **fields}
    event["detail"] = {name: value for name, value in detail.items() if value is not None}
    return event


def run(event: Any) -> None:
    handler(event, Context())


def only(events: list[dict[str, Any]]) -> dict[str, Any]:
    (event,) = events
    assert (event["source"], event["detail-type"]) == ("tenkacloud.application-plane", "TenantProvisioned")
    detail: dict[str, Any] = event["detail"]
    return detail


@pytest.mark.parametrize("tier", ["FREE", "PRO"])
def test_pooled_tiers_get_a_prefix(cloud: Cloud, tier: str) -> None:
    run(onboarding(tier=tier))
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
    }


def test_enterprise_gets_a_hardened_bucket_of_its_own(cloud: Cloud) -> None:
    run(onboarding(tier="ENTERPRISE"))
    assert only(cloud.published())["resources"] == {"dedicatedBucket": SILO}
    s3 = cloud.s3
    assert s3.get_bucket_location(Bucket=SILO)["LocationConstraint"] == REGION
    assert s3.get_bucket_tagging(Bucket=SILO)["TagSet"] == [{"Key": "tenantId", "Value": "acme"}]
    assert all(s3.get_public_access_block(Bucket=SILO)["PublicAccessBlockConfiguration"].values())
    rules = s3.get_bucket_encryption(Bucket=SILO)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(Bucket=SILO)["Status"] == "Enabled"
    policy = json.loads(s3.get_bucket_policy(Bucket=SILO)["Policy"])
    assert policy == silo_bucket_policy(SILO, TenantId("acme"), ROLE)


@pytest.mark.parametrize("tier", ["FREE", "ENTERPRISE"])
def test_ten_duplicates_end_in_the_same_state(cloud: Cloud, tier: str) -> None:
    for _ in range(10):
        run(onboarding(tier=tier))
    results = [event["detail"] for event in cloud.published()]
    assert len(results) == 10
    assert len({json.dumps({**result, "timestamp": ""}) for result in results}) == 1
    buckets = [bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]]
    assert buckets == ([DATA_BUCKET] if tier == "FREE" else [DATA_BUCKET, SILO])
    assert cloud.s3.list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"] == (1 if tier == "FREE" else 0)


def test_the_designs_fields_alone_are_enough(cloud: Cloud) -> None:
    event = golden("tenant_onboarding_design_only")
    run(event)
    detail = only(cloud.published())
    assert detail["status"] == "COMPLETED"
    assert "provisioningAttempt" not in detail
    assert detail["correlationId"] == event["id"]


def test_fields_that_it_does_not_know_are_ignored(cloud: Cloud) -> None:
    run(onboarding(region="eu-west-1", extra={"deep": [1]}))
    assert only(cloud.published())["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tier": "GOLD"}, "detail.tier 'GOLD' is unknown: one of FREE, PRO, ENTERPRISE"),
        ({"tier": None}, "detail.tier is missing"),
        ({"slug": None}, "detail.slug is missing"),
        ({"slug": "../x"}, "detail.slug '../x' is no slug"),
        ({"tenantName": ""}, "detail.tenantName is empty"),
        ({"timestamp": None}, "detail.timestamp is missing"),
    ],
)
def test_an_event_that_breaks_the_contract_fails_its_tenant(cloud: Cloud, fields: Any, reason: str) -> None:
    run(onboarding(**fields))
    detail = only(cloud.published())
    assert detail["status"] == "FAILED"
    assert detail["provisioningAttempt"] == 1
    assert detail["failureReason"].startswith(f"the onboarding event is invalid: {reason}")
    assert cloud.s3.list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"] == 0
    assert cloud.rejected() == []


@pytest.mark.parametrize("attempt", ["1", 0, 1.5, True])
def test_a_bad_attempt_fails_its_tenant_too(cloud: Cloud, attempt: Any) -> None:
    run(onboarding(provisioningAttempt=attempt))
    detail = only(cloud.published())
    assert detail["status"] == "FAILED"
    assert "detail.provisioningAttempt" in detail["failureReason"]
    assert "provisioningAttempt" not in detail
    assert cloud.rejected() == []


@pytest.mark.parametrize("detail", ["text", 1, None, [], {"tenantId": "../x"}, {"tenantId": 7}, {}])
def test_an_event_of_no_tenant_goes_to_the_dead_letter_queue_with_its_reason(
    cloud: Cloud, detail: Any
) -> None:
    event = {**golden("tenant_onboarding"), "detail": detail}
    run(event)
    assert cloud.published() == []
    (letter,) = cloud.rejected()
    assert letter["requestPayload"] == event
    assert letter["requestContext"]["condition"] == "Rejected"
    assert letter["responsePayload"]["errorType"] == "InvalidField"
    assert letter["responsePayload"]["errorMessage"].startswith("detail")


def test_a_bad_event_as_large_as_events_get_is_kept_too(cloud: Cloud) -> None:
    """With the reason around it, it is larger than a message may be."""
    event = golden("tenant_onboarding")
    event["detail"] = {"tenantId": "../x", "note": ""}
    event["detail"]["note"] = "x" * (256 * 1024 - len(json.dumps(event)))
    run(event)
    (letter,) = cloud.rejected()
    assert letter["responsePayload"]["errorMessage"].startswith("detail.tenantId '../x' is no tenant id")
    assert letter["requestPayload"]["id"] == event["id"]
    assert letter["requestPayload"]["time"] == event["time"]
    assert letter["requestPayload"]["truncated"] is True


def test_an_event_of_another_kind_is_rejected(cloud: Cloud) -> None:
    run(golden("tenant_provisioned"))
    (letter,) = cloud.rejected()
    assert letter["responsePayload"]["errorMessage"].startswith("source ")


def test_a_bucket_of_another_account_fails_the_tenant(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as other:
        other.setenv("MOTO_ACCOUNT_ID", "999999999999")
        s3: Any = boto3.client("s3")
        s3.create_bucket(Bucket=SILO, CreateBucketConfiguration={"LocationConstraint": REGION})
    run(onboarding(tier="ENTERPRISE"))
    detail = only(cloud.published())
    assert detail["status"] == "FAILED"
    assert detail["failureReason"] == f"bucket {SILO} is owned by another AWS account"
    assert detail["resources"] == {}


def make_bucket(cloud: Cloud, tags: dict[str, str] | None = None, *, empty: bool = True) -> None:
    cloud.s3.create_bucket(Bucket=SILO, CreateBucketConfiguration={"LocationConstraint": REGION})
    if tags:
        tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
        cloud.s3.put_bucket_tagging(Bucket=SILO, Tagging={"TagSet": tag_set})
    if not empty:
        cloud.s3.put_object(Bucket=SILO, Key="data", Body=b"precious")


@pytest.mark.parametrize(
    ("tags", "empty"), [({"tenantId": "other"}, True), ({"team": "billing"}, True), (None, False)]
)
def test_a_bucket_of_somebody_else_in_this_account_is_not_adopted(
    cloud: Cloud, tags: Any, empty: bool
) -> None:
    make_bucket(cloud, tags, empty=empty)
    run(onboarding(tier="ENTERPRISE"))
    detail = only(cloud.published())
    assert detail["status"] == "FAILED"
    assert f"bucket {SILO} exists in this AWS account" in detail["failureReason"]
    # and nothing about it has changed
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        cloud.s3.get_bucket_policy(Bucket=SILO)


@pytest.mark.parametrize(
    ("tags", "empty"), [(None, True), ({"tenantId": "acme"}, True), ({"tenantId": "acme", "x": "y"}, False)]
)
def test_a_bucket_left_by_a_crash_is_finished(cloud: Cloud, tags: Any, empty: bool) -> None:
    make_bucket(cloud, tags, empty=empty)
    run(onboarding(tier="ENTERPRISE"))
    assert only(cloud.published())["status"] == "COMPLETED"
    assert cloud.s3.get_bucket_versioning(Bucket=SILO)["Status"] == "Enabled"
    kept = {tag["Key"]: tag["Value"] for tag in cloud.s3.get_bucket_tagging(Bucket=SILO)["TagSet"]}
    assert kept == {**(tags or {}), "tenantId": "acme"}


def test_a_transient_error_is_raised_so_that_aws_retries(cloud: Cloud) -> None:
    cloud.s3.delete_bucket(Bucket=DATA_BUCKET)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        run(onboarding())
    assert cloud.published() == []
    assert cloud.rejected() == []


def test_logs_carry_the_tenant_and_the_correlation_id(cloud: Cloud, logs: LogLines) -> None:
    run(onboarding(secret="do-not-log-me"))
    lines = logs.all()
    (said,) = [line for line in lines if line.get("message") == "Tenant provisioned"]
    assert said["tenant_id"] == "acme"
    assert said["correlation_id"] == golden("tenant_onboarding")["detail"]["correlationId"]
    assert "do-not-log-me" not in json.dumps(lines)
