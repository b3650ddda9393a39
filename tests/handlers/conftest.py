"""A moto AWS, the functions in it, and a place to look at what they published."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws
from moto.moto_api._internal.models import moto_api_backend

from tenkacloud.events.contract import Event
from tenkacloud.events.registry import EVENTS
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.lambda_handler import observed
from tenkacloud.platform.telemetry import logger
from tenkacloud.tenants.keys import (
    PARTITION,
    SORT,
    Key,
    table_definition,
)
from tenkacloud.tenants.operations import Operation
from tenkacloud.tenants.record import Tenant, parse_any_tenant, read
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions.transition import Applied, Transition
from tests.settings import ACCOUNT, BUS, DATA_BUCKET, DATA_TABLE, REGION, ROLE, TABLE
from tests.support import Context, Function, bootstrap, envelope

__all__ = ["ACCOUNT", "BUS", "DATA_BUCKET", "DATA_TABLE", "REGION", "ROLE", "TABLE", "Cloud", "LogLines"]


class SkippingClock:
    """Shows the time of the machine. Waits take none: the clock moves on by so much."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def sleep(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


@dataclass
class Cloud:
    """The functions, clients of the moto AWS that they are in, and helpers that read it as a user would."""

    clients: Clients
    outbox: str
    dead_letter_queue: str
    clock: SkippingClock = field(default_factory=SkippingClock)
    _functions: dict[str, Function] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dynamodb: Any = self.clients.dynamodb
        self.events: Any = self.clients.events
        self.s3: Any = self.clients.s3
        self.sqs: Any = self.clients.sqs

    def run(self, service: str, event: Any, context: Context | None = None) -> Any:
        """Invoke a service's function: of one test always the same, as Lambda uses it again."""
        if service not in self._functions:
            self._functions[service] = self.function(service)
        return self._functions[service](event, context or Context())

    def function(self, service: str, clients: Clients | None = None, **variables: str) -> Function:
        """Return another function of a service, maybe with clients of its own or in another environment."""
        given = {"DEAD_LETTER_QUEUE_URL": self.dead_letter_queue, **variables}
        return observed(bootstrap(service, clients or self.clients, self.clock, **given))

    def put(self, tenant_id: str, **attributes: Any) -> None:
        item = {
            **self.key(tenant_id),
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

    def put_completed(self, tenant_id: str, **attributes: Any) -> None:
        """Put a tenant that is in use, as its onboarding leaves it: pooled, unless said otherwise."""
        completed = {
            "slug": {"S": tenant_id.lower()},
            "status": {"S": "ACTIVE"},
            "provisioningStatus": {"S": "COMPLETED"},
            "provisioningAttempt": {"N": "1"},
            "createdAt": {"S": "2026-01-01T00:00:00.000Z"},
            "revision": {"N": "2"},
            "resources": {"M": {"s3Prefix": {"S": f"tenants/{tenant_id}/"}}},
        }
        self.put(tenant_id, **{**completed, **attributes})

    def tenant(self, tenant_id: str) -> Tenant:
        """Return a tenant as its record describes it now."""
        return parse_any_tenant(Key(f"TENANT#{tenant_id}"), read(self.item(tenant_id)))

    def operation(self, tenant_id: str) -> Operation:
        """Return what is under way of a tenant."""
        operation = self.tenant(tenant_id).operation
        assert operation
        return operation

    def do(self, change: Transition) -> dict[str, Any]:
        """Write a change, as an operator's tool does; return what the stream shows of it."""
        tenant_id = change.key.tenant_id
        before = self.item(tenant_id)
        repository = TenantRepository(self.dynamodb, TABLE, "operator", self.clock)
        assert repository.apply(change) == Applied()
        return self.stream_record(tenant_id, event_name="MODIFY", old=before)

    def stream_record(
        self,
        tenant_id: str,
        sequence: int = 1,
        event_name: str = "INSERT",
        old: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return what the stream would show of a tenant as it is now. `old`: as it was before."""
        return {
            "eventID": f"event-{sequence}",
            "eventName": event_name,
            "eventSource": "aws:dynamodb",
            "dynamodb": {
                "Keys": self.key(tenant_id),
                "NewImage": self.item(tenant_id),
                **({} if old is None else {"OldImage": old}),
                "SequenceNumber": str(sequence),
            },
        }

    def request(self, tenant_id: str) -> Any:
        """Have the stream publish what a tenant's record requests; return that event, parsed."""
        record = self.stream_record(tenant_id, event_name="MODIFY", old=self.item(tenant_id))
        assert self.run("provisioning", {"Records": [record]}) == {"batchItemFailures": []}
        (event,) = self.published()
        return EVENTS[event["detail-type"]].parse(event["detail"])

    def report(self, event: Event) -> None:
        """Deliver an event of the application plane to the control plane."""
        self.run("provisioning-completion", envelope(type(event), json.loads(json.dumps(event.detail()))))

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


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    """The functions' own clients, made once: moto answers them whenever it is on."""
    with pytest.MonkeyPatch.context() as patch:
        # boto3's own settings, as Lambda makes them.
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield Clients()


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """moto, turned on once: that takes longer than to empty it for each test."""
    with mock_aws():
        yield


@pytest.fixture
def cloud(clients: Clients, aws: None) -> Cloud:
    moto_api_backend.reset()
    definition = table_definition(TABLE)
    clients.dynamodb.create_table(**definition)
    schema: Any = {name: definition[name] for name in ("BillingMode", "KeySchema")}
    names: Any = [{"AttributeName": name, "AttributeType": "S"} for name in (PARTITION, SORT)]
    clients.dynamodb.create_table(TableName=DATA_TABLE, AttributeDefinitions=names, **schema)
    outbox = clients.sqs.create_queue(QueueName="outbox")["QueueUrl"]
    dead_letter_queue = clients.sqs.create_queue(QueueName="dlq")["QueueUrl"]
    clients.events.create_event_bus(Name=BUS)
    clients.events.put_rule(
        Name="all", EventBusName=BUS, EventPattern='{"source": [{"prefix": "tenkacloud."}]}'
    )
    clients.events.put_targets(
        Rule="all",
        EventBusName=BUS,
        Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:outbox"}],
    )
    clients.s3.create_bucket(Bucket=DATA_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return Cloud(clients, outbox, dead_letter_queue)


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
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[LogLines]:
    stream = io.StringIO()
    handler: Any = logger.handlers[0]
    # Powertools takes sys.stdout when the logger is made, long before pytest looks at it.
    before = handler.setStream(stream)
    yield LogLines(capsys, stream)
    handler.setStream(before)
