"""What the `provisioning-completion` function is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from provisioning_completion.service import Completion
from tenkacloud.events.consumer import EventConsumer
from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.tenants.repository import TenantRepository

_WRITER: Final = "provisioning-completion"


@dataclass(frozen=True)
class Settings:
    """What Terraform gives the function."""

    table_name: str
    dead_letter_queue_url: str


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], None]:
    """Return what takes one result as EventBridge delivers it."""
    repository = TenantRepository(clients.dynamodb, settings.table_name, _WRITER, clock)
    return EventConsumer(
        event=ProvisioningResult,
        handle=Completion(repository, clock).record,
        dead_letters=DeadLetters(lambda: clients.sqs, settings.dead_letter_queue_url),
        clock=clock,
    ).consume
