"""Taking one event from the bus: what all EventBridge consumers have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import Correlation, Envelope, Event, InvalidEventError, correlated
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.validation import parse_object, truncated_repr

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
            _reject(event, error, context, self.dead_letters, self.clock)
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


@dataclass(frozen=True)
class EventRouter:
    """Hands each event to the consumer of its kind: for a function that takes several detail types."""

    consumers: Sequence[EventConsumer[Any]]
    dead_letters: DeadLetters
    clock: Clock

    @property
    def events(self) -> tuple[type[Event], ...]:
        """The events that it takes."""
        return tuple(consumer.event for consumer in self.consumers)

    def consume(self, event: dict[str, Any], context: LambdaContext) -> None:
        """Handle one event as EventBridge delivers it. One of another kind goes to the dead-letter queue.

        Raises:
            Exception: whatever the consumer raises.
        """
        try:
            consumer = self._consumer_of(event)
        except InvalidFieldError as error:
            _reject(event, error, context, self.dead_letters, self.clock)
        else:
            consumer.consume(event, context)

    def _consumer_of(self, event: object) -> EventConsumer[Any]:
        """Return the consumer of an event.

        Raises:
            InvalidFieldError: there is none; a rule or a caller sends what it should not.
        """
        fields = parse_object("event", event)
        source, detail_type = fields.get("source"), fields.get("detail-type")
        for consumer in self.consumers:
            if (source, detail_type) == (consumer.event.SOURCE, consumer.event.DETAIL_TYPE):
                return consumer
        if source not in [event.SOURCE for event in self.events]:
            wrong, value, allowed = "source", source, [event.SOURCE for event in self.events]
        else:
            wrong, value, allowed = "detail-type", detail_type, [event.DETAIL_TYPE for event in self.events]
        expected = list(dict.fromkeys(allowed))
        one_of = "" if len(expected) == 1 else "one of "
        raise InvalidFieldError(wrong, f"{truncated_repr(value)} is not {one_of}{', '.join(expected)}")


def _reject(
    event: Any, error: InvalidFieldError, context: LambdaContext, dead_letters: DeadLetters, clock: Clock
) -> None:
    """Put an event that no retry mends into the dead-letter queue, with the reason."""
    reason = error.error if isinstance(error, InvalidEventError) else error
    dead_letters.reject(
        event,
        reason,
        request_id=context.aws_request_id,
        function_arn=context.invoked_function_arn,
        now=clock.now(),
    )
    metrics.add_metric("EventRejected", MetricUnit.Count, 1)
    # The reason says it all; a stack trace would only say where we looked.
    logger.error("Event rejected: see the dead-letter queue", reason=str(reason))
