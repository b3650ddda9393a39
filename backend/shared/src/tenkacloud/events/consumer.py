"""Taking one event from the bus: what both EventBridge consumers have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events import Envelope, Event, TenantOnboarding, TenantProvisioned, correlated
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.platform.runtime import CLIENT_CONFIG, utc_now

#: What EventBridge adds to the envelope of an event that a replay brings from the archive.
REPLAY_NAME: Final = "replay-name"

_T = TypeVar("_T", TenantOnboarding, TenantProvisioned, Event)


@dataclass(frozen=True)
class EventConsumer(Generic[_T]):
    """Opens the envelope, parses the detail, names the tenant in the logs, and calls `handle`.

    An event that breaks the contract goes to the function's dead-letter queue at once, with the reason; no
    retry would mend it. Everything else that `handle` raises is raised, so that AWS retries.
    """

    source: str
    detail_type: str
    parse: Callable[[object], _T]
    handle: Callable[[_T], None]
    queue_url: str
    logger: Logger
    metrics: Metrics
    #: Asked of a replayed event only, so that it costs the others nothing: is it still to be handled?
    is_wanted: Callable[[_T], bool] = lambda _message: True

    def consume(self, event: dict[str, Any], context: LambdaContext) -> None:
        """Handle one event as EventBridge delivers it.

        Raises:
            Exception: whatever `handle` or `is_wanted` raises, but for `InvalidFieldError`.
        """
        try:
            envelope = Envelope.open(event, self.source, self.detail_type)
            self.logger.append_keys(event_id=envelope.id)
            # An event from elsewhere may lack a correlation id; its own id then serves as one.
            message = correlated(self.parse(envelope.detail), envelope.id)
            self.logger.append_keys(tenant_id=message.tenant_id, correlation_id=message.correlation_id)
            if REPLAY_NAME in event and not self.is_wanted(message):
                self.metrics.add_metric("ReplayIgnored", MetricUnit.Count, 1)
                self.logger.info("Replayed event ignored", replay=event[REPLAY_NAME])
                return
            self.handle(message)
        except InvalidFieldError as error:
            # Made here, since hardly any invocation needs it: a client costs a cold start some 50 ms.
            queue = DeadLetters(boto3.client("sqs", config=CLIENT_CONFIG), self.queue_url)
            queue.reject(
                event,
                error,
                request_id=context.aws_request_id,
                function_arn=context.invoked_function_arn,
                now=utc_now(),
            )
            self.metrics.add_metric("EventRejected", MetricUnit.Count, 1)
            # The reason says it all; a stack trace would only say where we looked.
            self.logger.error("Event rejected: see the dead-letter queue", reason=str(error))  # noqa: TRY400
        except Exception:
            self.logger.exception("Event failed")
            self.metrics.add_metric("EventFailed", MetricUnit.Count, 1)
            raise
