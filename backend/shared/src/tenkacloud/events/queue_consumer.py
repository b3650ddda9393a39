"""Taking events from a queue, in slices: what the functions with long work have in common.

A rule of the bus fills the queue, and so does the function itself: work that is too long for one invocation
is cut into slices. Each goes on where the one before it stopped, by a message `{"event": …, "cursor": …}`
with the event as EventBridge delivered it and a cursor that only its handler understands.

A message that fails is delivered again, soon, and after some deliveries the queue puts it into its
dead-letter queue. One that breaks the contract is put there at once, with the reason. One whose function dies
comes again when the queue's visibility time-out is over.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import Envelope, Event, InvalidEventError, correlated
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.validation import parse_object, truncated_repr

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

DELAY_MAX: Final = 900  # seconds that SQS holds a message back; its limit
#: Seconds until a message that failed comes again, doubled with each receive. The queue's own visibility
#: time-out is six times the function's: a tenant that is read-only can't wait so long for a throttled call.
RETRY_FIRST: Final = 10
RETRY_MAX: Final = 300

Cursor = Mapping[str, Any]


@dataclass(frozen=True)
class Slice:
    """A piece of the work of one event. `cursor` is None for the first, `message_id` is the message's in SQS.

    `remaining` returns the seconds until the function's time-out.
    """

    cursor: Cursor | None
    message_id: str
    remaining: Callable[[], float]
    _send: Callable[[Cursor | None, int], None] = field(repr=False)

    def send_slice(self, cursor: Cursor | None, delay_seconds: int = 0) -> None:
        """Have the work go on from a cursor, not before so many seconds (at most `DELAY_MAX`).

        Raises:
            botocore.exceptions.ClientError: the queue did not take it; AWS delivers this slice again.
        """
        self._send(cursor, max(0, min(delay_seconds, DELAY_MAX)))


#: What handles one slice of an event.
SliceHandler = Callable[[Any, Slice], None]


@dataclass(frozen=True)
class QueueConsumer:
    """Opens the messages of a batch, parses their events, and calls the handler of each event's class.

    `sqs` returns the client. `handlers` are by class: of several, each is called with its own events.
    """

    handlers: Mapping[type[Event], SliceHandler]
    sqs: "Callable[[], SQSClient]"
    queue_url: str
    dead_letters: DeadLetters
    clock: Clock

    @property
    def events(self) -> tuple[type[Event], ...]:
        """The events that it takes."""
        return tuple(self.handlers)

    def consume(self, event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
        """Handle a batch of messages as Lambda delivers it; return which of them SQS is to deliver again."""

        def handle(record: SQSRecord) -> None:
            self._handle(record, context)

        return process_partial_response(
            event=event,
            record_handler=handle,
            # One that failed is told of in the answer, also if it is alone: the invocation has not failed.
            processor=BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False),
            context=context,
        )

    def _handle(self, record: SQSRecord, context: LambdaContext) -> None:
        body: object = record.body
        metrics.add_metric("SliceReceived", MetricUnit.Count, 1)
        try:
            body = json.loads(record.body)
            self._consume(body, record.message_id, context)
        except (InvalidFieldError, json.JSONDecodeError) as error:
            reason = error.error if isinstance(error, InvalidEventError) else error
            self.dead_letters.reject(
                body,
                reason,
                request_id=context.aws_request_id,
                function_arn=context.invoked_function_arn,
                now=self.clock.now(),
            )
            metrics.add_metric("EventRejected", MetricUnit.Count, 1)
            logger.error("Event rejected: see the dead-letter queue", reason=str(reason))
        except Exception:
            logger.exception("Event failed", receive_count=record.attributes.approximate_receive_count)
            metrics.add_metric("EventFailed", MetricUnit.Count, 1)
            self._retry_soon(record)
            raise

    def _retry_soon(self, record: SQSRecord) -> None:
        """Have a message that failed come again sooner than its queue has it."""
        receives = int(record.attributes.approximate_receive_count)
        try:
            self.sqs().change_message_visibility(
                QueueUrl=self.queue_url,
                ReceiptHandle=record.receipt_handle,
                VisibilityTimeout=min(RETRY_FIRST * 2 ** (receives - 1), RETRY_MAX),
            )
        except (ClientError, BotoCoreError):
            logger.exception("The message comes again when its visibility time-out is over")

    def _consume(self, body: object, message_id: str, context: LambdaContext) -> None:
        event, cursor = parse_slice(body)
        kind = self._kind(event)
        envelope = Envelope.open(event, kind)
        logger.append_keys(event_id=envelope.id)
        message = correlated(kind.parse(envelope.detail), envelope.id)
        logger.append_keys(tenant_id=message.tenant_id, correlation_id=message.correlation_id)

        def send(onward: Cursor | None, delay_seconds: int) -> None:
            text = json.dumps({"event": event, "cursor": onward}, separators=(",", ":"))
            self.sqs().send_message(QueueUrl=self.queue_url, MessageBody=text, DelaySeconds=delay_seconds)

        def remaining() -> float:
            return context.get_remaining_time_in_millis() / 1000

        self.handlers[kind](message, Slice(cursor, message_id, remaining, send))

    def _kind(self, event: Mapping[str, object]) -> type[Event]:
        for kind in self.handlers:
            if event.get("detail-type") == kind.DETAIL_TYPE:
                return kind
        known = ", ".join(kind.DETAIL_TYPE for kind in self.handlers)
        raise InvalidFieldError(
            "detail-type", f"{truncated_repr(event.get('detail-type'))} is unknown: one of {known}"
        )


def parse_slice(body: object) -> tuple[Mapping[str, object], Cursor | None]:
    """Return the event of a message as EventBridge delivered it, and the cursor, None for the first slice.

    Raises:
        InvalidFieldError: it is neither an event nor a slice of one.
    """
    fields = parse_object("message", body)
    if "event" not in fields:
        return fields, None
    cursor = fields.get("cursor")
    return parse_object("event", fields["event"]), None if cursor is None else parse_object("cursor", cursor)
