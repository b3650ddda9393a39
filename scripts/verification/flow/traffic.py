"""Clients of one tenant at work: they write, overwrite, delete and read its files through the HTTP API.

They do as the API tells them: what is denied for a while is tried again after the time that the answer names.
Whatever they were told goes into the journal.
"""

import random
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from scripts.tooling.project import CommandError
from scripts.tooling.waiting import wait_until
from scripts.verification.flow.journal import File, Journal
from scripts.verification.flow.tenant_api import Answer, TenantApi

PROBLEM: Final = "live"  # the problem whose files they are
_WRITERS: Final = 4
_PER_SECOND: Final = 40.0  # writes of all writers together, at most
_READ_SECONDS: Final = 0.05  # between two reads
_DENIED: Final = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT)
_DONE: Final = (HTTPStatus.OK, HTTPStatus.NO_CONTENT)
#: A kind of change, and how often it is chosen.
_KINDS: Final = {"write": 5, "overwrite": 3, "delete": 2}
_PROBLEMS_MAX: Final = 10  # told one by one


@dataclass
class Figures:
    """What the clients saw. `denied`: answers to writes that asked for patience.

    `read_only_seconds`: the longest time from the first such answer to the next acknowledged write.
    """

    denied: int = 0
    reads: int = 0
    reads_meanwhile: int = 0  # while writes were denied
    read_only_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def path_of(key: str) -> str:
    """Return the API's path of a file whose object has this key, relative to the tenant's place."""
    _, problem, name = key.split("/", 2)
    return f"/problems/{problem}/files/{name}"


class Traffic:
    """The clients, at work until the block ends.

    with Traffic(api, token, journal) as traffic:
        …
    traffic.figures.problems  # has to be empty
    """

    def __init__(
        self, api: TenantApi, token: str, journal: Journal, *, per_second: float = _PER_SECOND, seed: int = 0
    ) -> None:
        self.figures = Figures()
        self._api = api
        self._token = token
        self._journal = journal
        self._interval = _WRITERS / per_second
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._denied_since: float | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(self._write, number, random.Random(seed + number)))  # noqa: S311 - to be repeatable
            for number in range(_WRITERS)
        ]
        self._threads.append(
            threading.Thread(target=self._guarded, args=(self._read, 0, random.Random(seed - 1)))  # noqa: S311 - likewise
        )

    def __enter__(self) -> "Traffic":
        """Let them begin; return once the first write is acknowledged.

        Raises:
            DeadlineError: none is.
        """
        for thread in self._threads:
            thread.start()
        try:
            self.wait_for_writes(1, 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Let them end what they have begun."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_writes(self, count: int, seconds: float) -> None:
        """Return once so many more writes are acknowledged than now.

        Raises:
            DeadlineError: they are not, in time.
        """
        before = self._journal.writes
        wait_until(
            lambda: f"{count} more writes to be acknowledged ({self._journal.writes - before} were)",
            lambda: self._journal.writes >= before + count,
            seconds,
        )

    def _guarded(self, work: Any, number: int, rng: random.Random) -> None:
        try:
            work(number, rng)
        except Exception as error:  # noqa: BLE001 - told in the figures: a client that has died writes no more
            self._problem(f"client {number} ended: {error!r}")

    def _write(self, number: int, rng: random.Random) -> None:
        there: list[str] = []
        gone: list[str] = []
        made = 0
        while not self._over.is_set():
            kind = rng.choices([*_KINDS], [*_KINDS.values()])[0] if there else "write"
            if kind == "write":
                key, made = f"problems/{PROBLEM}/w{number}/{made:05}.bin", made + 1
            elif kind == "overwrite":
                key = rng.choice([*there, *gone])  # one that was deleted comes back
            else:
                key = rng.choice(there)
            for keys in (there, gone):
                if key in keys:
                    keys.remove(key)
            file = None if kind == "delete" else File(rng.randbytes(rng.choice((0, 20, 2_000))))
            if self._until_acknowledged(key, file):
                (gone if kind == "delete" else there).append(key)
            self._over.wait(self._interval)

    def _until_acknowledged(self, key: str, file: File | None) -> bool:
        """Send a change until it is acknowledged or the time is over; tell whether the key can be used again.

        One that was once without an answer is not: who knows when that request will be carried out.
        """
        certain = True
        self._journal.begin(key, file)
        while True:
            began = time.monotonic()
            answer = self._sent(key, file)
            if answer is not None and answer.status in _DONE:
                self._journal.end(key)
                self._note_acknowledged()
                return certain
            if answer is not None and answer.status in _DENIED:
                pause = self._note_denied(key, answer, began)
            else:
                certain, pause = False, 0.2
                said = "no answer" if answer is None else f"{answer.status}: {answer.body}"
                self._problem(f"{'DELETE' if file is None else 'PUT'} {key}: {said}")
            if self._over.wait(pause):
                if certain:
                    self._journal.withdraw(key)
                return False

    def _sent(self, key: str, file: File | None) -> Answer | None:
        method, body = ("DELETE", None) if file is None else ("PUT", file.content)
        try:
            return self._api.call(method, path_of(key), self._token, body)
        except CommandError:
            return None

    def _note_denied(self, key: str, answer: Answer, began: float) -> float:
        if answer.retry_after is None:
            self._problem(f"{key}: {answer.status} without Retry-After: {answer.body}")
        with self._lock:
            self.figures.denied += 1
            if self._denied_since is None:
                self._denied_since = began
        return answer.retry_after or 1.0

    def _note_acknowledged(self) -> None:
        with self._lock:
            if self._denied_since is not None:
                taken = time.monotonic() - self._denied_since
                self.figures.read_only_seconds = max(self.figures.read_only_seconds, taken)
                self._denied_since = None

    def _read(self, _number: int, rng: random.Random) -> None:
        while not self._over.wait(_READ_SECONDS):
            files = self._journal.files()
            keys = [key for key in files if key.startswith(f"problems/{PROBLEM}/")]
            gone = [key for key in self._journal.deleted() if key.startswith(f"problems/{PROBLEM}/")]
            if not keys:
                continue
            key = rng.choice(gone if gone and rng.random() < 0.2 else keys)  # noqa: PLR2004 - a fifth
            self._compare(key)

    def _compare(self, key: str) -> None:
        before, file = self._journal.state(key)
        try:
            answer = self._api.call("GET", path_of(key), self._token)
        except CommandError as error:
            self._problem(f"GET {key}: {error}")
            return
        with self._lock:
            self.figures.reads += 1
            self.figures.reads_meanwhile += self._denied_since is not None
        after, _ = self._journal.state(key)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            self._problem(f"GET {key}: {answer.status}: {answer.body}")
        elif before == after and not before % 2:
            wanted = HTTPStatus.OK if file is not None else HTTPStatus.NOT_FOUND
            if answer.status != wanted:
                self._problem(f"GET {key}: {answer.status}, not {wanted.value}")
            elif file is not None and (answer.body or b"") != file.content:
                self._problem(f"GET {key}: other bytes than were acknowledged")

    def _problem(self, text: str) -> None:
        with self._lock:
            if len(self.figures.problems) < _PROBLEMS_MAX:
                self.figures.problems.append(text)
