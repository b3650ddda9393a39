"""A call that Terraform sends again gets the first attempt's answer, and has no second effect.

The SDK names each call by an `amz-sdk-invocation-id` that all of its attempts carry, and numbers these in
`amz-sdk-request`. It sends a call again when it lost the answer; the engine may have done it all the same.
Only success is kept: after an error there is nothing to be doubled, and the SDK wants to see it done.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]
Answer = tuple[Message, ...]

#: How many answers are kept, of how many bytes in all, and for how many seconds: the SDK's longest pause
#: between two attempts is 20 s.
MAX_ANSWERS: Final = 1_000
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_AGE: Final = 120.0
_CALLER: Final = b"terraform-provider-aws/"
_READS: Final = ("BatchGet", "Describe", "Filter", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search")
_ATTEMPT: Final = re.compile(rb"attempt=(\d+)")
_CREDENTIAL: Final = re.compile(rb"Credential=([^/,]+)/")
_FORM: Final = b"application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Call:
    """One attempt of a call of Terraform's. `identity` is the same for all attempts."""

    identity: tuple[bytes, ...]
    attempt: int
    operation: str
    is_form: bool


@dataclass
class Answers:
    """The last answers by the calls' identity, oldest first: so many, and so many bytes, for so long.

    `clock` gives seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _kept: dict[tuple[bytes, ...], tuple[float, int, Answer]] = field(default_factory=dict)
    _bytes: int = 0

    def keep(self, identity: tuple[bytes, ...], answer: Answer) -> None:
        """Keep an answer in place of an older one, and let go of what is too much."""
        self._drop(identity)
        size = sum(len(message.get("body", b"")) for message in answer)
        self._kept[identity] = (self.clock(), size, answer)
        self._bytes += size
        while len(self._kept) > MAX_ANSWERS or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._kept)))

    def find(self, identity: tuple[bytes, ...]) -> Answer | None:
        """Return a call's answer, None if it is not kept (any more)."""
        while self._kept and self.clock() - next(iter(self._kept.values()))[0] > MAX_AGE:
            self._drop(next(iter(self._kept)))
        found = self._kept.get(identity)
        return found[2] if found else None

    def _drop(self, identity: tuple[bytes, ...]) -> None:
        if dropped := self._kept.pop(identity, None):
            self._bytes -= dropped[1]


def install(replace: Callable[..., None]) -> None:
    """Put the answers in front of the engine."""
    replace("ministack.app", "app", "scope receive send", with_answers)


def with_answers(app: Application, answers: Answers | None = None) -> Application:
    """Return an ASGI application that runs a call of Terraform's once, whatever number of attempts it takes.

    A further attempt waits for one that is under way. It runs itself if that did not succeed or was a read.
    """
    kept = Answers() if answers is None else answers
    running: dict[tuple[bytes, ...], asyncio.Event] = {}

    async def answering(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        call = call_of(scope)
        if call is None or is_read(scope["method"], call.operation):
            await app(scope, receive, send)
            return
        if call.attempt > 1:
            while under_way := running.get(call.identity):
                await under_way.wait()
            if first := kept.find(call.identity):
                await read_on(receive)
                for message in first:
                    await send(message)
                return
        done = running[call.identity] = asyncio.Event()
        form = Form() if call.is_form else None
        answer: list[Message] = []

        async def note_and_send(message: Message) -> None:
            answer.append(message)
            await send(message)

        try:
            await app(scope, form.reading(receive) if form else receive, note_and_send)
        finally:  # also if nobody took the answer
            operation = form_action(form.body) if form else call.operation
            if is_success(answer) and not is_read(scope["method"], operation):
                kept.keep(call.identity, tuple(answer))
            if running.get(call.identity) is done:
                del running[call.identity]
            done.set()

    return answering


@dataclass
class Form:
    """A request's body, noted as the application reads it."""

    body: bytes = b""

    def reading(self, receive: Receive) -> Receive:
        """Return a `receive` that notes what it hands on."""

        async def receive_and_note() -> Message:
            message = await receive()
            self.body += message.get("body", b"")
            return message

        return receive_and_note


async def read_on(receive: Receive) -> None:
    """Read a request to its end: the connection can't be used again before."""
    while (await receive()).get("more_body", False):
        pass


def call_of(scope: Mapping[str, Any]) -> Call | None:
    """Return what a request says of the call that it is an attempt of; None if it is not Terraform's."""
    if scope["type"] != "http":
        return None
    headers = {name.lower(): value for name, value in scope["headers"]}
    invocation = headers.get(b"amz-sdk-invocation-id")
    attempt = _ATTEMPT.search(headers.get(b"amz-sdk-request", b""))
    if _CALLER not in headers.get(b"user-agent", b"") or not invocation or not attempt:
        return None
    target = headers.get(b"x-amz-target", b"")
    path, query = scope.get("raw_path") or scope["path"].encode(), scope.get("query_string", b"")
    credential = _CREDENTIAL.search(headers.get(b"authorization", b""))
    caller = credential[1] if credential else b""
    return Call(
        identity=(invocation, caller, scope["method"].encode(), path, query, target),
        attempt=int(attempt[1]),
        operation=target.rpartition(b".")[2].decode("latin-1"),
        is_form=headers.get(b"content-type", b"").startswith(_FORM),
    )


def form_action(form: bytes) -> str:
    """Return the operation that a form of the Query protocol names, empty if none."""
    return parse_qs(form.decode("latin-1")).get("Action", [""])[0]


def is_read(method: str, operation: str) -> bool:
    """Tell whether a call only reads, by its HTTP method and the name of its operation, if it has one."""
    return method in ("GET", "HEAD") or operation.startswith(_READS)


def is_success(answer: Sequence[Message]) -> bool:
    """Tell whether an answer is whole, and no error."""
    return (
        len(answer) > 1
        and HTTPStatus.OK <= answer[0]["status"] < HTTPStatus.MULTIPLE_CHOICES
        and not answer[-1].get("more_body", False)
    )
