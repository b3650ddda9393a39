"""Pool: a prefix of the data bucket, shared by all FREE and PRO tenants."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from botocore.exceptions import ClientError

from tenkacloud.errors import PermanentError
from tenkacloud.isolation import resource_names as names
from tenkacloud.isolation.places import POOL_PLACE, Place, pool_place
from tenkacloud.provisioners.types import Parts, Provisioner, TenantSpec
from tenkacloud.tenants.validation import Tier

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING: Final = ("404", "NoSuchKey")  # HeadObject has no body, so no code of S3's own


@dataclass(frozen=True)
class PoolPrefix(Provisioner):
    """Marks `tenants/<tenantId>/` in the data bucket with an object."""

    name: ClassVar[str] = "pool-prefix"
    tiers: ClassVar[frozenset[Tier]] = frozenset({Tier.FREE, Tier.PRO})
    stores: ClassVar[tuple[str, ...]] = ("prefix tenants/<tenantId>/ of the data bucket",)

    s3: "S3Client"
    data_bucket: str
    account_id: str

    def ensure(self, tenant: TenantSpec) -> Mapping[str, str]:
        """Put the marker, unless it is there."""
        try:
            self.s3.put_object(
                Bucket=self.data_bucket,
                Key=names.pool_marker(tenant.tenant_id),
                Body=json.dumps({"tenantId": tenant.tenant_id}).encode(),
                ContentType="application/json",
                # A duplicate makes no second version of the marker.
                IfNoneMatch="*",
                ExpectedBucketOwner=self.account_id,
            )
        except ClientError as error:
            # S3 is strongly consistent, and this code says that the key holds an object: the marker.
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
        return pool_place(tenant.tenant_id).as_resources()

    def verify(self, tenant: TenantSpec) -> list[str]:
        """Look for the marker."""
        key = names.pool_marker(tenant.tenant_id)
        try:
            self.s3.head_object(Bucket=self.data_bucket, Key=key, ExpectedBucketOwner=self.account_id)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return [f"marker {self.data_bucket}/{key} is absent"]
        return []

    def remove(self, tenant: TenantSpec, resources: Mapping[str, str]) -> int:  # noqa: ARG002
        """Do nothing: the marker is in the place, and went with it."""
        return 0

    def remains(self, tenant: TenantSpec, resources: Mapping[str, str]) -> list[str]:  # noqa: ARG002
        """Return nothing: whatever is under the prefix is the tenant's objects, and found as such."""
        return []

    def places_to_purge(self, tenant: TenantSpec, resources: Mapping[str, str]) -> tuple[Place, ...]:
        """Return the prefix, whatever tier the tenant has: it may have had another.

        Raises:
            PermanentError: the record names a prefix that is not this tenant's.
        """
        own = pool_place(tenant.tenant_id)
        if resources.get(POOL_PLACE, own.name) != own.name:
            raise PermanentError(
                f"the record of tenant {tenant.tenant_id!r} names a prefix that is not its own; "
                "nothing there is deleted"
            )
        return (own,)


def provisioner(parts: Parts) -> PoolPrefix:
    """Make the step."""
    return PoolPrefix(parts.clients.s3, parts.settings.data_bucket_name, parts.settings.account_id)
