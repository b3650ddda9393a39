"""What all tests share: the deployed stack, the order that has nobody wait for it, and no way to AWS."""

import os
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import settings

from scripts.local_aws.stack import Stack, configured, running_engine
from tests import background
from tests.shared_stack import SharedStack

__all__ = ["Stack", "running_engine", "stack"]

#: Folders of tests that take long without the stack: they run while it is destroyed, all others while it is
#: deployed.
_AFTER_THE_STACK: Final = ("terraform", "simulation", "packaging")
_SHARED: Final = pytest.StashKey[SharedStack]()
_LAST: Final = pytest.StashKey[pytest.Item]()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The local environment, on an engine and with a state of its own."""
    stash = request.config.stash
    if _SHARED not in stash:
        stash[_SHARED] = SharedStack()
    shared = stash[_SHARED]
    with configured(shared.engine.endpoint):
        yield shared.wait()
    shared.finish()


def _uses_stack(item: pytest.Item) -> bool:
    return "stack" in getattr(item, "fixturenames", ())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let tests of the stack follow each other, with what else there is before and behind them."""

    def part(item: pytest.Item) -> tuple[int, bool]:
        if _uses_stack(item):
            return 1, item.get_closest_marker("late") is not None
        return (2 if item.path.parent.name in _AFTER_THE_STACK else 0), False

    items.sort(key=part)
    of_stack = [item for item in items if _uses_stack(item)]
    if of_stack:
        config.stash[_LAST] = of_stack[-1]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Let the stack's end begin behind its last test."""
    stash = item.config.stash
    if item is stash.get(_LAST, None) and _SHARED in stash:
        stash[_SHARED].begin_to_destroy()


def pytest_configure(config: pytest.Config) -> None:
    """Make property tests the same at each run of the gate, and keep all tests away from AWS."""
    config.addinivalue_line(
        "markers", "late: of the stack's tests it runs last; what it looks for takes time"
    )
    settings.register_profile("gate", derandomize=True, deadline=None)
    settings.register_profile("here", deadline=None)
    settings.load_profile("gate" if os.environ.get("CI") else "here")
    _keep_away_from_aws()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let what takes long begin, if it is among the tests to be run."""
    if session.config.option.collectonly:
        return
    # Of several processes (pytest-xdist), the one that runs the stack's tests deploys it when it gets there.
    if any(map(_uses_stack, session.items)) and not hasattr(session.config, "workerinput"):
        session.config.stash[_SHARED] = SharedStack()
    names = {item.name for item in session.items}
    for test in background.PROGRAMS:
        if test in names:
            background.start(test)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing running."""
    background.stop()
    if _SHARED in config.stash:
        config.stash[_SHARED].stop()


def _keep_away_from_aws() -> None:
    """No test may reach AWS: without these, a mistake would use the developer's own account."""
    os.environ["AWS_ACCESS_KEY_ID"] = "testing"
    os.environ["AWS_SECRET_ACCESS_KEY"] = "testing"
    os.environ.pop("AWS_PROFILE", None)
    os.environ.pop("AWS_SESSION_TOKEN", None)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
