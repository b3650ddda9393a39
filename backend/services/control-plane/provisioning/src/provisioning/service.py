"""One batch of the stream: deliveries that are planned, executed, planned again, and answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from provisioning.decisions import (
    Carry,
    Change,
    Ignore,
    Onboard,
    Plan,
    Publish,
    Reject,
    Undo,
    mark_in_flight,
    plan,
    plan_again,
)
from tenkacloud.errors import NotReadyError, PermanentError, PublishError
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.keys import TENANT_PREFIX
from tenkacloud.tenants.onboarding_request import OnboardingRequest, why_not_marked
from tenkacloud.tenants.operation_request import OutboxRequest
from tenkacloud.tenants.record import read
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.requester import Requester, chunks
from tenkacloud.tenants.transitions.transition import Image, NotApplied, Outcome

LOGGED_ID_MAX: Final = 100  # characters; a valid id has at most 64
#: What one chunk can take when AWS does not answer, with the listing of those who failed: the tries of three
#: calls (`CLIENT_CONFIG`). None is begun with less time left, so that a slow batch ends with its rest
#: reported, and not with a time-out that brings all of it again.
CHUNK_MILLISECONDS: Final = 70_000
#: A record that is written again and again is planned so often; after that AWS delivers it again.
_ROUNDS: Final = 3


class UnlistedError(NotReadyError):
    """A tenant was neither requested nor listed as in flight, so only the stream still knows of it."""


@dataclass
class Delivery:
    """One stream record, what is to be done for it, and what became of that: None, if nothing has yet."""

    record: DynamoDBRecord
    plan: Plan
    outcome: Outcome | Exception | None = None

    @classmethod
    def of(cls, record: DynamoDBRecord, earlier: "Delivery | None", now: datetime) -> "Delivery":
        """Return the delivery of a stream record, planned.

        `earlier` is that of the last one before it of the same record in the batch.
        """
        # Not Powertools' images: they read every attribute, and binary ones as strings.
        images = record["dynamodb"]
        old = images.get("OldImage")
        change = Change(
            keys=_keys(record),
            new=read(images.get("NewImage", {})),
            correlation_id=record.event_id or "",
            old_image=Image(old) if old else None,
            earlier=earlier.plan if earlier and earlier.record["dynamodb"].get("NewImage") == old else None,
        )
        return cls(record, plan(change, now))

    @property
    def tenant_id(self) -> str:
        """The id in the record's key, for the logs: also one that is not valid."""
        return str(_keys(self.record).get("PK")).removeprefix(TENANT_PREFIX)[:LOGGED_ID_MAX]

    @property
    def failed(self) -> bool:
        """Whether AWS is to deliver it again."""
        return isinstance(self.outcome, Exception)

    def plan_again(self, now: datetime) -> bool:
        """Plan it again if what was planned is overtaken; return whether it was."""
        if isinstance(self.plan, Ignore):
            return False
        again = plan_again(self.plan, self.outcome, now)
        self.plan = again or self.plan
        return again is not None


@dataclass(frozen=True)
class Provisioning:
    """Publishes what the records request: every tenant that entered PENDING, each phase, each fact."""

    repository: TenantRepository
    requester: Requester
    clock: Clock

    def handle(self, event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
        """Handle one batch of stream records; return which of them AWS is to deliver again.

        Raises:
            BatchProcessingError: every record of the batch failed.
            UnlistedError: a record failed, and its tenant could not even be listed as in flight.
        """
        now = self.clock.now()
        deliveries = _deliveries(event, now)
        self._execute(deliveries, context, now)
        unlisted = self._list_failed(deliveries, now)
        answered = iter(deliveries)

        def answer(record: DynamoDBRecord) -> None:  # noqa: ARG001 - Powertools names the argument
            _answer(next(answered))

        response = process_partial_response(
            event=event,
            record_handler=answer,
            processor=BatchProcessor(event_type=EventType.DynamoDBStreams),
            context=context,
        )
        if unlisted:
            raise UnlistedError(
                f"{unlisted} tenants are known to the stream only: it is to deliver them again"
            )
        return response

    def _execute(self, deliveries: Sequence[Delivery], context: LambdaContext, now: datetime) -> None:
        """Do what is planned, and where it was overtaken what is then planned, a bounded number of times."""
        due = list(deliveries)
        for _ in range(_ROUNDS):
            self._write([each for each in due if isinstance(each.plan, Undo)], context)
            self._request([each for each in due if isinstance(each.plan, Onboard | Publish)], context)
            self._write([each for each in due if isinstance(each.plan, Reject | Carry)], context)
            due = [each for each in due if each.plan_again(now)]
            if not due:
                return
        for delivery in due:
            if isinstance(delivery.outcome, NotApplied):
                delivery.outcome = NotReadyError("the record is written again and again")

    def _request(self, deliveries: Sequence[Delivery], context: LambdaContext) -> None:
        """Publish and mark, in chunks; the rest fails as soon as there is no bus, or no time."""
        down: Exception | None = None
        for chunk in chunks(deliveries, _events):
            requests = [request for each in chunk for request in _requests(each)]
            down = down or _out_of_time(context)
            outcomes: Sequence[Outcome | Exception]
            try:
                outcomes = [down] * len(chunk) if down else self.requester.request(requests)
            except PublishError as failure:
                # A bus that is down would take the time of every other chunk, too.
                down = failure
                outcomes = [failure] * len(chunk)
            for delivery, outcome in zip(chunk, outcomes, strict=True):
                delivery.outcome = outcome

    def _write(self, deliveries: Sequence[Delivery], context: LambdaContext) -> None:
        """Write what is to be published to nobody."""
        if not deliveries:
            return
        changes = [each.plan.change for each in deliveries if isinstance(each.plan, Reject | Undo | Carry)]
        no_time = _out_of_time(context)
        outcomes = [no_time] * len(changes) if no_time else self.repository.apply_all(changes)
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            delivery.outcome = outcome

    def _list_failed(self, deliveries: Sequence[Delivery], now: datetime) -> int:
        """List tenants that were neither requested nor rejected as in flight; return how many could not be.

        AWS delivers their records again, a bounded number of times. After that the sweep finds them. Only
        the stream knows what a record was before it was put anew, so one that is to be undone is not listed.
        """
        failed = [each for each in deliveries if each.failed and not isinstance(each.plan, Ignore)]
        marks = [mark_in_flight(each.plan, now) for each in failed if not isinstance(each.plan, Ignore)]
        outcomes = [
            *self.repository.apply_all([mark for mark in marks if mark]),
            *(each.outcome for each in failed if isinstance(each.plan, Undo | Carry)),
        ]
        # One that can't be written for good is no reason to hold up the others: its record goes to the queue.
        return sum(
            isinstance(outcome, Exception) and not isinstance(outcome, PermanentError) for outcome in outcomes
        )


def _requests(delivery: Delivery) -> Sequence[OnboardingRequest | OutboxRequest]:
    """Return the request that is planned, if one is."""
    return [delivery.plan.request] if isinstance(delivery.plan, Onboard | Publish) else []


def _events(delivery: Delivery) -> int:
    return sum(len(request.events) for request in _requests(delivery))


def _deliveries(event: dict[str, Any], now: datetime) -> list[Delivery]:
    deliveries: list[Delivery] = []
    last: dict[str, Delivery] = {}
    for record in DynamoDBStreamEvent(event).records:
        key = str(record["dynamodb"].get("Keys"))
        last[key] = Delivery.of(record, last.get(key), now)
        deliveries.append(last[key])
    return deliveries


def _answer(delivery: Delivery) -> None:
    """Log what became of a delivery; raise where AWS is to make it again."""
    with logger.append_context_keys(tenant_id=delivery.tenant_id, correlation_id=delivery.record.event_id):
        if isinstance(delivery.outcome, Exception):
            # Logged here, with the tenant's keys.
            logger.error("Record failed", exc_info=delivery.outcome)
            metrics.add_metric("RecordFailed", MetricUnit.Count, 1)
            # A new one: many records share an exception, and each raise makes its traceback longer.
            raise NotReadyError(str(delivery.outcome)) from None
        _log(delivery)


def _log(delivery: Delivery) -> None:
    if isinstance(delivery.plan, Carry | Publish | Undo):
        _log_operations(delivery.plan, delivery.outcome)
        return
    match delivery.plan, delivery.outcome:
        case Ignore(reason), _:
            logger.warning("Record ignored", reason=reason)
            metrics.add_metric("RecordIgnored", MetricUnit.Count, 1)
        case Reject(), NotApplied() as outcome:
            logger.info("Rejection not written", reason=why_not_marked(outcome))
            metrics.add_metric("RecordIgnored", MetricUnit.Count, 1)
        case Reject(_, _, reason, _), _:
            metrics.add_metric("TenantRejected", MetricUnit.Count, 1)
            logger.warning("Tenant rejected: FAILED", reason=reason)
        case Onboard(), NotApplied() as outcome:
            metrics.add_metric("TenantOnboardingRequested", MetricUnit.Count, 1)
            logger.info("Onboarding requested again", reason=why_not_marked(outcome))
        case Onboard(request), _:
            event = request.event
            metrics.add_metric("TenantOnboardingRequested", MetricUnit.Count, 1)
            logger.info("Onboarding requested", tier=event.tier, attempt=event.attempt)


def _log_operations(step: Carry | Publish | Undo, outcome: Outcome | Exception | None) -> None:
    match step, outcome:
        case Carry(_, _, lost), _:
            metrics.add_metric("TenantOnboardingRequested", MetricUnit.Count, 1)
            logger.warning("Places kept that a put-item lost", places=[each.place.name for each in lost])
        case Undo(), NotApplied() as outcome:
            logger.info("Overwritten record not restored", reason=why_not_marked(outcome))
            metrics.add_metric("RecordIgnored", MetricUnit.Count, 1)
        case Undo(), _:
            metrics.add_metric("OverwriteUndone", MetricUnit.Count, 1)
            logger.error("Record restored: it was put anew, which its tenant's state forbids")
        case Publish(request), outcome:
            events = [event.DETAIL_TYPE for event in request.events]
            metrics.add_metric("OutboxPublished", MetricUnit.Count, len(events))
            if isinstance(outcome, NotApplied):
                logger.info("Outbox published again", events=events, reason=why_not_marked(outcome))
            else:
                logger.info("Outbox published", events=events)


def _out_of_time(context: LambdaContext) -> NotReadyError | None:
    if context.get_remaining_time_in_millis() >= CHUNK_MILLISECONDS:
        return None
    return NotReadyError("too little time is left in this invocation")


def _keys(record: DynamoDBRecord) -> Mapping[str, object]:
    return (record.dynamodb.keys if record.dynamodb else None) or {}
