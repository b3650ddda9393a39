"""One run: the real handlers, in an AWS that delivers as AWS documents it, or as an engine without retries.

Virtual time, one thread, and one random generator: a seed says all. A function is one call in Python, but at
any of its AWS calls others may have their turn: what is due meanwhile happens inside the call.
"""

import heapq
import json
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import ClientError

from scripts.tooling.deployment import PROBLEM_DATA, PROVISIONING
from scripts.verification.flow import reconciling
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.keys import CERTIFICATE, METADATA, PARTITION, SORT, TENANT_PREFIX
from tenkacloud.tenants.record import read
from tests.settings import ENVIRONMENT
from tests.simulation.aws import iam
from tests.simulation.aws.errors import error
from tests.simulation.clients import SimulatedClients
from tests.simulation.cloud import State
from tests.simulation.delivery import Bus, DeadLetter, Queues, Stream
from tests.simulation.faults import Crash, Fault, Faults, error_of
from tests.simulation.slicing import cut
from tests.support import Context, Function, bootstrap

OPERATOR: Final = "operator"

#: How long a function may take, in seconds; any other a minute (Terraform, module lambda-function).
_LIMITS: Final = defaultdict(lambda: 60, {PROVISIONING: 120, reconciling.SERVICE: 300, PROBLEM_DATA: 29})
EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
#: The waits of an environment, as the functions are given them here: in seconds.
VARIABLES: Final = {
    "drain_seconds": "35",
    "retire_after_seconds": "600",
    "verify_again_after_seconds": "600",
}
#: How often a tenant's write is slow, where anything is.
_SLOW: Final = 0.4
#: Functions that are in the middle of each other's calls, at most.
_DEPTH_MAX: Final = 4
#: The calls that change what tenants keep.
_WRITES: Final = frozenset(
    {
        "put_object",
        "copy_object",
        "delete_object",
        "delete_objects",
        "complete_multipart_upload",
        "put_item",
        "update_item",
        "delete_item",
        "batch_write_item",
        "create_bucket",
        "delete_bucket",
    }
)


_WAITS: Final = {name.upper(): value for name, value in VARIABLES.items()}


class UnknownCallError(BaseException):
    """A function makes a call that the simulated AWS does not know: no failure of the function."""


@dataclass(frozen=True)
class Published:
    """An event that EventBridge took, and when: `step` counts the calls of the run."""

    step: int
    source: str
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


@dataclass(frozen=True)
class Write:
    """A call that changed what tenants keep. `tenant` and `role` are the session's, if it was one's."""

    step: int
    at: float
    function: str
    tenant: str | None
    role: str | None
    operation: str
    arguments: dict[str, Any]

    @property
    def keys(self) -> list[str]:
        """The keys of the objects that it changed."""
        if "Delete" in self.arguments:
            return [each["Key"] for each in self.arguments["Delete"]["Objects"]]
        return [self.arguments["Key"]] if isinstance(self.arguments.get("Key"), str) else []


@dataclass
class Simulator:
    """The simulated AWS of one seed, and the functions in it. It is the functions' clock, too."""

    seed: int
    state: State
    rng: random.Random = field(init=False)
    no_retries: bool = field(init=False)
    faults: Faults = field(init=False)
    pauses: float = field(init=False)  # how often others have their turn at a call
    seconds: float = 0.0  # since the beginning
    step: int = 0
    function: str = OPERATOR
    log: list[str] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # successes that a FAILED tenant did not get
    #: What was left of a tenant when its certificate was written.
    early_certificates: list[str] = field(default_factory=list)
    silenced: set[str] = field(default_factory=set)  # tenants whose events get lost, where nothing is retried
    _agenda: list[tuple[float, int, str, Callable[[], None]]] = field(default_factory=list)
    _order: int = 0
    _seen: int = 0
    _depth: int = 0
    _deadline: float = float("inf")
    _functions: dict[tuple[str, int], Function] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 - to be repeatable
        random.seed(self.seed)  # the functions' own chance, for the jitter of their waits
        self.state.clear(page=self.rng.choice((1, 2, 2, 3, 1000)))
        self.state.clock = self.now
        self.no_retries = self.rng.random() < 0.3
        self.faults = Faults(self.rng, until=self.rng.choice((60.0, 600.0, 5000.0)))
        self.pauses = self.rng.choice((0.0, 0.02, 0.1))
        cut(self.rng)
        self.stream = Stream(self)
        self.bus = Bus(self)
        self.queues = Queues(self)

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
        return EPOCH + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass: for a function that sleeps, with all that happens meanwhile."""
        if self.function == OPERATOR:
            self.seconds += seconds
        else:
            self._let_others_have_their_turn(seconds)

    def say(self, line: str) -> None:
        """Take a line into the run's history."""
        self.log.append(f"{self.seconds:10.3f} {'  ' * self._depth}{self.function:24} {line}")

    def may_fail(self) -> bool:
        """Whether things still go wrong."""
        return self.seconds < self.faults.until

    def _may_pause(self) -> bool:
        return self.pauses > 0 and self._depth < _DEPTH_MAX and self.may_fail()

    def _let_others_have_their_turn(self, pause: float) -> None:
        """Let happen what is due in the next seconds, in the middle of the function that runs."""
        function, self.function = self.function, OPERATOR
        deadline, self._deadline = self._deadline, float("inf")
        self._depth += 1
        try:
            self.run(self.seconds + pause)
        finally:
            self._depth -= 1
            self.function, self._deadline = function, deadline

    # --- calls --------------------------------------------------------------------------------------------

    @cached_property
    def clients(self) -> SimulatedClients:
        """The AWS clients of every function."""
        return SimulatedClients(self)

    def call(self, service: str, operation: str, arguments: dict[str, Any], token: str | None = None) -> Any:
        """Make an AWS call for the function that runs, with whatever goes wrong. `token`: of a session."""
        self.step += 1
        self.seconds += self.rng.uniform(0.002, 0.02)
        fault = None
        if self.function != OPERATOR:
            # A tenant's write that takes its time is what moves have to wait for.
            slow = self.function == PROBLEM_DATA and operation in ("put_object", "delete_object")
            if self._may_pause() and self.rng.random() < (_SLOW if slow else self.pauses):
                longest = self.rng.choice((0.5, 5.0, 28.0))
                self._let_others_have_their_turn(self.rng.uniform(0, longest))
            if self.seconds > self._deadline:
                raise Crash("its time is over")
            fault = self.faults.at(self.seconds, self.function, service, operation)
        subject = _subject(arguments)
        if fault and fault not in (Fault.CRASH_AFTER, Fault.TIMEOUT_AFTER):
            self.say(f"  {operation} {subject}: {fault}")
            raise error_of(fault, service, operation, arguments)
        try:
            answer = self._effect(service, operation, arguments, token)
        except Exception as failure:
            code = failure.response["Error"]["Code"] if isinstance(failure, ClientError) else failure
            self.say(f"  {operation} {subject}: {type(failure).__name__} {code}")
            raise
        finally:
            self.watch()
        self.say(f"  {operation} {subject}{f': {fault}' if fault else ''}")
        if fault:
            self.seconds += 20
            raise error_of(fault, service, operation, arguments)
        return answer

    def _effect(self, service: str, operation: str, arguments: dict[str, Any], token: str | None) -> Any:
        if service == "events":
            return self._put_events(arguments["Entries"])
        if service == "sqs":
            if operation == "change_message_visibility":
                self.queues.visible_after[arguments["ReceiptHandle"]] = arguments["VisibilityTimeout"]
                return {}
            return self._send_message(arguments)
        client = getattr(self.state, service)
        if not hasattr(client, operation):
            raise UnknownCallError(f"{service} has no {operation} here")
        session = None
        if token is not None:
            session = self.state.sts.sessions[token]
            try:
                iam.authorize(session, self.now(), service, operation, arguments, self.state.s3.buckets)
            except KeyError as failure:
                raise UnknownCallError(f"nobody knows what {operation} {arguments} needs") from failure
        try:
            answer = getattr(client, operation)(**arguments)
        except ClientError as failure:
            missing = failure.response["Error"]["Code"] in ("NoSuchKey", "404")
            if session and missing and not iam.may_list(session, self.state.s3.buckets[arguments["Bucket"]]):
                raise error("AccessDenied", operation) from None
            raise
        if operation in _WRITES:
            tenant, role = (session.tenant, session.role) if session else (None, None)
            write = Write(self.step, self.seconds, self.function, tenant, role, operation, arguments)
            self.writes.append(write)
        return answer

    def _put_events(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        outcomes = []
        for entry in entries:
            if self.may_fail() and self.rng.random() < self.faults.rate:
                self.say(f"  entry rejected: {_subject(entry)}")
                outcomes.append({"ErrorCode": "ThrottlingException"})
            else:
                self.accept(entry["Source"], entry["DetailType"], json.loads(entry["Detail"]))
                outcomes.append({"EventId": str(self.step)})
        return {"FailedEntryCount": sum("ErrorCode" in each for each in outcomes), "Entries": outcomes}

    def _send_message(self, arguments: dict[str, Any]) -> dict[str, Any]:
        body = arguments["MessageBody"]
        if arguments["QueueUrl"] == ENVIRONMENT["DEAD_LETTER_QUEUE_URL"]:
            self.dead_letters.append(DeadLetter(self.function, "rejected", json.loads(body)))
        else:
            self.queues.send(self.function, body, arguments.get("DelaySeconds", 0))
        return {"MessageId": str(self.step)}

    def accept(self, source: str, detail_type: str, detail: dict[str, Any]) -> None:
        """Take an event for the bus."""
        self.published.append(Published(self.step, source, detail_type, detail))
        self.bus.accept(source, detail_type, detail)

    def watch(self) -> None:
        """Take note of what changed in the table, and hand it to the stream."""
        for record in self.state.stream(self._seen):
            self._seen += 1
            body = record["dynamodb"]
            pk, sk = body["Keys"][PARTITION]["S"], body["Keys"][SORT]["S"]
            old, new = body.get("OldImage"), body.get("NewImage")
            self.changes.append(Changed(self.step, self.seconds, self.function, pk, sk, old, new))
            if sk == METADATA:
                self.stream.put(record)
            elif sk == CERTIFICATE and new and (left := self.state.data_of(pk)):
                self.early_certificates.append(f"{pk} has a certificate at {self.seconds:.3f}, and {left}")

    # --- functions ----------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Have those in flight, and what is due, looked at, as the schedule does."""
        self.invoke(reconciling.SERVICE, {"detail-type": "Scheduled Event"})

    def invoke(self, function: str, event: Any) -> tuple[bool, Any]:
        """Run a function; return whether it succeeded, and its response."""
        deadline = self.seconds + _LIMITS[function]
        context = Context(
            aws_request_id=f"{self.seed}-{self.step}",
            remaining=lambda: int((deadline - self.seconds) * 1000),
        )
        self.function, caller = function, self.function
        self._deadline, outer = deadline, self._deadline
        try:
            response = self._bootstrapped(function)(event, context)
        except (Exception, Crash) as failure:  # noqa: BLE001 - as Lambda takes it
            self.say(f"failed: {type(failure).__name__}: {failure}")
            return False, None
        finally:
            self.function, self._deadline = caller, outer
            # What Powertools does at the end of each invocation, where it also prints them.
            logger.clear_state()
            metrics.clear_metrics()
        return True, response

    def _bootstrapped(self, function: str) -> Function:
        """Return a function as it is wired at its cold start: in each run once, and once inside itself."""
        key = function, self._depth
        if key not in self._functions:
            self._functions[key] = bootstrap(function, self.clients, self, **_WAITS)
        return self._functions[key]

    def look_whether_it_counts(self, result: dict[str, Any]) -> None:
        """Take note of a success that was handled, and yet its tenant is FAILED and wants just that."""
        pk = f"{TENANT_PREFIX}{result.get('tenantId')}"
        item = read(self.state.record(pk))
        attempt: Any = item.get("provisioningAttempt", 0)
        if (result.get("status"), item.get("provisioningStatus")) != ("COMPLETED", "FAILED"):
            return
        answers = (result.get("tier"), result.get("slug")) == (item.get("tier"), item.get("slug"))
        if answers and item.get("status") == "ACTIVE" and result["provisioningAttempt"] <= attempt + 1:
            self.ignored.append(f"{pk} is FAILED after a success of attempt {result['provisioningAttempt']}")


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
