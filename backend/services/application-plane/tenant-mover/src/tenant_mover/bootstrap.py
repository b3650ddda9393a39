"""What the `tenant-mover` function is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from tenant_mover.exporting import TenantExporter
from tenant_mover.moving import TenantMover
from tenant_mover.service import SliceRunner
from tenkacloud.events.bus import EventBus
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.events.queue_consumer import QueueConsumer
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.isolation.maintenance import (
    CONNECTIONS_MAX,
    MaintenanceAccess,
    MaintenanceSettings,
    MaintenanceVendor,
)
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.provisioners.catalogue import catalogue
from tenkacloud.provisioners.types import ProvisionerSettings
from tenkacloud.tenants.repository import TenantRepository

_WRITER: Final = "tenant-mover"


@dataclass(frozen=True, kw_only=True)
class Settings(MaintenanceSettings, ProvisionerSettings):
    """What Terraform and Lambda give the function. Above `multipart_threshold_bytes`, copies are in parts."""

    event_bus_name: str
    queue_url: str
    dead_letter_queue_url: str
    multipart_threshold_bytes: int


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], Mapping[str, Any]]:
    """Return what takes a batch of messages as Lambda delivers them from the queue."""
    vendor = MaintenanceVendor.of(settings)
    runner = SliceRunner(
        repository=TenantRepository(clients.dynamodb, settings.table_name, _WRITER, clock),
        # Each keeps its last session: one for the leases, one for the work.
        leases=MaintenanceAccess(clients, vendor, clock),
        bus=EventBus(clients.events, settings.event_bus_name),
        clock=clock,
    )
    access = MaintenanceAccess(clients, vendor, clock)
    together = partial(clients.together, threads=CONNECTIONS_MAX)
    steps = catalogue(settings, clients)
    mover = TenantMover(
        runner=runner,
        access=access,
        catalogue=steps,
        together=together,
        multipart_threshold=settings.multipart_threshold_bytes,
    )
    exporter = TenantExporter(
        runner=runner,
        access=access,
        catalogue=steps,
        together=together,
        multipart_threshold=settings.multipart_threshold_bytes,
    )
    return QueueConsumer(
        handlers={TenantTierChanging: mover.handle, TenantExporting: exporter.handle},
        sqs=lambda: clients.sqs,
        queue_url=settings.queue_url,
        dead_letters=DeadLetters(lambda: clients.sqs, settings.dead_letter_queue_url),
        clock=clock,
    ).consume
