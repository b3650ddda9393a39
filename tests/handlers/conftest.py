"""A moto AWS with what the handlers need, and a place to look at what they published."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.loaders import create_loader
from moto import mock_aws

import canary.handler
import problem_data.handler
import provisioning.handler
import provisioning_completion.handler
import reconciler.handler
import tenant_provisioner.handler

ACCOUNT = "123456789012"
REGION = "ap-northeast-1"
TABLE = "TenkaCloud-test"
DATA_TABLE = "TenkaCloud-test-tenant-data"
BUS = "tenkacloud-test-tenant-events"
DATA_BUCKET = "tenkacloud-data-test"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tenkacloud-test-tenant-access"


@dataclass
class Cloud:
    """Clients of the moto AWS, and helpers that read it as a user would."""

    dynamodb: Any
    events: Any
    s3: Any
    sqs: Any
    outbox: str
    dead_letter_queue: str

    def put(self, tenant_id: str, **attributes: Any) -> None:
        item = {
            "PK": {"S": f"TENANT#{tenant_id}"},
            "SK": {"S": "METADATA"},
            "id": {"S": tenant_id},
            "name": {"S": "Acme Corp."},
            "tier": {"S": "PRO"},
            "provisioningStatus": {"S": "PENDING"},
            **attributes,
        }
        self.dynamodb.put_item(
            TableName=TABLE, Item={name: value for name, value in item.items() if value is not None}
        )

    def update(self, tenant_id: str, **attributes: Any) -> None:
        self.dynamodb.update_item(
            TableName=TABLE,
            Key=self.key(tenant_id),
            AttributeUpdates={name: {"Value": value} for name, value in attributes.items()},
        )

    def item(self, tenant_id: str) -> dict[str, Any]:
        item: dict[str, Any] = self.dynamodb.get_item(TableName=TABLE, Key=self.key(tenant_id)).get(
            "Item", {}
        )
        return item

    def history(self, tenant_id: str) -> list[dict[str, Any]]:
        """Return a tenant's lines of history in order, without their keys."""
        found = self.dynamodb.query(
            TableName=TABLE,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :history)",
            ExpressionAttributeValues={":pk": {"S": f"TENANT#{tenant_id}"}, ":history": {"S": "HISTORY#"}},
        )["Items"]
        return [
            {
                name: int(value["N"]) if "N" in value else value["S"]
                for name, value in item.items()
                if name not in ("PK", "SK")
            }
            for item in found
        ]

    def status(self, tenant_id: str) -> str:
        return str(self.item(tenant_id).get("provisioningStatus", {}).get("S"))

    def reason(self, tenant_id: str) -> str:
        return str(self.item(tenant_id).get("failureReason", {}).get("S"))

    def stream_record(self, tenant_id: str, sequence: int = 1, event_name: str = "INSERT") -> dict[str, Any]:
        """Return what the stream would show of a tenant as it is now."""
        return {
            "eventID": f"event-{sequence}",
            "eventName": event_name,
            "eventSource": "aws:dynamodb",
            "dynamodb": {
                "Keys": self.key(tenant_id),
                "NewImage": self.item(tenant_id),
                "SequenceNumber": str(sequence),
            },
        }

    def keys_in(self, index: str, partition: str, value: str) -> list[str]:
        found = self.dynamodb.query(
            TableName=TABLE,
            IndexName=index,
            KeyConditionExpression="#pk = :pk",
            ExpressionAttributeNames={"#pk": partition},
            ExpressionAttributeValues={":pk": {"S": value}},
        )
        return [item["PK"]["S"] for item in found["Items"]]

    def published(self) -> list[dict[str, Any]]:
        """Return, once, the events that came to the bus."""
        return self._drain(self.outbox)

    def rejected(self) -> list[dict[str, Any]]:
        """Return, once, what came to the dead-letter queue."""
        return self._drain(self.dead_letter_queue)

    def _drain(self, url: str) -> list[dict[str, Any]]:
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    @staticmethod
    def key(tenant_id: str) -> dict[str, Any]:
        return {"PK": {"S": f"TENANT#{tenant_id}"}, "SK": {"S": "METADATA"}}


@pytest.fixture(scope="session", autouse=True)
def _service_models_are_read_once() -> Iterator[None]:
    """Each session would read them anew, which takes longer than most tests."""
    loader = create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda *_arguments: loader)
        yield


@cache
def _client(service: Any) -> Any:
    """Return the tests' own client, made once: moto answers it whenever it is on."""
    return boto3.client(
        service, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing"
    )


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "TABLE_NAME": TABLE,
        "EVENT_BUS_NAME": BUS,
        "DATA_BUCKET_NAME": DATA_BUCKET,
        "TENKACLOUD_ENVIRONMENT": "test",
        "TENANT_ACCESS_ROLE_ARN": ROLE,
        "ACCOUNT_ID": ACCOUNT,
        "DATA_TABLE_NAME": DATA_TABLE,
        "TENANT_CLAIM": "custom:tenantId",
        "STUCK_AFTER_SECONDS": "900",
        "RESUMPTIONS_MAX": "5",
        "AWS_LAMBDA_FUNCTION_NAME": "tenkacloud-test-function",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        dynamodb = _client("dynamodb")
        names = ["PK", "SK", *(f"GSI{n}{part}" for n in range(1, 5) for part in ("PK", "SK"))]
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=_schema("PK", "SK"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": index,
                    "KeySchema": _schema(f"GSI{n}PK", f"GSI{n}SK"),
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
                for n, index in enumerate(("by-slug", "by-status-tier", "in-flight", "failed"), start=1)
            ],
        )
        dynamodb.create_table(
            TableName=DATA_TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
            KeySchema=_schema("PK", "SK"),
        )
        events = _client("events")
        sqs = _client("sqs")
        outbox = sqs.create_queue(QueueName="outbox")["QueueUrl"]
        dead_letter_queue = sqs.create_queue(QueueName="dlq")["QueueUrl"]
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", dead_letter_queue)
        events.create_event_bus(Name=BUS)
        events.put_rule(Name="all", EventBusName=BUS, EventPattern='{"source": [{"prefix": "tenkacloud."}]}')
        events.put_targets(
            Rule="all",
            EventBusName=BUS,
            Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:outbox"}],
        )
        s3 = _client("s3")
        s3.create_bucket(Bucket=DATA_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        _forget()
        yield Cloud(dynamodb, events, s3, sqs, outbox, dead_letter_queue)
        _forget()


class LogLines:
    """What the functions printed: log lines, and metrics in the embedded format."""

    def __init__(self, capsys: pytest.CaptureFixture[str], stream: io.StringIO) -> None:
        self._capsys, self._stream = capsys, stream

    def all(self) -> list[dict[str, Any]]:
        """Return every line so far, once."""
        text = self._stream.getvalue() + self._capsys.readouterr().out
        self._stream.seek(0)
        self._stream.truncate()
        return [json.loads(line) for line in text.splitlines()]

    def only(self, message: str) -> dict[str, Any]:
        (line,) = [line for line in self.all() if line.get("message") == message]
        return line


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> LogLines:
    stream = io.StringIO()
    for module in (
        canary.handler,
        problem_data.handler,
        provisioning.handler,
        provisioning_completion.handler,
        reconciler.handler,
        tenant_provisioner.handler,
    ):
        # Powertools takes sys.stdout when the logger is made, long before pytest looks at it.
        monkeypatch.setattr(module.logger.handlers[0], "stream", stream)
    return LogLines(capsys, stream)


def _schema(partition: str, sort: str) -> list[Any]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


def _forget() -> None:
    """Let each test wire the functions anew, with clients of its own moto."""
    canary.handler._service.cache_clear()
    problem_data.handler._access.cache_clear()
    provisioning.handler._service.cache_clear()
    provisioning_completion.handler._consumer.cache_clear()
    reconciler.handler._service.cache_clear()
    tenant_provisioner.handler._consumer.cache_clear()
