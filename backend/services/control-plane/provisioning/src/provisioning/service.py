"""Carrying out the plans of one batch: publish, then mark."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from provisioning.decisions import Ignore, Plan, Reject, is_pending, list_in_flight, plan, plan_again
from tenkacloud.errors import NotReadyError, PermanentError, PublishError
from tenkacloud.onboarding import OnboardingRequest, OnboardingRequester, chunks, why_not_marked
from tenkacloud.tenants import record as records
from tenkacloud.tenants.record import TENANT_PREFIX, Transition
from tenkacloud.tenants.repository import NotApplied, Outcome

LOGGED_ID_MAX: Final = 100  # characters; a valid id has at most 64
#: What one chunk can take when AWS does not answer, with the listing of those who failed: the tries of three
#: calls (`CLIENT_CONFIG`). None is begun with less time left, so that a slow batch ends with its rest
#: reported, and not with a time-out that brings all of it again.
CHUNK_MILLISECONDS: Final = 70_000


class UnlistedError(NotReadyError):
    """A tenant was neither asked for nor listed as in flight, so only the stream still knows of it."""


@dataclass(frozen=True)
class Provisioning:
    """Asks the application plane for every tenant that entered PENDING."""

    control_plane: OnboardingRequester
    logger: Logger
    metrics: Metrics

    def handle(self, event: dict[str, Any], context: LambdaContext, now: str) -> Mapping[str, Any]:
        """Handle one batch of stream records; return which of them AWS is to deliver again.

        Raises:
            BatchProcessingError: every record of the batch failed.
            UnlistedError: a record failed, and its tenant could not even be listed as in flight.
        """
        plans = {_sequence(record): _plan(record, now) for record in DynamoDBStreamEvent(event).records}
        outcomes: dict[str, Outcome | Exception] = {}
        to_do = {sequence: step for sequence, step in plans.items() if not isinstance(step, Ignore)}
        for _ in range(_ROUNDS):
            done = self._carry_out(to_do, context)
            outcomes |= done
            to_do = {
                sequence: again
                for sequence, outcome in done.items()
                if (again := plan_again(to_do[sequence], outcome, now))
            }
            if not to_do:
                break
            plans |= to_do
        outcomes |= dict.fromkeys((each for each in to_do if _is_pending(outcomes[each])), _CHANGES_QUICKLY)
        unlisted = self._list_those_who_failed(plans, outcomes, now)

        def on_record(record: DynamoDBRecord) -> None:
            # Not the validated id: a record with a bad one is logged, too.
            tenant_id = str(_keys(record).get("PK")).removeprefix(TENANT_PREFIX)[:LOGGED_ID_MAX]
            with self.logger.append_context_keys(tenant_id=tenant_id, correlation_id=record.event_id):
                outcome = outcomes.get(_sequence(record))
                if isinstance(outcome, Exception):
                    # Logged here, with the tenant's keys; raised, so that AWS delivers the record again.
                    self.logger.error("Record failed", exc_info=outcome)
                    self.metrics.add_metric("RecordFailed", MetricUnit.Count, 1)
                    # A new one: many records share an exception, and each raise makes its traceback longer.
                    raise NotReadyError(str(outcome)) from None
                self._tell(plans[_sequence(record)], outcome)

        response = process_partial_response(
            event=event,
            record_handler=on_record,
            processor=BatchProcessor(event_type=EventType.DynamoDBStreams),
            context=context,
        )
        if unlisted:
            raise UnlistedError(
                f"{unlisted} tenants are known to the stream only: it is to deliver them again"
            )
        return response

    def _carry_out(
        self, plans: Mapping[str, OnboardingRequest | Reject], context: LambdaContext
    ) -> dict[str, Outcome | Exception]:
        asks = {sequence: step for sequence, step in plans.items() if isinstance(step, OnboardingRequest)}
        refusals = {sequence: step.change for sequence, step in plans.items() if isinstance(step, Reject)}
        sequences = iter(asks)
        outcomes: dict[str, Outcome | Exception] = {}
        down: Exception | None = None
        for chunk in chunks(list(asks.values())):
            down = down or (None if _has_time(context) else _NO_TIME)
            done: list[Outcome | Exception]
            try:
                done = [down] * len(chunk) if down else self.control_plane.ask(chunk)
            except PublishError as failure:
                # A bus that is down would take the time of every other chunk, too.
                down = failure
                done = [failure] * len(chunk)
            outcomes.update(zip(islice(sequences, len(chunk)), done, strict=True))
        outcomes.update(self._apply(refusals) if _has_time(context) else dict.fromkeys(refusals, _NO_TIME))
        return outcomes

    def _apply(self, changes: Mapping[str, Transition]) -> dict[str, Outcome | Exception]:
        return dict(zip(changes, self.control_plane.store.apply_all(list(changes.values())), strict=True))

    def _list_those_who_failed(
        self, plans: Mapping[str, Plan], outcomes: Mapping[str, Outcome | Exception], now: str
    ) -> int:
        """List tenants that were neither asked for nor refused as in flight; return how many could not be.

        AWS delivers their records again, a bounded number of times. After that the reconciler knows of them.
        """
        failed = {
            sequence: list_in_flight(step, now)
            for sequence, step in plans.items()
            if not isinstance(step, Ignore) and isinstance(outcomes.get(sequence), Exception)
        }
        # One that can't be written for good is no reason to hold up the others: its record goes to the queue.
        return sum(
            isinstance(outcome, Exception) and not isinstance(outcome, PermanentError)
            for outcome in self._apply(failed).values()
        )

    def _tell(self, step: Plan, outcome: Outcome | None) -> None:
        match step, outcome:
            case Ignore(reason), _:
                self.logger.warning("Record ignored", reason=reason)
                self.metrics.add_metric("RecordIgnored", MetricUnit.Count, 1)
            case Reject(), NotApplied():
                self.logger.info("Refusal not written", reason=why_not_marked(outcome))
                self.metrics.add_metric("RecordIgnored", MetricUnit.Count, 1)
            case Reject(_, _, reason, _), _:
                self.metrics.add_metric("TenantRefused", MetricUnit.Count, 1)
                self.logger.warning("Tenant refused: FAILED", reason=reason)
            case OnboardingRequest(), NotApplied():
                self.metrics.add_metric("TenantOnboardingRequested", MetricUnit.Count, 1)
                self.logger.info("Onboarding requested again", reason=why_not_marked(outcome))
            case OnboardingRequest(_, event, _), _:
                self.metrics.add_metric("TenantOnboardingRequested", MetricUnit.Count, 1)
                self.logger.info("Onboarding requested", tier=event.tier, attempt=event.attempt)


#: A record that is written again and again is planned so often; after that AWS delivers it again.
_ROUNDS: Final = 3
_CHANGES_QUICKLY: Final = NotReadyError("the record is written again and again")
_NO_TIME: Final = NotReadyError("too little time is left in this invocation")


def _is_pending(outcome: Outcome | Exception) -> bool:
    return isinstance(outcome, NotApplied) and is_pending(outcome.item)


def _has_time(context: LambdaContext) -> bool:
    return context.get_remaining_time_in_millis() >= CHUNK_MILLISECONDS


def _sequence(record: DynamoDBRecord) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _keys(record: DynamoDBRecord) -> Mapping[str, object]:
    return (record.dynamodb.keys if record.dynamodb else None) or {}


def _plan(record: DynamoDBRecord, now: str) -> Plan:
    # Not Powertools' new_image: it reads every attribute, and binary ones as strings.
    image = records.read(record["dynamodb"].get("NewImage", {}))
    return plan(_keys(record), image, record.event_id or "", now)
