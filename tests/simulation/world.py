"""One run: the real handlers, in a world that delivers as AWS documents it, or as an engine without retries.

Virtual time, one thread, and one random generator: a seed says all. Rules and where they are from:

- Streams: order by key, at least once, batches; partial batch failures (from the lowest failed record on),
  bisecting, bounded retries and age, on-failure queue. Lambda developer guide, "Using AWS Lambda with Amazon
  DynamoDB", "error handling".
- EventBridge: at least once, no order, late now and then, retries of deliveries, then the
  dead-letter queue of the target.
- Asynchronous invocations: two retries, after one and two minutes; on-failure destination.
- `bare`: a reported record is dropped, a batch that raises comes again for ever, events are handed over once
  and no error is retried (`docs/local-engine.md`).
"""

import heapq
import io
import json
import random
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

import boto3

import provisioning.handler
import provisioning_completion.handler
import reconciler.handler
import tenant_provisioner.handler
from tenant_provisioner.side_by_side import one_by_one
from tenkacloud.platform import runtime
from tenkacloud.tenants import record as records
from tenkacloud.tenants.repository import TenantStore
from tests.simulation.cloud import State
from tests.simulation.faults import Crash, Fault, Faults, error_of
from tests.support import Context

PROVISIONING: Final = "provisioning"
PROVISIONER: Final = "tenant-provisioner"
COMPLETION: Final = "provisioning-completion"
RECONCILER: Final = "reconciler"
OPERATOR: Final = "operator"

_MODULES: Final = {
    PROVISIONING: provisioning.handler,
    PROVISIONER: tenant_provisioner.handler,
    COMPLETION: provisioning_completion.handler,
    RECONCILER: reconciler.handler,
}
_TARGETS: Final = {"TenantOnboarding": PROVISIONER, "TenantProvisioned": COMPLETION}
_LIMITS: Final = {PROVISIONING: 120, PROVISIONER: 60, COMPLETION: 60, RECONCILER: 300}  # seconds
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


@dataclass
class Simulator:
    """The world of one seed."""

    seed: int
    state: State
    rng: random.Random = field(init=False)
    bare: bool = field(init=False)
    faults: Faults = field(init=False)
    now: float = 0.0
    step: int = 0
    function: str = OPERATOR
    log: list[str] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)
    letters: list[tuple[str, str, Any]] = field(default_factory=list)  # function, kind, payload
    ignored: list[str] = field(default_factory=list)  # successes that a FAILED tenant did not get
    silenced: set[str] = field(default_factory=set)  # tenants whose events get lost, in a bare world
    _agenda: list[tuple[float, int, str, Callable[[], None]]] = field(default_factory=list)
    _order: int = 0
    _seen: int = 0
    _lanes: dict[int, deque[Batch]] = field(default_factory=lambda: {n: deque() for n in range(_LANES)})
    _busy: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 - to be repeatable
        self.bare = self.rng.random() < 0.3
        self.faults = Faults(self.rng, until=self.rng.choice((60.0, 600.0, 5000.0)))

    # --- time ---------------------------------------------------------------------------------------------

    def later(self, seconds: float, what: str, action: Callable[[], None]) -> None:
        """Put something on the agenda."""
        self._order += 1
        heapq.heappush(self._agenda, (self.now + seconds, self._order, what, action))

    def run(self, until: float) -> None:
        """Do what is on the agenda, up to a time."""
        while self._agenda and self._agenda[0][0] <= until:
            at, _, what, action = heapq.heappop(self._agenda)
            self.now = max(self.now, at)
            self.say(what)
            action()
        self.now = max(self.now, until)

    def next_at(self) -> float:
        """Return when the next thing happens."""
        return self._agenda[0][0]

    @property
    def idle(self) -> bool:
        """Whether nothing is on the agenda."""
        return not self._agenda

    def clock(self, _zone: object = UTC) -> datetime:
        """Return the virtual time."""
        return _EPOCH + timedelta(seconds=self.now)

    def say(self, line: str) -> None:
        """Take a line into the run's history."""
        self.log.append(f"{self.now:10.3f} {self.function:24} {line}")

    # --- calls --------------------------------------------------------------------------------------------

    def call(self, service: str, operation: str, client: Any, arguments: dict[str, Any]) -> Any:
        """Make an AWS call for the function that runs, with whatever goes wrong."""
        self.step += 1
        self.now += self.rng.uniform(0.002, 0.02)
        fault = None
        if self.function != OPERATOR:
            fault = self.faults.at(self.now, self.function, service, operation)
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
            self.now += 20
            raise error_of(fault, service, operation, client, arguments)
        return answer

    def _effect(self, service: str, operation: str, client: Any, arguments: dict[str, Any]) -> Any:
        if service == "events":
            return self._put_events(arguments["Entries"])
        if service == "sqs":
            self.letters.append((self.function, "rejected", json.loads(arguments["MessageBody"])))
            return {}
        if operation == "transact_write_items":
            return self.state.transact(arguments["TransactItems"])
        return getattr(client, operation)(**arguments)

    def _put_events(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        outcomes = []
        for entry in entries:
            refused = self.now < self.faults.until and self.rng.random() < self.faults.rate
            if refused:
                self.say(f"  entry refused: {_subject(entry)}")
                outcomes.append({"ErrorCode": "ThrottlingException"})
            else:
                self.accept(entry["Source"], entry["DetailType"], json.loads(entry["Detail"]))
                outcomes.append({"EventId": str(self.step)})
        return {"FailedEntryCount": sum("ErrorCode" in each for each in outcomes), "Entries": outcomes}

    def watch(self) -> None:
        """Take note of what changed in the table, and hand it to the stream."""
        for record in self.state.stream(self._seen):
            self._seen += 1
            body = record["dynamodb"]
            pk, sk = body["Keys"]["PK"]["S"], body["Keys"]["SK"]["S"]
            old, new = body.get("OldImage"), body.get("NewImage")
            self.changes.append(Changed(self.step, self.now, self.function, pk, sk, old, new))
            if sk == "METADATA" and _enters_pending(old, new):
                record["eventID"] = f"{self.seed}-{self._seen}"
                lane = self._lane_of(pk)
                self._lanes[lane].append(Batch([record], self.now))
                self.later(self.rng.uniform(0.05, 1), f"stream: {pk}", partial(self._pump, lane))

    # --- functions ----------------------------------------------------------------------------------------

    def invoke(self, function: str, event: Any) -> tuple[bool, Any]:
        """Run a function; return whether it succeeded, and its response."""
        context = Context(aws_request_id=f"{self.seed}-{self.step}")
        deadline = self.now + _LIMITS[function]
        context.get_remaining_time_in_millis = lambda: int((deadline - self.now) * 1000)  # type: ignore[method-assign]
        self.function, caller = function, self.function
        try:
            with redirect_stdout(io.StringIO()):
                response = _MODULES[function].handler(event, context)
        except (Exception, Crash) as error:  # noqa: BLE001 - as Lambda takes it
            self.say(f"failed: {type(error).__name__}: {error}")
            return False, None
        finally:
            self.function = caller
        return True, response

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
            if not self.bare and (again.attempts > STREAM_RETRIES or self.now - again.since > STREAM_AGE):
                self.letters.append((PROVISIONING, "stream", again.records))
                self.say(f"stream gives up {len(again.records)} records")
            else:
                self._lanes[lane].appendleft(again)
        self._busy.discard(lane)
        wait = min(60.0, 0.5 * 2 ** max((each.attempts for each in rest), default=0)) if rest else 0.01
        if self._lanes[lane]:
            self.later(wait, "stream: next batch", lambda: self._pump(lane))

    def _rest_of(self, batch: Batch, succeeded: bool, response: Any) -> list[Batch]:
        """Return what is to be delivered again, in order."""
        if not succeeded:
            if self.bare or len(batch.records) == 1:
                return [Batch(batch.records, batch.since, batch.attempts + 1)]
            half = len(batch.records) // 2
            halves = (batch.records[:half], batch.records[half:])
            return [Batch(part, batch.since, max(batch.attempts, 1)) for part in halves]
        failed = {each["itemIdentifier"] for each in response["batchItemFailures"]}
        if not failed or self.bare:
            return []
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch.records]
        lowest = min(numbers.index(number) for number in failed)
        return [Batch(batch.records[lowest:], batch.since, batch.attempts + 1)]

    def _lane_of(self, pk: str) -> int:
        # Where nothing is retried there is one poller, too.
        return 0 if self.bare else zlib.crc32(pk.encode()) % _LANES

    # --- events -------------------------------------------------------------------------------------------

    def accept(self, source: str, detail_type: str, detail: dict[str, Any]) -> None:
        """Take an event, and deliver it: once, more often, soon or late; in a bare world maybe never."""
        self.published.append(Published(self.step, detail_type, detail))
        event = {
            "id": f"{self.seed}-{len(self.published)}",
            "source": source,
            "detail-type": detail_type,
            "detail": detail,
        }
        calm = self.now >= self.faults.until
        if self.bare and not calm and (self.rng.random() < 0.2 or detail.get("tenantId") in self.silenced):
            self.say(f"  dropped: {detail_type} {detail.get('tenantId')}")
            return
        for _ in range(self.rng.choices((1, 2, 3), (16, 3, 1))[0]):
            delay = self.rng.choices(
                (self.rng.uniform(0.01, 0.3), self.rng.uniform(0.3, 60), self.rng.uniform(60, 4000)),
                (1, 0, 0) if calm else (12, 3, 1),
            )[0]
            self._hand_over(_TARGETS[detail_type], event, delay)

    def _hand_over(self, function: str, event: dict[str, Any], delay: float, tries: int = 0) -> None:
        what = f"{event['detail-type']} {event['detail'].get('tenantId')} → {function}"

        def deliver() -> None:
            # EventBridge could not hand it over: it tries again, and in the end uses its target's queue.
            if not self.bare and self.now < self.faults.until and self.rng.random() < self.faults.rate / 4:
                if self.rng.random() < 0.05:
                    self.say(f"  undeliverable: {what}")
                    self.letters.append((function, "event", event))
                else:
                    self._hand_over(function, event, self.rng.uniform(1, 100))
                return
            succeeded, _ = self.invoke(function, event)
            if succeeded and function == COMPLETION:
                self._look_whether_it_counts(event["detail"])
            if succeeded or self.bare:
                return
            if tries < ASYNC_RETRIES:
                self._hand_over(function, event, 60.0 * (tries + 1), tries + 1)
            else:
                self.say(f"  given up: {what}")
                self.letters.append((function, "invocation", event))

        self.later(delay, what, deliver)

    def _look_whether_it_counts(self, result: dict[str, Any]) -> None:
        """Take note of a success that was handled, and yet its tenant is FAILED and wants just that."""
        pk = f"TENANT#{result.get('tenantId')}"
        item = records.read(self.state.record(pk))
        attempt: Any = item.get("provisioningAttempt", 0)
        if (result.get("status"), item.get("provisioningStatus")) != ("COMPLETED", "FAILED"):
            return
        answers = (result.get("tier"), result.get("slug")) == (item.get("tier"), item.get("slug"))
        if answers and item.get("status") == "ACTIVE" and result["provisioningAttempt"] <= attempt + 1:
            self.ignored.append(f"{pk} is FAILED after a success of attempt {result['provisioningAttempt']}")

    # --- the operator -------------------------------------------------------------------------------------

    def redrive(self) -> None:
        """Bring back what the queues hold, but for events that break the contract."""
        letters, self.letters = self.letters, [each for each in self.letters if each[1] == "rejected"]
        for function, kind, payload in letters:
            if kind == "stream":
                for record in payload:
                    lane = self._lane_of(record["dynamodb"]["Keys"]["PK"]["S"])
                    self._lanes[lane].append(Batch([record], self.now))
                    self.later(0.1, "redrive: stream record", partial(self._pump, lane))
            elif kind != "rejected":
                self._hand_over(function, payload, 0.1)


def _enters_pending(old: dict[str, Any] | None, new: dict[str, Any] | None) -> bool:
    """Whether the stream's filter lets a change through (module provisioning)."""
    pending = {"S": "PENDING"}
    if not new or new.get("provisioningStatus") != pending:
        return False
    return (old or {}).get("provisioningStatus") != pending or "GSI3PK" not in new


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
    """A boto3 client whose calls go through the world that is current."""

    def __init__(self, service: str, real: Any, current: "Callable[[], Simulator]") -> None:
        self._service, self._real, self._current = service, real, current
        self.exceptions = getattr(real, "exceptions", None)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            return self._current().call(self._service, operation, self._real, arguments)

        return call


class Stage:
    """Holds the handlers, wired once to clients that ask for the current world."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.world: Simulator | None = None
        self._patches: list[Any] = []

    def __enter__(self) -> "Stage":
        real = {"dynamodb": self.state.dynamodb, "s3": self.state.s3}

        def client(service: str, **_: Any) -> Client:
            return Client(service, real.get(service, SimpleNamespace()), self._current)

        virtual = SimpleNamespace(now=lambda zone: self._current().clock(zone))
        self._patches = [
            mock.patch.object(boto3, "client", client),
            mock.patch.object(runtime, "datetime", virtual),
            # Threads would take their turns by chance.
            mock.patch.object(tenant_provisioner.handler, "side_by_side", one_by_one),
            mock.patch.object(TenantStore.__init__, "__defaults__", (lambda _seconds: None,)),
        ]
        for patch in self._patches:
            patch.start()
        self.rewire()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in reversed(self._patches):
            patch.stop()
        self.rewire()

    def rewire(self) -> None:
        """Have the handlers make their services anew."""
        for module in _MODULES.values():
            wiring: Any = getattr(module, "_service", None) or module._consumer
            wiring.cache_clear()
            module.logger.setLevel("CRITICAL")

    def new_world(self, seed: int) -> Simulator:
        """Empty the state and begin the world of a seed."""
        self.state.clear()
        self.world = Simulator(seed, self.state)
        return self.world

    def _current(self) -> Simulator:
        assert self.world
        return self.world
