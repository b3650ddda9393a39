"""Recording results."""

from collections.abc import Callable
from dataclasses import dataclass

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from provisioning_completion.decisions import Ignore, Retry, WithMark, decide
from tenkacloud.errors import InvalidFieldError, NotReadyError
from tenkacloud.events import TenantProvisioned
from tenkacloud.tenants import record as records
from tenkacloud.tenants.repository import Applied, TenantStore

_ROUNDS = 3  # the result, the result with its mark, and one for a race; after that AWS delivers again


@dataclass(frozen=True)
class Completion:
    """Records what the application plane reported."""

    store: TenantStore
    logger: Logger
    metrics: Metrics
    clock: Callable[[], str]

    def record(self, result: TenantProvisioned) -> None:
        """Write a result to its tenant's record, unless the record is already beyond it.

        Raises:
            InvalidFieldError: there is no such tenant.
            NotReadyError: the record is not ready for the result.
        """
        change = records.record_result(result, self.clock())
        reason = ""
        for _ in range(_ROUNDS):
            outcome = self.store.apply(change)
            if isinstance(outcome, Applied):
                self._tell(result)
                return
            if outcome.item is None:
                raise InvalidFieldError("detail.tenantId", f"{result.tenant_id!r} is no tenant of this table")
            match decide(outcome.item, result, self.clock()):
                case Ignore(reason):
                    # A repair that failed is seen here and nowhere else: its tenant stays COMPLETED.
                    tell = self.logger.info if result.succeeded else self.logger.warning
                    tell(
                        "Result not recorded",
                        result=result.status,
                        reason=reason,
                        failure_reason=result.failure_reason,
                    )
                    self.metrics.add_metric("ResultIgnored", MetricUnit.Count, 1)
                    return
                case WithMark(change):
                    reason = "it is being marked"
                case Retry(reason):
                    change = records.record_result(result, self.clock())
        raise NotReadyError(f"the record of {result.tenant_id} is not ready for its result: {reason}")

    def _tell(self, result: TenantProvisioned) -> None:
        self.metrics.add_metric(f"Tenant{result.status.capitalize()}", MetricUnit.Count, 1)
        if result.succeeded:
            self.logger.info("Tenant completed", attempt=result.attempt, resources=dict(result.resources))
        else:
            self.logger.warning("Tenant failed", attempt=result.attempt, reason=result.failure_reason)
