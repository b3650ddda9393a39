"""Recording results."""

from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit

from provisioning_completion.decisions import Ignore, Retry, WithMark, decide
from tenkacloud.errors import InvalidFieldError, NotReadyError
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions.results import record_result
from tenkacloud.tenants.transitions.transition import Applied

_ROUNDS: Final = 3  # the result, the result with its mark, and one for a race; after that AWS delivers again


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
        reason = ""
        for _ in range(_ROUNDS):
            outcome = self.repository.apply(change)
            if isinstance(outcome, Applied):
                _log(result)
                return
            if outcome.item is None:
                raise InvalidFieldError(
                    "detail.tenantId", f"{result.tenant_id!r} is not a tenant of this table"
                )
            match decide(outcome.item, result, self.clock.now()):
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
                case WithMark(change):
                    reason = "it is being marked"
                case Retry(reason):
                    change = record_result(result, self.clock.now())
        raise NotReadyError(f"the record of {result.tenant_id} is not ready for its result: {reason}")


def _log(result: ProvisioningResult) -> None:
    metrics.add_metric(f"Tenant{result.status.capitalize()}", MetricUnit.Count, 1)
    if result.succeeded:
        logger.info("Tenant completed", attempt=result.attempt, resources=dict(result.resources))
    else:
        logger.warning("Tenant failed", attempt=result.attempt, reason=result.failure_reason)
