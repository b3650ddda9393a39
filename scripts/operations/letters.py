"""The dead-letter queues: what lies there, and bringing it back.

Four kinds of letters come here. `rejected`: our functions' own, of events that break the contract; no retry
mends them, so they are redriven only when asked for. `invocation`: Lambda's, of events that a function failed
on. `event`: EventBridge's, of events that it could not hand over. `stream`: Lambda's, of stream records that
were given up; it names no tenant, so the stream is read for them, which forgets after 24 hours.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from scripts.operations.environment import Environment
from scripts.operations.pace import Pace
from scripts.operations.tenants import PENDING, ask_again
from scripts.project import CommandError
from tenkacloud.records import METADATA, TENANT_PREFIX

_HIDDEN_SECONDS: Final = 900  # from other readers, while a command looks at the letters
_LOOK_MAX: Final = 10_000


@dataclass(frozen=True)
class Letter:
    """A message of a service's queue."""

    service: str
    id: str
    receipt: str
    kind: str
    reason: str
    body: Any

    @property
    def tenant_id(self) -> str | None:
        """The tenant that it is about, None where it does not say."""
        detail = self._event().get("detail") if isinstance(self._event(), dict) else None
        tenant_id = detail.get("tenantId") if isinstance(detail, dict) else None
        return tenant_id if isinstance(tenant_id, str) else None

    def _event(self) -> Any:
        return self.body.get("requestPayload", self.body) if isinstance(self.body, dict) else {}

    def summary(self) -> dict[str, Any]:
        """Return what a list shows of it."""
        return {
            "service": self.service,
            "id": self.id,
            "kind": self.kind,
            "tenantId": self.tenant_id,
            "reason": self.reason,
        }


def look(environment: Environment, service: str | None) -> list[Letter]:
    """Return what lies in the queues, and leave it there."""
    with _held(environment, service) as letters:
        return letters


def redrive(
    environment: Environment, service: str | None, pace: Pace, *, rejected: bool
) -> list[dict[str, Any]]:
    """Bring letters back; return for each its summary and an `outcome`.

    A letter is removed only once it was handed over. Handing one over twice changes nothing: every step of
    the flow bears duplicates. So the command can be stopped and repeated at any time.
    """
    done = []
    with _held(environment, service) as letters:
        for letter in pace.over("redriving", list(letters)):
            outcome = _bring_back(environment, letter, rejected=rejected)
            if outcome.startswith("redriven"):
                url = environment.deployment.dead_letter_queue_urls[letter.service]
                environment.clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=letter.receipt)
                letters.remove(letter)
            done.append({**letter.summary(), "outcome": outcome})
    return done


@contextmanager
def _held(environment: Environment, service: str | None) -> Iterator[list[Letter]]:
    """Take hold of the letters of one or all services; let go of those that are left."""
    queues = environment.deployment.dead_letter_queue_urls
    if service is not None and service not in queues:
        raise CommandError(f"{service} has no dead-letter queue: one of {', '.join(sorted(queues))}")
    sqs = environment.clients.sqs
    letters: list[Letter] = []
    try:
        for name, url in queues.items():
            while service in (None, name) and len(letters) < _LOOK_MAX:
                messages = sqs.receive_message(
                    QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=_HIDDEN_SECONDS
                ).get("Messages", [])
                if not messages:
                    break
                letters += [read(name, message) for message in messages]
        yield letters
    finally:
        for letter in letters:
            sqs.change_message_visibility(
                QueueUrl=queues[letter.service], ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )


def read(service: str, message: Any) -> Letter:
    """Return what a message says."""
    try:
        body = json.loads(message["Body"])
    except ValueError:
        body = message["Body"]
    kind, reason = _kind(body, message.get("MessageAttributes") or {})
    return Letter(service, message["MessageId"], message["ReceiptHandle"], kind, reason, body)


def _kind(body: Any, attributes: dict[str, Any]) -> tuple[str, str]:
    if not isinstance(body, dict):
        return "unknown", "is no JSON object"
    if "DDBStreamBatchInfo" in body:
        return "stream", str(body.get("requestContext", {}).get("condition", ""))
    if "requestPayload" in body:
        condition = str(body.get("requestContext", {}).get("condition", ""))
        response = body.get("responsePayload")
        reason = response.get("errorMessage") if isinstance(response, dict) else None
        return ("rejected" if condition == "Rejected" else "invocation"), str(reason or condition)
    if "detail-type" in body:
        return "event", str(attributes.get("ERROR_CODE", {}).get("StringValue", "could not be delivered"))
    return "unknown", "is of no known shape"


def _bring_back(environment: Environment, letter: Letter, *, rejected: bool) -> str:
    try:
        match letter.kind:
            case "rejected" if not rejected:
                return "left: it breaks the contract, and would be rejected again"
            case "rejected" | "invocation":
                return _invoke(environment, letter.service, letter.body["requestPayload"])
            case "event":
                return _invoke(environment, letter.service, letter.body)
            case "stream":
                return _ask_for_those_of_the_stream(environment, letter.body["DDBStreamBatchInfo"])
            case _:
                return "left: nobody knows what it is"
    except ClientError as error:
        return f"left: {error.response['Error']['Code']}"


def _invoke(environment: Environment, service: str, payload: Any) -> str:
    environment.clients.lambda_.invoke(
        FunctionName=environment.deployment.lambda_function_names[service],
        InvocationType="Event",
        Payload=json.dumps(payload).encode(),
    )
    return "redriven"


def _ask_for_those_of_the_stream(environment: Environment, batch: dict[str, Any]) -> str:
    streams = environment.clients.streams
    iterator = streams.get_shard_iterator(
        StreamArn=batch["streamArn"],
        ShardId=batch["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=batch["startSequenceNumber"],
    )["ShardIterator"]
    last = int(batch["endSequenceNumber"])
    keys: dict[str, Any] = {}
    while iterator:
        page = streams.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            key: Any = record["dynamodb"]["Keys"]
            if int(record["dynamodb"]["SequenceNumber"]) <= last and key["SK"] == {"S": METADATA}:
                keys[key["PK"]["S"]] = key
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in page["Records"]]
        iterator = page.get("NextShardIterator", "") if numbers and max(numbers) < last else ""
    outcomes = []
    for pk, key in keys.items():
        found = environment.clients.dynamodb.get_item(
            TableName=environment.deployment.table_name, Key=key, ConsistentRead=True
        ).get("Item", {})
        if pk.startswith(TENANT_PREFIX) and found.get("provisioningStatus") == PENDING:
            outcomes.append(ask_again(environment, dict(found)))
    if any(outcome != "asked for" for outcome in outcomes):
        return f"left: {next(outcome for outcome in outcomes if outcome != 'asked for')}"
    return f"redriven: {len(outcomes)} of {len(keys)} tenants were still PENDING"
