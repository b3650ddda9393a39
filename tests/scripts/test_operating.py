"""The operator's commands on an AWS of moto, with Lambda and the stream as stubs."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from scripts.operator import letters, tenants, verifying
from scripts.operator.__main__ import main
from scripts.operator.environment import Environment
from scripts.tooling import aws
from scripts.tooling.aws import Clients
from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING, Deployment
from scripts.tooling.project import CommandError
from scripts.verification.flow import reconciling
from tenkacloud.isolation import resource_names as names
from tenkacloud.tenants.validation import TenantId

ACCOUNT = "123456789012"
REGION = "ap-northeast-1"
TABLE = "TenkaCloud-test"
BUCKET = "tenkacloud-data-test"


def client_error(code: str, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": code}, **more}
    return ClientError(response, "Call")


class Lambda:
    """Answers as it is told, and remembers what it was given."""

    def __init__(self) -> None:
        self.invoked: list[tuple[str, Any]] = []
        self.answer: Callable[[str, Any], Any] = lambda name, payload: {"batchItemFailures": []}

    def invoke(self, FunctionName: str, Payload: bytes, InvocationType: str = "") -> dict[str, Any]:  # noqa: N803
        payload = json.loads(Payload)
        answer = self.answer(FunctionName, payload)
        self.invoked.append((FunctionName, payload))
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


class Streams:
    """A shard that gives these pages, and then empty ones for as long as it is open."""

    def __init__(self) -> None:
        self.pages: list[Any] = []
        self.forgotten = False

    def get_shard_iterator(self, **_: Any) -> dict[str, str]:
        if self.forgotten:
            raise client_error("TrimmedDataAccessException")
        return {"ShardIterator": "0"}

    def get_records(self, ShardIterator: str) -> dict[str, Any]:  # noqa: N803
        number = int(ShardIterator)
        records = self.pages[number] if number < len(self.pages) else []
        return {"Records": records, "NextShardIterator": str(number + 1)}


class Cloud:
    """An environment named `test`."""

    def __init__(self) -> None:
        self.dynamodb, self.s3, self.sqs = boto3.client("dynamodb"), boto3.client("s3"), boto3.client("sqs")
        self.lambda_ = self.lambda_once = Lambda()
        self.streams = Streams()
        self.queues = {
            service: self.sqs.create_queue(QueueName=service)["QueueUrl"]
            for service in (PROVISIONING, PROVISIONER, COMPLETION)
        }
        parts = {"PK", "SK", *(f"GSI{n}{part}" for n in (2, 3, 4) for part in ("PK", "SK"))}
        self.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in parts],
            KeySchema=schema("PK", "SK"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": index,
                    "KeySchema": schema(f"GSI{n}PK", f"GSI{n}SK"),
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
                for n, index in ((2, "by-status-tier"), (3, "in-flight"), (4, "failed"))
            ],
        )
        self.bucket(BUCKET)

    def environment(self) -> Environment:
        deployment = Deployment(
            environment="test",
            region=REGION,
            account_id=ACCOUNT,
            table_name=TABLE,
            data_table_name="",
            event_bus_name="",
            event_bus_arn="",
            event_archive_name="",
            data_bucket_name=BUCKET,
            tenant_access_role_arn=f"arn:aws:iam::{ACCOUNT}:role/tenkacloud-test-tenant-access",
            lambda_function_names={
                name: name for name in (PROVISIONING, PROVISIONER, COMPLETION, reconciling.SERVICE)
            },
            function_role_names={},
            log_group_names={},
            dead_letter_queue_urls=self.queues,
            problem_data_api_url="",
            jwt_issuer="",
            jwt_audience=[],
            tenant_claim="",
            user_pool_id=None,
            user_pool_client_id=None,
        )
        clients: Any = self
        return Environment(deployment, clients)

    def bucket(self, name: str, tenant_id: str | None = None) -> None:
        place: Any = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
        if tenant_id:
            tags: Any = {"TagSet": [{"Key": "tenantId", "Value": tenant_id}]}
            self.s3.put_bucket_tagging(Bucket=name, Tagging=tags)

    def put(self, tenant_id: str, provisioning: str = "COMPLETED", tier: str = "PRO", **more: Any) -> None:
        """Write a record; `more` are strings, or DynamoDB's JSON; None leaves one out."""
        merged: dict[str, Any] = {
            "PK": f"TENANT#{tenant_id}",
            "SK": "METADATA",
            "id": tenant_id,
            "name": "Acme",
            "tier": tier,
            "status": "ACTIVE",
            "provisioningStatus": provisioning,
            "provisioningAttempt": {"N": "1"},
            "GSI2PK": f"STATUS#ACTIVE#TIER#{tier}",
            "GSI2SK": "2026-01-01T00:00:00.000Z",
            **more,
        }
        item: Any = {
            name: {"S": value} if isinstance(value, str) else value
            for name, value in merged.items()
            if value is not None
        }
        self.dynamodb.put_item(TableName=TABLE, Item=item)

    def pooled(self, tenant_id: str, **more: Any) -> None:
        """Write a COMPLETED tenant of the pool, with its marker."""
        resources = {"M": {"s3Prefix": {"S": f"tenants/{tenant_id}/"}}}
        self.put(tenant_id, resources=resources, **more)
        self.s3.put_object(Bucket=BUCKET, Key=names.pool_marker(TenantId(tenant_id)), Body=b"{}")

    def failed(self, tenant_id: str, **more: Any) -> None:
        index = {"GSI4PK": "FAILED", "GSI4SK": "2026-01-01T00:00:00.000Z"}
        self.put(tenant_id, "FAILED", failureReason="because", **{**index, **more})

    def status(self, tenant_id: str) -> str:
        return str(self.environment().record(TenantId(tenant_id))["provisioningStatus"]["S"])

    def send(self, service: str, body: Any, **attributes: str) -> str:
        given: Any = {name: {"StringValue": v, "DataType": "String"} for name, v in attributes.items()}
        return str(
            self.sqs.send_message(
                QueueUrl=self.queues[service], MessageBody=json.dumps(body), MessageAttributes=given
            )["MessageId"]
        )

    def depth(self, service: str) -> int:
        found = self.sqs.get_queue_attributes(QueueUrl=self.queues[service], AttributeNames=["All"])
        return int(found["Attributes"]["ApproximateNumberOfMessages"])


def schema(hash_key: str, range_key: str) -> Any:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    # moto would wait for the whole of it
    monkeypatch.setattr(letters, "_WAIT_SECONDS", 0)
    monkeypatch.setattr("scripts.operator.letters.time.sleep", lambda seconds: None)
    with mock_aws():
        made = Cloud()
        monkeypatch.setattr(Environment, "of", classmethod(lambda cls, name: made.environment()))
        yield made


@pytest.fixture
def operate(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """Run a command; return its code, its JSON, and what it said on standard error."""

    def run(command: str, *arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main([command, "--json", *arguments])
        said = capsys.readouterr()
        return code, json.loads(said.out), said.err

    return run


Operate = Callable[..., tuple[int, Any, str]]


def onboarding(tenant_id: str, **more: Any) -> dict[str, Any]:
    detail = {
        "tenantId": tenant_id,
        "tenantName": "Acme",
        "tier": "PRO",
        "slug": "acme",
        "timestamp": "2026-01-01T00:00:00Z",
        **more,
    }
    return {"source": "tenkacloud.control-plane", "detail-type": "TenantOnboarding", "detail": detail}


def provisioned(tenant_id: str, **more: Any) -> dict[str, Any]:
    detail = {
        "tenantId": tenant_id,
        "status": "COMPLETED",
        "resources": {"s3Prefix": f"tenants/{tenant_id}/"},
        "timestamp": "2026-01-01T00:00:00Z",
        **more,
    }
    return {"source": "tenkacloud.application-plane", "detail-type": "TenantProvisioned", "detail": detail}


def failed_on(event: Any, condition: str = "RetriesExhausted", message: str = "no") -> dict[str, Any]:
    return {
        "requestContext": {"condition": condition},
        "requestPayload": event,
        "responsePayload": {"errorMessage": message},
    }


# --- the stream's messages


BATCH = {"streamArn": "s", "shardId": "1", "startSequenceNumber": "10", "endSequenceNumber": "12"}


def stream_record(number: int, tenant_id: str) -> dict[str, Any]:
    keys = {"PK": {"S": f"TENANT#{tenant_id}"}, "SK": {"S": "METADATA"}}
    return {"dynamodb": {"SequenceNumber": str(number), "Keys": keys}}


def stream_message(cloud: Cloud) -> None:
    cloud.send(
        PROVISIONING,
        {"requestContext": {"condition": "RetryAttemptsExhausted"}, "DDBStreamBatchInfo": BATCH},
    )


def test_empty_pages_of_the_stream_are_read_over(cloud: Cloud, operate: Operate) -> None:
    for tenant_id in ("a", "b", "later"):
        cloud.put(tenant_id, "PENDING")
    stream_message(cloud)
    cloud.streams.pages = [
        [],
        [],
        [stream_record(10, "a")],
        [],
        [stream_record(12, "b"), stream_record(13, "later")],
    ]
    code, rows, _ = operate("redrive")
    assert (code, rows[0]["outcome"]) == (0, "redriven: 2 of 2 tenants were still PENDING")
    handed = [payload["Records"][0]["dynamodb"]["Keys"]["PK"]["S"] for _, payload in cloud.lambda_.invoked]
    assert handed == ["TENANT#a", "TENANT#b"]
    assert cloud.depth(PROVISIONING) == 0


@pytest.mark.parametrize(
    ("pages", "forgotten", "why"),
    [([], False, "empty pages"), ([[stream_record(10, "a")]], False, "empty pages"), ([], True, "forgotten")],
)
def test_a_batch_whose_end_is_not_reached_is_left(
    cloud: Cloud, operate: Operate, pages: Any, forgotten: bool, why: str
) -> None:
    cloud.put("a", "PENDING")
    stream_message(cloud)
    cloud.streams.pages, cloud.streams.forgotten = pages, forgotten
    code, rows, _ = operate("redrive")
    assert code == 1
    assert rows[0]["outcome"].startswith("left: ")
    assert why in rows[0]["outcome"]
    assert cloud.depth(PROVISIONING) == 1


def test_a_stream_message_without_a_batch_is_left(cloud: Cloud, operate: Operate) -> None:
    cloud.send(PROVISIONING, {"requestContext": {"condition": "x"}, "DDBStreamBatchInfo": {}})
    code, rows, _ = operate("redrive")
    assert (code, rows[0]["outcome"]) == (1, "left: it does not say which records of the stream")


# --- looking at messages


def test_what_eventbridge_says_of_a_failure_is_shown(cloud: Cloud, operate: Operate) -> None:
    cloud.send(
        PROVISIONER, onboarding("a"), ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="may not", RULE_ARN="arn"
    )
    code, rows, _ = operate("letters")
    assert (code, rows[0]["kind"], rows[0]["reason"]) == (0, "event", "NO_PERMISSIONS: may not")
    _, truncated_repr, _ = operate("letters", "--letter", rows[0]["id"])
    assert truncated_repr["attributes"]["RULE_ARN"] == "arn"


@pytest.mark.parametrize("command", ["letters", "redrive"])
def test_messages_that_another_reader_holds_are_counted(cloud: Cloud, operate: Operate, command: str) -> None:
    for number in range(3):
        cloud.send(PROVISIONER, failed_on(onboarding(str(number))))
    url = cloud.queues[PROVISIONER]
    cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600)
    code, rows, said = operate(command)
    assert (code, rows) == (1, [])
    assert f"{PROVISIONER}: about 3 more" in said


def test_all_messages_are_listed_and_left_there(cloud: Cloud, operate: Operate) -> None:
    ids = {cloud.send(PROVISIONER, failed_on(onboarding(str(number)))) for number in range(25)}
    for _ in range(2):
        code, rows, said = operate("letters")
        assert (code, {row["id"] for row in rows}, said) == (0, ids, "")


class SlowQueue:
    """SQS as it may be: an empty answer although there are messages."""

    def __init__(self, answers: list[list[Any]], visible: list[int]) -> None:
        self.answers, self.visible, self.hidden = answers, visible, list[Any]()

    def receive_message(self, **request: Any) -> dict[str, Any]:
        assert request["WaitTimeSeconds"] > 0
        assert request["VisibilityTimeout"] <= 60
        return {"Messages": self.answers.pop(0)} if self.answers else {}

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        visible = self.visible.pop(0) if len(self.visible) > 1 else self.visible[0]
        counts = {"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": 0}
        return {"Attributes": {name: str(count) for name, count in counts.items()}}

    def change_message_visibility_batch(self, **request: Any) -> None:
        self.hidden += [(entry["ReceiptHandle"], entry["VisibilityTimeout"]) for entry in request["Entries"]]


MESSAGE = {"MessageId": "1", "ReceiptHandle": "r", "Body": "{}"}


def test_a_queue_is_asked_again_while_it_counts_messages() -> None:
    sqs: Any = SlowQueue([[], [], [MESSAGE], []], [1, 1, 0])
    queue = letters.Queue(sqs, PROVISIONER, "url")
    queue.take()
    assert (list(queue.held), queue.others) == (["1"], 0)
    # but not for ever, and then it says so
    queue = letters.Queue(SlowQueue([], [7]), PROVISIONER, "url")  # type: ignore[arg-type]
    queue.take()
    assert (queue.held, queue.others) == ({}, 7)


def test_messages_are_hidden_briefly_and_for_as_long_as_work_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("scripts.operator.letters.time.monotonic", lambda: now[0])
    sqs: Any = SlowQueue([[MESSAGE]], [0])
    queue = letters.Queue(sqs, PROVISIONER, "url")
    queue.take()
    assert sqs.hidden == []
    for now[0] in (30.0, 31.0, 59.0):
        queue.renew()
    assert sqs.hidden == [("r", letters.HIDDEN_SECONDS)] * 2
    queue.release()
    assert sqs.hidden[2:] == [("r", 0)]


# --- redriving events


@pytest.mark.parametrize(
    ("service", "event"),
    [
        (COMPLETION, provisioned("a", status="ODD")),
        (COMPLETION, onboarding("a")),
        (COMPLETION, "cut"),
        (PROVISIONER, onboarding("../a")),
    ],
)
def test_an_event_that_would_be_rejected_again_is_left(
    cloud: Cloud, operate: Operate, service: str, event: Any
) -> None:
    cloud.put("a")
    cloud.send(service, failed_on(event, "Rejected"))
    code, rows, _ = operate("redrive")
    assert (code, rows[0]["outcome"].split(":")[0]) == (0, "left")
    code, rows, _ = operate("redrive", "--rejected")
    assert code == 1
    assert rows[0]["outcome"].startswith("left: would be rejected again: ")
    assert (cloud.lambda_.invoked, cloud.depth(service)) == ([], 1)
    code, rows, _ = operate("redrive", "--rejected", "--force")
    assert rows[0]["outcome"].startswith("redriven by force: will be rejected again: ")
    assert (cloud.lambda_.invoked, cloud.depth(service)) == ([(service, event)], 0)


def test_an_event_that_was_rejected_for_want_of_a_record_goes_when_there_is_one(
    cloud: Cloud, operate: Operate
) -> None:
    cloud.send(COMPLETION, failed_on(provisioned("a"), "Rejected"))
    code, rows, _ = operate("redrive", "--rejected")
    assert (code, rows[0]["outcome"]) == (1, "left: the tenant is gone")
    cloud.put("a", "PROVISIONING")
    code, rows, _ = operate("redrive", "--rejected")
    assert (code, rows[0]["outcome"], cloud.depth(COMPLETION)) == (0, "redriven", 0)


@pytest.mark.parametrize("wrapped", [True, False])
def test_no_resources_are_brought_back_for_who_is_gone(cloud: Cloud, operate: Operate, wrapped: bool) -> None:
    cloud.put("deleted", "FAILED", status={"S": "DELETED"})
    for tenant_id in ("never-was", "deleted"):
        event = onboarding(tenant_id)
        cloud.send(PROVISIONER, failed_on(event) if wrapped else event)
    code, rows, _ = operate("redrive", "--force")
    assert (code, [row["outcome"] for row in rows]) == (1, ["left: the tenant is gone"] * 2)
    assert cloud.lambda_.invoked == []


# --- discarding


def exported(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_messages_are_exported_and_discarded(cloud: Cloud, operate: Operate, tmp_path: Path) -> None:
    bodies = [failed_on(onboarding(str(n)), "Rejected", f"detail.slug is bad, {n}") for n in range(3)]
    ids = [cloud.send(PROVISIONER, body, WHY="kept") for body in bodies]
    cloud.send(COMPLETION, failed_on(provisioned("a"), message="SlowDown"))
    path = tmp_path / "kept.jsonl"
    code, rows, _ = operate("discard", "--letter", ids[1], "--export", str(path))
    assert (code, [row["id"] for row in rows]) == (0, [ids[1]])
    code, rows, _ = operate("discard", "--reason", "slug is bad", "--export", str(path))
    assert (code, {row["id"] for row in rows}) == (0, {ids[0], ids[2]})
    kept = {line["id"]: line for line in exported(path)}
    assert {each: json.loads(kept[each]["body"]) for each in ids} == dict(zip(ids, bodies, strict=True))
    assert kept[ids[0]]["attributes"] == {"WHY": "kept"}
    assert path.stat().st_mode & 0o077 == 0
    assert (cloud.depth(PROVISIONER), cloud.depth(COMPLETION)) == (0, 1)
    with pytest.raises(CommandError, match="no such"):
        operate("discard", "--letter", ids[1], "--no-export")
    operate("discard", "--reason", "SlowDown", "--no-export")
    assert cloud.depth(COMPLETION) == 0


def test_nothing_is_discarded_that_can_not_be_kept(cloud: Cloud, operate: Operate, tmp_path: Path) -> None:
    cloud.send(PROVISIONER, failed_on(onboarding("a")))
    with pytest.raises(CommandError, match="can't be written"):
        operate("discard", "--reason", "no", "--export", str(tmp_path))
    assert cloud.depth(PROVISIONER) == 1


@pytest.mark.parametrize(
    "arguments",
    [["--letter", "1"], ["--export", "f"], ["--letter", "1", "--reason", "x", "--no-export"]],
)
def test_discarding_takes_a_choice_and_a_place(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["discard", *arguments])
    assert ended.value.code == 2


# --- the reconciler


def reconciler_is(cloud: Cloud, *answers: Any) -> None:
    left = list(answers)

    def answer(name: str, payload: Any) -> Any:
        each = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(each, Exception):
            raise each
        return each(payload) if callable(each) else each

    cloud.lambda_.answer = answer


BUSY = client_error("TooManyRequestsException", Reason="ReservedFunctionConcurrentInvocationLimitExceeded")


def test_a_sweep_beside_another_ends_with_one_line(
    cloud: Cloud, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler_is(cloud, BUSY)
    monkeypatch.setattr("scripts.operator.__main__._SWEEP_PATIENCE", 0.0)
    with pytest.raises(CommandError, match="a sweep is under way; try again in a minute"):
        operate("reconcile")
    reconciler_is(cloud, client_error("TooManyRequestsException", Reason="ConcurrentInvocationLimitExceeded"))
    with pytest.raises(CommandError, match="the account's concurrent executions are used up"):
        operate("reconcile")


def test_repairs_wait_for_their_turn(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    environment = cloud.environment()
    reconciler_is(cloud, BUSY, BUSY, {"a": "asked"})
    answers = reconciling.repair(environment.deployment, environment.clients, ["a"])
    assert answers == {"a": "asked"}
    assert capsys.readouterr().err.count("a sweep is under way") == 1
    reconciler_is(cloud, BUSY)
    with pytest.raises(CommandError, match="a sweep is under way"):
        reconciling.repair(environment.deployment, environment.clients, ["a"], patience=0.0)


def test_a_long_run_is_invoked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a server that never answers: how often the call comes is counted by connections."""
    monkeypatch.setattr(aws, "INVOKE", aws.INVOKE.merge(Config(read_timeout=0.2)))
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    accepted.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        clients = Clients("local", REGION)
        named: Any = type("Named", (), {"lambda_function_names": {reconciling.SERVICE: "reconciler"}})()
        with pytest.raises(CommandError, match="gave no answer in time"):
            reconciling.sweep(named, clients)
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in accepted:
        connection.close()
    assert len(accepted) == 1


# --- lists


def everyone_there_is(cloud: Cloud) -> set[str]:
    """Write a tenant into each place where one may be, by a rejection of today's and of older versions."""
    in_flight = {"GSI3PK": "IN_FLIGHT", "GSI3SK": "2026-01-01T00:00:00.000Z"}
    cloud.pooled("completed")
    cloud.put("suspended", tier="FREE", status="SUSPENDED", GSI2PK="STATUS#SUSPENDED#TIER#FREE")
    cloud.failed("both")
    cloud.failed("bad-tier", tier="GOLD", GSI2PK="STATUS#ACTIVE#TIER#UNKNOWN")
    cloud.failed("bad-status", status="ODD", GSI2PK="STATUS#UNKNOWN#TIER#PRO")
    cloud.failed("bad-both", tier="GOLD", status="ODD", GSI2PK="STATUS#UNKNOWN#TIER#UNKNOWN")
    cloud.failed("old-rejection", GSI2PK=None, GSI2SK=None, id=None)
    cloud.put("not-requested", "PENDING", GSI2PK=None, GSI2SK=None, **in_flight)
    cloud.put("bad-time", "PROVISIONING", **{**in_flight, "GSI3SK": "9999-99-99T99:99:99Z"})
    return {
        "completed",
        "suspended",
        "both",
        "bad-tier",
        "bad-status",
        "bad-both",
        "old-rejection",
        "not-requested",
        "bad-time",
    }


def test_a_list_leaves_nobody_out(cloud: Cloud, operate: Operate) -> None:
    everyone = everyone_there_is(cloud)
    code, rows, said = operate("tenants")
    assert (code, sorted(row["id"] for row in rows)) == (0, sorted(everyone))
    assert f"{len(everyone)} of {len(everyone)}" in said
    _, report, _ = operate("verify", "--all")
    assert report["verified"] == len(everyone)


@pytest.mark.parametrize(
    ("arguments", "listed", "of"),
    [
        ((), 2, 9),
        (("--status", "FAILED"), 2, 5),
        (("--tier", "PRO"), 2, 6),
        (("--tier", "PRO", "--status", "COMPLETED"), 1, 1),
        (("--stuck",), 2, 2),
    ],
)
def test_a_list_that_is_cut_says_of_how_many(
    cloud: Cloud, operate: Operate, arguments: tuple[str, ...], listed: int, of: int
) -> None:
    everyone_there_is(cloud)
    _, rows, said = operate("tenants", "--limit", "2", *arguments)
    assert (len(rows), said.strip()) == (listed, f"{listed} of {of}")


# --- retrying


def test_one_bad_record_does_not_keep_the_others_from_being_retried(
    cloud: Cloud, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.failed("a", GSI4SK="2026-01-01T00:00:00.000Z")
    cloud.failed("bad", GSI4SK="2026-01-02T00:00:00.000Z", provisioningAttempt={"SS": ["x"]})
    cloud.failed("refused", GSI4SK="2026-01-03T00:00:00.000Z")
    cloud.failed("z", GSI4SK="2026-01-04T00:00:00.000Z")
    retry = tenants.retry

    def stubborn(environment: Environment, item: dict[str, Any]) -> str:
        if item["id"] == {"S": "refused"}:
            raise client_error("ThrottlingException")
        return retry(environment, item)

    monkeypatch.setattr(tenants, "retry", stubborn)
    code, rows, said = operate("retry", "--all", "--rate", "1000")
    outcomes = {row["id"]: row["outcome"] for row in rows}
    assert code == 1
    assert outcomes["refused"] == "failed: ThrottlingException"
    assert (outcomes["a"], outcomes["z"]) == ("retried", "retried")
    assert (cloud.status("a"), cloud.status("z")) == ("PENDING", "PENDING")
    # A bad attempt is no reason not to try: provisioning says what is wrong with it
    assert outcomes["bad"] == "retried"
    assert "refused: failed: ThrottlingException" in said


PREFIX = {"s3Prefix": {"S": "tenants/x/"}}
OWN = {"dedicatedBucket": {"S": "b"}}


@pytest.mark.parametrize(
    ("tier", "resources"),
    [
        ("ENTERPRISE", {"M": PREFIX}),
        ("ENTERPRISE", {"M": {**PREFIX, **OWN}}),
        ("ENTERPRISE", {"M": {"dedicatedBucket": {"N": "1"}}}),
        ("ENTERPRISE", {"M": {}}),
        ("ENTERPRISE", {"S": "odd"}),
        ("ENTERPRISE", None),
        ("FREE", {"M": OWN}),
        ("PRO", {"M": {**PREFIX, **OWN}}),
        ("PRO", {"M": {"s3Prefix": {"S": "tenants/y/"}}}),
        ("PRO", None),
    ],
)
def test_a_completed_tenant_whose_resources_do_not_fit_its_tier_is_found_and_retried(
    cloud: Cloud, operate: Operate, tier: str, resources: Any
) -> None:
    cloud.put("x", tier=tier, resources=resources)
    code, report, _ = operate("verify", "--id", "x")
    (finding,) = report["findings"]
    assert code == 1
    assert finding["problems"][0].startswith(f"resources do not fit tier {tier}: ")
    code, rows, _ = operate("retry", "--id", "x")
    assert (code, rows[0]["outcome"]) == (0, "retried")
    record = cloud.environment().record(TenantId("x"))
    assert record["provisioningStatus"] == {"S": "PENDING"}
    assert record["GSI3PK"] == {"S": "IN_FLIGHT"}
    (line,) = cloud.environment().history(TenantId("x"))
    assert (line["to"], line["attempt"]) == ("PENDING", 1)
    assert "do not fit" in line["reason"]


def test_a_completed_tenant_whose_resources_fit_is_left_alone(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("x")
    cloud.put("y", tier="ENTERPRISE", resources={"M": OWN})
    for tenant_id in ("x", "y"):
        code, rows, _ = operate("retry", "--id", tenant_id)
        assert (code, rows[0]["outcome"]) == (1, "left alone: it is COMPLETED, not FAILED")


CHANGES = {
    "provisioningStatus": {"S": "PROVISIONING"},
    "tier": {"S": "PRO"},
    "provisioningAttempt": {"N": "2"},
    "resources": {"M": OWN},
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_record_that_changed_since_it_was_read_is_not_requested_again(cloud: Cloud, changed: str) -> None:
    cloud.put("x", tier="ENTERPRISE", resources={"M": PREFIX})
    read = cloud.environment().record(TenantId("x"))
    changes: dict[str, Any] = {
        "tier": "ENTERPRISE",
        "resources": {"M": PREFIX},
        changed: CHANGES[changed],
    }
    cloud.put("x", **changes)
    before = cloud.environment().record(TenantId("x"))
    assert tenants.retry(cloud.environment(), read) == "left alone: it has changed meanwhile"
    assert cloud.environment().record(TenantId("x")) == before
    assert cloud.environment().history(TenantId("x")) == []


# --- verifying


def test_records_are_verified_as_they_come(cloud: Cloud) -> None:
    taken = 0

    def items() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for number in range(10 * verifying.WINDOW):
            taken += 1
            yield {"PK": {"S": f"TENANT#{number}"}, "SK": {"S": "METADATA"}}

    findings = verifying.verify_all(cloud.environment(), items(), 900)
    assert next(findings).tenant_id == "0"
    assert taken <= verifying.WINDOW
    assert [finding.tenant_id for finding in findings] == [
        str(number) for number in range(1, 10 * verifying.WINDOW)
    ]


def test_a_tenant_that_can_not_be_verified_is_a_finding(
    cloud: Cloud, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.pooled("good")
    cloud.pooled("bad")
    history = Environment.history

    def throttled(self: Environment, tenant_id: TenantId) -> list[dict[str, Any]]:
        if tenant_id == "bad":
            raise client_error("ThrottlingException")
        return history(self, tenant_id)

    monkeypatch.setattr(Environment, "history", throttled)
    code, report, _ = operate("verify", "--all")
    (finding,) = report["findings"]
    assert (code, report["verified"], finding["tenantId"]) == (1, 2, "bad")
    assert finding["problems"] == ["could not be verified: ThrottlingException"]


def test_resources_without_a_record_are_found_and_never_touched(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("good")
    cloud.put("half-made", "PROVISIONING", tier="ENTERPRISE")
    cloud.put("moved", "FAILED", tier="ENTERPRISE", failureReason="x", resources={"M": OWN}, GSI4PK="FAILED")
    for tenant_id in ("lost", "moved", "half-made"):
        cloud.s3.put_object(Bucket=BUCKET, Key=f"tenants/{tenant_id}/file", Body=b"")
    cloud.s3.put_object(Bucket=BUCKET, Key="elsewhere/file", Body=b"")
    start = "tenkacloud-test-silo-"
    cloud.bucket(f"{start}gone-0123456789abcdef", "gone")
    cloud.bucket(f"{start}good-0123456789abcdef", "good")
    cloud.bucket(f"{start}half-made-0123456789abcdef", "half-made")
    cloud.bucket(f"{start}untagged-0123456789abcdef")
    cloud.bucket("tenkacloud-testing-silo-other-0123456789abcdef", "other")
    code, report, _ = operate("verify", "--all")
    found = {
        (finding["tenantId"], problem)
        for finding in report["findings"]
        for problem in finding["problems"]
        if problem.startswith(("bucket", "prefix"))
    }
    assert code == 1
    assert {(tenant_id, problem.split(": its ")[0].split(": no ")[0]) for tenant_id, problem in found} == {
        ("gone", f"bucket {start}gone-0123456789abcdef"),
        ("good", f"bucket {start}good-0123456789abcdef"),
        ("", f"bucket {start}untagged-0123456789abcdef"),
        ("lost", f"prefix {BUCKET}: tenants/lost/"),
        ("moved", f"prefix {BUCKET}: tenants/moved/"),
    }
    before = len(cloud.s3.list_buckets()["Buckets"])
    reconciler_is(cloud, {"batchItemFailures": []})
    code, report, _ = operate("verify", "--all", "--repair")
    assert code == 1
    untouched = [each for each in report["findings"] if each["repair"].endswith("never deleted")]
    assert {each["tenantId"] for each in untouched} == {"gone", "good", "", "lost", "moved"}
    assert len(cloud.s3.list_buckets()["Buckets"]) == before


def test_repairs_are_told_with_what_was_wrong_and_why_not(
    cloud: Cloud, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "REPAIR_SECONDS", 0.3)
    monkeypatch.setattr(verifying, "_POLL_SECONDS", 0.01)
    for tenant_id in ("mended", "refused", "no-change"):
        cloud.pooled(tenant_id)
        cloud.s3.delete_object(Bucket=BUCKET, Key=names.pool_marker(TenantId(tenant_id)))
    cloud.put("misfit", tier="ENTERPRISE", resources={"M": PREFIX})
    cloud.put("hopeless", tier="ENTERPRISE", resources={"M": PREFIX})
    cloud.put("no-reason", "FAILED", GSI4PK="FAILED", GSI4SK="2026-01-01T00:00:00.000Z")

    def repair(payload: Any) -> dict[str, str]:
        assert payload["action"] == "repair"
        cloud.pooled("mended")
        cloud.pooled("misfit", tier="PRO")
        cloud.failed("hopeless", tier="ENTERPRISE")
        answers = {"mended": "asked", "misfit": "requested", "hopeless": "requested", "no-change": "asked"}
        return {each: answers.get(each, "there is no such tenant") for each in payload["tenantIds"]}

    reconciler_is(cloud, repair)
    code, report, said = operate("verify", "--all", "--repair")
    found = {finding["tenantId"]: finding for finding in report["findings"]}
    outcomes = {tenant_id: finding["repair"] for tenant_id, finding in found.items()}
    assert code == 1
    assert outcomes["mended"] == outcomes["misfit"] == verifying.REPAIRED
    assert outcomes["hopeless"] == "not repaired: FAILED: because"
    assert outcomes["refused"] == "not repaired: there is no such tenant"
    assert outcomes["no-reason"] == "not repaired: it is FAILED, and only COMPLETED tenants are repaired"
    assert outcomes["no-change"].startswith("not repaired within 0 s: marker ")
    assert all(f"{tenant_id}: {outcome}" in said for tenant_id, outcome in outcomes.items())
    assert found["mended"]["problems"][0].startswith("marker ")


def test_a_time_that_is_none_counts_as_long_ago() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for value in ({"S": "9999-99-99T99:99:99Z"}, {"N": "1"}):
        assert tenants.seconds_in_flight({"GSI3SK": value}, now) == now.timestamp()
    assert tenants.seconds_in_flight({}, now) is None
