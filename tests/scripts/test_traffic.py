"""That the clients of an end-to-end test find what is wrong with an API: with one that is made wrong."""

import threading
import time
from collections.abc import Callable
from typing import Any

from scripts.tooling.project import CommandError
from scripts.verification.flow import traffic
from scripts.verification.flow.journal import File, Journal
from scripts.verification.flow.tenant_api import Answer, TenantApi
from scripts.verification.flow.traffic import Figures, Traffic
from tests.support import wait_for


class Api(TenantApi):
    """An API in memory. `wrong` may answer a request instead of it; `files` is what is stored."""

    def __init__(self, wrong: Callable[["Api", str, str], Answer | None] = lambda *_: None) -> None:
        super().__init__("http://nowhere")
        self.__dict__.update(files={}, wrong=wrong, lock=threading.Lock(), requests=0)

    def call(
        self,
        method: str,
        path: str,
        token: str | None,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        files: dict[str, bytes] = self.__dict__["files"]
        with self.__dict__["lock"]:
            self.__dict__["requests"] += 1
            answer: Answer | None = self.__dict__["wrong"](self, method, path)
            if answer is not None:
                return answer
            if method == "GET":
                return Answer(200, files[path] or None) if path in files else Answer(404, None)
            if method == "DELETE":
                files.pop(path, None)
                return Answer(204, None)
            assert isinstance(body, bytes)
            files[path] = body
            return Answer(200, {})

    def found(self) -> dict[str, File]:
        """Return what is stored, as it would be found in the tenant's place."""
        return {
            f"problems/{path.split('/')[2]}/{path.split('/', 4)[4]}": File(content)
            for path, content in self.__dict__["files"].items()
        }


def run(api: Api, until: Callable[[Figures, Journal], Any]) -> tuple[Figures, Journal]:
    journal = Journal()
    with Traffic(api, "token", journal, per_second=2000) as clients:
        wait_for("the clients", lambda: until(clients.figures, journal), seconds=20)
    return clients.figures, journal


def enough(figures: Figures, journal: Journal) -> bool:
    return journal.writes > 100 and journal.deletes > 10 and journal.overwrites > 10 and figures.reads > 3


def test_an_api_that_does_as_it_says_has_no_problems() -> None:
    api = Api()
    figures, journal = run(api, enough)
    assert figures.problems == []
    assert list(journal.differences(api.found())) == []


def test_a_write_that_is_acknowledged_and_lost_is_found() -> None:
    def loses_some(api: Api, method: str, path: str) -> Answer | None:
        return Answer(200, {}) if method == "PUT" and api.__dict__["requests"] % 20 == 0 else None

    api = Api(loses_some)
    _, journal = run(api, enough)
    assert any(
        line.startswith(("acknowledged and lost", "not as acknowledged"))
        for line in journal.differences(api.found())
    )


def test_a_deletion_that_is_acknowledged_and_not_done_is_found() -> None:
    api = Api(lambda _api, method, _path: Answer(204, None) if method == "DELETE" else None)
    _, journal = run(api, enough)
    assert any(line.startswith("deleted and there again") for line in journal.differences(api.found()))


def test_writes_that_are_put_off_are_tried_again_and_the_time_is_measured() -> None:
    began = time.monotonic()

    def read_only_for_a_while(_api: Api, method: str, _path: str) -> Answer | None:
        fenced = 0.3 < time.monotonic() - began < 0.8
        if method == "GET" or not fenced:
            return None
        return Answer(503, {"message": "read-only"}, {"retry-after": "0"})

    api = Api(read_only_for_a_while)
    figures, journal = run(
        api, lambda figures, _: figures.read_only_seconds > 0 and time.monotonic() - began > 1
    )
    assert figures.problems == []
    assert figures.denied > 0
    assert 0.3 < figures.read_only_seconds < 5
    assert list(journal.differences(api.found())) == []


def test_an_answer_that_says_nothing_of_when_to_come_again_is_a_problem() -> None:
    def unclear(api: Api, method: str, _path: str) -> Answer | None:
        return Answer(503, {"message": "no"}) if method == "PUT" and api.__dict__["requests"] >= 9 else None

    figures, _ = run(Api(unclear), lambda figures, _: figures.problems)
    assert "503 without Retry-After" in figures.problems[0]


def test_any_other_answer_is_a_problem_and_its_key_in_doubt_is_used_no_more() -> None:
    failed: list[str] = []

    def fails_once(api: Api, method: str, path: str) -> Answer | None:
        if method == "PUT" and not failed and len(api.__dict__["files"]) > 3:
            failed.append(path)
            return Answer(500, {"message": "Internal Server Error"})
        return None

    api = Api(fails_once)
    figures, journal = run(api, lambda figures, journal: figures.problems and enough(figures, journal))
    assert len(figures.problems) == 1
    assert "500" in figures.problems[0]
    assert list(journal.differences(api.found())) == []


def test_no_answer_at_all_is_a_problem() -> None:
    def gone(api: Api, method: str, _path: str) -> Answer | None:
        if method == "DELETE" and api.__dict__["requests"] % 2:
            raise CommandError("nothing answers")
        return None

    figures, _ = run(Api(gone), lambda figures, _: figures.problems)
    assert "no answer" in figures.problems[0]


def test_a_reader_finds_other_bytes_than_were_acknowledged() -> None:
    def other_bytes(_api: Api, method: str, _path: str) -> Answer | None:
        return Answer(200, b"other") if method == "GET" else None

    figures, _ = run(Api(other_bytes), lambda figures, _: figures.problems)
    assert "other bytes" in figures.problems[0] or "200, not 404" in figures.problems[0]


def test_a_files_path_is_that_of_its_key() -> None:
    assert traffic.path_of("problems/live/w0/00001.bin") == "/problems/live/files/w0/00001.bin"
