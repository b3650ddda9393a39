"""What the `problem-data` function is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from problem_data.service import ProblemData
from tenkacloud.isolation.policies import SessionScope
from tenkacloud.isolation.sessions import TenantAccess, Vendor
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.settings import variable


@dataclass(frozen=True)
class Settings:
    """What Terraform and Lambda give the function."""

    account_id: str
    table_name: str
    data_table_name: str
    data_bucket_name: str
    tenant_access_role_arn: str
    tenant_claim: str
    region: str = variable("AWS_REGION")
    function_name: str = variable("AWS_LAMBDA_FUNCTION_NAME")


def bootstrap(
    settings: Settings, clients: Clients, clock: Clock
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Return what answers one request of an HTTP API, payload format 2.0."""
    scope = SessionScope(
        partition=settings.tenant_access_role_arn.split(":")[1],
        region=settings.region,
        account_id=settings.account_id,
        table_name=settings.table_name,
        data_table_name=settings.data_table_name,
        data_bucket=settings.data_bucket_name,
    )
    vendor = Vendor(settings.tenant_access_role_arn, settings.function_name, scope)
    return ProblemData(TenantAccess(clients, vendor, clock), settings.tenant_claim, clock).handle
