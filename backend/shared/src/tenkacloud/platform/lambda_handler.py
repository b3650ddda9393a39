"""Making a Lambda handler of a service: what all functions have in common."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from aws_lambda_powertools.utilities.typing import LambdaContext

from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock, SystemClock
from tenkacloud.platform.settings import Dataclass, read
from tenkacloud.platform.telemetry import log_versions, logger, metrics, runtime_versions

Handler = Callable[[dict[str, Any], LambdaContext], Any]
_S = TypeVar("_S", bound=Dataclass)


def lambda_handler(settings: type[_S], bootstrap: Callable[[_S, Clients, Clock], Handler]) -> Handler:
    """Return the handler of a service: wired at its first invocation, with the function's environment.

    Its settings are of the given class. One that is missing fails each invocation, with its name in the log,
    rather than the import, of which Lambda says little.
    """

    @cache
    def service() -> Handler:
        log_versions(runtime_versions())
        return bootstrap(read(settings, os.environ), Clients(), SystemClock())

    def handle(event: dict[str, Any], context: LambdaContext) -> Any:
        return service()(event, context)

    return observed(handle)


def observed(handler: Handler) -> Handler:
    """Return a handler that logs with its invocation's keys, and flushes its metrics when it ends."""
    logged = logger.inject_lambda_context(handler, clear_state=True)
    return metrics.log_metrics(logged, capture_cold_start_metric=True)
