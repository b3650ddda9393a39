"""What the `tenant-provisioner` function is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from tenant_provisioner.service import TenantProvisioner
from tenkacloud.events.bus import EventBus
from tenkacloud.events.consumer import EventConsumer
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.provisioners.catalogue import catalogue
from tenkacloud.provisioners.types import ProvisionerSettings
from tenkacloud.tenants.repository import TenantRepository

_WRITER: Final = "tenant-provisioner"


@dataclass(frozen=True, kw_only=True)
class Settings(ProvisionerSettings):
    """What Terraform and Lambda give the function."""

    event_bus_name: str
    table_name: str
    dead_letter_queue_url: str


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], None]:
    """Return what takes one onboarding request as EventBridge delivers it."""
    service = TenantProvisioner(
        catalogue=catalogue(settings, clients),
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
