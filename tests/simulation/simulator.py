"""One run: the real handlers, in an AWS that delivers as AWS documents it, or as an engine without retries.

Virtual time, one thread, and one random generator: a seed says all. Rules and where they are from:

- Streams: order by key, at least once, batches; partial batch failures (from the lowest failed record on),
  bisecting, bounded retries and age, on-failure queue. Lambda developer guide, "Using AWS Lambda with Amazon
  DynamoDB", "error handling".
- EventBridge: at least once, no order, late now and then, retries of deliveries, then the
  dead-letter queue of the target.
- Asynchronous invocations: two retries, after one and two minutes; on-failure destination.
- `no_retries`: a reported record is dropped, a batch that raises comes again for ever, events are handed over
  once and no error is retried (`docs/local-engine.md`).
"""

import heapq
import json
import random
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from typing import Any, Final

from scripts.tooling.deployment import COMPLETION, PROVISIONING
from scripts.tooling.services import SERVICES
from scripts.verification.flow import reconciling
from tenkacloud.events.contract import Event
from tenkacloud.platform.clients import Call, Clients, one_by_one
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.keys import IN_FLIGHT, METADATA, PARTITION, SORT, TENANT_PREFIX
from tenkacloud.tenants.record import read
from tests.simulation.cloud import State
from tests.simulation.faults import Crash, Fault, Faults, error_of
from tests.support import Context, Function, bootstrap, consumed_events

OPERATOR: Final = "operator"

#: How long a function may take, in seconds; any other a minute (Terraform, module lambda-function).
_LIMITS: Final = defaultdict(lambda: 60, {PROVISIONING: 120, reconciling.SERVICE: 300})
_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
STREAM_RETRIES: Final = 20
STREAM_AGE: Final = 6 * 60 * 60
ASYNC_RETRIES: Final = 2
_LANES: Final = 2


@dataclass(frozen=True)
class Published:
    """An event that EventBridge took, and when: `step` counts the calls of the run."""

    step: int
    detail_type: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class Changed:
    """A change of the table, as its stream shows it, and who made it."""

    step: int
    at: float
    writer: str
    pk: str
    sk: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None


@dataclass
class Batch:
    """Stream records under way to the function."""

    records: list[dict[str, Any]]
    since: float
    attempts: int = 0


@dataclass(frozen=True)
class DeadLetter:
    """What a function's dead-letter queue holds. `kind`: stream, event, invocation or rejected."""

    function: str
    kind: str
    payload: Any


@dataclass
class Simulator:
    """The simulated AWS of one seed, and the functions in it. It is the functions' clock, too."""

    seed: int
    state: State
    rng: random.Random = field(init=False)
    no_retries: bool = field(init=False)
    faults: Faults = field(init=False)
    seconds: float = 0.0  # since the beginning
    step: int = 0
    function: str = OPERATOR
    log: list[str] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # successes that a FAILED tenant did not get
    silenced: set[str] = field(default_factory=set)  # tenants whose events get lost, where nothing is retried
    _agenda: list[tuple[float, int, str, Callable[[], None]]] = field(default_factory=list)
    _order: int = 0
    _seen: int = 0
    _lanes: dict[int, deque[Batch]] = field(default_factory=lambda: {n: deque() for n in range(_LANES)})
    _busy: set[int] = field(default_factory=set)
    _functions: dict[str, Function] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 - to be repeatable
        random.seed(self.seed)  # the functions' own chance, for the jitter of their waits
        self.state.clear()
        self.no_retries = self.rng.random() < 0.3
        self.faults = Faults(self.rng, until=self.rng.choice((60.0, 600.0, 5000.0)))

    # --- time ---------------------------------------------------------------------------------------------

    def later(self, seconds: float, what: str, action: Callable[[], None]) -> None:
        """Put something on the agenda."""
        self._order += 1
        heapq.heappush(self._agenda, (self.seconds + seconds, self._order, what, action))

    def run(self, until: float) -> None:
        """Do what is on the agenda, up to a time."""
        while self._agenda and self._agenda[0][0] <= until:
            at, _, what, action = heapq.heappop(self._agenda)
            self.seconds = max(self.seconds, at)
            self.say(what)
            action()
        self.seconds = max(self.seconds, until)

    def next_at(self) -> float:
        """Return when the next thing happens."""
        return self._agenda[0][0]

    @property
    def idle(self) -> bool:
        """Whether nothing is on the agenda."""
        return not self._agenda

    def now(self) -> datetime:
        """Return the virtual time."""
        return _EPOCH + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.seconds += seconds

    def say(self, line: str) -> None:
        """Take a line into the run's history."""
        self.log.append(f"{self.seconds:10.3f} {self.function:24} {line}")

    # --- functions ------------------------------------------------------------------------------------------

    @cached_property
    def clients(self) -> "SimulatedClients":
        """The AWS clients of every function."""
        return SimulatedClients(self)

    # --- calls --------------------------------------------------------------------------------------------

    def call(self, service: str, operation: str, client: Any, arguments: dict[str, Any]) -> Any:
        """Make an AWS call for the function that runs, with whatever goes wrong."""
        self.step += 1
        self.seconds += self.rng.uniform(0.002, 0.02)
        fault = None
        if self.function != OPERATOR:
            fault = self.faults.at(self.seconds, self.function, service, operation)
        subject = _subject(arguments)
        if fault and fault not in (Fault.CRASH_AFTER, Fault.TIMEOUT_AFTER):
            self.say(f"  {operation} {subject}: {fault}")
            raise error_of(fault, service, operation, client, arguments)
        try:
            answer = self._effect(service, operation, client, arguments)
        except Exception as error:
            self.say(f"  {operation} {subject}: {type(error).__name__}")
            raise
        finally:
            self.watch()
        self.say(f"  {operation} {subject}{f': {fault}' if fault else ''}")
        if fault:
            self.seconds += 20
            raise error_of(fault, service, operation, client, arguments)
        return answer

    def _effect(self, service: str, operation: str, client: Any, arguments: dict[str, Any]) -> Any:
        if service == "events":
            return self._put_events(arguments["Entries"])
        if service == "sqs":
            self.dead_letters.append(
                DeadLetter(self.function, "rejected", json.loads(arguments["MessageBody"]))
            )
            return {}
        if operation == "transact_write_items":
            return self.state.transact(arguments["TransactItems"])
        return getattr(client, operation)(**arguments)

    def _put_events(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        outcomes = []
        for entry in entries:
            if self._may_fail() and self.rng.random() < self.faults.rate:
                self.say(f"  entry rejected: {_subject(entry)}")
                outcomes.append({"ErrorCode": "ThrottlingException"})
            else:
                self.accept(entry["Source"], entry["DetailType"], json.loads(entry["Detail"]))
                outcomes.append({"EventId": str(self.step)})
        return {"FailedEntryCount": sum("ErrorCode" in each for each in outcomes), "Entries": outcomes}

    def _may_fail(self) -> bool:
        """Whether things still go wrong."""
        return self.seconds < self.faults.until

    def watch(self) -> None:
        """Take note of what changed in the table, and hand it to the stream."""
        for record in self.state.stream(self._seen):
            self._seen += 1
            body = record["dynamodb"]
            pk, sk = body["Keys"][PARTITION]["S"], body["Keys"][SORT]["S"]
            old, new = body.get("OldImage"), body.get("NewImage")
            self.changes.append(Changed(self.step, self.seconds, self.function, pk, sk, old, new))
            if sk == METADATA and _enters_pending(old, new):
                record["eventID"] = f"{self.seed}-{self._seen}"
                lane = self._lane_of(pk)
                self._lanes[lane].append(Batch([record], self.seconds))
                self.later(self.rng.uniform(0.05, 1), f"stream: {pk}", partial(self._pump, lane))

    # --- functions ----------------------------------------------------------------------------------------

    def invoke(self, function: str, event: Any) -> tuple[bool, Any]:
        """Run a function; return whether it succeeded, and its response."""
        deadline = self.seconds + _LIMITS[function]
        context = Context(
            aws_request_id=f"{self.seed}-{self.step}",
            remaining=lambda: int((deadline - self.seconds) * 1000),
        )
        self.function, caller = function, self.function
        try:
            response = self._bootstrapped(function)(event, context)
        except (Exception, Crash) as error:  # noqa: BLE001 - as Lambda takes it
            self.say(f"failed: {type(error).__name__}: {error}")
            return False, None
        finally:
            self.function = caller
            # What Powertools does at the end of each invocation, where it also prints them.
            logger.clear_state()
            metrics.clear_metrics()
        return True, response

    def _bootstrapped(self, function: str) -> Function:
        """Return a function as it is wired at its cold start: one in each run."""
        if function not in self._functions:
            self._functions[function] = bootstrap(function, self.clients, self)
        return self._functions[function]

    # --- the stream ---------------------------------------------------------------------------------------

    def _pump(self, lane: int) -> None:
        queue = self._lanes[lane]
        if lane in self._busy or not queue:
            return
        self._busy.add(lane)
        first = queue.popleft()
        # Fresh records join in one batch, up to what the poller happens to find.
        room = self.rng.choice((1, 2, 5, 100))
        while queue and not first.attempts and not queue[0].attempts and len(first.records) < room:
            first.records += queue.popleft().records
        self._deliver(lane, first)

    def _deliver(self, lane: int, batch: Batch) -> None:
        # A poller may deliver what it has delivered before.
        for _ in range(2 if self.rng.random() < 0.1 else 1):
            succeeded, response = self.invoke(PROVISIONING, {"Records": batch.records})
        rest = self._rest_of(batch, succeeded, response)
        for again in reversed(rest):
            expired = again.attempts > STREAM_RETRIES or self.seconds - again.since > STREAM_AGE
            if expired and not self.no_retries:
                self.dead_letters.append(DeadLetter(PROVISIONING, "stream", again.records))
                self.say(f"the stream retries {len(again.records)} records no more")
            else:
                self._lanes[lane].appendleft(again)
        self._busy.discard(lane)
        wait = min(60.0, 0.5 * 2 ** max((each.attempts for each in rest), default=0)) if rest else 0.01
        if self._lanes[lane]:
            self.later(wait, "stream: next batch", lambda: self._pump(lane))

    def _rest_of(self, batch: Batch, succeeded: bool, response: Any) -> list[Batch]:
        """Return what is to be delivered again, in order."""
        if not succeeded:
            if self.no_retries or len(batch.records) == 1:
                return [Batch(batch.records, batch.since, batch.attempts + 1)]
            half = len(batch.records) // 2
            halves = (batch.records[:half], batch.records[half:])
            return [Batch(part, batch.since, max(batch.attempts, 1)) for part in halves]
        failed = {each["itemIdentifier"] for each in response["batchItemFailures"]}
        if not failed or self.no_retries:
            return []
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch.records]
        lowest = min(numbers.index(number) for number in failed)
        return [Batch(batch.records[lowest:], batch.since, batch.attempts + 1)]

    def _lane_of(self, pk: str) -> int:
        # Where nothing is retried there is one poller, too.
        return 0 if self.no_retries else zlib.crc32(pk.encode()) % _LANES

    # --- events -------------------------------------------------------------------------------------------

    def accept(self, source: str, detail_type: str, detail: dict[str, Any]) -> None:
        """Take an event, and deliver it: once, more often, soon or late; or never, maybe, without retries."""
        self.published.append(Published(self.step, detail_type, detail))
        event = {
            "id": f"{self.seed}-{len(self.published)}",
            "source": source,
            "detail-type": detail_type,
            "detail": detail,
        }
        calm = not self._may_fail()
        if (
            self.no_retries
            and not calm
            and (self.rng.random() < 0.2 or detail.get("tenantId") in self.silenced)
        ):
            self.say(f"  dropped: {detail_type} {detail.get('tenantId')}")
            return
        for _ in range(self.rng.choices((1, 2, 3), (16, 3, 1))[0]):
            delay = self.rng.choices(
                (self.rng.uniform(0.01, 0.3), self.rng.uniform(0.3, 60), self.rng.uniform(60, 4000)),
                (1, 0, 0) if calm else (12, 3, 1),
            )[0]
            for target in _consumers()[source, detail_type]:
                self._hand_over(target, event, delay)

    def _hand_over(self, function: str, event: dict[str, Any], delay: float, tries: int = 0) -> None:
        what = f"{event['detail-type']} {event['detail'].get('tenantId')} → {function}"

        def deliver() -> None:
            # EventBridge could not hand it over: it tries again, and in the end uses its target's queue.
            if self._may_fail() and not self.no_retries and self.rng.random() < self.faults.rate / 4:
                if self.rng.random() < 0.05:
                    self.say(f"  undeliverable: {what}")
                    self.dead_letters.append(DeadLetter(function, "event", event))
                else:
                    self._hand_over(function, event, self.rng.uniform(1, 100))
                return
            succeeded, _ = self.invoke(function, event)
            if succeeded and function == COMPLETION:
                self._look_whether_it_counts(event["detail"])
            if succeeded or self.no_retries:
                return
            if tries < ASYNC_RETRIES:
                self._hand_over(function, event, 60.0 * (tries + 1), tries + 1)
            else:
                self.say(f"  not retried any more: {what}")
                self.dead_letters.append(DeadLetter(function, "invocation", event))

        self.later(delay, what, deliver)

    def _look_whether_it_counts(self, result: dict[str, Any]) -> None:
        """Take note of a success that was handled, and yet its tenant is FAILED and wants just that."""
        pk = f"{TENANT_PREFIX}{result.get('tenantId')}"
        item = read(self.state.record(pk))
        attempt: Any = item.get("provisioningAttempt", 0)
        if (result.get("status"), item.get("provisioningStatus")) != ("COMPLETED", "FAILED"):
            return
        answers = (result.get("tier"), result.get("slug")) == (item.get("tier"), item.get("slug"))
        if answers and item.get("status") == "ACTIVE" and result["provisioningAttempt"] <= attempt + 1:
            self.ignored.append(f"{pk} is FAILED after a success of attempt {result['provisioningAttempt']}")

    # --- the operator -------------------------------------------------------------------------------------

    def redrive(self) -> None:
        """Bring back what the queues hold, but for events that break the contract."""
        messages = self.dead_letters
        self.dead_letters = [each for each in messages if each.kind == "rejected"]
        for message in messages:
            if message.kind == "stream":
                for record in message.payload:
                    lane = self._lane_of(record["dynamodb"]["Keys"]["PK"]["S"])
                    self._lanes[lane].append(Batch([record], self.seconds))
                    self.later(0.1, "redrive: stream record", partial(self._pump, lane))
            elif message.kind != "rejected":
                self._hand_over(message.function, message.payload, 0.1)


def _enters_pending(old: dict[str, Any] | None, new: dict[str, Any] | None) -> bool:
    """Whether the stream's filter lets a change through (module provisioning)."""
    pending = {"S": "PENDING"}
    if not new or new.get("provisioningStatus") != pending:
        return False
    return (old or {}).get("provisioningStatus") != pending or IN_FLIGHT.partition not in new


def _subject(arguments: dict[str, Any]) -> str:
    if "Detail" in arguments:
        return f"{arguments['DetailType']} {json.loads(arguments['Detail']).get('tenantId')}"
    if "Entries" in arguments:
        return ", ".join(_subject(entry) for entry in arguments["Entries"])
    if "TransactItems" in arguments:
        updates = [item["Update"] for item in arguments["TransactItems"] if "Update" in item]
        values = [update.get("ExpressionAttributeValues", {}) for update in updates]
        return ", ".join(
            f"{update['Key']['PK']['S']} → {value.get(':provisioningStatus', {}).get('S', 'listed')}"
            for update, value in zip(updates, values, strict=True)
        )
    return str(arguments.get("Key") or arguments.get("Bucket") or "")


class Client:
    """A boto3 client whose calls go through a simulator."""

    def __init__(self, service: str, real: Any, simulator: Simulator) -> None:
        self._service, self._real, self._simulator = service, real, simulator
        self.exceptions = getattr(real, "exceptions", None)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **arguments: self._simulator.call(self._service, operation, self._real, arguments)


class SimulatedClients(Clients):
    """The clients of the functions of one simulator. Calls that go together go one after another."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def together(self, calls: Sequence[Call], threads: int = 1) -> list[BaseException | None]:
        """Make the calls in their order: threads would take their turns by chance."""
        return one_by_one(calls)

    def _make(self, service: Any, **_: Any) -> Any:
        state = self._simulator.state
        real = {"dynamodb": state.dynamodb, "s3": state.s3}
        return Client(service, real.get(service), self._simulator)


def event_for(service: str) -> type[Event]:
    """Return the event that a service consumes.

    Raises:
        LookupError: it consumes none.
    """
    for event in consumed_events(service):
        return event
    raise LookupError(f"{service} consumes no event")


@cache
def _consumers() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Return the services that take an event, by its source and detail type, as their consumers say it."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for name in SERVICES:
        for event in consumed_events(name):
            found[event.SOURCE, event.DETAIL_TYPE] = (*found.get((event.SOURCE, event.DETAIL_TYPE), ()), name)
    return found
