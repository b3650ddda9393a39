"""Recording results."""

from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit

from provisioning_completion import operations
from provisioning_completion.decisions import Decision, Ignore, Purge, Retry, Write, decide
from tenkacloud.errors import InvalidFieldError, NotReadyError
from tenkacloud.events.operation import OperationEvent, OperationResult
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.record import Item
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions.operation import Waits, record_progress
from tenkacloud.tenants.transitions.results import record_result
from tenkacloud.tenants.transitions.transition import Applied
from tenkacloud.tenants.validation import TenantId

_ROUNDS: Final = 3  # the result, the result by the record as read, and a race; then AWS delivers again


@dataclass(frozen=True)
class Completion:
    """Records what the application plane reported."""

    repository: TenantRepository
    clock: Clock

    def record(self, result: ProvisioningResult) -> None:
        """Write a result to its tenant's record, unless the record is already beyond it.

        Raises:
            InvalidFieldError: there is no such tenant.
            NotReadyError: the record is not ready for the result.
        """
        change = record_result(result, self.clock.now())
        decision: Decision = Write(change, "")
        for _ in range(_ROUNDS):
            outcome = self.repository.apply(change)
            if isinstance(outcome, Applied):
                _log(result, decision)
                return
            item = _existing(outcome.item, result.tenant_id)
            match decision := decide(item, result, self.clock.now()):
                case Ignore(reason):
                    # A repair that failed is seen here and nowhere else: its tenant stays COMPLETED.
                    tell = logger.info if result.succeeded else logger.warning
                    tell(
                        "Result not recorded",
                        result=result.status,
                        reason=reason,
                        failure_reason=result.failure_reason,
                    )
                    metrics.add_metric("ResultIgnored", MetricUnit.Count, 1)
                    return
                case Write(change) | Purge(change):
                    pass
                case Retry():
                    change = record_result(result, self.clock.now())
        raise NotReadyError(
            f"the record of {result.tenant_id} is not ready for its result: {decision.reason}"
        )


@dataclass(frozen=True)
class OperationCompletion:
    """Records what the application plane reported of operations, and so begins what comes next."""

    repository: TenantRepository
    waits: Waits
    clock: Clock

    def record(self, result: OperationResult) -> None:
        """Write what a result makes of its tenant's record: of the attempt that it is at, and of no other.

        Raises:
            InvalidFieldError: there is no such tenant.
            NotReadyError: the record is not ready for the result.
        """
        found = self.repository.find(Key.of(result.tenant_id))
        reason = "it changes again and again"
        for _ in range(_ROUNDS):
            item = _existing(found, result.tenant_id)
            decision = operations.decide(item, result, self.waits, self.clock.now())
            if isinstance(decision, Retry):
                reason = decision.reason
                break
            if isinstance(decision, Ignore):
                _log_ignored(result, decision.reason, result.failure_reason)
                return
            outcome = self.repository.apply(decision.change)
            if isinstance(outcome, Applied):
                _log_phase(result)
                return
            found = outcome.item
        raise NotReadyError(f"the record of {result.tenant_id} is not ready for its result: {reason}")

    def record_progress(self, event: TenantOperationProgressed) -> None:
        """Write how far a phase is, if the record is still at this attempt of it."""
        outcome = self.repository.apply(record_progress(event, self.clock.now()))
        if isinstance(outcome, Applied):
            metrics.add_metric("OperationProgressed", MetricUnit.Count, 1)
            logger.info("Operation progressed", phase=event.phase, objects=event.objects, bytes=event.bytes)
        else:
            _log_ignored(event, "the record is not at this attempt of the phase")


def _existing(item: Item | None, tenant_id: TenantId) -> Item:
    """Return a record that there has to be.

    Raises:
        InvalidFieldError: there is none.
    """
    if item is None:
        raise InvalidFieldError("detail.tenantId", f"{tenant_id!r} is not a tenant of this table")
    return item


def _log_ignored(event: OperationEvent, reason: str, failure_reason: str | None = None) -> None:
    metrics.add_metric("ResultIgnored", MetricUnit.Count, 1)
    logger.info("Result not recorded", phase=event.phase, reason=reason, failure_reason=failure_reason)


def _log_phase(result: OperationResult) -> None:
    metrics.add_metric(f"Phase{result.status.capitalize()}", MetricUnit.Count, 1)
    if result.succeeded:
        logger.info("Phase completed", phase=result.phase, attempt=result.attempt)
    else:
        logger.warning(
            "Phase failed", phase=result.phase, attempt=result.attempt, reason=result.failure_reason
        )


def _log(result: ProvisioningResult, decision: Decision) -> None:
    if isinstance(decision, Purge):
        metrics.add_metric("PurgedAgain", MetricUnit.Count, 1)
        logger.warning(
            "Resources of a tenant that leaves", resources=dict(result.resources), reason=decision.reason
        )
        return
    metrics.add_metric(f"Tenant{result.status.capitalize()}", MetricUnit.Count, 1)
    if result.succeeded:
        logger.info("Tenant completed", attempt=result.attempt, resources=dict(result.resources))
    else:
        logger.warning("Tenant failed", attempt=result.attempt, reason=result.failure_reason)
