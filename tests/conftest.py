"""What all tests share: the deployed stack, the order that has nobody wait for it, and no way to AWS."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
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
#: Names the folder of a run, which all processes of it share.
_RUN: Final = "TENKACLOUD_TEST_RUN"
_FOLDER: Final = pytest.StashKey[str]()  # of the process that made it
_SHARED: Final = pytest.StashKey[SharedStack]()
_LAST: Final = pytest.StashKey[pytest.Item]()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The local environment, on an engine and with a state of its own."""
    shared = request.config.stash[_SHARED]
    deployed = shared.wait()
    with configured(deployed.engine.endpoint):
        yield deployed
    shared.finish()


def _uses_stack(item: pytest.Item) -> bool:
    return "stack" in getattr(item, "fixturenames", ())


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep the tests of the stack in one process, where several share the work (`--dist loadgroup`)."""
    if _uses_stack(item):
        item.add_marker(pytest.mark.xdist_group("stack"))


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
    if item is stash.get(_LAST, None):
        stash[_SHARED].begin_to_destroy()


def pytest_configure(config: pytest.Config) -> None:
    """Make property tests the same at each run of the gate, and keep all tests away from AWS."""
    for marker in (
        "late: of the stack's tests it runs last; what it looks for takes time",
        "xdist_group(name): as pytest-xdist has it, be it there or not",
    ):
        config.addinivalue_line("markers", marker)
    if _RUN not in os.environ:
        config.stash[_FOLDER] = os.environ[_RUN] = tempfile.mkdtemp(prefix="tenkacloud-tests-")
    config.stash[_SHARED] = SharedStack(Path(os.environ[_RUN]) / "stack")
    settings.register_profile("gate", derandomize=True, deadline=None)
    settings.register_profile("here", deadline=None)
    settings.load_profile("gate" if os.environ.get("CI") else "here")
    _keep_away_from_aws()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let what takes long begin, if it is among the tests to be run."""
    if session.config.option.collectonly:
        return
    if any(map(_uses_stack, session.items)):
        session.config.stash[_SHARED].begin()
    names = {item.name for item in session.items}
    for test in background.PROGRAMS:
        if test in names:
            background.start(test)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing running. Of several processes, the one that began the run ends last."""
    background.stop()
    if folder := config.stash.get(_FOLDER, None):
        config.stash[_SHARED].stop()
        shutil.rmtree(folder)
        del os.environ[_RUN]


def _keep_away_from_aws() -> None:
    """No test may reach AWS: without these, a mistake would use the developer's own account."""
    os.environ["AWS_ACCESS_KEY_ID"] = "testing"
    os.environ["AWS_SECRET_ACCESS_KEY"] = "testing"
    os.environ.pop("AWS_PROFILE", None)
    os.environ.pop("AWS_SESSION_TOKEN", None)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
