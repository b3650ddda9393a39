"""What tenants do meanwhile: requests to `problem-data`, through vended sessions, and what they were told."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scripts.tooling.deployment import PROBLEM_DATA
from tests.settings import ENVIRONMENT
from tests.simulation.simulator import Simulator

PROBLEM: Final = "p"
_FILES: Final = ("a", "b", "c", "ab")
_PROBLEM_ROUTE: Final = "PUT /problems/{problemId}"
_FILE_ROUTE: Final = "{method} /problems/{{problemId}}/files/{{name+}}"
#: The tenant's data: an item by this name, files by theirs.
ITEM: Final = "(item)"
#: What a client is told when nothing came of its request, for sure: its fault, not now, or not allowed.
_REFUSED: Final = frozenset({400, 403, 404, 409, 429, 503})


@dataclass
class Request:
    """A request, and what became of it. `status` is None where the client was told nothing.

    `value` is what it writes, None for a deletion; of a read, what was read, None where there was nothing.
    `begun` and `ended` are steps of the run, `at` is when it began.
    """

    method: str
    name: str
    value: str | None
    begun: int
    at: float
    ended: int = 0
    status: int | None = None

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"

    @property
    def succeeded(self) -> bool:
        """Whether its client was told so."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_refused(self) -> bool:
        """Whether it did nothing, for sure."""
        return self.status in _REFUSED


@dataclass
class Traffic:
    """One tenant's requests."""

    simulator: Simulator
    tenant_id: str
    requests: list[Request] = field(default_factory=list)

    def write_first(self) -> None:
        """Write a problem and some files, as a tenant does before anything is done to it."""
        self.send("PUT", ITEM, self._value())
        for name in self.simulator.rng.sample(_FILES, self.simulator.rng.choice((0, 1, 2, 3))):
            self.send("PUT", name, self._value())

    def send_some(self) -> None:
        """Send a request: mostly one that changes something."""
        rng = self.simulator.rng
        name = rng.choice((ITEM, *_FILES, *_FILES))
        method = rng.choice(("PUT", "PUT", "PUT", "GET", "GET", *(() if name == ITEM else ("DELETE",))))
        self.send(method, name, self._value() if method == "PUT" else None)

    def change_something(self) -> None:
        """Write over something that there is, or delete it."""
        rng = self.simulator.rng
        name = rng.choice(sorted(self.names()) or [ITEM])
        delete = name != ITEM and rng.random() < 0.5
        self.send(*(("DELETE", name, None) if delete else ("PUT", name, self._value())))

    def _value(self) -> str:
        return f"{self.tenant_id} {len(self.requests)}"

    def send(self, method: str, name: str, value: str | None) -> Request:
        """Send a request; take note of its answer."""
        simulator = self.simulator
        simulator.step += 1  # so that none begins at the step of a change before it
        request = Request(method, name, value, simulator.step, simulator.seconds)
        self.requests.append(request)
        route = _PROBLEM_ROUTE.replace("PUT", method) if name == ITEM else _FILE_ROUTE.format(method=method)
        body = json.dumps({"title": value}) if name == ITEM else value
        event = {
            "version": "2.0",
            "routeKey": route,
            "requestContext": {
                "authorizer": {"jwt": {"claims": {ENVIRONMENT["TENANT_CLAIM"]: self.tenant_id}}}
            },
            "headers": {"content-type": "application/json" if name == ITEM else "text/plain"},
            "pathParameters": {"problemId": PROBLEM, **({} if name == ITEM else {"name": name})},
            **({"body": body} if method == "PUT" else {}),
        }
        _, answer = simulator.invoke(PROBLEM_DATA, event)
        simulator.step += 1
        request.ended = simulator.step
        if answer is not None:
            request.status = answer["statusCode"]
            if method == "GET":
                request.value = _content(name, answer)
        simulator.say(f"{self.tenant_id}: {method} {name} {request.value!r}: {request.status}")
        return request

    def possible(self, name: str, at: int | None = None) -> set[str | None]:
        """Return what may be in the tenant's data under a name, by what its clients were told.

        Not what was written over or deleted by a request that began after it had ended, and that succeeded.
        `at`: by what was told when a request began.
        """
        writes = [
            request
            for request in self.requests
            if request.name == name and request.is_write and not request.is_refused
        ]
        told = [write for write in writes if write.succeeded and (at is None or write.ended <= at)]
        values = {
            write.value
            for write in writes
            if not any(other.begun >= write.ended for other in told if other is not write)
        }
        return values if told else values | {None}

    def names(self) -> set[str]:
        """Return the names of all files that were ever written, or maybe."""
        return {request.name for request in self.requests if request.name != ITEM and request.is_write}

    def sessions(self) -> Iterator[Request]:
        """Yield the requests for which the tenant got a session, for sure."""
        yield from (request for request in self.requests if request.succeeded)


def _content(name: str, answer: Mapping[str, Any]) -> str | None:
    if answer["statusCode"] != 200:
        return None
    if name == ITEM:
        title: str = json.loads(answer["body"])["title"]
        return title
    return base64.b64decode(answer["body"]).decode()
