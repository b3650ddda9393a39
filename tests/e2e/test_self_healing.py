"""What sweeps and the operator's tool do on the live engine, which retries nothing by itself."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scripts.operator import dead_letters
from scripts.operator.app import main
from scripts.operator.environment import Environment
from scripts.operator.session import Session
from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING
from scripts.verification.chaos import chaos
from scripts.verification.flow import reconciling
from scripts.verification.flow.tenants import Tenant, key_of, new_item, onboarded
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.isolation.resource_names import pool_marker, pool_prefix
from tenkacloud.platform.clock import SystemClock
from tenkacloud.tenants.keys import IN_FLIGHT
from tenkacloud.tenants.validation import TenantId
from tests.conftest import Stack
from tests.e2e.test_flow import (
    ONBOARDING,
    PROVISIONED,
    events_dropped,
    get,
    put,
    status,
    wait_for_status,
    without_statement,
)
from tests.support import wait_for


def listed(stack: Stack, tenant_id: str) -> bool:
    return IN_FLIGHT.partition in get(stack, tenant_id)


def history(stack: Stack, tenant_id: str) -> list[tuple[str, int, str]]:
    environment = Environment(stack.deployment, stack.clients)
    return [(line["to"], line["attempt"], line["by"]) for line in environment.history(TenantId(tenant_id))]


def sweep(stack: Stack) -> dict[str, int]:
    return reconciling.sweep(stack.deployment, stack.clients, older_than=0)


@pytest.mark.parametrize("rule", [ONBOARDING, PROVISIONED])
@pytest.mark.parametrize("tier", ["FREE", "ENTERPRISE"])
def test_a_tenant_whose_event_was_dropped_is_retried(stack: Stack, rule: str, tier: str) -> None:
    tenant_id = f"dropped-{rule.rsplit('-', 1)[1]}-{tier}"
    with events_dropped(stack, rule):
        put(stack, tenant_id, tier)
        wait_for_status(stack, tenant_id, "PROVISIONING")
        if rule == PROVISIONED:
            message = "the result to be published"
            wait_for(message, lambda: tenant_id in _messages(stack, PROVISIONER, "Tenant provisioned"))
    # A run with the function's own deadline leaves a young attempt alone
    assert reconciling.sweep(stack.deployment, stack.clients)["resumed"] == 0
    assert sweep(stack)["resumed"] >= 1
    resumed = wait_for_status(stack, tenant_id, "COMPLETED")
    assert "resumptions" not in resumed
    assert history(stack, tenant_id) == [
        ("PROVISIONING", 1, "provisioning"),
        ("PROVISIONING", 2, reconciling.SERVICE),
        ("COMPLETED", 2, "provisioning-completion"),
    ]


def _entries(stack: Stack, service: str, message: str) -> list[dict[str, Any]]:
    """Return the log entries in which a service says something."""
    pages = stack.clients.logs.get_paginator("filter_log_events").paginate(
        logGroupName=stack.deployment.log_group_names[service]
    )
    lines = [event["message"].strip() for page in pages for event in page["events"]]
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return [entry for entry in entries if entry.get("message") == message]


def _messages(stack: Stack, service: str, message: str) -> set[str]:
    """Return the tenants about whom a service said something."""
    return {str(entry.get("tenant_id")) for entry in _entries(stack, service, message)}


def test_a_tenant_that_could_not_be_requested_is_listed_and_retried(stack: Stack) -> None:
    with without_statement(stack, PROVISIONING, "RequestOnboarding"):
        put(stack, "unrequested")
        wait_for("unrequested to be listed", lambda: listed(stack, "unrequested"))
        assert status(stack, "unrequested") == "PENDING"
    wait_for(
        "unrequested to be resumed",
        lambda: sweep(stack)["resumed"] or status(stack, "unrequested") != "PENDING",
    )
    wait_for_status(stack, "unrequested", "COMPLETED")


def test_a_tenant_that_could_not_even_be_listed_comes_again_from_the_stream(stack: Stack) -> None:
    with (
        without_statement(stack, PROVISIONING, "RequestOnboarding"),
        without_statement(stack, PROVISIONING, "MarkTenant"),
    ):
        put(stack, "unlisted")
        wait_for(
            "the function to fail", lambda: "unlisted" in _messages(stack, PROVISIONING, "Record failed")
        )
        assert not listed(stack, "unlisted")
    wait_for("unlisted", lambda: sweep(stack) and status(stack, "unlisted") == "COMPLETED")


def test_who_gets_no_result_at_all_fails_with_a_reason_and_can_be_retried(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    with events_dropped(stack, ONBOARDING):
        put(stack, "hopeless")
        wait_for_status(stack, "hopeless", "PROVISIONING")
        for _ in range(5):
            sweep(stack)
        assert get(stack, "hopeless")["resumptions"] == {"N": "5"}
        assert sweep(stack)["givenUp"] >= 1
    failed = get(stack, "hopeless")
    assert failed["provisioningStatus"] == {"S": "FAILED"}
    assert failed["failureReason"]["S"].startswith("no result after 6 attempts")
    assert operate(stack, "tenants", "retry", "hopeless") == 0
    wait_for_status(stack, "hopeless", "COMPLETED")
    capsys.readouterr()
    assert operate(stack, "tenants", "show", "--json", "hopeless") == 0
    (tenant,) = printed(capsys)["items"]
    assert tenant["provisioningStatus"] == "COMPLETED"
    assert tenant["history"][6]["reason"] == failed["failureReason"]["S"]
    assert [line[0] for line in history(stack, "hopeless")] == [
        *["PROVISIONING"] * 6,
        "FAILED",
        "PENDING",
        "PROVISIONING",
        "COMPLETED",
    ]


@pytest.mark.late
def test_the_schedule_runs_it(stack: Stack, sweeps_by_hand: Counter[str]) -> None:
    """Every minute from the deployment on, and the engine looks each ten seconds: by now it has, mostly."""
    function = stack.deployment.lambda_function_names[reconciling.SERVICE]
    wait_for(
        "a run that nobody here has invoked",
        lambda: len(_entries(stack, reconciling.SERVICE, "Sweep done")) > sweeps_by_hand[function],
        seconds=90,
    )


def operate(stack: Stack, *arguments: str) -> int:
    """Run the operator's tool on the stack; return its exit code."""
    here = Environment(stack.deployment, stack.clients)
    return main(arguments, Session(connect=lambda name: here))


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_drift_is_found_and_put_right(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    put(stack, "drift-pool", "PRO")
    put(stack, "drift-silo", "ENTERPRISE")
    wait_for_status(stack, "drift-pool", "COMPLETED")
    bucket = wait_for_status(stack, "drift-silo", "COMPLETED")["resources"]["M"]["dedicatedBucket"]["S"]
    for tenant_id in ("drift-pool", "drift-silo"):
        assert operate(stack, "tenants", "verify", "--json", tenant_id) == 0
    capsys.readouterr()
    s3 = stack.clients.s3
    s3.delete_object(Bucket=stack.deployment.data_bucket_name, Key=pool_marker(TenantId("drift-pool")))
    s3.delete_bucket_policy(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_public_access_block(Bucket=bucket)

    def lose_the_tag() -> None:
        """Replace the tags, of a bucket that holds data: only its policy still says whose it is."""
        s3.put_object(Bucket=bucket, Key="data", Body=b"precious")
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "billing"}]})

    for harm, tenant_id, problems in (
        (None, "drift-pool", 1),
        (None, "drift-silo", 3),
        (lose_the_tag, "drift-silo", 1),
    ):
        if harm:
            harm()
        assert operate(stack, "tenants", "verify", "--json", tenant_id) == 1
        (finding,) = printed(capsys)["items"]
        assert len(finding["problems"]) == problems
        assert operate(stack, "tenants", "repair", "--json", tenant_id) == 0
        capsys.readouterr()
        assert operate(stack, "tenants", "verify", "--json", tenant_id) == 0
        capsys.readouterr()
    tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "billing", "tenantId": "drift-silo"}


def test_a_completed_tenant_in_the_wrong_place_is_found_and_retried(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    put(stack, "misfit", "PRO")
    wait_for_status(stack, "misfit", "COMPLETED")
    stack.clients.dynamodb.update_item(
        TableName=stack.deployment.table_name,
        Key=key_of("misfit"),
        UpdateExpression="SET tier = :tier",
        ExpressionAttributeValues={":tier": {"S": "ENTERPRISE"}},
    )
    assert operate(stack, "tenants", "verify", "--json", "misfit") == 1
    (finding,) = printed(capsys)["items"]
    assert finding["problems"][0]["message"].startswith("resources do not fit tier ENTERPRISE: ")
    assert operate(stack, "tenants", "retry", "misfit") == 0
    wait_for("misfit to have a bucket", lambda: "dedicatedBucket" in get(stack, "misfit")["resources"]["M"])
    capsys.readouterr()
    # What it had before is on its record, and a finding, until an operator has looked at it
    assert operate(stack, "tenants", "verify", "--json", "misfit") == 1
    (finding,) = printed(capsys)["items"]
    (problem,) = finding["problems"]
    assert problem["message"].startswith("place tenants/misfit/, which the tenant has left: kept: ")
    assert operate(stack, "tenants", "retire", "misfit", "--confirm", "misfit") == 0

    def is_retired() -> bool:
        reconciling.sweep(stack.deployment, stack.clients)
        return not {"leftovers", "operation"} & set(get(stack, "misfit"))

    wait_for("what misfit has left to be retired", is_retired)
    capsys.readouterr()
    assert operate(stack, "tenants", "verify", "--json", "misfit") == 0


def test_a_call_for_a_sweep_outlasts_the_longest_run_and_there_is_one_at_a_time(stack: Stack) -> None:
    name = stack.deployment.lambda_function_names[reconciling.SERVICE]
    function = stack.clients.lambda_.get_function(FunctionName=name)
    config: Any = stack.clients.lambda_once.meta.config
    assert function["Configuration"]["Timeout"] < config.read_timeout
    assert function["Concurrency"]["ReservedConcurrentExecutions"] == 1


def test_tenants_are_listed_by_status_and_tier(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    put(stack, "list-good", "PRO")
    put(stack, "list-bad", "GOLD")
    wait_for_status(stack, "list-good", "COMPLETED")
    wait_for_status(stack, "list-bad", "FAILED")

    def ids(*arguments: str) -> list[str]:
        assert operate(stack, "tenants", "list", "--json", "--limit", "1000", *arguments) == 0
        return [row["tenantId"] for row in printed(capsys)["items"]]

    assert "list-good" in ids("--status", "COMPLETED", "--tier", "PRO")
    assert "list-good" not in ids("--tier", "FREE")
    assert "list-bad" in ids("--status", "FAILED")
    with events_dropped(stack, ONBOARDING):
        put(stack, "list-stuck")
        wait_for_status(stack, "list-stuck", "PROVISIONING")
        assert "list-stuck" in ids("--stuck")
    sweep(stack)
    wait_for_status(stack, "list-stuck", "COMPLETED")
    assert "list-stuck" not in ids("--stuck")


def test_dead_letters_are_brought_back(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """In the shapes in which Lambda and EventBridge send them; the engine itself sends none."""
    with events_dropped(stack, ONBOARDING):
        for tenant_id in ("message-invocation", "message-event"):
            put(stack, tenant_id)
            wait_for_status(stack, tenant_id, "PROVISIONING")
    with without_statement(stack, PROVISIONING, "RequestOnboarding"):
        put(stack, "message-stream")
        wait_for("it to be listed", lambda: listed(stack, "message-stream"))
    sqs, urls = stack.clients.sqs, stack.deployment.dead_letter_queue_urls

    def event(tenant_id: str) -> dict[str, Any]:
        record = get(stack, tenant_id)
        detail = {
            "tenantId": tenant_id,
            "tenantName": "Message",
            "tier": record["tier"]["S"],
            "slug": record["slug"]["S"],
            "timestamp": "2026-01-01T00:00:00Z",
            "provisioningAttempt": 1,
        }
        return {
            "id": "1",
            "source": TenantOnboarding.SOURCE,
            "detail-type": TenantOnboarding.DETAIL_TYPE,
            "detail": detail,
        }

    streams = stack.clients.streams
    arn = stack.clients.dynamodb.describe_table(TableName=stack.deployment.table_name)["Table"][
        "LatestStreamArn"
    ]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][-1]
    number = sequence_number(stack, arn, shard["ShardId"], "message-stream")
    batch = {
        "streamArn": arn,
        "shardId": shard["ShardId"],
        "startSequenceNumber": number,
        "endSequenceNumber": number,
        "batchSize": 1,
    }
    bodies: list[tuple[str, Any]] = [
        (
            PROVISIONER,
            {
                "requestContext": {"condition": "RetriesExhausted"},
                "requestPayload": event("message-invocation"),
                "responsePayload": {"errorMessage": "SlowDown"},
            },
        ),
        (PROVISIONER, event("message-event")),
        (
            PROVISIONING,
            {"requestContext": {"condition": "RetryAttemptsExhausted"}, "DDBStreamBatchInfo": batch},
        ),
        (
            COMPLETION,
            {
                "requestContext": {"condition": "Rejected"},
                "requestPayload": {"detail": {"tenantId": "message-rejected"}},
                "responsePayload": {"errorMessage": "detail.status is missing"},
            },
        ),
    ]
    for service, body in bodies:
        sqs.send_message(QueueUrl=urls[service], MessageBody=json.dumps(body))
    found = {
        message.tenant_id: message
        for message in dead_letters.look(
            Environment(stack.deployment, stack.clients), dead_letters.Selection(), SystemClock()
        ).messages
    }
    assert found["message-invocation"].reason == "SlowDown"
    assert found["message-event"].kind == "event"
    # Looking leaves them where they are
    assert operate(stack, "dead-letters", "list", "--json") == 0
    assert {row["kind"] for row in printed(capsys)["items"]} >= {"invocation", "event", "stream", "rejected"}
    assert operate(stack, "dead-letters", "redrive", "--yes", "--json", "--rate", "100") in (
        0,
        1,
    )  # others' messages lie there, too
    rows = printed(capsys)["items"]
    outcomes = {(row["kind"], row["tenantId"]): (row["outcome"], row["detail"]) for row in rows}
    assert outcomes["invocation", "message-invocation"] == ("redriven", "")
    assert outcomes["event", "message-event"] == ("redriven", "")
    # Its record may have been delivered once more meanwhile: then it is no longer PENDING
    assert outcomes["stream", None][0] == "redriven"
    assert outcomes["stream", None][1].endswith(" of 1 tenants were still PENDING")
    assert outcomes["rejected", "message-rejected"][0] == "left"
    assert outcomes["rejected", "message-rejected"][1].startswith("it breaks the contract")
    for tenant_id in ("message-invocation", "message-event", "message-stream"):
        wait_for_status(stack, tenant_id, "COMPLETED")
    # Safe to repeat: what was redriven is gone, and what was left is still there
    operate(stack, "dead-letters", "redrive", "--yes", "--json", "--rate", "100")
    again = {(row["kind"], row["tenantId"]) for row in printed(capsys)["items"]}
    assert ("invocation", "message-invocation") not in again
    assert ("rejected", "message-rejected") in again


def sequence_number(stack: Stack, arn: str, shard: str, tenant_id: str) -> str:
    """Return the sequence number of a tenant's first stream record."""
    streams = stack.clients.streams
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    while iterator:
        page = streams.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            if record["dynamodb"]["Keys"]["PK"] == {"S": f"TENANT#{tenant_id}"}:
                return str(record["dynamodb"]["SequenceNumber"])
        iterator = page.get("NextShardIterator", "") if page["Records"] else ""
    raise AssertionError(f"the stream has no record of {tenant_id}")


def test_a_time_range_is_replayed(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    began = datetime.now(UTC) - timedelta(seconds=2)
    gone = [
        Tenant(new_item(f"replay-gone-{tier.lower()}", tier, "Replay Gone"))
        for tier in ("FREE", "ENTERPRISE")
    ]
    # Removed again, with all that it had, when the block ends
    with onboarded(stack.deployment, stack.clients, gone, seconds=60):
        pass
    with events_dropped(stack, ONBOARDING):
        put(stack, "replayed")
        wait_for_status(stack, "replayed", "PROVISIONING")
    until = datetime.now(UTC) + timedelta(seconds=2)
    arguments = ("--from", began.isoformat(), "--to", until.isoformat(), "--timeout", "60", "--yes")
    assert operate(stack, "events", "replay", "--json", *arguments) == 0
    assert printed(capsys)["items"][0]["state"] == "COMPLETED"
    wait_for_status(stack, "replayed", "COMPLETED")
    # and nothing of a tenant that is gone comes back
    ignored = {tenant.id for tenant in gone}
    wait_for(
        "the replayed events of those who are gone",
        lambda: ignored <= _messages(stack, PROVISIONER, "Replayed event ignored"),
    )
    s3, bucket = stack.clients.s3, stack.deployment.data_bucket_name
    for tenant in gone:
        assert get(stack, tenant.id) == {}
        assert s3.list_objects_v2(Bucket=bucket, Prefix=pool_prefix(tenant.id))["KeyCount"] == 0
    names = [found["Name"] for found in s3.list_buckets()["Buckets"]]
    assert not [name for name in names if "-silo-replay-gone-" in name]


def test_chaos_under_load_loses_nobody(stack: Stack) -> None:
    outcome = chaos.run(stack.deployment, stack.clients, tenants=150, seconds=240, seed=1)
    assert outcome.lost == []
    assert outcome.unexplained == []
    assert outcome.twice == []
    assert outcome.not_completed == []
    assert outcome.faults > 0
