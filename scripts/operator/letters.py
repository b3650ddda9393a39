"""The dead-letter queues: what lies there, bringing it back, and taking away what nobody can use.

Four kinds of messages come here. `rejected`: our functions' own, of events that break the contract; they are
redriven only when asked for, and only if they would not be rejected again. `invocation`: Lambda's, of events
that a function failed on. `event`: EventBridge's, of events that it could not hand over. `stream`: Lambda's,
of stream records that were given up; it names no tenant, so the stream is read for them, which forgets after
24 hours.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from scripts.operator.environment import Environment
from scripts.operator.pace import Pace
from scripts.operator.tenants import PENDING, ask_again
from scripts.tooling.deployment import COMPLETION, PROVISIONER
from scripts.tooling.project import CommandError, UsageError
from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import Envelope, InvalidEventError
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clock import SystemClock, rfc3339
from tenkacloud.tenants.keys import METADATA, TENANT_PREFIX
from tenkacloud.tenants.validation import TenantId, TenantStatus

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: For how long messages are hidden from other readers: renewed while a command works, soon over if it dies.
HIDDEN_SECONDS: Final = 60
_RENEW_SECONDS: Final = 20.0
_LOOK_MAX: Final = 10_000  # of one queue
_BATCH: Final = 10  # messages in one call; SQS's limit
_WAIT_SECONDS: Final = 1  # of a long poll: it asks all of SQS's servers, a short one only some
_EMPTY_POLLS_MAX: Final = 5  # in a row, while SQS counts messages that it does not give

#: Pages without records, in a row, after which the reading of a stream is put off. DynamoDB returns such
#: pages freely: how many says nothing.
EMPTY_PAGES_MAX: Final = 100
_EMPTY_PAGE_SECONDS: Final = 0.25  # a shard may be read five times a second
_FORGOTTEN: Final = ("TrimmedDataAccessException", "ResourceNotFoundException")


@dataclass(frozen=True)
class Letter:
    """A message of a service's queue. `body` is what its `text` says, `attributes` are the message's own."""

    service: str
    id: str
    receipt: str
    kind: str
    reason: str
    body: Any
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def tenant_id(self) -> str | None:
        """The tenant that it is about, None where it does not say."""
        event = self.event()
        detail = event.get("detail") if isinstance(event, dict) else None
        tenant_id = detail.get("tenantId") if isinstance(detail, dict) else None
        return tenant_id if isinstance(tenant_id, str) else None

    def event(self) -> Any:
        """Return the event that it is about."""
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

    def export(self, now: str) -> str:
        """Return all of it as one line of JSON, without the line's end."""
        kept = {**self.summary(), "discardedAt": now, "attributes": self.attributes, "body": self.text}
        return json.dumps(kept, ensure_ascii=False)


@dataclass
class Queue:
    """A service's dead-letter queue, and the messages of it that a command holds.

    `others`: how many more SQS counts there, which another reader holds or which it did not give.
    """

    sqs: "SQSClient"
    service: str
    url: str
    held: dict[str, Letter] = field(default_factory=dict)
    others: int = 0
    _hidden_at: dict[str, float] = field(default_factory=dict)

    def take(self) -> None:
        """Take hold of what lies there: until SQS gives nothing more, and counts nothing more."""
        empty = 0
        while len(self.held) < _LOOK_MAX:
            asked_at = time.monotonic()
            messages = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=_WAIT_SECONDS,
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            for message in messages:
                letter = read(self.service, message)
                self.held[letter.id] = letter
                self._hidden_at[letter.id] = asked_at
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
        now = time.monotonic()
        due = [letter for letter in self.held.values() if now - self._hidden_at[letter.id] >= _RENEW_SECONDS]
        self._hide(due, HIDDEN_SECONDS)
        self._hidden_at |= {letter.id: now for letter in due}

    def release(self) -> None:
        """Let other readers see what is still held."""
        self._hide(list(self.held.values()), 0)
        self.held.clear()

    def _hide(self, letters: list[Letter], seconds: int) -> None:
        for start in range(0, len(letters), _BATCH):
            # Entries that fail are no matter: their messages are gone, or may be seen again already.
            self.sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": seconds}
                    for number, letter in enumerate(letters[start : start + _BATCH])
                ],
            )

    def delete(self, letter: Letter) -> None:
        """Remove a message for good."""
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=letter.receipt)
        del self.held[letter.id]


@dataclass(frozen=True)
class Held:
    """What a command holds, of one or of all queues."""

    queues: dict[str, Queue]

    @property
    def letters(self) -> list[Letter]:
        """All that is held, queue by queue."""
        return [letter for queue in self.queues.values() for letter in queue.held.values()]

    @property
    def others(self) -> dict[str, int]:
        """How many messages SQS counts besides, by service, where there are any."""
        return {service: queue.others for service, queue in self.queues.items() if queue.others}

    def renew(self) -> None:
        """Keep all of it hidden."""
        for queue in self.queues.values():
            queue.renew()

    def delete(self, letter: Letter) -> None:
        """Remove a message for good."""
        self.queues[letter.service].delete(letter)


@dataclass(frozen=True)
class Result:
    """What a command found or did: for each message its summary, maybe with an `outcome`.

    `others`: how many more messages SQS counts in a service's queue, about. Another reader holds them, or
    they were not given; they are not among the rows.
    """

    rows: list[dict[str, Any]]
    others: dict[str, int]


def look(environment: Environment, service: str | None) -> tuple[list[Letter], dict[str, int]]:
    """Return what lies in the queues, and leave it there; and how many more SQS counts, as in `Result`.

    Raises:
        UsageError: the service has no queue.
    """
    with _held(environment, service) as held:
        return held.letters, held.others


def redrive(
    environment: Environment, service: str | None, pace: Pace, *, rejected: bool, force: bool = False
) -> Result:
    """Bring messages back; each row has an `outcome`.

    A message is removed only once it was handed over. Handing one over twice changes nothing: every step of
    the flow bears duplicates. So the command can be stopped and repeated at any time. `rejected`: also those
    of events that were rejected; `force`: even where the event would be rejected again.

    Raises:
        UsageError: the service has no queue.
    """
    done = []
    with _held(environment, service) as held:
        for letter in pace.over("redriving", held.letters):
            held.renew()
            outcome = _bring_back(environment, letter, held.renew, rejected=rejected, force=force)
            if outcome.startswith("redriven"):
                held.delete(letter)
            done.append({**letter.summary(), "outcome": outcome})
        return Result(done, held.others)


def discard(
    environment: Environment,
    service: str | None,
    wanted: Callable[[Letter], bool],
    export: Path | None,
) -> Result:
    """Remove messages for good; return a row for each. `export`: the file that keeps them, as lines of JSON.

    Each is written there, to the disk, before it is removed. What the file holds already stays.

    Raises:
        UsageError: the service has no queue.
        CommandError: the file can't be written.
    """
    done = []
    with _held(environment, service) as held:
        for letter in filter(wanted, held.letters):
            held.renew()
            if export is not None:
                _append(export, letter.export(rfc3339(SystemClock().now())))
            held.delete(letter)
            done.append({**letter.summary(), "outcome": "discarded"})
        return Result(done, held.others)


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
def _held(environment: Environment, service: str | None) -> Iterator[Held]:
    """Take hold of the messages of one or all services; let go of those that are left."""
    urls = environment.deployment.dead_letter_queue_urls
    if service is not None and service not in urls:
        raise UsageError(f"{service} has no dead-letter queue: one of {', '.join(sorted(urls))}")
    sqs = environment.clients.sqs
    queues = {name: Queue(sqs, name, url) for name, url in urls.items() if service in (None, name)}
    try:
        # Side by side, since each waits for what may still come.
        with ThreadPoolExecutor(len(queues) or 1) as pool:
            for taken in [pool.submit(queue.take) for queue in queues.values()]:
                taken.result()
        yield Held(queues)
    finally:
        for queue in queues.values():
            queue.release()


def read(service: str, message: Any) -> Letter:
    """Return what a message says."""
    text = message["Body"]
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    attributes = {
        name: str(value.get("StringValue", ""))
        for name, value in (message.get("MessageAttributes") or {}).items()
    }
    kind, reason = _kind(body, attributes)
    return Letter(
        service, message["MessageId"], message["ReceiptHandle"], kind, reason, body, text, attributes
    )


def _kind(body: Any, attributes: dict[str, str]) -> tuple[str, str]:
    if not isinstance(body, dict):
        return "unknown", "is no JSON object"
    context = body.get("requestContext")
    condition = str(context.get("condition", "")) if isinstance(context, dict) else ""
    if "DDBStreamBatchInfo" in body:
        return "stream", condition
    if "requestPayload" in body:
        response = body.get("responsePayload")
        reason = response.get("errorMessage") if isinstance(response, dict) else None
        return ("rejected" if condition == "Rejected" else "invocation"), str(reason or condition)
    if "detail-type" in body:
        # EventBridge's attributes of what it could not deliver.
        said = [attributes[name] for name in ("ERROR_CODE", "ERROR_MESSAGE") if attributes.get(name)]
        return "event", ": ".join(said) or "could not be delivered"
    return "unknown", "is of no known shape"


def _bring_back(
    environment: Environment, letter: Letter, renew: Callable[[], None], *, rejected: bool, force: bool
) -> str:
    try:
        match letter.kind:
            case "rejected" if not rejected:
                return "left: it breaks the contract; REJECTED=1 redrives it if it does no longer"
            case "rejected" | "invocation" | "event":
                return _hand_over(environment, letter, force=force)
            case "stream":
                return _ask_for_those_of_the_stream(environment, letter.body["DDBStreamBatchInfo"], renew)
            case _:
                return "left: nobody knows what it is"
    except ClientError as error:
        return f"left: {error.response['Error']['Code']}"
    except BotoCoreError as error:
        return f"left: {error}"


def _hand_over(environment: Environment, letter: Letter, *, force: bool) -> str:
    """Hand an event to its function, unless that would bring back what is gone, or the event again."""
    event = letter.event()
    try:
        tenant_id = _addressee(letter.service, event)
    except InvalidFieldError as error:
        if not force:
            return f"left: would be rejected again: {error}"
        _invoke(environment, letter.service, event)
        return f"redriven by force: will be rejected again: {error}"
    if tenant_id is not None and _is_gone(environment, letter.service, tenant_id):
        return "left: the tenant is gone"
    _invoke(environment, letter.service, event)
    return "redriven"


def _addressee(service: str, event: Any) -> TenantId | None:
    """Return the tenant of an event, as its function reads it; None if nothing is known of the function.

    Raises:
        InvalidFieldError: the function would reject the event.
    """
    if service == PROVISIONER:
        try:
            return TenantOnboarding.parse(Envelope.open(event, TenantOnboarding).detail).tenant_id
        except InvalidEventError as error:
            return error.correlation.tenant_id  # answered with FAILED
    if service == COMPLETION:
        return ProvisioningResult.parse(Envelope.open(event, ProvisioningResult).detail).tenant_id
    return None


def _is_gone(environment: Environment, service: str, tenant_id: TenantId) -> bool:
    """Tell whether a tenant has no record, or is DELETED and its onboarding would make resources for it."""
    key: Any = {"PK": {"S": f"{TENANT_PREFIX}{tenant_id}"}, "SK": {"S": METADATA}}
    found = environment.clients.dynamodb.get_item(
        TableName=environment.deployment.table_name, Key=key, ConsistentRead=True
    ).get("Item")
    if not found:
        return True
    return service == PROVISIONER and found.get("status") == {"S": TenantStatus.DELETED.value}


def _invoke(environment: Environment, service: str, payload: Any) -> None:
    environment.clients.lambda_.invoke(
        FunctionName=environment.deployment.lambda_function_names[service],
        InvocationType="Event",
        Payload=json.dumps(payload).encode(),
    )


def _ask_for_those_of_the_stream(environment: Environment, batch: Any, renew: Callable[[], None]) -> str:
    try:
        keys = _keys_of_the_batch(environment, batch, renew)
    except (KeyError, TypeError, ValueError):
        return "left: it does not say which records of the stream"
    except ClientError as error:
        if error.response["Error"]["Code"] not in _FORGOTTEN:
            raise
        return "left: the stream has forgotten these records; their tenants may be in STUCK=1"
    if keys is None:
        return f"left: the stream gave {EMPTY_PAGES_MAX} empty pages before the end of the batch; try again"
    outcomes = []
    for pk, key in keys.items():
        renew()
        found = environment.clients.dynamodb.get_item(
            TableName=environment.deployment.table_name, Key=key, ConsistentRead=True
        ).get("Item", {})
        if pk.startswith(TENANT_PREFIX) and found.get("provisioningStatus") == PENDING:
            outcomes.append(ask_again(environment, dict(found)))
    if any(outcome != "asked for" for outcome in outcomes):
        return f"left: {next(outcome for outcome in outcomes if outcome != 'asked for')}"
    return f"redriven: {len(outcomes)} of {len(keys)} tenants were still PENDING"


def _keys_of_the_batch(
    environment: Environment, batch: Any, renew: Callable[[], None]
) -> dict[str, Any] | None:
    """Return the keys of the tenant records in a batch of the stream, by PK; None if its end is not reached.

    The end is the batch's last record, or one after it, or the end of the shard. An empty page is none of
    these: DynamoDB reads only so much for a page, and says by NextShardIterator that there is more.
    """
    streams = environment.clients.streams
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
            renew()
            time.sleep(_EMPTY_PAGE_SECONDS)
        iterator = page.get("NextShardIterator")
    return keys
