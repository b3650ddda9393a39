"""What a step of provisioning is.

A step builds one kind of thing for a tenant, checks it, and takes it away again. A new one is a file of this
package with a subclass of `Provisioner` and a function `provisioner(parts)` that makes it, and one statement
in Terraform (module tenant-resources): `docs/provisioners.md`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tenkacloud.isolation.places import Place
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.settings import variable
from tenkacloud.tenants.validation import Slug, TenantId, Tier


@dataclass(frozen=True)
class TenantSpec:
    """For whom a step works.

    `slug` and `tier` are None where nobody knows them any more: of a tenant that is gone. With
    `open_to_tenant` false, what is built keeps the tenant's own sessions out: a move fills it first.
    """

    tenant_id: TenantId
    slug: Slug | None = None
    tier: Tier | None = None
    open_to_tenant: bool = True


@dataclass(frozen=True, kw_only=True)
class ProvisionerSettings:
    """What Terraform and Lambda give a function that provisions. Its `Settings` extend this."""

    account_id: str
    data_bucket_name: str
    tenant_access_role_arn: str
    tenant_maintenance_role_arn: str
    environment: str = variable("TENKACLOUD_ENVIRONMENT")
    region: str = variable("AWS_REGION")

    @property
    def partition(self) -> str:
        """The AWS partition: `aws`, `aws-cn`, …."""
        return self.tenant_access_role_arn.split(":")[1]


@dataclass(frozen=True)
class Parts:
    """What steps are made of. Clients are made when they are first used, so take `clients`, not a client."""

    settings: ProvisionerSettings
    clients: Clients


class Provisioner(ABC):
    """A step. Each method can be called any number of times for a tenant, with one outcome.

    All methods raise `PermanentError` where no retry can help, with a reason for operators, and
    `botocore.exceptions.ClientError` for anything else; that is worth a retry.

    `name` is unique. `tiers` says whose tenants get it. `stores` names what holds data of the tenant there,
    for the inventory of what offboarding deletes (`inventory`).
    """

    name: ClassVar[str]
    tiers: ClassVar[frozenset[Tier]]
    stores: ClassVar[tuple[str, ...]]

    @abstractmethod
    def ensure(self, tenant: TenantSpec) -> Mapping[str, str]:
        """Build it, or find it built; return what the record's `resources` name of it, by name.

        Whatever it was interrupted at, `remove` has to find what there is by the tenant alone: derive names
        from the tenant's id, and tag things in the call that makes them.
        """

    @abstractmethod
    def verify(self, tenant: TenantSpec) -> list[str]:
        """Return what is not as `ensure` leaves it, a line for each; nothing if all is well."""

    @abstractmethod
    def remove(self, tenant: TenantSpec, resources: Mapping[str, str]) -> int:
        """Take it away, be it whole, in part or not there; return how many things were removed.

        `resources` are those of the record, maybe of a former slug, maybe none. Only what is certainly this
        tenant's is removed. Objects in its places are gone by then (`places_to_purge`).
        """

    @abstractmethod
    def remains(self, tenant: TenantSpec, resources: Mapping[str, str]) -> list[str]:
        """Return the names of what there still is of this tenant; nothing after `remove`."""

    def open(self, tenant: TenantSpec, resources: Mapping[str, str]) -> None:  # noqa: B027 - most have no door
        """Let the tenant's own sessions in, after `ensure` kept them out."""

    def places_to_purge(
        self,
        tenant: TenantSpec,  # noqa: ARG002
        resources: Mapping[str, str],  # noqa: ARG002
    ) -> tuple[Place, ...]:
        """Return where it keeps objects of this tenant, with the maintenance role let in and the tenant out.

        Only places that exist and are certainly this tenant's. Most steps have none.
        """
        return ()
