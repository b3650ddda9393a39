"""What the `canary` function is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from canary.repository import CanaryRepository
from canary.service import Canary
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock


@dataclass(frozen=True)
class Settings:
    """What Terraform gives the function."""

    table_name: str
    data_bucket_name: str
    account_id: str


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Return what runs once, whatever the event, and returns what was done."""
    canary = Canary(
        repository=CanaryRepository(clients.dynamodb, settings.table_name),
        s3=clients.s3,
        data_bucket=settings.data_bucket_name,
        account_id=settings.account_id,
        clock=clock,
    )
    return lambda _event, _context: canary.run()
