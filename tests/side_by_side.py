"""How tests are shared out among workers (pytest-xdist), and in which order. Without workers nothing changes.

The first worker has the tests that need the stack, which wait more than they compute, and those that wait
for a program in the background. The others, niced so that the stack is not slowed down, have the rest: a file
at a time, or a test at a time where a folder's tests share nothing, slow folders first.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests import background

#: pytest-xdist's name of the worker that gets the first group.
FIRST_WORKER: Final = "gw0"
_STACK: Final = "stack"
#: The folders that take longest, the longest first. Any order works; this one ends sooner.
_SLOW: Final = ("terraform", "proof", "engine", "scripts", "packaging", "handlers", "simulation")
#: The folders whose tests share nothing that is made once for a file.
_ONE_BY_ONE: Final = ("unit", "handlers")


def worker() -> str | None:
    """Return the name of this worker, None where there are none."""
    return os.environ.get("PYTEST_XDIST_WORKER")


def pytest_configure(config: pytest.Config) -> None:
    """Let the first worker go first."""
    config.addinivalue_line("markers", "stack: needs the deployed stack (each test with that fixture)")
    config.addinivalue_line("markers", "xdist_group(name): as pytest-xdist has it, be it there or not")
    if worker() not in (None, FIRST_WORKER):
        os.nice(5)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many workers there are: `auto` means one more than cores, since the first mostly waits."""
    return (os.cpu_count() or 1) + int(config.option.numprocesses == "auto")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return xdist's scheduler with the workers in order; by itself, whoever is ready first goes first."""
    # Not there where these tests run without workers: with the oldest boto3, for example.
    from xdist.scheduler import LoadGroupScheduling

    class InOrder(LoadGroupScheduling):
        def schedule(self) -> None:
            ready = self.assigned_work
            self.assigned_work = {
                node: ready[node] for node in sorted(ready, key=lambda node: int(node.gateway.id[2:]))
            }
            super().schedule()

    return InOrder(config, log) if config.getoption("dist") == "loadgroup" else None


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Say what must be on one worker."""
    if "stack" in getattr(item, "fixturenames", ()):
        item.add_marker("stack")
    group = _group(item)
    if group.partition("/")[0] not in _ONE_BY_ONE:
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Let the stack's tests come first, so that the first worker gets them."""
    yield
    if worker():
        items.sort(key=_place)


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("stack") or item.name in background.PROGRAMS:
        return _STACK
    return item.path.relative_to(Path(__file__).parent).with_suffix("").as_posix()


def _place(item: pytest.Item) -> tuple[int, bool, str]:
    group = _group(item)
    folders = (_STACK, *_SLOW)
    folder = group.partition("/")[0]
    place = folders.index(folder) if folder in folders else len(folders)
    # What only waits for a program comes when the stack's tests are through.
    return place, item.name in background.PROGRAMS, "" if group == _STACK else group
