"""What the `tenant-provisioner` function is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from tenant_provisioner.provisioners.pool import PoolProvisioner
from tenant_provisioner.provisioners.silo import SiloProvisioner
from tenant_provisioner.service import TenantProvisioner
from tenkacloud.events.bus import EventBus
from tenkacloud.events.consumer import EventConsumer
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.settings import variable
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.validation import Tier

_WRITER: Final = "tenant-provisioner"


@dataclass(frozen=True)
class Settings:
    """What Terraform and Lambda give the function."""

    account_id: str
    data_bucket_name: str
    event_bus_name: str
    table_name: str
    tenant_access_role_arn: str
    tenant_maintenance_role_arn: str
    dead_letter_queue_url: str
    environment: str = variable("TENKACLOUD_ENVIRONMENT")
    region: str = variable("AWS_REGION")


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], None]:
    """Return what takes one onboarding request as EventBridge delivers it."""
    pool = PoolProvisioner(clients.s3, settings.data_bucket_name, settings.account_id)
    silo = SiloProvisioner(
        s3=clients.s3,
        environment=settings.environment,
        account_id=settings.account_id,
        region=settings.region,
        tenant_access_role_arn=settings.tenant_access_role_arn,
        tenant_maintenance_role_arn=settings.tenant_maintenance_role_arn,
        together=clients.together,
    )
    service = TenantProvisioner(
        provisioners={Tier.FREE: pool, Tier.PRO: pool, Tier.ENTERPRISE: silo},
        bus=EventBus(clients.events, settings.event_bus_name),
        # Hardly any process sees a replay, so only one that does makes the client.
        repository=lambda: TenantRepository(clients.dynamodb, settings.table_name, _WRITER, clock),
        clock=clock,
    )
    return EventConsumer(
        event=TenantOnboarding,
        handle=service.onboard,
        answer_invalid=service.report_invalid,
        is_wanted=service.is_wanted,
        dead_letters=DeadLetters(lambda: clients.sqs, settings.dead_letter_queue_url),
        clock=clock,
    ).consume
