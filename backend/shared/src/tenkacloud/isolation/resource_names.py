"""Names, prefixes and ARNs of tenant resources, each built from a validated tenant id.

Terraform builds the same patterns for IAM; `tests/contract` holds the two together.
"""

import hashlib
from typing import Final

from tenkacloud.tenants.validation import Slug, TenantId

BUCKET_NAME_MAX: Final = 63  # S3's limit
POOL_MARKER: Final = ".tenkacloud.json"
_HASH_CHARACTERS: Final = 16  # 64 bits


def pool_prefix(tenant_id: TenantId) -> str:
    """Return the tenant's prefix in the data bucket. The closing slash keeps `a` out of `ab`."""
    return f"tenants/{tenant_id}/"


def pool_marker(tenant_id: TenantId) -> str:
    """Return the key of the object that marks a provisioned prefix."""
    return f"{pool_prefix(tenant_id)}{POOL_MARKER}"


def export_prefix(tenant_id: TenantId) -> str:
    """Return what the keys of a tenant's exports begin with, in the exports bucket."""
    return f"{tenant_id}/"


def silo_bucket(environment: str, slug: Slug, tenant_id: TenantId, account_id: str, region: str) -> str:
    """Return the name of a tenant's own bucket: `tenkacloud-<env>-silo-<slug>-<hash>`.

    Derived, so that every delivery of one event comes to the same bucket. The hash tells tenants of one
    slug apart, ids that differ in case only (bucket names are lower case), accounts and regions (names
    are global). At most 63 characters.
    """
    identity = "\n".join((environment, slug, tenant_id, account_id, region))
    digest = hashlib.sha256(identity.encode()).hexdigest()[:_HASH_CHARACTERS]
    prefix = f"tenkacloud-{environment}-silo-"
    room = BUCKET_NAME_MAX - len(prefix) - len(digest) - 1
    return f"{prefix}{slug[:room].rstrip('-')}-{digest}"


def bucket_arn(bucket: str, partition: str) -> str:
    """Return a bucket's ARN."""
    return f"arn:{partition}:s3:::{bucket}"


def table_arn(table: str, partition: str, region: str, account_id: str) -> str:
    """Return a table's ARN."""
    return f"arn:{partition}:dynamodb:{region}:{account_id}:table/{table}"
