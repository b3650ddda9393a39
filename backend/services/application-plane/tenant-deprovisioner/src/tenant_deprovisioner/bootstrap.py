"""What the `tenant-deprovisioner` function is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from tenant_deprovisioner.purging import Purger
from tenant_deprovisioner.service import TenantDeprovisioner
from tenant_deprovisioner.verifying import Verifier
from tenkacloud.events.bus import EventBus
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.events.queue_consumer import QueueConsumer
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.isolation.maintenance import MaintenanceAccess, MaintenanceSettings, MaintenanceVendor
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.provisioners.catalogue import catalogue
from tenkacloud.provisioners.types import ProvisionerSettings
from tenkacloud.tenants.repository import TenantRepository

_WRITER: Final = "tenant-deprovisioner"


@dataclass(frozen=True, kw_only=True)
class Settings(MaintenanceSettings, ProvisionerSettings):
    """What Terraform and Lambda give the function."""

    event_bus_name: str
    queue_url: str
    dead_letter_queue_url: str


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], Mapping[str, Any]]:
    """Return what takes slices of offboardings as SQS delivers them."""
    steps = catalogue(settings, clients)
    access = MaintenanceAccess(clients, MaintenanceVendor.of(settings), clock)
    service = TenantDeprovisioner(
        repository=TenantRepository(clients.dynamodb, settings.table_name, _WRITER, clock),
        purger=Purger(access, steps, lambda: clients.s3, clients.together, clock),
        verifier=Verifier(access, steps, lambda: clients.s3, settings.account_id),
        bus=EventBus(clients.events, settings.event_bus_name),
        clock=clock,
    )
    return QueueConsumer(
        handlers={TenantOffboarding: service.handle},
        sqs=lambda: clients.sqs,
        queue_url=settings.queue_url,
        dead_letters=DeadLetters(lambda: clients.sqs, settings.dead_letter_queue_url),
        clock=clock,
    ).consume
