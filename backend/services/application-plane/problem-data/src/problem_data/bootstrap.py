"""What the `problem-data` function is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from problem_data.service import ProblemData
from tenkacloud.isolation.sessions import TenantAccess, Vendor, VendorSettings
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock


@dataclass(frozen=True)
class Settings(VendorSettings):
    """What Terraform and Lambda give the function. `tenant_claim`: of a token, holds the tenant's id."""

    tenant_claim: str


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Return what answers one request of an HTTP API, payload format 2.0."""
    access = TenantAccess(clients, Vendor.of(settings), clock)
    return ProblemData(access, settings.tenant_claim, clock).handle
