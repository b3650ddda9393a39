"""The dead-letter queues: what lies there, bringing it back, and removing what nobody can use.

Five kinds of messages come here. `rejected`: our functions' own, of events that break the contract; they are
redriven only on request, and only if they would not be rejected again. `invocation`: Lambda's, of events that
a function failed on. `event`: EventBridge's, of events that it could not hand over. `stream`: Lambda's, of
stream records that it stopped retrying; it names no tenant, so the stream is read for them, which forgets
after 24 hours. `queue`: SQS's, of what a function that reads a queue failed on each time: an event, or a
slice of its work, `{"event": …, "cursor": …}`. What such a function is given goes back into its queue.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from scripts.operator.environment import Environment, Record
from scripts.operator.options import MessageKind
from scripts.operator.retrying import PENDING, Action, request
from scripts.tooling.deployment import COMPLETION, DEPROVISIONER, MOVER, PROVISIONER
from scripts.tooling.project import CommandError, UsageError
from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import APPLICATION_PLANE, Envelope, Event, InvalidEventError
from tenkacloud.events.operation import OperationEvent
from tenkacloud.events.registry import EVENTS
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.platform.clock import Clock, rfc3339
from tenkacloud.tenants import record as records
from tenkacloud.tenants.keys import METADATA, TENANT_PREFIX
from tenkacloud.tenants.operations import OPERATION, parse_operation
from tenkacloud.tenants.validation import TenantId, TenantStatus

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: For how long messages are hidden from other readers: renewed while a command works, soon over if it dies.
HIDDEN_SECONDS: Final = 60
_RENEW_AFTER: Final = timedelta(seconds=20)
_LOOK_MAX: Final = 10_000  # of one queue
_BATCH: Final = 10  # messages in one call; SQS's limit
_EMPTY_POLLS_MAX: Final = 5  # in a row, while SQS counts messages that it does not give

#: Pages without records, in a row, after which the reading of a stream is put off. DynamoDB returns such
#: pages freely: how many says nothing.
EMPTY_PAGES_MAX: Final = 100
_EMPTY_PAGE_SECONDS: Final = 0.25  # a shard may be read five times a second
_FORGOTTEN: Final = ("TrimmedDataAccessException", "ResourceNotFoundException")
#: The events that each function takes: what redriving checks before it hands one over.
_TAKEN: Final[Mapping[str, tuple[type[Event], ...]]] = {
    PROVISIONER: (TenantOnboarding,),
    COMPLETION: tuple(event for event in EVENTS.values() if event.SOURCE == APPLICATION_PLANE),
    MOVER: (TenantTierChanging, TenantExporting),
    DEPROVISIONER: (TenantOffboarding,),
}
#: The functions that read a queue.
_OF_QUEUES: Final = frozenset({MOVER, DEPROVISIONER})
#: What differs between messages of one cause: ids that AWS and we make up.
_IDS: Final = re.compile(r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b|\b[0-9A-Z]{16,}\b")


@dataclass(frozen=True)
class Message:
    """A message of a service's queue. `body` is what its `text` says, `attributes` are the message's own.

    `sent_at`: when it was put into the queue; None if SQS does not say.
    """

    service: str
    id: str
    receipt: str
    kind: MessageKind
    reason: str
    body: Any
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    sent_at: datetime | None = None

    @property
    def tenant_id(self) -> str | None:
        """The tenant that it is about, None where it does not say."""
        return self._of_the_detail("tenantId")

    @property
    def operation_id(self) -> str | None:
        """The operation that it is about, None where it is of none."""
        return self._of_the_detail("operationId")

    def _of_the_detail(self, name: str) -> str | None:
        event = self.event()
        detail = event.get("detail") if isinstance(event, dict) else None
        value = detail.get(name) if isinstance(detail, dict) else None
        return value if isinstance(value, str) else None

    @property
    def cause(self) -> str:
        """The reason without what only this message has: its tenant's id, and ids of requests."""
        reason = _IDS.sub("<id>", self.reason)
        if not self.tenant_id:
            return reason
        return re.sub(rf"(?<![\w-]){re.escape(self.tenant_id)}(?![\w-])", "<tenant>", reason)

    def given(self) -> Any:
        """Return what its function was given: an event, or a slice of work."""
        if not isinstance(self.body, dict):
            return {}
        payload = self.body.get("requestPayload", self.body)
        # A queue's messages are texts, and a rejected one may be kept as it came.
        return _parsed(payload) if self.service in _OF_QUEUES and isinstance(payload, str) else payload

    def event(self) -> Any:
        """Return the event that it is about."""
        given = self.given()
        return given["event"] if _is_slice(given) else given

    def age(self, now: datetime) -> int | None:
        """Return for how long it lies there, in whole seconds."""
        return None if self.sent_at is None else max(0, round((now - self.sent_at).total_seconds()))

    def as_item(self, now: datetime) -> dict[str, Any]:
        """Return it as JSON has it in lists."""
        return {
            "service": self.service,
            "messageId": self.id,
            "kind": self.kind.value,
            "tenantId": self.tenant_id,
            "operationId": self.operation_id,
            "reason": self.reason,
            "sentAt": None if self.sent_at is None else rfc3339(self.sent_at),
            "ageSeconds": self.age(now),
        }

    def whole(self, now: datetime) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {**self.as_item(now), "attributes": self.attributes, "body": self.body}

    def export(self, now: datetime) -> str:
        """Return all of it as one line of JSON, without the line's end."""
        kept = {
            **self.as_item(now),
            "discardedAt": rfc3339(now),
            "attributes": self.attributes,
            "body": self.text,
        }
        return json.dumps(kept, ensure_ascii=False)


@dataclass(frozen=True)
class Selection:
    """Which messages a command is about. `reason`: anywhere, in any case; `older_than`: in seconds."""

    service: str | None = None
    kind: MessageKind | None = None
    message_id: str | None = None
    reason: str | None = None
    older_than: float | None = None

    def has(self, message: Message, now: datetime) -> bool:
        """Tell whether a message is among them."""
        return (
            self.kind in (None, message.kind)
            and self.message_id in (None, message.id)
            and (self.reason is None or self.reason.casefold() in message.reason.casefold())
            and (self.older_than is None or (message.age(now) or 0) >= self.older_than)
        )


def grouped(messages: Sequence[Message], now: datetime) -> list[dict[str, Any]]:
    """Return how many messages there are of each service, kind and cause, most first."""
    groups: dict[tuple[str, MessageKind, str], list[Message]] = {}
    for message in messages:
        groups.setdefault((message.service, message.kind, message.cause), []).append(message)
    rows = [
        {
            "service": service,
            "kind": kind.value,
            "reason": cause,
            "count": len(found),
            "oldestAgeSeconds": max((each.age(now) or 0 for each in found), default=0),
        }
        for (service, kind, cause), found in groups.items()
    ]
    return sorted(rows, key=lambda row: (-int(str(row["count"])), str(row["service"]), str(row["reason"])))


@dataclass
class Queue:
    """A service's dead-letter queue, and the messages of it that a command holds.

    `others`: how many more SQS counts there, which another reader holds or which it did not give.
    `wait_seconds`: of a long poll, which asks all of SQS's servers; a short one asks only some.
    """

    sqs: "SQSClient"
    service: str
    url: str
    clock: Clock
    wait_seconds: int = 1
    held: dict[str, Message] = field(default_factory=dict)
    others: int = 0
    _hidden_at: dict[str, datetime] = field(default_factory=dict)

    def take(self) -> None:
        """Take hold of what lies there: until SQS gives nothing more, and counts nothing more."""
        empty = 0
        while len(self.held) < _LOOK_MAX:
            requested_at = self.clock.now()
            messages = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=self.wait_seconds,
                MessageAttributeNames=["All"],
                AttributeNames=["SentTimestamp"],
            ).get("Messages", [])
            for found in messages:
                message = read(self.service, found)
                self.held[message.id] = message
                self._hidden_at[message.id] = requested_at
            self.renew()
            empty = 0 if messages else empty + 1
            if empty and (empty == _EMPTY_POLLS_MAX or not self._counted()[0]):
                break
        visible, hidden = self._counted()
        self.others = visible + max(0, hidden - len(self.held))

    def _counted(self) -> tuple[int, int]:
        """Return how many messages SQS counts that anybody may receive, and how many somebody holds."""
        found = self.sqs.get_queue_attributes(
            QueueUrl=self.url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return (
            int(found["ApproximateNumberOfMessages"]),
            int(found["ApproximateNumberOfMessagesNotVisible"]),
        )

    def renew(self) -> None:
        """Keep what is held hidden."""
        now = self.clock.now()
        due = [each for each in self.held.values() if now - self._hidden_at[each.id] >= _RENEW_AFTER]
        self._hide(due, HIDDEN_SECONDS)
        self._hidden_at |= {message.id: now for message in due}

    def release(self) -> None:
        """Let other readers see what is still held."""
        self._hide(list(self.held.values()), 0)
        self.held.clear()

    def _hide(self, messages: list[Message], seconds: int) -> None:
        for start in range(0, len(messages), _BATCH):
            # Entries that fail are no matter: their messages are gone, or may be seen again already.
            self.sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
                    for number, message in enumerate(messages[start : start + _BATCH])
                ],
            )

    def delete(self, message: Message) -> None:
        """Remove a message for good."""
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)
        del self.held[message.id]


@dataclass(frozen=True)
class Held:
    """What a command holds, of one or of all queues."""

    queues: dict[str, Queue]

    @property
    def messages(self) -> list[Message]:
        """All that is held, queue by queue."""
        return [message for queue in self.queues.values() for message in queue.held.values()]

    @property
    def others(self) -> dict[str, int]:
        """How many messages SQS counts besides, by service, where there are any."""
        return {service: queue.others for service, queue in self.queues.items() if queue.others}

    def renew(self) -> None:
        """Keep all of it hidden."""
        for queue in self.queues.values():
            queue.renew()

    def delete(self, message: Message) -> None:
        """Remove a message for good."""
        self.queues[message.service].delete(message)


@dataclass(frozen=True)
class Found:
    """What lies in the queues.

    `others`: how many more messages SQS counts in a service's queue, about. Another reader holds them, or
    they were not given; they are not among the messages.
    """

    messages: list[Message]
    others: dict[str, int]


@dataclass(frozen=True)
class Outcome:
    """What was done about a message: `redriven`, `discarded` or `left`, and why."""

    message: Message
    outcome: str
    detail: str = ""

    def as_item(self, now: datetime) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self.message.as_item(now), "outcome": self.outcome, "detail": self.detail}


REDRIVEN: Final = "redriven"
DISCARDED: Final = "discarded"
LEFT: Final = "left"


def look(environment: Environment, selection: Selection, clock: Clock) -> Found:
    """Return what lies in the queues, and leave it there.

    Raises:
        UsageError: the service has no queue.
    """
    with _held(environment, selection.service, clock) as held:
        return Found(_selected(held, selection, clock), held.others)


def _selected(held: Held, selection: Selection, clock: Clock) -> list[Message]:
    now = clock.now()
    return [message for message in held.messages if selection.has(message, now)]


def redrive(
    environment: Environment,
    selection: Selection,
    clock: Clock,
    *,
    only: frozenset[str] | None,
    rejected: bool,
    force: bool,
    before: Callable[[], None],
) -> Iterator[Outcome | Found]:
    """Bring messages back; yield what was found, and then what became of each.

    A message is removed only once it was handed over. Handing one over twice changes nothing: every step of
    the flow bears duplicates. So the command can be stopped and repeated at any time. `only`: no others than
    those with these ids. `rejected`: also those of events that were rejected; `force`: even where the event
    would be rejected again. `before` is called before something is sent.

    Raises:
        UsageError: the service has no queue.
    """
    with _held(environment, selection.service, clock) as held:
        found = [each for each in _selected(held, selection, clock) if only is None or each.id in only]
        yield Found(found, held.others)
        for message in found:
            held.renew()
            delivery = _Delivery(environment, message, clock, held.renew, before)
            detail = delivery.planned(rejected=rejected, force=force)
            outcome = Outcome(message, LEFT, detail) if detail else delivery.carried_out(force=force)
            if outcome.outcome == REDRIVEN:
                held.delete(message)
            yield outcome


def plan_redrive(
    environment: Environment, messages: Sequence[Message], clock: Clock, *, rejected: bool, force: bool
) -> list[Outcome]:
    """Say what redriving would do about each message: `redriven`, or `left` and why. Nothing is sent."""
    planned = []
    for message in messages:
        delivery = _Delivery(environment, message, clock, lambda: None, lambda: None)
        detail = delivery.planned(rejected=rejected, force=force)
        planned.append(Outcome(message, LEFT if detail else REDRIVEN, detail))
    return planned


def discard(
    environment: Environment,
    selection: Selection,
    clock: Clock,
    *,
    only: frozenset[str] | None,
    export: Path | None,
) -> Iterator[Outcome | Found]:
    """Remove messages for good; yield what was found, and then each that was removed.

    `export`: the file that keeps them, as lines of JSON. Each is written there, to the disk, before it is
    removed. What the file holds already stays. `only`: no others than those with these ids.

    Raises:
        UsageError: the service has no queue.
        CommandError: the file can't be written.
    """
    with _held(environment, selection.service, clock) as held:
        found = [each for each in _selected(held, selection, clock) if only is None or each.id in only]
        yield Found(found, held.others)
        for message in found:
            held.renew()
            if export is not None:
                _append(export, message.export(clock.now()))
            held.delete(message)
            yield Outcome(message, DISCARDED, f"kept in {export}" if export else "")


def _append(path: Path, line: str) -> None:
    try:
        # Not for everybody's eyes: events name tenants.
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(handle)
    except OSError as error:
        raise CommandError(
            f"{path} can't be written: {error.strerror}; nothing more was discarded"
        ) from error


@contextmanager
def _held(environment: Environment, service: str | None, clock: Clock) -> Iterator[Held]:
    """Take hold of the messages of one or all services; let go of those that are left."""
    urls = environment.deployment.dead_letter_queue_urls
    if service is not None and service not in urls:
        raise UsageError(f"{service} has no dead-letter queue: one of {', '.join(sorted(urls))}")
    sqs = environment.clients.sqs
    queues = {
        name: Queue(sqs, name, url, clock, environment.long_poll_seconds)
        for name, url in urls.items()
        if service in (None, name)
    }
    try:
        # Side by side, since each waits for what may still come.
        with ThreadPoolExecutor(len(queues) or 1) as pool:
            for taken in [pool.submit(queue.take) for queue in queues.values()]:
                taken.result()
        yield Held(queues)
    finally:
        for queue in queues.values():
            queue.release()


def read(service: str, message: Any) -> Message:
    """Return what a message says."""
    text = message["Body"]
    body = _parsed(text)
    attributes = {
        name: str(value.get("StringValue", ""))
        for name, value in (message.get("MessageAttributes") or {}).items()
    }
    sent = (message.get("Attributes") or {}).get("SentTimestamp")
    kind, reason = _kind(service, body, attributes)
    return Message(
        service=service,
        id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        kind=kind,
        reason=reason,
        body=body,
        text=text,
        attributes=attributes,
        sent_at=None if sent is None else datetime.fromtimestamp(int(sent) / 1000, UTC),
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_slice(body: Any) -> bool:
    return isinstance(body, dict) and "event" in body


def _kind(service: str, body: Any, attributes: dict[str, str]) -> tuple[MessageKind, str]:
    if not isinstance(body, dict):
        return MessageKind.UNKNOWN, "is not a JSON object"
    context = body.get("requestContext")
    condition = str(context.get("condition", "")) if isinstance(context, dict) else ""
    if "DDBStreamBatchInfo" in body:
        return MessageKind.STREAM, condition
    if "requestPayload" in body:
        response = body.get("responsePayload")
        reason = response.get("errorMessage") if isinstance(response, dict) else None
        kind = MessageKind.REJECTED if condition == "Rejected" else MessageKind.INVOCATION
        return kind, str(reason or condition)
    # EventBridge's attributes of what it could not deliver.
    said = [attributes[name] for name in ("ERROR_CODE", "ERROR_MESSAGE") if attributes.get(name)]
    if _is_slice(body) or ("detail-type" in body and service in _OF_QUEUES and not said):
        return MessageKind.QUEUE, "its function failed on it each time: see the log group"
    if "detail-type" in body:
        return MessageKind.EVENT, ": ".join(said) or "could not be delivered"
    return MessageKind.UNKNOWN, "has no known shape"


def _why_no_resources(record: Record) -> str:
    """Say why nobody onboards a tenant any more; empty if somebody does."""
    match record.get("status"):
        case {"S": TenantStatus.DELETED}:
            return "the tenant is gone"
        case {"S": TenantStatus.OFFBOARDING}:
            return "the tenant is being offboarded"
    return ""


def _why_no_operation(record: Record, event: OperationEvent) -> str:
    """Say why nothing would come of a request or a slice of an operation; empty if something would.

    Its function drops whatever the record is no longer at.
    """
    try:
        operation = parse_operation(records.read(record, (OPERATION,)))
    except InvalidFieldError as error:
        return str(error)
    same = (
        operation is not None
        and (operation.id, operation.phase) == (event.operation_id, event.phase)
        # One that was published, but not marked yet, is the next one.
        and event.attempt in (operation.attempt, operation.next_attempt)
    )
    if same and operation is not None and operation.is_under_way:
        return ""
    over = f"attempt {event.attempt} of its {event.phase} is over"
    if operation is not None and operation.id == event.operation_id:
        return f"{over}: its operation is at {operation.phase} {operation.state}; discard it"
    return f"{over}, and so is its operation: discard it"


@dataclass(frozen=True)
class _Delivery:
    """One message on its way back. `renew` keeps the messages held; `before` waits until it may be sent."""

    environment: Environment
    message: Message
    clock: Clock
    renew: Callable[[], None]
    before: Callable[[], None]

    def planned(self, *, rejected: bool, force: bool) -> str:
        """Say why the message is left; empty if it can be redriven."""
        match self.message.kind:
            case MessageKind.REJECTED if not rejected:
                return "it breaks the contract; --rejected redrives it if it no longer does"
            case MessageKind.REJECTED | MessageKind.INVOCATION | MessageKind.EVENT | MessageKind.QUEUE:
                return self._why_not(force=force)
            case MessageKind.STREAM:
                return ""
            case _:
                return "its kind is unknown"

    def _why_not(self, *, force: bool) -> str:
        try:
            found = self._addressee()
        except InvalidFieldError as error:
            return "" if force else f"would be rejected again: {error}"
        if found is None:
            return ""
        tenant_id, event = found
        try:
            return self._why_in_vain(self.environment.find(tenant_id), event)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        except BotoCoreError as error:
            return str(error)

    def _why_in_vain(self, record: Record | None, event: Event | None) -> str:
        """Say why nothing would come of it, by the record of its tenant; empty if something would."""
        if record is None:
            return "the tenant is gone"
        if self.message.service == PROVISIONER:
            return _why_no_resources(record)
        if isinstance(event, OperationEvent) and self.message.service in _OF_QUEUES:
            return _why_no_operation(record, event)
        return ""

    def _addressee(self) -> tuple[TenantId, Event | None] | None:
        """Return the tenant of an event, and the event, as its function reads it.

        None if nothing is known of the function. The event is None where it is invalid, and answered.

        Raises:
            InvalidFieldError: the function would reject the event.
        """
        service, found = self.message.service, self.message.event()
        if service not in _TAKEN:
            return None
        detail_type = found.get("detail-type") if isinstance(found, dict) else None
        taken = {each.DETAIL_TYPE: each for each in _TAKEN[service]}
        kind = taken.get(str(detail_type), _TAKEN[service][0])
        try:
            event = kind.parse(Envelope.open(found, kind).detail)
        except InvalidEventError as error:
            if service != PROVISIONER:
                raise
            return error.correlation.tenant_id, None  # answered with FAILED
        return event.tenant_id, event

    def carried_out(self, *, force: bool) -> Outcome:
        """Bring it back, and say what became of it."""
        try:
            if self.message.kind is MessageKind.STREAM:
                return self._request_those_of_the_stream(self.message.body["DDBStreamBatchInfo"])
            return self._hand_over(force=force)
        except ClientError as error:
            return self._left(error.response["Error"]["Code"])
        except BotoCoreError as error:
            return self._left(str(error))

    def _left(self, detail: str) -> Outcome:
        return Outcome(self.message, LEFT, detail)

    def _hand_over(self, *, force: bool) -> Outcome:
        detail = ""
        if force:
            try:
                self._addressee()
            except InvalidFieldError as error:
                detail = f"by force: will be rejected again: {error}"
        self.before()
        deployment, given = self.environment.deployment, self.message.given()
        queue = deployment.queue_urls.get(self.message.service)
        if queue is not None:
            text = given if isinstance(given, str) else json.dumps(given)
            self.environment.clients.sqs.send_message(QueueUrl=queue, MessageBody=text)
        elif self.message.service in _OF_QUEUES:
            return self._left("the outputs of this environment name no queue of this function: apply it anew")
        else:
            self.environment.clients.lambda_.invoke(
                FunctionName=deployment.lambda_function_names[self.message.service],
                InvocationType="Event",
                Payload=json.dumps(given).encode(),
            )
        return Outcome(self.message, REDRIVEN, detail)

    def _request_those_of_the_stream(self, batch: Any) -> Outcome:
        try:
            keys = self._keys_of_the_batch(batch)
        except (KeyError, TypeError, ValueError):
            return self._left("it does not say which records of the stream")
        except ClientError as error:
            if error.response["Error"]["Code"] not in _FORGOTTEN:
                raise
            return self._left(
                "the stream has forgotten these records; `tenkacloud tenants list --stuck` may have them"
            )
        if keys is None:
            return self._left(
                f"the stream gave {EMPTY_PAGES_MAX} empty pages before the end of the batch; try again"
            )
        outcomes = []
        for pk in keys:
            self.renew()
            if not pk.startswith(TENANT_PREFIX):
                continue
            record = self.environment.find(TenantId(pk.removeprefix(TENANT_PREFIX))) or {}
            if record.get("provisioningStatus") == PENDING:
                self.before()
                outcomes.append(request(self.environment, record))
        failed = [outcome.detail for outcome in outcomes if outcome.action is not Action.REQUESTED]
        if failed:
            return self._left(failed[0])
        detail = f"{len(outcomes)} of {len(keys)} tenants were still PENDING"
        return Outcome(self.message, REDRIVEN, detail)

    def _keys_of_the_batch(self, batch: Any) -> dict[str, Any] | None:
        """Return the keys of the tenant records in a batch of the stream, by PK; None: its end is missing.

        The end is the batch's last record, or one after it, or the end of the shard. An empty page is none of
        these: DynamoDB reads only so much for a page, and says by NextShardIterator that there is more.
        """
        streams = self.environment.clients.streams
        last = int(batch["endSequenceNumber"])
        iterator: str | None = streams.get_shard_iterator(
            StreamArn=batch["streamArn"],
            ShardId=batch["shardId"],
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=batch["startSequenceNumber"],
        )["ShardIterator"]
        keys: dict[str, Any] = {}
        empty = 0
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            for record in page["Records"]:
                number = int(record["dynamodb"]["SequenceNumber"])
                key: Any = record["dynamodb"]["Keys"]
                if number <= last and key["SK"] == {"S": METADATA}:
                    keys[key["PK"]["S"]] = key
                if number >= last:
                    return keys
            empty = 0 if page["Records"] else empty + 1
            if empty == EMPTY_PAGES_MAX:
                return None
            if empty:
                self.renew()
                self.clock.sleep(_EMPTY_PAGE_SECONDS)
            iterator = page.get("NextShardIterator")
        return keys
