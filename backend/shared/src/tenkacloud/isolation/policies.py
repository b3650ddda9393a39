"""IAM policies that the code writes, each with the literal id of one tenant in it.

What a tenant's session may do is declared here once: the tenant access role (Terraform, module
tenant-access), the session policies and the policies of silo buckets all grant the same actions.
`tests/contract` holds Terraform to it, `make prove` proves all three.
"""

from dataclasses import dataclass
from typing import Any, Final

from tenkacloud.isolation import resource_names as names
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.validation import TenantId

TENANT_TAG: Final = "tenantId"
OBJECT_ACTIONS: Final = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
LIST_ACTION: Final = "s3:ListBucket"
#: TransactGetItems and TransactWriteItems are no IAM actions: IAM checks each of their parts as one of these.
ITEM_ACTIONS: Final = (
    "dynamodb:GetItem",
    "dynamodb:BatchGetItem",
    "dynamodb:Query",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
)
#: The record tells shared compute whether the tenant is ACTIVE and where its objects are. It is the control
#: plane's: a session that could write its partition could change its own tier.
RECORD_ACTION: Final = "dynamodb:GetItem"

_PRINCIPAL_TAG: Final = f"aws:PrincipalTag/{TENANT_TAG}"
_LEADING_KEYS: Final = "dynamodb:LeadingKeys"
_VERSION: Final = "2012-10-17"

Policy = dict[str, Any]


@dataclass(frozen=True)
class SessionScope:
    """Where tenants' data is. `silo_bucket` is the tenant's own bucket, None for a pooled tenant."""

    partition: str
    region: str
    account_id: str
    table_name: str
    data_table_name: str
    data_bucket: str
    silo_bucket: str | None = None

    @property
    def bucket(self) -> str:
        """The bucket that holds the tenant's objects."""
        return self.silo_bucket or self.data_bucket

    def prefix(self, tenant_id: TenantId) -> str:
        """Return what the keys of the tenant's objects begin with: nothing in a bucket of its own."""
        return "" if self.silo_bucket else names.pool_prefix(tenant_id)

    def table_arn(self, table: str) -> str:
        """Return the ARN of one of the two tables."""
        return names.table_arn(table, self.partition, self.region, self.account_id)


def session_policy(tenant_id: TenantId, scope: SessionScope) -> Policy:
    """Return the policy that a tenant's session is started with.

    A session may do what both this and the role's policies allow, so this is a second lock: it holds if the
    role's were ever widened, and names one bucket and one id, no variable.
    """
    arn = names.bucket_arn(scope.bucket, scope.partition)
    prefix = scope.prefix(tenant_id)
    own_keys = {
        "ForAllValues:StringEquals": {_LEADING_KEYS: Key.of(tenant_id).pk},
        "Null": {_LEADING_KEYS: "false"},  # ForAllValues is true of a request without the key
    }
    own_prefix: Policy = {"StringLike": {"s3:prefix": f"{prefix}*"}, "Null": {"s3:prefix": "false"}}
    return {
        "Version": _VERSION,
        "Statement": [
            {
                "Sid": "TenantObjects",
                "Effect": "Allow",
                "Action": list(OBJECT_ACTIONS),
                "Resource": f"{arn}/{prefix}*",
            },
            {
                "Sid": "ListTenantObjects",
                "Effect": "Allow",
                "Action": LIST_ACTION,
                "Resource": arn,
                # All of a bucket of its own is the tenant's, with or without a prefix.
                **({"Condition": own_prefix} if prefix else {}),
            },
            {
                "Sid": "TenantItems",
                "Effect": "Allow",
                "Action": list(ITEM_ACTIONS),
                "Resource": scope.table_arn(scope.data_table_name),
                "Condition": own_keys,
            },
            {
                "Sid": "TenantRecord",
                "Effect": "Allow",
                "Action": RECORD_ACTION,
                "Resource": scope.table_arn(scope.table_name),
                "Condition": own_keys,
            },
        ],
    }


def silo_bucket_policy(bucket: str, tenant_id: TenantId, tenant_access_role_arn: str) -> Policy:
    """Return the policy of a tenant's own bucket.

    Only TLS. No session tagged with another tenant, whatever its own policies allow. Sessions of the
    tenant access role get in by the literal id: a pattern in the role's policy would let tenant `a` into
    the bucket of `a-b`.
    """
    partition = tenant_access_role_arn.split(":")[1]
    arn = names.bucket_arn(bucket, partition)
    objects = f"{arn}/*"
    own = {"StringEquals": {_PRINCIPAL_TAG: tenant_id}}
    role = {"AWS": tenant_access_role_arn}
    return {
        "Version": _VERSION,
        "Statement": [
            {
                "Sid": "DenyInsecureTransport",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, objects],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
            {
                "Sid": "DenyOtherTenants",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, objects],
                # StringNotEquals is true where the key is absent; functions without a tag (the
                # tenant-provisioner) are not tenants, so Null keeps them out of this statement.
                "Condition": {
                    "StringNotEquals": {_PRINCIPAL_TAG: tenant_id},
                    "Null": {_PRINCIPAL_TAG: "false"},
                },
            },
            {
                "Sid": "AllowTenantObjects",
                "Effect": "Allow",
                "Principal": role,
                "Action": list(OBJECT_ACTIONS),
                "Resource": objects,
                "Condition": own,
            },
            {
                "Sid": "AllowTenantListing",
                "Effect": "Allow",
                "Principal": role,
                "Action": LIST_ACTION,
                "Resource": arn,
                "Condition": own,
            },
        ],
    }
