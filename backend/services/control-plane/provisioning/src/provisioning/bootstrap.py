"""What the `provisioning` function is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from provisioning.service import Provisioning
from tenkacloud.events.bus import EventBus
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.requester import Requester

_WRITER: Final = "provisioning"


@dataclass(frozen=True)
class Settings:
    """What Terraform gives the function."""

    table_name: str
    event_bus_name: str


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], Mapping[str, Any]]:
    """Return what takes a batch of the tenant table's stream, and returns `batchItemFailures`."""
    repository = TenantRepository(clients.dynamodb, settings.table_name, _WRITER, clock)
    bus = EventBus(clients.events, settings.event_bus_name)
    return Provisioning(repository, Requester(repository, bus), clock).handle
