"""Asynchronous invocations wait for their turn."""

import importlib
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.local_aws.engine import queues
from tests.support import wait_for


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for the engine's Lambda, whose executions last until they are let go."""
    let_go = threading.Event()
    running: list[str] = []
    done: list[Any] = []

    def execute(record: str, event: Any) -> None:
        running.append(record)
        let_go.wait(10)
        running.remove(record)
        done.append((record, event))

    lambda_svc = SimpleNamespace(
        _get_func_record_for_ref=lambda arn: (
            (None, None, arn) if arn == "gone" else (arn, {"FunctionName": arn}, arn)
        ),
        _execution_record_for_config=lambda function, config: function,
        _execute_function_with_config_scope=execute,
        let_go=let_go,
        running=running,
        done=done,
    )
    monkeypatch.setattr(importlib, "import_module", lambda name: lambda_svc)
    return lambda_svc


def test_so_many_at_a_time_and_none_is_lost(functions: SimpleNamespace) -> None:
    dispatch = queues.queued(lambda arn, payload: None)
    for number in range(3 * queues.WORKERS):
        dispatch("busy", json.dumps(number))
    wait_for("the workers to be busy", lambda: len(functions.running) == queues.WORKERS)
    # One function's queue is not another's
    dispatch("other", '"x"')
    wait_for("the other function", lambda: "other" in functions.running)
    assert functions.running.count("busy") == queues.WORKERS
    functions.let_go.set()
    wait_for("all", lambda: len(functions.done) == 3 * queues.WORKERS + 1)
    assert sorted(event for record, event in functions.done if record == "busy") == list(
        range(3 * queues.WORKERS)
    )


def test_a_function_that_is_gone_is_passed_over(functions: SimpleNamespace) -> None:
    functions.let_go.set()
    dispatch = queues.queued(lambda arn, payload: None)
    dispatch("gone", "1")
    dispatch("there", "no json")
    wait_for("the other", lambda: functions.done == [("there", {"body": "no json"})])
