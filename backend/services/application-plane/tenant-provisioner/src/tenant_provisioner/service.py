"""Provisioning one tenant and reporting what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from tenant_provisioner import decisions
from tenkacloud.errors import InvalidFieldError, PermanentError
from tenkacloud.events.bus import EventBus
from tenkacloud.events.contract import Correlation
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clock import Clock, rfc3339
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.provisioners.catalogue import Catalogue
from tenkacloud.provisioners.types import TenantSpec
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.repository import TenantRepository


@dataclass(frozen=True)
class TenantProvisioner:
    """Builds a tenant's resources by tier, and reports COMPLETED or FAILED.

    `repository` returns the tenant table; it is called for replays only.
    """

    catalogue: Catalogue
    bus: EventBus
    repository: Callable[[], TenantRepository]
    clock: Clock

    def onboard(self, request: TenantOnboarding) -> None:
        """Provision a tenant and publish the result.

        Raises:
            PublishError: the result could not be published; the next delivery does both again.
            botocore.exceptions.ClientError: AWS failed in a way that a retry may mend.
        """
        resources: dict[str, str] = {}
        reason = None
        try:
            resources = self.catalogue.ensure(TenantSpec(request.tenant_id, request.slug, request.tier))
        except PermanentError as failure:
            reason = str(failure)
        self._report(
            ProvisioningResult(
                tenant_id=request.tenant_id,
                resources=resources,
                timestamp=rfc3339(self.clock.now()),
                failure_reason=reason,
                attempt=request.attempt,
                correlation_id=request.correlation_id,
                tier=request.tier,
                slug=request.slug,
            )
        )

    def report_invalid(self, request: Correlation, error: InvalidFieldError) -> None:
        """Publish FAILED for a request that is not valid, and whose tenant is known.

        Raises:
            PublishError: the result could not be published.
        """
        self._report(
            ProvisioningResult(
                tenant_id=request.tenant_id,
                resources={},
                timestamp=rfc3339(self.clock.now()),
                failure_reason=f"the onboarding event is invalid: {error}",
                attempt=request.attempt,
                correlation_id=request.correlation_id,
            )
        )

    def is_wanted(self, request: TenantOnboarding | Correlation) -> bool:
        """Tell whether the tenant's record requests what a replayed request does.

        Raises:
            botocore.exceptions.ClientError: the record can't be read; worth a retry.
        """
        record = self.repository().find(Key.of(request.tenant_id), decisions.ATTRIBUTES)
        return decisions.is_wanted(record, request)

    def _report(self, result: ProvisioningResult) -> None:
        self.bus.publish(result)
        metrics.add_metric(f"TenantProvisioning{result.status.capitalize()}", MetricUnit.Count, 1)
        if result.failure_reason is None:
            logger.info("Tenant provisioned", attempt=result.attempt, resources=dict(result.resources))
        else:
            logger.error("Provisioning failed for good", reason=result.failure_reason)
