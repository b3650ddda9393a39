"""What the `provisioning-completion` function is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from provisioning_completion.service import Completion, OperationCompletion
from tenkacloud.events.consumer import EventConsumer, EventRouter
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.events.tenant_deprovisioned import TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions.operation import Waits

_WRITER: Final = "provisioning-completion"


@dataclass(frozen=True)
class Settings:
    """What Terraform gives the function."""

    table_name: str
    dead_letter_queue_url: str
    drain_seconds: int
    retire_after_seconds: int
    verify_again_after_seconds: int


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], None]:
    """Return what takes one result, or one report of progress, as EventBridge delivers it."""
    repository = TenantRepository(clients.dynamodb, settings.table_name, _WRITER, clock)
    dead_letters = DeadLetters(lambda: clients.sqs, settings.dead_letter_queue_url)
    waits = Waits(
        drain_seconds=settings.drain_seconds,
        retire_after_seconds=settings.retire_after_seconds,
        verify_again_after_seconds=settings.verify_again_after_seconds,
    )
    onboarding = Completion(repository, clock)
    operations = OperationCompletion(repository, waits, clock)
    consumers: list[EventConsumer[Any]] = [
        EventConsumer(ProvisioningResult, onboarding.record, dead_letters, clock),
        EventConsumer(TenantTierChanged, operations.record, dead_letters, clock),
        EventConsumer(TenantExported, operations.record, dead_letters, clock),
        EventConsumer(TenantDeprovisioned, operations.record, dead_letters, clock),
        EventConsumer(TenantOperationProgressed, operations.record_progress, dead_letters, clock),
    ]
    return EventRouter(consumers, dead_letters, clock).consume
