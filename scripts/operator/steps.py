"""What provisioning built for a tenant, as its own steps see it: what is wrong with it, what is left."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.operator.environment import Environment
from scripts.verification.resources import Problem
from tenkacloud.errors import PermanentError
from tenkacloud.platform.clients import one_by_one
from tenkacloud.provisioners.catalogue import Catalogue, catalogue
from tenkacloud.provisioners.types import ProvisionerSettings, TenantSpec
from tenkacloud.tenants.record import Tenant
from tenkacloud.tenants.validation import TenantId


class _Clients:
    """An operator's clients, as steps use them."""

    together = staticmethod(one_by_one)

    def __init__(self, environment: Environment) -> None:
        self._clients = environment.clients

    def __getattr__(self, service: str) -> Any:
        return getattr(self._clients, service)


def catalogue_of(environment: Environment) -> Catalogue:
    """Return the steps, made for an environment."""
    deployment = environment.deployment
    settings = ProvisionerSettings(
        account_id=deployment.account_id,
        data_bucket_name=deployment.data_bucket_name,
        tenant_access_role_arn=deployment.tenant_access_role_arn,
        tenant_maintenance_role_arn=deployment.tenant_maintenance_role_arn,
        environment=deployment.environment,
        region=deployment.region,
    )
    clients: Any = _Clients(environment)
    return catalogue(settings, clients)


def problems(environment: Environment, tenant: Tenant) -> Iterator[Problem]:
    """Yield what is not as the steps of a tenant's tier leave it.

    Raises:
        botocore.exceptions.ClientError: it can't be looked at.
    """
    spec = TenantSpec(tenant.id, tenant.slug, tenant.tier)
    for step in catalogue_of(environment).for_tier(tenant.tier):
        try:
            found = step.verify(spec)
        except PermanentError as error:
            found = [str(error)]
        yield from (Problem(f"step {step.name}", text=each) for each in found)


def remains(
    environment: Environment, tenant_id: TenantId, resources: Sequence[Mapping[str, str]]
) -> Iterator[Problem]:
    """Yield what there still is of a tenant that was deleted, of whichever tier, but for its objects.

    `resources`: maps in the shape of the record's, one for each place that the tenant had.

    Raises:
        botocore.exceptions.ClientError: it can't be looked at.
    """
    spec = TenantSpec(tenant_id)
    for step in catalogue_of(environment).steps:
        names = dict[str, None]()
        for named in resources or ({},):
            try:
                names |= dict.fromkeys(step.remains(spec, named))
            except PermanentError as error:
                yield Problem(f"step {step.name}", text=str(error))
        for name in names:
            yield Problem(name, "left", None, text="left of a deleted tenant")
