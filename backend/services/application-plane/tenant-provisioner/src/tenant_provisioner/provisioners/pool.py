"""Pool: a prefix of the data bucket, shared by all FREE and PRO tenants."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tenant_provisioner.types import Resources
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.isolation import resource_names as names

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class PoolProvisioner:
    """Marks `tenants/<tenantId>/` in the data bucket with an object."""

    s3: "S3Client"
    data_bucket: str
    account_id: str

    def provision(self, tenant: TenantOnboarding) -> Resources:
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
        return {"s3Prefix": names.pool_prefix(tenant.tenant_id)}
