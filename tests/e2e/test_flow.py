"""The flow on the live engine: Terraform applied, zips running, IAM enforced."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING
from scripts.tooling.project import REGION
from scripts.tooling.reports import LINES_MAX
from scripts.verification.flow import e2e, reconciling
from scripts.verification.flow.tenants import key_of, new_item, read, status_of, write_all
from scripts.verification.least_privilege import permissions
from tenkacloud.events.contract import Event
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.isolation.resource_names import pool_marker, silo_bucket
from tenkacloud.tenants.validation import Slug, TenantId
from tests.conftest import Stack
from tests.support import wait_for

ONBOARDING = "tenkacloud-local-tenant-onboarding"  # the rules of the two events
PROVISIONED = "tenkacloud-local-tenant-provisioned"


def item(tenant_id: str, tier: str = "PRO", **attributes: Any) -> dict[str, Any]:
    merged = {**new_item(tenant_id, tier, f"Tenant {tenant_id}"), **attributes}
    return {name: value for name, value in merged.items() if value is not None}


def put(stack: Stack, tenant_id: str, tier: str = "PRO", **attributes: Any) -> None:
    stack.clients.dynamodb.put_item(
        TableName=stack.deployment.table_name, Item=item(tenant_id, tier, **attributes)
    )


def get(stack: Stack, tenant_id: str) -> dict[str, Any]:
    return read(stack.clients, stack.deployment.table_name, key_of(tenant_id))


def status(stack: Stack, tenant_id: str) -> str:
    return status_of(get(stack, tenant_id))


def set_status(stack: Stack, tenant_id: str, value: str) -> None:
    stack.clients.dynamodb.update_item(
        TableName=stack.deployment.table_name,
        Key=key_of(tenant_id),
        UpdateExpression="SET provisioningStatus = :s",
        ExpressionAttributeValues={":s": {"S": value}},
    )


def wait_for_status(stack: Stack, tenant_id: str, *wanted: str) -> dict[str, Any]:
    wait_for(f"{tenant_id} {wanted}", lambda: status(stack, tenant_id) in wanted)
    return get(stack, tenant_id)


def publish(stack: Stack, event: type[Event], detail: Any) -> None:
    entry: Any = {
        "EventBusName": stack.deployment.event_bus_name,
        "Source": event.SOURCE,
        "DetailType": event.DETAIL_TYPE,
        "Detail": json.dumps(detail),
    }
    assert stack.clients.events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def rejected(stack: Stack, service: str) -> Iterator[dict[str, Any]]:
    """Take what is in a service's dead-letter queue."""
    url = stack.deployment.dead_letter_queue_urls[service]
    for message in stack.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
        "Messages", []
    ):
        stack.clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        yield json.loads(message["Body"])


def rejection_of(stack: Stack, service: str, detail: dict[str, Any]) -> dict[str, Any] | None:
    """Return the dead-letter message about one event; other tests on this stack leave some, too."""
    messages = (each for each in rejected(stack, service) if each["requestPayload"]["detail"] == detail)
    return next(messages, None)


@contextmanager
def without_statement(stack: Stack, service: str, sid: str) -> Iterator[None]:
    """Take one statement out of a function's policy for a while."""
    with permissions.without_statement(stack.clients, stack.deployment.function_role_names[service], sid):
        yield


@contextmanager
def events_dropped(stack: Stack, rule: str) -> Iterator[None]:
    """Have every event of a rule dropped for a while."""
    bus = stack.deployment.event_bus_name
    stack.clients.events.disable_rule(Name=rule, EventBusName=bus)
    try:
        yield
    finally:
        stack.clients.events.enable_rule(Name=rule, EventBusName=bus)


def test_one_tenant_of_each_tier_and_the_designs_own(stack: Stack) -> None:
    report = e2e.run(stack.deployment, stack.clients, timeout=120, keep=False)
    assert report.ok, json.dumps(report.as_json(), indent=2)
    assert [tenant.tier for tenant in report.tenants] == ["FREE", "PRO", "ENTERPRISE", "ENTERPRISE"]
    for tenant in report.tenants:
        moments = [tenant.timeline[hop] for hop in e2e.HOPS]
        assert moments[1:] == sorted(moments[1:])
        assert tenant.found
        # and nothing of it is left
        assert get(stack, tenant.id) == {}
    lines = report.summary([]).lines()
    assert len(lines) <= LINES_MAX
    assert lines[0].startswith("✓ passed: 4 of 4 tenants COMPLETED in local; ")
    assert sum("ms from the record written to COMPLETED" in line for line in lines) == 4
    silo = [tenant.resources["dedicatedBucket"] for tenant in report.tenants if tenant.tier == "ENTERPRISE"]
    assert not {bucket["Name"] for bucket in stack.clients.s3.list_buckets()["Buckets"]} & set(silo)


def test_a_second_apply_changes_nothing(stack: Stack) -> None:
    assert stack.terraform.apply().startswith("No changes.")


def test_a_broken_hop_is_told_with_where_to_look(stack: Stack) -> None:
    with events_dropped(stack, ONBOARDING):
        report = e2e.run(stack.deployment, stack.clients, timeout=5, keep=False)
    assert not report.ok
    assert {tenant.missing_hop for tenant in report.tenants} == {"resources made"}
    assert all("hop 'resources made' did not happen" in tenant.problems[0] for tenant in report.tenants)
    lines = report.summary([]).lines()
    assert len(lines) <= LINES_MAX
    assert lines[0].startswith("✗ failed: 0 of 4 tenants COMPLETED in local; ")
    assert sum(line.startswith("✗ ") and "hop 'resources made'" in line for line in lines) == 4
    advice = "\n".join(report.help[PROVISIONER])
    assert "tenkacloud-local-tenant-provisioner" in advice
    assert "/aws/lambda/tenkacloud-local-tenant-provisioner" in advice
    assert "tenkacloud-local-tenant-provisioner-dlq" in advice


@pytest.mark.parametrize(
    ("service", "sid", "tier"),
    [
        (PROVISIONING, "MarkTenant", "FREE"),
        (PROVISIONING, "RequestOnboarding", "FREE"),
        (PROVISIONER, "MarkPoolTenant", "FREE"),
        (PROVISIONER, "CreateSiloBucket", "ENTERPRISE"),
        (PROVISIONER, "HardenSiloBucket", "ENTERPRISE"),
        (PROVISIONER, "ReportResult", "PRO"),
        (COMPLETION, "RecordResult", "PRO"),
    ],
)
def test_without_a_permission_the_function_says_so(stack: Stack, service: str, sid: str, tier: str) -> None:
    """IAM is enforced: a role that lacks a statement fails. Which others there are, the plan tests say."""
    tenant_id = f"lacks-{sid}"

    def denied() -> bool:
        errors = stack.deployment.errors(stack.clients, service, tenant_ids={tenant_id})
        return any("AccessDenied" in error or "not authorized" in error for error in errors)

    with without_statement(stack, service, sid):
        put(stack, tenant_id, tier)
        wait_for(f"{service} to be denied", denied)
    # The stream delivers again until it works; what was lost on the bus, a retry brings back.
    if service != PROVISIONING:
        set_status(stack, tenant_id, "FAILED")
        set_status(stack, tenant_id, "PENDING")
    wait_for_status(stack, tenant_id, "COMPLETED")


def test_a_batch_of_100_with_3_bad_ones(stack: Stack) -> None:
    bad = {"b7": {"tier": {"S": "GOLD"}}, "b99": {"id": {"S": "other"}}}
    everyone = [{**item(f"b{n}", "FREE"), **bad.get(f"b{n}", {})} for n in range(100)]
    del everyone[42]["name"]
    for start in range(0, 100, 25):
        write_all(stack.clients, stack.deployment.table_name, everyone[start : start + 25])
    final = {f"b{n}": wait_for_status(stack, f"b{n}", "COMPLETED", "FAILED") for n in range(100)}
    failed = {
        tenant_id: tenant["failureReason"]["S"]
        for tenant_id, tenant in final.items()
        if tenant["provisioningStatus"]["S"] == "FAILED"
    }
    assert failed == {
        "b7": "tier 'GOLD' is unknown: one of FREE, PRO, ENTERPRISE",
        "b42": "name is missing",
        "b99": "id 'other' differs from the id in the record's key",
    }


def test_a_failed_tenant_that_is_mended_onboards(stack: Stack) -> None:
    put(stack, "mended", tier="GOLD")
    wait_for_status(stack, "mended", "FAILED")
    stack.clients.dynamodb.update_item(
        TableName=stack.deployment.table_name,
        Key=key_of("mended"),
        UpdateExpression="SET tier = :t, provisioningStatus = :p",
        ExpressionAttributeValues={":t": {"S": "PRO"}, ":p": {"S": "PENDING"}},
    )
    mended = wait_for_status(stack, "mended", "COMPLETED")
    assert mended["provisioningAttempt"] == {"N": "2"}
    assert "failureReason" not in mended


def test_a_record_without_a_status_onboards_once_it_gets_one(stack: Stack) -> None:
    put(stack, "statusless", provisioningStatus=None)
    set_status(stack, "statusless", "PENDING")
    wait_for_status(stack, "statusless", "COMPLETED")


@pytest.mark.parametrize("result", ["COMPLETED", "FAILED"])
def test_a_second_application_plane_that_sends_only_the_designs_fields(stack: Stack, result: str) -> None:
    tenant_id = f"second-plane-{result}"
    with events_dropped(stack, ONBOARDING):
        put(stack, tenant_id)
        wait_for_status(stack, tenant_id, "PROVISIONING")
        detail = {
            "tenantId": tenant_id,
            "status": result,
            "resources": {"s3Prefix": f"tenants/{tenant_id}/"} if result == "COMPLETED" else {},
            "timestamp": "2026-01-01T00:00:00Z",
        }
        publish(stack, ProvisioningResult, detail)
        final = wait_for_status(stack, tenant_id, result)
    if result == "COMPLETED":
        assert final["resources"] == {"M": {"s3Prefix": {"S": f"tenants/{tenant_id}/"}}}
    else:
        assert final["failureReason"] == {"S": "the application plane reported FAILED without a reason"}


@pytest.mark.parametrize("tier", ["FREE", "ENTERPRISE"])
def test_ten_duplicates_of_each_event(stack: Stack, tier: str) -> None:
    tenant_id = f"ten-times-{tier}"
    put(stack, tenant_id, tier)
    final = wait_for_status(stack, tenant_id, "COMPLETED")
    onboarding = {
        "tenantId": tenant_id,
        "tenantName": f"Tenant {tenant_id}",
        "tier": tier,
        "slug": final["slug"]["S"],
        "timestamp": "2026-01-01T00:00:00Z",
        "provisioningAttempt": 1,
    }
    resources = {name: value["S"] for name, value in final["resources"]["M"].items()}
    provisioned = {
        "tenantId": tenant_id,
        "status": "COMPLETED",
        "resources": resources,
        "timestamp": "2026-01-01T00:00:00Z",
        "provisioningAttempt": 1,
    }
    for _ in range(10):
        publish(stack, TenantOnboarding, onboarding)
        publish(stack, ProvisioningResult, provisioned)
    # Each onboarding brings a result of its own: 20 results in all, and nothing left to record.
    wait_for(
        "20 results", lambda: messages_of(stack, COMPLETION, tenant_id).count("Result not recorded") == 20
    )
    assert get(stack, tenant_id) == final
    if tier == "FREE":
        versions = stack.clients.s3.list_object_versions(
            Bucket=stack.deployment.data_bucket_name, Prefix=pool_marker(TenantId(tenant_id))
        )["Versions"]
        assert len(versions) == 1


def messages_of(stack: Stack, service: str, tenant_id: str) -> list[str]:
    """Return what a service logged about one tenant."""
    messages = []
    pages = stack.clients.logs.get_paginator("filter_log_events").paginate(
        logGroupName=stack.deployment.log_group_names[service]
    )
    for page in pages:
        for event in page["events"]:
            line = event["message"].strip()
            if line.startswith("{") and json.loads(line).get("tenant_id") == tenant_id:
                messages.append(json.loads(line)["message"])
    return messages


def test_a_silo_bucket_of_another_account_fails_the_tenant(stack: Stack) -> None:
    bucket = silo_bucket("local", Slug("squatted"), TenantId("squatted"), stack.deployment.account_id, REGION)
    squatter = boto3.client(
        "s3",
        endpoint_url=stack.engine.endpoint.url,
        region_name=REGION,
        aws_access_key_id="111111111111",
        aws_secret_access_key="test",
    )
    squatter.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    put(stack, "squatted", "ENTERPRISE", slug={"S": "squatted"})
    final = wait_for_status(stack, "squatted", "FAILED")
    assert final["failureReason"] == {"S": f"bucket {bucket} is owned by another AWS account"}


@contextmanager
def a_role_that_may_do_anything_in_s3(stack: Stack) -> Iterator[str]:
    """Yield the ARN of a role whose own policy closes nothing."""
    iam, account = stack.clients.iam, stack.deployment.account_id
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    anything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    role = iam.create_role(RoleName="wide-open", AssumeRolePolicyDocument=document(trust))["Role"]
    iam.put_role_policy(RoleName="wide-open", PolicyName="s3", PolicyDocument=document(anything))
    try:
        yield role["Arn"]
    finally:
        iam.delete_role_policy(RoleName="wide-open", PolicyName="s3")
        iam.delete_role(RoleName="wide-open")


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def s3_of_a_session(stack: Stack, role_arn: str, tenant_id: str) -> Any:
    tenant = stack.clients.sts.assume_role(
        RoleArn=role_arn, RoleSessionName="test", Tags=[{"Key": "tenantId", "Value": tenant_id}]
    )["Credentials"]
    return boto3.client(
        "s3",
        endpoint_url=stack.engine.endpoint.url,
        region_name=REGION,
        aws_access_key_id=tenant["AccessKeyId"],
        aws_secret_access_key=tenant["SecretAccessKey"],
        aws_session_token=tenant["SessionToken"],
    )


def test_a_silo_bucket_is_closed_to_every_session_of_another_tenant(stack: Stack) -> None:
    put(stack, "own", "ENTERPRISE")
    bucket = wait_for_status(stack, "own", "COMPLETED")["resources"]["M"]["dedicatedBucket"]["S"]
    with a_role_that_may_do_anything_in_s3(stack) as role:
        own = s3_of_a_session(stack, role, "own")
        own.put_object(Bucket=bucket, Key="data", Body=b"mine")
        assert own.get_object(Bucket=bucket, Key="data")["Body"].read() == b"mine"
        for other_id in ("own2", "Own", "ow"):
            other = s3_of_a_session(stack, role, other_id)
            for action, arguments in (
                ("get_object", {"Key": "data"}),
                ("put_object", {"Key": "data", "Body": b"stolen"}),
                ("delete_object", {"Key": "data"}),
                ("list_objects_v2", {}),
                ("delete_bucket_policy", {}),
            ):
                with pytest.raises(ClientError, match="AccessDenied"):
                    getattr(other, action)(Bucket=bucket, **arguments)
        assert own.get_object(Bucket=bucket, Key="data")["Body"].read() == b"mine"


def test_a_result_of_no_tenant_is_found_in_the_dead_letter_queue(stack: Stack) -> None:
    detail = {
        "tenantId": "nobody",
        "status": "COMPLETED",
        "resources": {"s3Prefix": "tenants/nobody/"},
        "timestamp": "2026-01-01T00:00:00Z",
    }
    publish(stack, ProvisioningResult, detail)
    message = wait_for("a rejected event", lambda: rejection_of(stack, COMPLETION, detail))
    reason = message["responsePayload"]["errorMessage"]
    assert reason == "detail.tenantId 'nobody' is not a tenant of this table"


@pytest.mark.parametrize("detail", [{"tenantName": "No Id", "tier": "FREE"}, {"tenantId": "../x"}])
def test_an_onboarding_of_no_tenant_is_found_in_the_dead_letter_queue(stack: Stack, detail: Any) -> None:
    publish(stack, TenantOnboarding, detail)
    message = wait_for("a rejected event", lambda: rejection_of(stack, PROVISIONER, detail))
    assert message["responsePayload"]["errorMessage"].startswith("detail.tenantId ")


@pytest.mark.parametrize("change", ["tier", "status"])
def test_a_tenant_that_is_changed_before_its_turn_gets_what_was_written_last(
    stack: Stack, change: str
) -> None:
    tenants = [f"changed-{change}-{n}" for n in range(8)]
    for tenant_id in tenants:
        put(stack, tenant_id, "PRO")
        stack.clients.dynamodb.update_item(
            TableName=stack.deployment.table_name,
            Key=key_of(tenant_id),
            UpdateExpression="SET #what = :value",
            ExpressionAttributeNames={"#what": change},
            ExpressionAttributeValues={":value": {"S": {"tier": "FREE", "status": "SUSPENDED"}[change]}},
        )
    for tenant_id in tenants:
        # One whose tier changed with its first attempt under way is tried again.
        wait_for_status(stack, tenant_id, "COMPLETED", "PROVISIONING")
    reconciling.sweep(stack.deployment, stack.clients, older_than=0)
    for tenant_id in tenants:
        final = wait_for_status(stack, tenant_id, "COMPLETED")
        assert final[change] == {"S": {"tier": "FREE", "status": "SUSPENDED"}[change]}
        assert final["resources"]["M"] == {"s3Prefix": {"S": f"tenants/{tenant_id}/"}}


def test_each_tenant_is_found_by_its_slug_and_status(stack: Stack) -> None:
    put(stack, "findable", "PRO", slug={"S": "find-me"})
    wait_for_status(stack, "findable", "COMPLETED")

    def found(index: str, partition: str, value: str) -> list[str]:
        answer = stack.clients.dynamodb.query(
            TableName=stack.deployment.table_name,
            IndexName=index,
            KeyConditionExpression="#p = :v",
            ExpressionAttributeNames={"#p": partition},
            ExpressionAttributeValues={":v": {"S": value}},
            ScanIndexForward=False,
        )
        return [entry["PK"]["S"] for entry in answer["Items"]]

    assert found("by-slug", "GSI1PK", "SLUG#find-me") == ["TENANT#findable"]
    assert "TENANT#findable" in found("by-status-tier", "GSI2PK", "STATUS#ACTIVE#TIER#PRO")
    assert "TENANT#findable" not in found("in-flight", "GSI3PK", "IN_FLIGHT")


def test_one_correlation_id_runs_through_all_three_functions(stack: Stack) -> None:
    put(stack, "traced")
    wait_for_status(stack, "traced", "COMPLETED")
    ids = set()
    for service, message in (
        (PROVISIONING, "Onboarding requested"),
        (PROVISIONER, "Tenant provisioned"),
        (COMPLETION, "Tenant completed"),
    ):
        group = stack.deployment.log_group_names[service]

        def said(group: str = group, message: str = message) -> str | None:
            for event in stack.clients.logs.filter_log_events(logGroupName=group)["events"]:
                line = event["message"].strip()
                entry = json.loads(line) if line.startswith("{") else {}
                if (entry.get("tenant_id"), entry.get("message")) == ("traced", message):
                    return str(entry["correlation_id"])
            return None

        ids.add(wait_for(f"{service} to log {message!r}", said))
    assert len(ids) == 1
