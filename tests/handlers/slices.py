"""A function that takes slices from a queue, with the queue, its tenants' records, and what it calls."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from tenkacloud.events.operation import OperationEvent
from tenkacloud.platform.clients import Call, Clients, one_by_one
from tenkacloud.tenants.operations import Operation
from tests.handlers.conftest import Cloud
from tests.handlers.faults import Calls, Client
from tests.settings import QUEUE_URL
from tests.support import Context, Function, envelope

#: Messages that one piece of work may take: far more than any needs.
MESSAGES_MAX = 200


class CrashError(BaseException):
    """The function is gone, in the middle of what it did: nothing of it catches this."""


@dataclass
class Queue:
    """The function's queue, and its dead-letter queue. Delays take no time: the clock moves on."""

    cloud: Cloud
    waiting: deque[tuple[str, int]] = field(default_factory=deque)
    dead: list[Any] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)

    visibilities: list[int] = field(default_factory=list)

    def change_message_visibility(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> None:
        assert (QueueUrl, ReceiptHandle) == (QUEUE_URL, "receipt")
        self.visibilities.append(VisibilityTimeout)

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0) -> None:  # noqa: N803
        if QueueUrl == QUEUE_URL:
            self.waiting.append((MessageBody, DelaySeconds))
            self.delays.append(DelaySeconds)
        else:
            self.dead.append(json.loads(MessageBody))


class WatchedCalls(Calls):
    """Notes the calls, and crashes in front of one of them, or behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.crash_at: int | None = None
        self.before: Callable[[str, dict[str, Any]], None] = lambda _operation, _arguments: None

    def pass_by(self, operation: str, arguments: dict[str, Any], do: Callable[[], Any]) -> Any:
        self.before(operation, arguments)
        number = len(self.names)
        self.names.append(operation)
        self.arguments.append(arguments)
        if self.crash_at == number * 2:
            raise CrashError(operation)
        if self.answers.get(operation):
            answer = self.answers[operation].pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        done = do()
        if self.crash_at == number * 2 + 1:
            raise CrashError(operation)
        return done

    def of(self, operation: str) -> list[dict[str, Any]]:
        """Return the arguments of the calls of one operation."""
        pairs = zip(self.names, self.arguments, strict=True)
        return [arguments for name, arguments in pairs if name == operation]


def crash_points(names: list[str]) -> list[int]:
    """Return the values of `crash_at` that leave different states behind, of calls with these names.

    What only reads changes nothing: to die in front of a call is to die behind the last one that writes.
    """
    reading = ("Get", "Head", "List", "Query", "AssumeRole")
    return [0, *(number * 2 + 1 for number, name in enumerate(names) if not name.startswith(reading))]


class WatchedClient(Client):
    """A client whose calls come by `WatchedCalls`, those of its paginators, too."""

    def __init__(self, real: Any, calls: WatchedCalls) -> None:
        super().__init__(real, calls)
        self._watched = calls
        self.meta = real.meta

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = self._real.meta.method_to_api_mapping[method]
        real = getattr(self._real, method)
        return lambda **arguments: self._watched.pass_by(operation, arguments, lambda: real(**arguments))

    def get_paginator(self, method: str) -> Any:
        paginator = self._real.get_paginator(method)
        paginator._method = getattr(self, method)
        return paginator


class WatchedClients(Clients):
    """The clients of a cloud and of its sessions, watched; calls that could be together are one by one."""

    def __init__(self, cloud: Cloud, calls: WatchedCalls, queue: Queue) -> None:
        self._calls = calls
        for name in ("dynamodb", "events", "logs", "s3"):
            vars(self)[name] = WatchedClient(getattr(cloud.clients, name), calls)
        vars(self)["sqs"] = queue

    def together(self, calls: Any, threads: int = 1) -> list[BaseException | None]:
        return one_by_one(list[Call](calls))

    def session(self, credentials: Any, region: str) -> Any:
        return _Session(self)


@dataclass
class _Session:
    """A session of moto, which denies nobody anything: its clients are the cloud's."""

    clients: WatchedClients

    def client(self, service: str, **options: Any) -> Any:
        return getattr(self.clients, service)


class SliceFunction:
    """A function and its queue. `context` is that of each invocation."""

    def __init__(self, cloud: Cloud, service: str, **variables: str) -> None:
        self.cloud = cloud
        self.calls = WatchedCalls()
        self.queue = Queue(cloud)
        self.service = service
        self.variables = variables
        self.context = Context()
        self._function: Function | None = None

    def restart(self) -> None:
        """Let the next invocation be of a new process."""
        self._function = None

    def send(self, event: OperationEvent) -> None:
        """Put an event into the queue, as the rule does."""
        self.send_body(json.dumps(envelope(type(event), event.detail())))

    def send_body(self, body: str) -> None:
        self.queue.waiting.append((body, 0))

    def take(self, message_id: str = "message", receives: int = 1) -> bool:
        """Take one message, received for this many times; return whether the function had done with it."""
        body, delay = self.queue.waiting.popleft()
        self.cloud.clock.sleep(delay)
        if self._function is None:
            clients = WatchedClients(self.cloud, self.calls, self.queue)
            self._function = self.cloud.function(self.service, clients, **self.variables)
        record = {
            "messageId": message_id,
            "body": body,
            "receiptHandle": "receipt",
            "attributes": {"ApproximateReceiveCount": str(receives)},
            "eventSource": "aws:sqs",
        }
        try:
            answer = self._function({"Records": [record]}, self.context)
        except CrashError:
            self.restart()
            answer = {"batchItemFailures": [{"itemIdentifier": message_id}]}
        failed = bool(answer["batchItemFailures"])
        if failed:
            self.queue.waiting.appendleft((body, 0))
        return not failed

    def work(self, event: OperationEvent | None = None) -> list[dict[str, Any]]:
        """Take messages until there are none; return the events that were published meanwhile."""
        if event is not None:
            self.send(event)
        for _ in range(MESSAGES_MAX):
            if not self.queue.waiting:
                return self.cloud.published()
            assert self.take(), "a slice failed: see the log"
        raise AssertionError("the work does not end")


def operate(cloud: Cloud, tenant_id: str, operation: Operation | None, **attributes: Any) -> None:
    """Let a tenant's record be at an operation, or at none."""
    serialize = TypeSerializer().serialize
    given = {} if operation is None else {"operation": serialize(plain(operation.attributes()))}
    cloud.put(
        tenant_id,
        status={"S": "ACTIVE"},
        provisioningStatus={"S": "COMPLETED"},
        **given,
        **{name: serialize(value) for name, value in attributes.items()},
    )


def plain(value: Any) -> Any:
    """Return a value with plain strings for those of an enumeration, which the serializer does not know."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, str) else value
