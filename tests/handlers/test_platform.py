"""What all functions have in common: wired once, settings from the environment, the runtime's versions."""

import os
import platform
from dataclasses import dataclass
from typing import Any

import boto3
import botocore
import pytest

from tenkacloud.platform.clients import BOTO3_FLOOR, Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.lambda_handler import Handler, lambda_handler
from tenkacloud.platform.telemetry import log_versions
from tests.handlers.conftest import LogLines
from tests.support import Context


@dataclass(frozen=True)
class Settings:
    path: str


@dataclass(frozen=True)
class Incomplete:
    no_such_variable: str


def bootstrap(settings: Any, clients: Clients, clock: Clock) -> Handler:
    wired = (settings, clients, clock)
    return lambda event, _context: (event, wired)


def test_a_function_is_wired_once_with_its_environment_and_tells_the_versions(logs: LogLines) -> None:
    handler = lambda_handler(Settings, bootstrap)
    context: Any = Context()
    with pytest.warns(match="No application metrics"):
        answers = [handler({"n": n}, context) for n in range(3)]
    assert [event for event, _ in answers] == [{"n": 0}, {"n": 1}, {"n": 2}]
    (settings, clients, clock), *others = [wired for _, wired in answers]
    assert settings == Settings(os.environ["PATH"])
    assert isinstance(clients, Clients)
    assert clock.now().utcoffset() is not None
    assert all(wired == (settings, clients, clock) for wired in others)
    line = logs.only("Cold start")
    assert (line["level"], line["python"]) == ("INFO", platform.python_version())
    assert (line["boto3"], line["botocore"]) == (boto3.__version__, botocore.__version__)


def test_a_variable_that_is_missing_fails_each_invocation_with_its_name(logs: LogLines) -> None:
    handler = lambda_handler(Incomplete, bootstrap)
    context: Any = Context()
    for _ in range(2):
        with (
            pytest.warns(match="No application metrics"),
            pytest.raises(RuntimeError, match="environment variable NO_SUCH_VARIABLE is not set"),
        ):
            handler({}, context)


@pytest.mark.parametrize("package", ["boto3", "botocore"])
@pytest.mark.parametrize(
    ("version", "too_old"), [("1.35.1", True), ("1.9.300", True), ("1.35.2", False), ("1.100.0", False)]
)
def test_a_runtime_below_the_floor_is_told(logs: LogLines, package: str, version: str, too_old: bool) -> None:
    log_versions({"python": "3.11.0", "boto3": BOTO3_FLOOR, "botocore": BOTO3_FLOOR, package: version})
    line = logs.only("The runtime's boto3 is too old" if too_old else "Cold start")
    assert line["level"] == ("WARNING" if too_old else "INFO")
    assert line[package] == version
