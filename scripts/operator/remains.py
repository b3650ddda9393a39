"""What is left of a tenant that was deleted: looked for store by store, apart from the code that deletes."""

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.operator import steps
from scripts.operator.environment import Environment
from scripts.verification.resources import Problem
from tenkacloud.isolation import resource_names as names
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.validation import TenantId


def of(environment: Environment, tenant_id: TenantId, certificate: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is left of a tenant: objects, versions, uploads, items, and what its steps built.

    Its buckets are those that the certificate names: without a record, nothing else names them. Others that
    carry its tag are found by `verifying.orphans`.

    Raises:
        botocore.exceptions.ClientError: a store can't be looked at.
    """
    yield from _of_objects(environment, tenant_id)
    yield from _of_items(environment, tenant_id)
    places = certificate.get("places")
    named = [each for each in places if isinstance(each, dict)] if isinstance(places, list) else []
    yield from steps.remains(environment, tenant_id, named)


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


def _left(what: str, text: str) -> Problem:
    return Problem(what, "left", None, text=f"left of a deleted tenant: {text}")
