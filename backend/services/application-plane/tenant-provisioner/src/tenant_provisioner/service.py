"""Provisioning one tenant and reporting what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from tenant_provisioner.types import Provisioner, Resources
from tenkacloud.errors import PermanentError
from tenkacloud.events import TenantOnboarding, TenantProvisioned
from tenkacloud.events.bus import EventBus
from tenkacloud.tenants.validation import Tier


@dataclass(frozen=True)
class TenantProvisioner:
    """Builds a tenant's resources by tier, and reports COMPLETED or FAILED."""

    provisioners: Mapping[Tier, Provisioner]
    bus: EventBus
    logger: Logger
    metrics: Metrics
    clock: Callable[[], str]

    def onboard(self, request: TenantOnboarding | TenantProvisioned) -> None:
        """Provision a tenant and publish the result; publish a result that stands already as it is.

        Raises:
            PublishError: the result could not be published; the next delivery does both again.
            botocore.exceptions.ClientError: AWS failed in a way that a retry may mend.
        """
        result = request if isinstance(request, TenantProvisioned) else self._provision(request)
        self.bus.publish(result)
        self.metrics.add_metric(f"TenantProvisioning{result.status.capitalize()}", MetricUnit.Count, 1)
        if result.failure_reason is None:
            self.logger.info("Tenant provisioned", attempt=result.attempt, resources=dict(result.resources))
        else:
            self.logger.error("Provisioning failed for good", reason=result.failure_reason)

    def _provision(self, tenant: TenantOnboarding) -> TenantProvisioned:
        resources: Resources = {}
        reason = None
        try:
            resources = self.provisioners[tenant.tier].provision(tenant)
        except PermanentError as failure:
            reason = str(failure)
        return TenantProvisioned(
            tenant_id=tenant.tenant_id,
            resources={name: str(resource) for name, resource in resources.items()},
            timestamp=self.clock(),
            failure_reason=reason,
            attempt=tenant.attempt,
            correlation_id=tenant.correlation_id,
            tier=tenant.tier,
            slug=tenant.slug,
        )
