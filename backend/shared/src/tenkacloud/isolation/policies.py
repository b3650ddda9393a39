"""IAM policies that the code writes, each with the literal id of one tenant in it.

What a session may do is declared here once, for each of the two roles that act for one tenant: the tenant
access role of the services (Terraform, module tenant-access) and the tenant maintenance role of the functions
that move, export and delete a tenant's data (module tenant-maintenance). The roles' policies, the session
policies and the policies of silo buckets all grant the same actions. `tests/contract` holds Terraform to it,
`make prove` proves all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tenkacloud.isolation import resource_names as names
from tenkacloud.isolation.places import Place
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.validation import TenantId

TENANT_TAG: Final = "tenantId"
OBJECT_ACTIONS: Final = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
#: What is left of them while the tenant's objects are read-only.
READ_ACTIONS: Final = ("s3:GetObject",)
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

#: Objects with their tags, older versions, delete markers (versions, too) and uploads in progress.
MAINTENANCE_OBJECT_ACTIONS: Final = (
    "s3:GetObject",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionTagging",
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:AbortMultipartUpload",
)
MAINTENANCE_LIST_ACTIONS: Final = ("s3:ListBucket", "s3:ListBucketVersions")
#: In a bucket of the tenant's own. AWS does not tell IAM the prefix of a listing of uploads (Service
#: Authorization Reference, Amazon S3): in the pool it would show every tenant's.
MAINTENANCE_SILO_LIST_ACTIONS: Final = (*MAINTENANCE_LIST_ACTIONS, "s3:ListBucketMultipartUploads")
MAINTENANCE_ITEM_ACTIONS: Final = ("dynamodb:Query", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem")
#: An export is written and read back. It is never deleted: the bucket's lifecycle rule does that.
EXPORT_ACTIONS: Final = ("s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload")

_PRINCIPAL_TAG: Final = f"aws:PrincipalTag/{TENANT_TAG}"
_LEADING_KEYS: Final = "dynamodb:LeadingKeys"
_VERSION: Final = "2012-10-17"

Policy = dict[str, Any]


@dataclass(frozen=True)
class SessionScope:
    """Where tenants' data is, and whether the session may change it.

    `silo_bucket` is the tenant's own bucket, None for a pooled tenant. A session of a read-only scope reads
    objects and writes none; items are no part of a move and stay writable.
    """

    partition: str
    region: str
    account_id: str
    table_name: str
    data_table_name: str
    data_bucket: str
    silo_bucket: str | None = None
    read_only: bool = False

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
    own_keys = _own_keys(tenant_id)
    return {
        "Version": _VERSION,
        "Statement": [
            {
                "Sid": "TenantObjects",
                "Effect": "Allow",
                "Action": list(READ_ACTIONS if scope.read_only else OBJECT_ACTIONS),
                "Resource": f"{arn}/{prefix}*",
            },
            {
                "Sid": "ListTenantObjects",
                "Effect": "Allow",
                "Action": LIST_ACTION,
                "Resource": arn,
                # All of a bucket of its own is the tenant's, with or without a prefix.
                **({"Condition": _within(prefix)} if prefix else {}),
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


@dataclass(frozen=True)
class MaintenanceScope:
    """What one session of the tenant maintenance role is for.

    `places` are the tenant's, at least one. `exports_bucket` is None for a session that exports nothing.
    """

    partition: str
    region: str
    account_id: str
    data_table_name: str
    data_bucket: str
    places: tuple[Place, ...]
    exports_bucket: str | None = None

    def bucket(self, place: Place) -> str:
        """Return the bucket that a place is, or is in."""
        return place.name if place.is_silo else self.data_bucket

    def prefix(self, place: Place) -> str:
        """Return what the keys of a place's objects begin with: nothing in a bucket of the tenant's own."""
        return "" if place.is_silo else place.name


def maintenance_session_policy(tenant_id: TenantId, scope: MaintenanceScope) -> Policy:
    """Return the policy that a session of the tenant maintenance role is started with: a second lock.

    It names the literal places. Of the pool that is the prefix of `tenant_id`, whatever place is given.
    """
    pooled = [place for place in scope.places if not place.is_silo]
    siloed = [place for place in scope.places if place.is_silo]
    pool, own = names.bucket_arn(scope.data_bucket, scope.partition), names.pool_prefix(tenant_id)
    silos = [names.bucket_arn(place.name, scope.partition) for place in siloed]
    objects = [*([f"{pool}/{own}*"] if pooled else []), *(f"{arn}/*" for arn in silos)]
    statements = [
        _allow("Objects", MAINTENANCE_OBJECT_ACTIONS, objects),
        *([_allow("ListPool", MAINTENANCE_LIST_ACTIONS, [pool], _within(own))] if pooled else []),
        *([_allow("ListSilo", MAINTENANCE_SILO_LIST_ACTIONS, silos)] if silos else []),
        _allow(
            "Items",
            MAINTENANCE_ITEM_ACTIONS,
            [names.table_arn(scope.data_table_name, scope.partition, scope.region, scope.account_id)],
            _own_keys(tenant_id),
        ),
    ]
    if scope.exports_bucket is not None:
        exports = names.bucket_arn(scope.exports_bucket, scope.partition)
        prefix = names.export_prefix(tenant_id)
        statements += [
            _allow("Exports", EXPORT_ACTIONS, [f"{exports}/{prefix}*"]),
            # Apart from the pool's: for a tenant called "tenants" that prefix is all of the pool.
            _allow("ListExports", (LIST_ACTION,), [exports], _within(prefix)),
        ]
    return {"Version": _VERSION, "Statement": statements}


def silo_bucket_policy(
    bucket: str,
    tenant_id: TenantId,
    tenant_access_role_arn: str,
    tenant_maintenance_role_arn: str,
    *,
    open_to_tenant: bool = True,
) -> Policy:
    """Return the policy of a tenant's own bucket.

    Only TLS. No session tagged with another tenant, whatever its own policies allow. Sessions of the two
    roles that act for one tenant get in by the literal id: a pattern in a role's policy would let tenant `a`
    into the bucket of `a-b`. While the bucket is the target of a move it is not `open_to_tenant`: what a
    service wrote there would be taken for something that was moved.
    """
    partition = tenant_access_role_arn.split(":")[1]
    arn = names.bucket_arn(bucket, partition)
    objects = f"{arn}/*"
    own = {"StringEquals": {_PRINCIPAL_TAG: tenant_id}}

    def allow(sid: str, role_arn: str, action: str | list[str], resource: str) -> Policy:
        return {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": role_arn},
            "Action": action,
            "Resource": resource,
            "Condition": own,
        }

    of_tenant = [
        allow("AllowTenantObjects", tenant_access_role_arn, list(OBJECT_ACTIONS), objects),
        allow("AllowTenantListing", tenant_access_role_arn, LIST_ACTION, arn),
    ]
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
            *(of_tenant if open_to_tenant else []),
            allow(
                "AllowMaintenanceObjects",
                tenant_maintenance_role_arn,
                list(MAINTENANCE_OBJECT_ACTIONS),
                objects,
            ),
            allow(
                "AllowMaintenanceListing",
                tenant_maintenance_role_arn,
                list(MAINTENANCE_SILO_LIST_ACTIONS),
                arn,
            ),
        ],
    }


def _allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Policy | None = None
) -> Policy:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
        **({} if condition is None else {"Condition": condition}),
    }


def _own_keys(tenant_id: TenantId) -> Policy:
    return {
        "ForAllValues:StringEquals": {_LEADING_KEYS: Key.of(tenant_id).pk},
        "Null": {_LEADING_KEYS: "false"},  # ForAllValues is true of a request without the key
    }


def _within(prefix: str) -> Policy:
    return {"StringLike": {"s3:prefix": f"{prefix}*"}, "Null": {"s3:prefix": "false"}}
