"""Retrying the stuck, beginning what is due, and repairing on request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from reconciler.decisions import (
    Begin,
    Fail,
    Limits,
    RequestAgain,
    Skip,
    begin_due,
    decide,
    fail_minimally,
    repair,
)
from reconciler.requests import Repair, Sweep, parse_request
from tenkacloud.errors import InvalidFieldError, PublishError
from tenkacloud.events.bus import ENTRIES_MAX, EventBus
from tenkacloud.platform.clock import Clock, rfc3339
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.onboarding_request import OnboardingRequest, why_not_marked
from tenkacloud.tenants.operation_request import OutboxRequest
from tenkacloud.tenants.repository import InFlight, TenantRepository
from tenkacloud.tenants.requester import Requester, chunks
from tenkacloud.tenants.transitions.transition import NotApplied, Outcome, Transition

#: What one page can take when AWS does not answer at all: a read, and the two calls after which a page ends.
PAGE_MILLISECONDS: Final = 70_000


@dataclass
class SweepResult:
    """What a sweep did: tenants counted."""

    retried: int = 0
    failed: int = 0
    skipped: int = 0
    errors: int = 0
    due: int = 0
    due_left: int = 0


@dataclass(frozen=True)
class Reconciler:
    """Finds stuck tenants, and what is due, by sparse indexes alone: its work does not grow with the table.

    `stuck_after`: how long an attempt may take before it counts as stuck. It is longer than an attempt can
    take, so a running one is left alone; should it run on after all, its result is one of an older attempt.
    `export_retention`: how long the export of a tenant that is offboarded is kept.
    """

    repository: TenantRepository
    requester: Requester
    bus: EventBus
    stuck_after: timedelta
    automatic_retries_max: int
    export_retention: timedelta
    clock: Clock

    def handle(self, event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
        """Sweep, or repair; return what was done.

        Raises:
            InvalidFieldError: the event requests neither.
            Exception: see `sweep` and `repair`.
        """
        try:
            request = parse_request(event)
        except InvalidFieldError as error:
            # Whoever sent it waits for the answer and gets it; this is for those who look at the function.
            logger.error("Request rejected", reason=str(error))
            metrics.add_metric("RequestRejected", MetricUnit.Count, 1)
            raise
        if isinstance(request, Repair):
            return self.repair(request, context)
        return self.sweep(request, context)

    def sweep(self, request: Sweep, context: LambdaContext) -> dict[str, int]:
        """Retry or fail every tenant that is stuck, and begin what is due; return how many of which.

        What one run does not get to, the next does.

        Raises:
            botocore.exceptions.ClientError: the table can't be read.
        """
        result = SweepResult()
        now = self.clock.now()
        limits = self._limits(request, now)
        stuck_before = limits.stuck_before(0)
        oldest: datetime | None = None
        for page in self.repository.in_flight(now):
            oldest = min(oldest or page[0].since, *(each.since for each in page))
            stuck = [each for each in page if each.since <= stuck_before]
            try:
                self._retry(stuck, limits, context.aws_request_id, result)
            except PublishError:
                # No attempt is counted, and nobody fails, because of a bus that is down.
                logger.exception("Nobody retried: the bus takes nothing")
                result.errors += len(stuck)
                break
            if len(stuck) < len(page) or context.get_remaining_time_in_millis() < PAGE_MILLISECONDS:
                break
        self._begin_due(context, result)
        _measure(oldest, now, result)
        # The names are an interface: operators' tools read them.
        return {
            "resumed": result.retried,
            "givenUp": result.failed,
            "left": result.skipped,
            "errors": result.errors,
            "due": result.due,
        }

    def _limits(self, request: Sweep, now: datetime) -> Limits:
        if request.older_than is None:
            return Limits(now, self.stuck_after, self.automatic_retries_max)
        # An operator who names an age means it.
        return Limits(now, timedelta(seconds=request.older_than), self.automatic_retries_max, growing=False)

    def _retry(self, stuck: Sequence[InFlight], limits: Limits, request_id: str, result: SweepResult) -> None:
        found = self.repository.find_many([each.key for each in stuck])
        now = self.clock.now()
        decisions = {key: decide(key, item, limits, request_id, now) for key, item in found.items()}
        result.skipped += sum(isinstance(decision, Skip) for decision in decisions.values())
        self._fail({key: fail for key, fail in decisions.items() if isinstance(fail, Fail)}, result)
        requests = [
            each for each in decisions.values() if isinstance(each, OnboardingRequest | OutboxRequest)
        ]
        for chunk in chunks(requests, lambda request: len(request.events)):
            unwritable = {}
            for request, outcome in zip(chunk, self.requester.request(chunk), strict=True):
                if isinstance(request, OnboardingRequest) and (fail := fail_minimally(request, outcome, now)):
                    unwritable[request.tenant.key] = fail
                elif _is_applied(request.tenant.key, outcome, result):
                    with logger.append_context_keys(tenant_id=request.tenant.id):
                        events = [event.DETAIL_TYPE for event in request.events]
                        logger.warning("Tenant retried", events=events, attempt=_attempt(request))
                    result.retried += 1
            self._fail(unwritable, result)

    def _fail(self, failures: Mapping[Key, Fail], result: SweepResult) -> None:
        written = self.repository.apply_all([fail.change for fail in failures.values()])
        for (key, fail), outcome in zip(failures.items(), written, strict=True):
            if _is_applied(key, outcome, result):
                with logger.append_context_keys(tenant_id=key.tenant_id):
                    logger.warning("Tenant FAILED after retries", reason=fail.reason)
                result.failed += 1

    def _begin_due(self, context: LambdaContext, result: SweepResult) -> None:
        """Begin what is due, each by one change: the stream has it published.

        What waits for something else, an operation that FAILED for one, stays in the index meanwhile.
        """
        for page in self.repository.due(self.clock.now()):
            if context.get_remaining_time_in_millis() < PAGE_MILLISECONDS:
                break
            found = self.repository.find_many(page)
            now = self.clock.now()
            decisions = {key: begin_due(key, item, self.export_retention, now) for key, item in found.items()}
            begun = {key: each for key, each in decisions.items() if isinstance(each, Begin)}
            result.due_left += len(page)
            outcomes = self.repository.apply_all([each.change for each in begun.values()])
            for (key, begin), outcome in zip(begun.items(), outcomes, strict=True):
                if _is_applied(key, outcome, result):
                    with logger.append_context_keys(tenant_id=key.tenant_id):
                        logger.info("Begun", what=begin.what)
                    result.due += 1
                    result.due_left -= 1

    def repair(self, request: Repair, context: LambdaContext) -> Mapping[str, Any]:
        """Request the resources of tenants once more; return `{tenantId: "asked", "requested" or why not}`.

        "requested": its resources were of another tier, so it is PENDING again.

        Raises:
            PublishError: EventBridge took none of some.
            botocore.exceptions.ClientError: the table can't be read.
        """
        found = self.repository.find_many([Key.of(tenant_id) for tenant_id in request.tenant_ids])
        now = self.clock.now()
        answers: dict[str, str] = {}
        events = []
        for tenant_id in request.tenant_ids:
            key = Key.of(tenant_id)
            match repair(key, found.get(key), context.aws_request_id, now):
                case Skip(reason):
                    answers[tenant_id] = reason
                case RequestAgain(change):
                    answers[tenant_id] = self._request_again(change)
                case event:
                    events.append(event)
        for start in range(0, len(events), ENTRIES_MAX):
            portion = events[start : start + ENTRIES_MAX]
            for event, error in zip(portion, self.bus.put(portion), strict=True):
                answers[event.tenant_id] = error or "asked"
        metrics.add_metric("RepairRequested", MetricUnit.Count, len(events))
        skipped = len(request.tenant_ids) - len(events)
        logger.info("Repairs requested", requested=len(events), skipped=skipped)
        return answers

    def _request_again(self, change: Transition) -> str:
        match self.repository.apply_all([change])[0]:
            case Exception() as error:
                return f"it can't be written now: {error}"
            case NotApplied():
                return "the record changed meanwhile"
        return "requested"


def _attempt(request: OnboardingRequest | OutboxRequest) -> int | None:
    """Return the attempt that a request begins, for the logs; None if it begins none."""
    return next((event.attempt for event in request.events if event.attempt), None)


def _is_applied(key: Key, outcome: Outcome | Exception, result: SweepResult) -> bool:
    """Tell whether a transition was written; log and count why not."""
    with logger.append_context_keys(tenant_id=key.tenant_id):
        if isinstance(outcome, Exception):
            logger.error("Tenant not retried", exc_info=outcome)
            result.errors += 1
        elif isinstance(outcome, NotApplied):
            logger.info("Tenant skipped", reason=why_not_marked(outcome))
            result.skipped += 1
        else:
            return True
    return False


def _measure(oldest: datetime | None, now: datetime, result: SweepResult) -> None:
    age = 0.0 if oldest is None else (now - oldest).total_seconds()
    metrics.add_metric("OldestInFlight", MetricUnit.Seconds, max(age, 0.0))
    metrics.add_metric("TenantRetried", MetricUnit.Count, result.retried)
    metrics.add_metric("TenantFailedAfterRetries", MetricUnit.Count, result.failed)
    metrics.add_metric("DueBegun", MetricUnit.Count, result.due)
    metrics.add_metric("DueLeft", MetricUnit.Count, result.due_left)
    logger.info("Sweep done", oldest=None if oldest is None else rfc3339(oldest), **vars(result))
