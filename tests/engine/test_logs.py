"""What a function prints is logged with the invocation that printed it."""

import os
from collections.abc import Iterator
from typing import IO

import pytest

from scripts.local_aws.engine import logs


class Process:
    """A function's process, as far as its log goes."""

    def __init__(self, stderr: IO[str]) -> None:
        self.stderr = stderr


class Worker:
    """A worker of the engine's whose thread is slow: it gets on with the pipe only after each drain."""

    def __init__(self, stderr: IO[str]) -> None:
        self._proc: Process | None = Process(stderr)
        self.read: list[str] = []
        self.drains = 0

    def _drain_stderr(self) -> str:
        lines, self.read = self.read, []
        return "\n".join(lines)

    def drain(self, _wait: float = 0) -> str:
        self.drains += 1
        lines = self._drain_stderr()
        if self._proc and logs.unread(self._proc.stderr):
            self.read.append(self._proc.stderr.readline().rstrip("\n"))
        return lines


@pytest.fixture
def pipe() -> Iterator[tuple[Worker, IO[str]]]:
    """A worker, and the end of the pipe to which its function prints."""
    read, write = os.pipe()
    with os.fdopen(read) as stderr, os.fdopen(write, "w") as function:
        yield Worker(stderr), function


def test_lines_that_are_still_in_the_pipe_are_waited_for(pipe: tuple[Worker, IO[str]]) -> None:
    worker, function = pipe
    worker.read.append("a line")
    print("metrics", file=function, flush=True)
    assert worker.drain() == "a line"  # as it is without the extension
    worker.read.insert(0, "a line")
    print("more metrics", file=function, flush=True)
    assert logs.whole(Worker.drain)(worker, 0.0) == "a line\nmetrics\nmore metrics"


def test_an_empty_pipe_is_not_waited_for(pipe: tuple[Worker, IO[str]]) -> None:
    worker, _ = pipe
    worker.read.append("all of it")
    assert logs.whole(Worker.drain)(worker) == "all of it"
    assert worker.drains == 1


def test_a_worker_that_is_gone_has_no_pipe(pipe: tuple[Worker, IO[str]]) -> None:
    worker, _ = pipe
    assert worker._proc is not None
    worker._proc.stderr.close()
    worker.read.append("last words")
    assert logs.whole(Worker.drain)(worker) == "last words"
    worker._proc = None
    worker.read.append("after the last")
    assert logs.whole(Worker.drain)(worker) == "after the last"
