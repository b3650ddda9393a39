"""What the `reconciler` function is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from reconciler.service import Reconciler
from tenkacloud.events.bus import EventBus
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.requester import Requester

_WRITER: Final = "reconciler"


@dataclass(frozen=True)
class Settings:
    """What Terraform gives the function."""

    table_name: str
    event_bus_name: str
    stuck_after_seconds: int
    automatic_retries_max: int
    export_retention_days: int


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], Mapping[str, Any]]:
    """Return what sweeps or repairs, as the event says, and returns what was done."""
    repository = TenantRepository(clients.dynamodb, settings.table_name, _WRITER, clock)
    bus = EventBus(clients.events, settings.event_bus_name)
    return Reconciler(
        repository=repository,
        requester=Requester(repository, bus),
        bus=bus,
        stuck_after=timedelta(seconds=settings.stuck_after_seconds),
        automatic_retries_max=settings.automatic_retries_max,
        export_retention=timedelta(days=settings.export_retention_days),
        clock=clock,
    ).handle
