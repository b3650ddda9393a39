"""How tests are shared out among workers (pytest-xdist), and in which order. Without workers nothing changes.

The first worker has the tests that need the stack, which wait more than they compute, and those that wait
for a program in the background. The others, niced so that the stack is not slowed down, have the rest: a file
at a time, or a test at a time where a folder's tests share nothing, slow folders first.
"""

import os
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests import background

#: pytest-xdist's name of the worker that gets the first group.
FIRST_WORKER: Final = "gw0"
_STACK: Final = "stack"
#: The folders that take longest, the longest first. Any order works; this one ends sooner.
_SLOW: Final = ("terraform", "proof", "engine", "scripts", "packaging", "handlers", "simulation")
#: The folders of the tests that need the stack.
_WITH_STACK: Final = ("e2e", "contract")
#: The folders whose tests share nothing that is made once for a file.
_ONE_BY_ONE: Final = ("unit", "handlers")


def worker() -> str | None:
    """Return the name of this worker, None where there are none."""
    return os.environ.get("PYTEST_XDIST_WORKER")


def pytest_configure(config: pytest.Config) -> None:
    """Let the first worker go first."""
    config.addinivalue_line("markers", "stack: needs the deployed stack (each test with that fixture)")
    if worker() not in (None, FIRST_WORKER):
        os.nice(5)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many workers there are: `auto` means one more than cores, since the first mostly waits."""
    return (os.cpu_count() or 1) + int(config.option.numprocesses == "auto")


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return what gives out the tests, by their ids: a group each time, to the workers in their order."""
    # Not there where these tests run without workers: with the oldest boto3, for example.
    from xdist.scheduler import LoadScopeScheduling

    class InOrder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

        def schedule(self) -> None:
            # By themselves, whoever is ready first goes first.
            ready = self.assigned_work
            self.assigned_work = {
                node: ready[node] for node in sorted(ready, key=lambda node: int(node.gateway.id[2:]))
            }
            super().schedule()

    return InOrder(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs the stack.

    Raises:
        pytest.UsageError: it is in a folder of which other workers may have a part.
    """
    if "stack" in getattr(item, "fixturenames", ()):
        item.add_marker("stack")
        if group_of(item.nodeid) != _STACK:
            raise pytest.UsageError(f"{item.nodeid} needs the stack, so it belongs into {_WITH_STACK}")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Let the stack's tests come first, so that the first worker gets them."""
    yield
    if worker():
        items.sort(key=_place)


def group_of(nodeid: str) -> str:
    """Return the group of a test, by its id: the tests of a group are on one worker, one after another."""
    path, _, name = nodeid.partition("::")
    folder = path.split("/")[1]
    if folder in _WITH_STACK or name in background.PROGRAMS:
        return _STACK
    return nodeid if folder in _ONE_BY_ONE else path


def _place(item: pytest.Item) -> tuple[int, bool, str]:
    group = group_of(item.nodeid)
    order = (_STACK, *_SLOW)
    first = group if group == _STACK else group.split("/")[1]
    place = order.index(first) if first in order else len(order)
    # What only waits for a program comes when the stack's tests are through.
    waits = item.name in background.PROGRAMS
    return place, waits, "" if group == _STACK or first in _ONE_BY_ONE else group
