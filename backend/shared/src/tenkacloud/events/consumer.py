"""Taking one event from the bus: what all EventBridge consumers have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import Correlation, Envelope, Event, InvalidEventError, correlated
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.telemetry import logger, metrics

#: What EventBridge adds to the envelope of an event that a replay brings from the archive.
REPLAY_NAME: Final = "replay-name"

_E = TypeVar("_E", bound=Event)


@dataclass(frozen=True)
class EventConsumer(Generic[_E]):
    """Opens the envelope, parses the detail, names the tenant in the logs, and calls `handle`.

    An event that breaks the contract goes to the function's dead-letter queue at once, with the reason; no
    retry would mend it. With `answer_invalid`, it is answered instead where it is known whom to answer.
    Everything else that is raised is raised, so that AWS retries.

    `is_wanted` is called for a replayed event only, so that it costs the others nothing: is it still to be
    handled, or answered?
    """

    event: type[_E]
    handle: Callable[[_E], None]
    dead_letters: DeadLetters
    clock: Clock
    answer_invalid: Callable[[Correlation, InvalidFieldError], None] | None = None
    is_wanted: Callable[[_E | Correlation], bool] = lambda _message: True

    @property
    def events(self) -> tuple[type[Event], ...]:
        """The events that it takes."""
        return (self.event,)

    def consume(self, event: dict[str, Any], context: LambdaContext) -> None:
        """Handle one event as EventBridge delivers it.

        Raises:
            Exception: whatever `handle`, `answer_invalid` or `is_wanted` raises, but for `InvalidFieldError`.
        """
        try:
            self._consume(event)
        except InvalidFieldError as error:
            reason = error.error if isinstance(error, InvalidEventError) else error
            self.dead_letters.reject(
                event,
                reason,
                request_id=context.aws_request_id,
                function_arn=context.invoked_function_arn,
                now=self.clock.now(),
            )
            metrics.add_metric("EventRejected", MetricUnit.Count, 1)
            # The reason says it all; a stack trace would only say where we looked.
            logger.error("Event rejected: see the dead-letter queue", reason=str(reason))
        except Exception:
            logger.exception("Event failed")
            metrics.add_metric("EventFailed", MetricUnit.Count, 1)
            raise

    def _consume(self, event: dict[str, Any]) -> None:
        envelope = Envelope.open(event, self.event)
        logger.append_keys(event_id=envelope.id)
        try:
            # An event from elsewhere may lack a correlation id; its own id then serves as one.
            message = correlated(self.event.parse(envelope.detail), envelope.id)
        except InvalidEventError as error:
            if self.answer_invalid is None:
                raise
            correlation = correlated(error.correlation, envelope.id)
            if self._is_wanted(event, correlation):
                self.answer_invalid(correlation, error.error)
        else:
            if self._is_wanted(event, message):
                self.handle(message)

    def _is_wanted(self, event: dict[str, Any], message: _E | Correlation) -> bool:
        logger.append_keys(tenant_id=message.tenant_id, correlation_id=message.correlation_id)
        if REPLAY_NAME not in event or self.is_wanted(message):
            return True
        metrics.add_metric("ReplayIgnored", MetricUnit.Count, 1)
        logger.info("Replayed event ignored", replay=event[REPLAY_NAME])
        return False
