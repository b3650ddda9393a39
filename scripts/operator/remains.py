"""What is left of a tenant that was deleted: looked for store by store, apart from the code that deletes."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from scripts.operator.environment import Environment
from scripts.verification.resources import Problem
from tenkacloud.isolation import resource_names as names
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.validation import TenantId

_GONE: Final = frozenset({"404", "NoSuchBucket", "NotFound"})


def of(environment: Environment, tenant_id: TenantId, certificate: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is left of a tenant: objects, versions, uploads and items, its buckets, its log group.

    Its buckets are those that the certificate names: without a record, nothing else names them. Others that
    carry its tag are found by `verifying.orphans`.

    Raises:
        botocore.exceptions.ClientError: a store can't be looked at.
    """
    looks: tuple[Callable[[Environment, TenantId], Iterator[Problem]], ...] = (
        _of_objects,
        _of_items,
        _of_log_groups,
    )
    for look in looks:
        yield from look(environment, tenant_id)
    for bucket in buckets_of(certificate):
        yield from _of_bucket(environment, bucket)


def buckets_of(certificate: Mapping[str, Any]) -> list[str]:
    """Return the buckets that a certificate says were the tenant's."""
    places = certificate.get("places")
    named = [each.get("dedicatedBucket") for each in places or () if isinstance(each, Mapping)]
    return sorted({each for each in named if isinstance(each, str)})


def _of_objects(environment: Environment, tenant_id: TenantId) -> Iterator[Problem]:
    s3, bucket = environment.clients.s3, environment.deployment.data_bucket_name
    prefix = names.pool_prefix(tenant_id)
    of_bucket: dict[str, Any] = {
        "Bucket": bucket,
        "Prefix": prefix,
        "ExpectedBucketOwner": environment.deployment.account_id,
    }
    page = s3.list_object_versions(**of_bucket, MaxKeys=1)
    left = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    if left:
        yield _left(f"objects below {bucket}/{prefix}", f"at least {left[0]['Key']}")
    if s3.list_multipart_uploads(**of_bucket, MaxUploads=1).get("Uploads"):
        yield _left(f"uploads below {bucket}/{prefix}", "at least one is unfinished")


def _of_items(environment: Environment, tenant_id: TenantId) -> Iterator[Problem]:
    table = environment.deployment.data_table_name
    found = environment.clients.dynamodb.query(
        TableName=table,
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": {"S": Key.of(tenant_id).pk}},
        ProjectionExpression="PK",
        ConsistentRead=True,
        Limit=1,
    )
    if found["Items"]:
        yield _left(f"items in {table}", "at least one")


def _of_log_groups(environment: Environment, tenant_id: TenantId) -> Iterator[Problem]:
    name = log_group_of(environment.name, tenant_id)
    found = environment.clients.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    if any(each["logGroupName"] == name for each in found):
        yield _left(f"log group {name}", "it is there")


def _of_bucket(environment: Environment, bucket: str) -> Iterator[Problem]:
    try:
        environment.clients.s3.head_bucket(
            Bucket=bucket, ExpectedBucketOwner=environment.deployment.account_id
        )
    except ClientError as error:
        # 403: by now it is somebody else's, in another account.
        if error.response["Error"]["Code"] not in (*_GONE, "403"):
            raise
        return
    yield _left(f"bucket {bucket}", "it is there")


def _left(what: str, text: str) -> Problem:
    return Problem(what, "left", None, text=f"left of a deleted tenant: {text}")


def log_group_of(environment: str, tenant_id: TenantId) -> str:
    """Return the name of the log group of a tenant that has one: `/tenkacloud/<env>/tenants/<tenantId>`."""
    return f"/tenkacloud/{environment}/tenants/{tenant_id}"
