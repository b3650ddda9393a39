"""Lambda's queue of asynchronous invocations: so many at a time, and the others wait.

The engine starts a thread, and soon a process, for each event that EventBridge hands to a function. Two
hundred tenants at once then mean hundreds of interpreters that start side by side, on a laptop for minutes,
in which calls time out and events are lost. On AWS such events wait in the function's queue.
"""

import contextvars
import functools
import importlib
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

#: Invocations of one function at a time: enough to keep the machine busy, few enough to start fast.
WORKERS: Final = max(4, 2 * (os.cpu_count() or 1))


def install(replace: Callable[..., None]) -> None:
    """Put the queue between EventBridge and Lambda."""
    replace("ministack.services.eventbridge", "_dispatch_to_lambda", "arn payload", queued)


def queued(_: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """Return a dispatch of an event to a function, by ARN, that waits for its turn."""
    functions: Any = importlib.import_module("ministack.services.lambda_svc")

    @functools.cache
    def queue_of(_arn: str) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(WORKERS, thread_name_prefix="lambda-queue")

    def invoke(arn: str, event: Any) -> None:
        # Looked up when its turn comes: the function may have been updated, or deleted, since.
        function, config, _name = functions._get_func_record_for_ref(arn)
        if function and config:
            record = functions._execution_record_for_config(function, config)
            functions._execute_function_with_config_scope(record, event)

    def dispatch(arn: str, payload: str) -> None:
        try:
            event = json.loads(payload)
        except (ValueError, TypeError):
            event = {"body": payload}
        # With its context: that is where the engine keeps the account and the region of a request.
        queue_of(arn).submit(contextvars.copy_context().run, invoke, arn, event).add_done_callback(_report)

    return dispatch


def _report(invocation: "Future[None]") -> None:
    """Say in the engine's log what went wrong outside of the function; the rest it says itself."""
    if error := invocation.exception():
        logging.getLogger("lambda").error("an asynchronous invocation failed", exc_info=error)
