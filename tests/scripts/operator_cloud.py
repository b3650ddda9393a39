"""An environment for the operator's tool: moto, with Lambda, the stream and the archive as stubs."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from scripts.operator.environment import Environment
from scripts.operator.session import Session
from scripts.tooling.deployment import (
    COMPLETION,
    DEPROVISIONER,
    MOVER,
    PROVISIONER,
    PROVISIONING,
    Deployment,
)
from scripts.verification.flow import reconciling
from tenkacloud.isolation import resource_names as names
from tenkacloud.tenants.keys import FAILED, FAILED_PARTITION, Key, table_definition
from tenkacloud.tenants.operations import Operation
from tenkacloud.tenants.record import Tenant, parse_any_tenant, read
from tenkacloud.tenants.transitions.transition import Applied, Transition
from tenkacloud.tenants.validation import Slug, TenantId

ACCOUNT = "123456789012"
REGION = "ap-northeast-1"
TABLE = "TenkaCloud-test"
DATA_TABLE = "TenkaCloudData-test"
BUCKET = "tenkacloud-data-test"
CREATED = "2026-01-01T00:00:00.000Z"

#: Runs a command; returns its code, its JSON, and what it said on standard error.
Operate = Callable[..., tuple[int, Any, str]]


def client_error(code: str, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": code}, **more}
    return ClientError(response, "Call")


class FakeClock:
    """A clock that only sleeping moves. `naps` are what was slept."""

    def __init__(self, now: datetime = datetime(2026, 1, 2, tzinfo=UTC)) -> None:
        self.time = now
        self.naps: list[float] = []
        self.on_sleep: Callable[[int], None] = lambda number: None

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.time += timedelta(seconds=seconds)
        self.on_sleep(len(self.naps))


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


class Logs:
    """moto's, but for this: of a log group that is not there, AWS lists no tags."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def list_tags_for_resource(self, resourceArn: str) -> Any:  # noqa: N803
        group = resourceArn.rpartition(":")[2]
        found = self._client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if not any(each["logGroupName"] == group for each in found):
            raise client_error("ResourceNotFoundException")
        return self._client.list_tags_for_resource(resourceArn=resourceArn)


class Events:
    """A replay that goes through these states."""

    def __init__(self) -> None:
        self.states = ["STARTING", "RUNNING", "COMPLETED"]
        self.started: list[Any] = []

    def start_replay(self, **request: Any) -> None:
        self.started.append(request)

    def describe_replay(self, **_: Any) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"State": state, "StateReason": "because", "EventLastReplayedTime": datetime.now(UTC)}


@cache
def clients() -> tuple[Any, ...]:
    """Return the clients. Made once, since that takes longer than most tests; moto answers all the same."""
    keys: Any = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    return tuple(boto3.client(service, **keys) for service in ("dynamodb", "s3", "sqs", "logs"))


class Cloud:
    """An environment named `test`."""

    def __init__(self) -> None:
        self.dynamodb, self.s3, self.sqs, logs = clients()
        self.logs = Logs(logs)
        self.lambda_ = self.lambda_once = Lambda()
        self.streams, self.events = Streams(), Events()
        self.clock = FakeClock()
        self.settings: dict[str, Any] = {reconciling.SERVICE: {"stuck_after_seconds": 900}}
        self.lifecycle: dict[str, Any] = {"retention_days_min": 7, "retention_days_default": 30}
        self.queues = {
            service: self.sqs.create_queue(QueueName=service)["QueueUrl"]
            for service in (PROVISIONING, PROVISIONER, COMPLETION, MOVER, DEPROVISIONER)
        }
        self.work = {
            service: self.sqs.create_queue(QueueName=f"{service}-work")["QueueUrl"]
            for service in (MOVER, DEPROVISIONER)
        }
        self.dynamodb.create_table(**table_definition(TABLE))
        self.dynamodb.create_table(**table_definition(DATA_TABLE))
        self.bucket(BUCKET)

    def environment(self) -> Environment:
        deployment = Deployment(
            environment="test",
            region=REGION,
            account_id=ACCOUNT,
            table_name=TABLE,
            data_table_name=DATA_TABLE,
            event_bus_name="",
            event_bus_arn=f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/bus",
            event_archive_name="archive",
            data_bucket_name=BUCKET,
            tenant_access_role_arn=f"arn:aws:iam::{ACCOUNT}:role/tenkacloud-test-tenant-access",
            lambda_function_names={name: name for name in (*self.queues, reconciling.SERVICE)},
            function_role_names={},
            log_group_names={},
            dead_letter_queue_urls=self.queues,
            problem_data_api_url="",
            jwt_issuer="",
            jwt_audience=[],
            tenant_claim="",
            user_pool_id=None,
            user_pool_client_id=None,
            settings=self.settings,
            queue_urls=self.work,
            lifecycle=self.lifecycle,
        )
        clients: Any = self
        return Environment(deployment, clients, long_poll_seconds=0)

    def session(self, **more: Any) -> Session:
        session = Session(connect=lambda name: self.environment(), clock=self.clock, width=160)
        return replace(session, **more)

    def bucket(self, name: str, tenant_id: str | None = None) -> None:
        place: Any = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
        if tenant_id:
            tags: Any = {"TagSet": [{"Key": "tenantId", "Value": tenant_id}]}
            self.s3.put_bucket_tagging(Bucket=name, Tagging=tags)

    def put(self, tenant_id: str, provisioning: str = "COMPLETED", tier: str = "PRO", **more: Any) -> None:
        """Write a record; `more` are strings, or DynamoDB's JSON; None leaves one out."""
        self.dynamodb.put_item(TableName=TABLE, Item=item(tenant_id, provisioning, tier, **more))

    def pooled(self, tenant_id: str, **more: Any) -> None:
        """Write a COMPLETED tenant of the pool, with its marker."""
        resources = {"M": {"s3Prefix": {"S": f"tenants/{tenant_id}/"}}}
        self.put(tenant_id, resources=resources, **more)
        self.s3.put_object(Bucket=BUCKET, Key=names.pool_marker(TenantId(tenant_id)), Body=b"{}")

    def siloed(self, tenant_id: str, **more: Any) -> str:
        """Write a COMPLETED tenant with a bucket of its own; return the bucket's name."""
        bucket = names.silo_bucket("test", Slug("acme"), TenantId(tenant_id), ACCOUNT, REGION)
        self.bucket(bucket, tenant_id)
        resources = {"M": {"dedicatedBucket": {"S": bucket}}}
        self.put(tenant_id, tier="ENTERPRISE", slug="acme", resources=resources, **more)
        return bucket

    def tenant(self, tenant_id: str) -> Tenant:
        """Return a tenant as our code reads it."""
        record = self.environment().record(TenantId(tenant_id))
        return parse_any_tenant(Key(record["PK"]["S"]), read(record))

    def operation(self, tenant_id: str) -> Operation:
        """Return what is under way of a tenant."""
        found = self.tenant(tenant_id).operation
        assert found is not None
        return found

    def write(self, transition: Transition) -> None:
        """Write a transition, as the flow does."""
        outcome = self.environment().repository("flow", self.clock).apply(transition)
        assert outcome == Applied()
        self.clock.time += timedelta(milliseconds=1)  # no two changes are at one time

    def failed(self, tenant_id: str, **more: Any) -> None:
        index = FAILED.entry(FAILED_PARTITION, CREATED)
        self.put(tenant_id, "FAILED", **{"failureReason": "because", **index, **more})

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

    def given(self, service: str) -> list[Any]:
        """Return what was put into the queue of a function that reads one."""
        found = self.sqs.receive_message(QueueUrl=self.work[service], MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]


def item(tenant_id: str, provisioning: str = "COMPLETED", tier: str = "PRO", **more: Any) -> Any:
    merged: dict[str, Any] = {
        "PK": f"TENANT#{tenant_id}",
        "SK": "METADATA",
        "id": tenant_id,
        "name": "Acme",
        "tier": tier,
        "status": "ACTIVE",
        "provisioningStatus": provisioning,
        "provisioningAttempt": {"N": "1"},
        "createdAt": CREATED,
        "GSI2PK": f"STATUS#ACTIVE#TIER#{tier}",
        "GSI2SK": CREATED,
        **more,
    }
    return {
        name: {"S": value} if isinstance(value, str) else value
        for name, value in merged.items()
        if value is not None
    }


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
