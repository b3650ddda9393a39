"""Resuming the stuck, and repairing on request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from reconciler.decisions import Fail, Limits, RequestAgain, Skip, decide, fail_as_it_is, repair
from reconciler.repository import InFlight, TenantReader
from reconciler.requests import Repair, Sweep
from tenkacloud.errors import PublishError
from tenkacloud.events.bus import ENTRIES_MAX
from tenkacloud.onboarding import OnboardingRequest, OnboardingRequester, chunks, why_not_marked
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.record import TENANT_PREFIX, Key, Transition
from tenkacloud.tenants.repository import NotApplied, Outcome

#: What one page can take when AWS does not answer at all: a read, and the two calls after which it gives up.
PAGE_MILLISECONDS: Final = 70_000


@dataclass
class SweepResult:
    """What a sweep did: tenants counted."""

    resumed: int = 0
    given_up: int = 0
    left: int = 0
    errors: int = 0


@dataclass(frozen=True)
class Reconciler:
    """Finds stuck tenants by the sparse index alone, so its work does not grow with the table.

    `stuck_after`: seconds after which an attempt counts as stuck. It is longer than an attempt can take, so a
    running one is left alone; should it run on after all, its result is one of an older attempt.
    """

    control_plane: OnboardingRequester
    reader: TenantReader
    stuck_after: int
    automatic_retries_max: int
    logger: Logger
    metrics: Metrics
    clock: Callable[[], datetime]

    def sweep(self, request: Sweep, context: LambdaContext) -> dict[str, int]:
        """Resume or give up every tenant that is stuck; return how many of which.

        What one run does not get to, the next does.

        Raises:
            botocore.exceptions.ClientError: the table can't be read.
        """
        sums = SweepResult()
        now = self.clock()
        limits = self._limits(request, now)
        stuck_before = limits.stuck_before(0)
        oldest: str | None = None
        down: PublishError | None = None
        for page in self.reader.in_flight(now):
            oldest = min(oldest or page[0].since, *(each.since for each in page))
            stuck = [each for each in page if each.since <= stuck_before]
            try:
                self._resume(stuck, limits, context.aws_request_id, sums)
            except PublishError as failure:
                # No attempt is counted, and nobody fails, because of a bus that is down.
                self.logger.exception("Nobody resumed: the bus takes nothing")
                sums.errors += len(stuck)
                down = failure
            if down or len(stuck) < len(page) or context.get_remaining_time_in_millis() < PAGE_MILLISECONDS:
                break
        self._measure(oldest, now, sums)
        return {
            "resumed": sums.resumed,
            "givenUp": sums.given_up,
            "left": sums.left,
            "errors": sums.errors,
        }

    def _limits(self, request: Sweep, now: datetime) -> Limits:
        if request.older_than is None:
            return Limits(now, timedelta(seconds=self.stuck_after), self.automatic_retries_max)
        # An operator who names an age means it.
        return Limits(now, timedelta(seconds=request.older_than), self.automatic_retries_max, growing=False)

    def _measure(self, oldest: str | None, now: datetime, sums: SweepResult) -> None:
        age = 0.0 if oldest is None else (now - datetime.fromisoformat(oldest)).total_seconds()
        self.metrics.add_metric("OldestInFlight", MetricUnit.Seconds, max(age, 0.0))
        self.metrics.add_metric("TenantResumed", MetricUnit.Count, sums.resumed)
        self.metrics.add_metric("TenantGivenUp", MetricUnit.Count, sums.given_up)
        self.logger.info("Sweep done", oldest=oldest, **vars(sums))

    def _resume(self, stuck: Sequence[InFlight], limits: Limits, request_id: str, sums: SweepResult) -> None:
        found = self.reader.records([each.key for each in stuck])
        now = rfc3339(self.clock())
        decisions = {key: decide(key, item, limits, request_id, now) for key, item in found.items()}
        sums.left += sum(isinstance(decision, Skip) for decision in decisions.values())
        failures = {key: fail for key, fail in decisions.items() if isinstance(fail, Fail)}
        self._fail(failures, sums)
        for chunk in chunks([ask for ask in decisions.values() if isinstance(ask, OnboardingRequest)]):
            hopeless = {}
            for ask, outcome in zip(chunk, self.control_plane.ask(chunk), strict=True):
                if fail := fail_as_it_is(ask, outcome, now):
                    hopeless[ask.tenant.key] = fail
                else:
                    self._tell(ask.tenant.key, "Tenant resumed", outcome, sums, attempt=ask.event.attempt)
            self._fail(hopeless, sums)

    def _fail(self, failures: Mapping[Key, Fail], sums: SweepResult) -> None:
        written = self.control_plane.store.apply_all([fail.change for fail in failures.values()])
        for (key, fail), outcome in zip(failures.items(), written, strict=True):
            self._tell(key, "Tenant given up: FAILED", outcome, sums, reason=fail.reason)

    def _tell(
        self, key: Key, message: str, outcome: Outcome | Exception, sums: SweepResult, **details: Any
    ) -> None:
        with self.logger.append_context_keys(tenant_id=key.pk.removeprefix(TENANT_PREFIX)):
            if isinstance(outcome, Exception):
                self.logger.error("Tenant not resumed", exc_info=outcome)
                sums.errors += 1
            elif isinstance(outcome, NotApplied):
                self.logger.info("Tenant left alone", reason=why_not_marked(outcome))
                sums.left += 1
            else:
                self.logger.warning(message, **details)
                if "reason" in details:
                    sums.given_up += 1
                else:
                    sums.resumed += 1

    def repair(self, request: Repair, context: LambdaContext) -> Mapping[str, Any]:
        """Ask for the resources of tenants once more; return `{tenantId: "asked", "requested" or why not}`.

        "requested": its resources were of another tier, so it is PENDING again.

        Raises:
            PublishError: EventBridge took none of some.
            botocore.exceptions.ClientError: the table can't be read.
        """
        found = self.reader.records([Key.of(tenant_id) for tenant_id in request.tenant_ids])
        now = rfc3339(self.clock())
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
            for event, error in zip(portion, self.control_plane.bus.put(list(portion)), strict=True):
                answers[event.tenant_id] = error or "asked"
        self.metrics.add_metric("RepairRequested", MetricUnit.Count, len(events))
        self.logger.info("Repairs asked for", asked=len(events), left=len(request.tenant_ids) - len(events))
        return answers

    def _request_again(self, change: Transition) -> str:
        match self.control_plane.store.apply_all([change])[0]:
            case Exception() as error:
                return f"it can't be written now: {error}"
            case NotApplied():
                return "the record changed meanwhile"
        return "requested"
