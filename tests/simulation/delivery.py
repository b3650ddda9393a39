"""How what is published comes to the functions: as AWS documents it, or as an engine without retries does.

Rules and where they are from:

- Streams: order by key, at least once, batches; partial batch failures (from the lowest failed record on),
  bisecting, bounded retries and age, on-failure queue. Lambda developer guide, "Using AWS Lambda with Amazon
  DynamoDB", "error handling".
- EventBridge: at least once, no order, late now and then, retries of deliveries, then the
  dead-letter queue of the target.
- Asynchronous invocations: two retries, after one and two minutes; on-failure destination.
- Queues: at least once, no order, delays, a message that was not handled is visible again after a while, and
  after five receipts it goes to the dead-letter queue. SQS developer guide, "Visibility timeout",
  "Dead-letter queues".
- `no_retries`: a reported record is dropped, a batch that raises comes again for ever, events are handed over
  once and no error is retried (`docs/local-engine.md`). Queues are the same.
"""

import json
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from scripts.tooling.deployment import COMPLETION, PROVISIONING
from scripts.tooling.services import SERVICES
from tenkacloud.events.consumer import REPLAY_NAME
from tenkacloud.events.contract import Event
from tenkacloud.tenants.keys import IN_FLIGHT
from tenkacloud.tenants.operations import OUTBOX
from tests.support import consumed_events

if TYPE_CHECKING:
    from tests.simulation.simulator import Simulator

STREAM_RETRIES: Final = 20
STREAM_AGE: Final = 6 * 60 * 60
ASYNC_RETRIES: Final = 2
QUEUE_RECEIPTS: Final = 5
VISIBILITY: Final = 300.0
_LANES: Final = 2


@dataclass(frozen=True)
class DeadLetter:
    """What a function's dead-letter queue holds. `kind`: stream, event, invocation, queue or rejected."""

    function: str
    kind: str
    payload: Any


@dataclass
class Batch:
    """Stream records under way to the function."""

    records: list[dict[str, Any]]
    since: float
    attempts: int = 0


class Stream:
    """The table's stream, and its function."""

    def __init__(self, simulator: "Simulator") -> None:
        self.simulator = simulator
        self._lanes: dict[int, deque[Batch]] = {number: deque() for number in range(_LANES)}
        self._busy: set[int] = set()

    def put(self, record: dict[str, Any]) -> None:
        """Take a change of the table, if the filter lets it through."""
        body = record["dynamodb"]
        old, new = body.get("OldImage"), body.get("NewImage")
        if _lets_through(old, new):
            event = {**record, "eventID": f"{self.simulator.seed}-{int(body['SequenceNumber'])}"}
            self._queue(event, self.simulator.rng.uniform(0.05, 1), "stream")

    def redrive(self, record: dict[str, Any]) -> None:
        """Deliver a record of the dead-letter queue once more."""
        self._queue(record, 0.1, "redrive: stream record")

    def _queue(self, record: dict[str, Any], delay: float, what: str) -> None:
        pk = record["dynamodb"]["Keys"]["PK"]["S"]
        # Where nothing is retried there is one poller, too.
        lane = 0 if self.simulator.no_retries else zlib.crc32(pk.encode()) % _LANES
        self._lanes[lane].append(Batch([record], self.simulator.seconds))
        self.simulator.later(delay, f"{what}: {pk}", partial(self._pump, lane))

    def _pump(self, lane: int) -> None:
        queue = self._lanes[lane]
        if lane in self._busy or not queue:
            return
        self._busy.add(lane)
        first = queue.popleft()
        # Fresh records join in one batch, up to what the poller happens to find.
        room = self.simulator.rng.choice((1, 2, 5, 100))
        while queue and not first.attempts and not queue[0].attempts and len(first.records) < room:
            first.records += queue.popleft().records
        self._deliver(lane, first)

    def _deliver(self, lane: int, batch: Batch) -> None:
        simulator = self.simulator
        # A poller may deliver what it has delivered before.
        for _ in range(2 if simulator.rng.random() < 0.1 else 1):
            succeeded, response = simulator.invoke(PROVISIONING, {"Records": batch.records})
        rest = self._rest_of(batch, succeeded, response)
        for again in reversed(rest):
            expired = again.attempts > STREAM_RETRIES or simulator.seconds - again.since > STREAM_AGE
            if expired and not simulator.no_retries:
                simulator.dead_letters.append(DeadLetter(PROVISIONING, "stream", again.records))
                simulator.say(f"the stream retries {len(again.records)} records no more")
            else:
                self._lanes[lane].appendleft(again)
        self._busy.discard(lane)
        attempts = max((each.attempts for each in rest), default=0)
        wait = min(60.0, 0.5 * 2 ** min(attempts, 7)) if rest else 0.01
        if self._lanes[lane]:
            simulator.later(wait, "stream: next batch", lambda: self._pump(lane))

    def _rest_of(self, batch: Batch, succeeded: bool, response: Any) -> list[Batch]:
        """Return what is to be delivered again, in order."""
        if not succeeded:
            if self.simulator.no_retries or len(batch.records) == 1:
                return [Batch(batch.records, batch.since, batch.attempts + 1)]
            half = len(batch.records) // 2
            halves = (batch.records[:half], batch.records[half:])
            return [Batch(part, batch.since, max(batch.attempts, 1)) for part in halves]
        failed = {each["itemIdentifier"] for each in response["batchItemFailures"]}
        if not failed or self.simulator.no_retries:
            return []
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch.records]
        lowest = min(numbers.index(number) for number in failed)
        return [Batch(batch.records[lowest:], batch.since, batch.attempts + 1)]


def _lets_through(old: dict[str, Any] | None, new: dict[str, Any] | None) -> bool:
    """Whether the stream's filter lets a change through (module provisioning)."""
    if not new:
        return False
    if old and "S" in new.get(OUTBOX, {}):
        return True
    pending = {"S": "PENDING"}
    if new.get("provisioningStatus") != pending:
        return False
    return (old or {}).get("provisioningStatus") != pending or IN_FLIGHT.partition not in new


@dataclass
class Bus:
    """The event bus with its rules. `taken`: the archive, every event with when it came."""

    simulator: "Simulator"
    taken: int = 0

    def accept(self, source: str, detail_type: str, detail: dict[str, Any]) -> None:
        """Take an event, and deliver it: once, more often, soon or late; or never, maybe, without retries."""
        simulator = self.simulator
        event = self._envelope(source, detail_type, detail)
        calm = not simulator.may_fail()
        if (
            simulator.no_retries
            and not calm
            and (simulator.rng.random() < 0.2 or detail.get("tenantId") in simulator.silenced)
        ):
            simulator.say(f"  dropped: {detail_type} {detail.get('tenantId')}")
            return
        for _ in range(simulator.rng.choices((1, 2, 3), (16, 3, 1))[0]):
            delay = simulator.rng.choices(
                (
                    simulator.rng.uniform(0.01, 0.3),
                    simulator.rng.uniform(0.3, 60),
                    simulator.rng.uniform(60, 4000),
                ),
                (1, 0, 0) if calm else (12, 3, 1),
            )[0]
            for target in consumers().get((source, detail_type), ()):
                self.hand_over(target, event, delay)

    def deliver_again(self, source: str, detail_type: str, detail: dict[str, Any]) -> None:
        """Deliver an event once more: as a replay of the archive does, or as if it came out of a queue."""
        rng = self.simulator.rng
        replay = {REPLAY_NAME: "replay"} if rng.random() < 0.5 else {}
        event = {**self._envelope(source, detail_type, detail), **replay}
        for target in consumers().get((source, detail_type), ()):
            self.hand_over(target, event, rng.uniform(0.01, 2))

    def _envelope(self, source: str, detail_type: str, detail: dict[str, Any]) -> dict[str, Any]:
        self.taken += 1
        return {
            "id": f"{self.simulator.seed}-{self.taken}",
            "source": source,
            "detail-type": detail_type,
            "detail": detail,
        }

    def hand_over(self, function: str, event: dict[str, Any], delay: float, tries: int = 0) -> None:
        """Have a function invoked with an event, or put it into the function's queue, after some seconds."""
        simulator = self.simulator
        what = f"{event['detail-type']} {event['detail'].get('tenantId')} → {function}"

        def deliver() -> None:
            # EventBridge could not hand it over: it tries again, and in the end uses its target's queue.
            disturbed = simulator.may_fail() and not simulator.no_retries
            if disturbed and simulator.rng.random() < simulator.faults.rate / 4:
                if simulator.rng.random() < 0.05:
                    simulator.say(f"  undeliverable: {what}")
                    simulator.dead_letters.append(DeadLetter(function, "event", event))
                else:
                    self.hand_over(function, event, simulator.rng.uniform(1, 100))
                return
            if function in queued():
                simulator.queues.send(function, json.dumps(event), 0)
                return
            succeeded, _ = simulator.invoke(function, event)
            if succeeded and function == COMPLETION:
                simulator.look_whether_it_counts(event["detail"])
            if succeeded or simulator.no_retries:
                return
            if tries < ASYNC_RETRIES:
                self.hand_over(function, event, 60.0 * (tries + 1), tries + 1)
            else:
                simulator.say(f"  not retried any more: {what}")
                simulator.dead_letters.append(DeadLetter(function, "invocation", event))

        simulator.later(delay, what, deliver)


@dataclass
class Message:
    """A message of a queue."""

    id: str
    body: str
    receipts: int = 0


@dataclass
class Queues:
    """The functions' queues: one for each function that has one, handed over one message at a time."""

    simulator: "Simulator"
    sent: int = field(default=0)
    #: By receipt handle: seconds until a message comes again, where the function changed that.
    visible_after: dict[str, float] = field(default_factory=dict)

    def send(self, function: str, body: str, delay: float) -> None:
        """Take a message for a function."""
        self.sent += 1
        self._later(function, Message(f"{self.simulator.seed}-m{self.sent}", body), delay)

    def _later(self, function: str, message: Message, delay: float) -> None:
        wait = delay + self.simulator.rng.uniform(0.01, 0.2)
        self.simulator.later(
            wait, f"queue → {function}: {message.id}", partial(self._deliver, function, message)
        )

    def _deliver(self, function: str, message: Message) -> None:
        simulator = self.simulator
        if message.receipts >= QUEUE_RECEIPTS:
            simulator.say(f"  to the dead-letter queue: {message.id}")
            simulator.dead_letters.append(DeadLetter(function, "queue", message.body))
            return
        message.receipts += 1
        receipt = f"{message.id}-{message.receipts}"
        record = {
            "messageId": message.id,
            "receiptHandle": receipt,
            "body": message.body,
            "attributes": {"ApproximateReceiveCount": str(message.receipts)},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:queue:{function}",
        }
        succeeded, response = simulator.invoke(function, {"Records": [record]})
        if not succeeded or (response or {}).get("batchItemFailures"):
            self._later(function, message, self.visible_after.pop(receipt, VISIBILITY))
        elif simulator.may_fail() and simulator.rng.random() < 0.05:
            # At least once: soon, or when it would be visible again.
            self._later(function, message, simulator.rng.choice((0.0, VISIBILITY)))


def redrive(simulator: "Simulator") -> None:
    """Bring back what the dead-letter queues hold, but for events that break the contract."""
    messages = simulator.dead_letters
    simulator.dead_letters = [each for each in messages if each.kind == "rejected"]
    for message in messages:
        match message.kind:
            case "stream":
                for record in message.payload:
                    simulator.stream.redrive(record)
            case "queue":
                simulator.queues.send(message.function, message.payload, 0.1)
            case "event" | "invocation":
                simulator.bus.hand_over(message.function, message.payload, 0.1)


@cache
def consumers() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Return the services that take an event, by its source and detail type, as their consumers say it."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for name in SERVICES:
        for event in consumed_events(name):
            found[event.SOURCE, event.DETAIL_TYPE] = (*found.get((event.SOURCE, event.DETAIL_TYPE), ()), name)
    return found


@cache
def queued() -> frozenset[str]:
    """Return the services that have a queue before them: their settings name it."""
    return frozenset(
        name
        for name, service in SERVICES.items()
        if "queue_url" in service.load_bootstrap().Settings.__dataclass_fields__
    )


def event_for(service: str) -> type[Event]:
    """Return the event that a service consumes.

    Raises:
        LookupError: it consumes none.
    """
    for event in consumed_events(service):
        return event
    raise LookupError(f"{service} consumes no event")
