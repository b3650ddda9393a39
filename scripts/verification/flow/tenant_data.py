"""A tenant's data as it is in the stores, read past the API: compared, and seen to be gone."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.verification.flow.journal import File, Journal
from scripts.verification.flow.tenants import log_group_of
from tenkacloud.isolation.resource_names import pool_prefix, silo_bucket
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.validation import Slug, TenantId

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Objects that are ours, and no tenant's data: by their keys, relative to the place.
OURS: Final = frozenset({".tenkacloud.json", ".tenkacloud-move.json"})
_THREADS: Final = 8
#: What a bucket that is not there is answered with, by the call.
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "404"})

#: Files as no client of the API writes them: what S3 allows in keys, metadata and tags, an empty one, one
#: whose key ends in a slash, and one of the longest key (1,024 bytes with a pool's prefix of at most 73).
ODD_FILES: Final[Mapping[str, File]] = {
    "odd/plain": File(b"plain", "text/plain"),
    "odd/empty": File(b""),
    "odd/folder/": File(b""),
    "odd/!-_.*'()&$@=;:+ ,?\\{^}%`]\">[~<#|": File(b"signs"),
    "odd/日本語 ключ é.txt": File("日本語".encode(), "text/plain; charset=utf-8"),
    f"odd/{'k' * 900}": File(b"long"),
    "odd/tagged": File(b"tagged", "image/png", {"owner": "somebody"}, {"kind": "odd", "of": "x y"}),
    "odd/large": File(bytes(range(256)) * 4096, "application/x-large"),  # 1 MB
}


def place_of(deployment: Deployment, resources: Mapping[str, str]) -> tuple[str, str]:
    """Return bucket and prefix of the place that a record's `resources` name."""
    bucket = resources.get("dedicatedBucket")
    return (bucket, "") if bucket else (deployment.data_bucket_name, resources["s3Prefix"])


def write(s3: "S3Client", place: tuple[str, str], files: Mapping[str, File], journal: Journal) -> None:
    """Write files past the API, as an import would; keys are relative to the place."""
    bucket, prefix = place
    for key, file in files.items():
        journal.begin(key, file)
        tags: dict[str, Any] = {"Tagging": urlencode(file.tags)} if file.tags else {}
        s3.put_object(
            Bucket=bucket,
            Key=f"{prefix}{key}",
            Body=file.content,
            ContentType=file.content_type,
            Metadata=dict(file.metadata),
            **tags,
        )
        journal.end(key)


def read(s3: "S3Client", place: tuple[str, str]) -> dict[str, File]:
    """Return all files of a place, by their keys relative to it."""
    bucket, prefix = place
    keys = [
        entry["Key"].removeprefix(prefix)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for entry in page.get("Contents", [])
    ]
    wanted = [key for key in keys if key not in OURS]
    with ThreadPoolExecutor(_THREADS) as pool:
        files = pool.map(lambda key: _read_one(s3, bucket, f"{prefix}{key}"), wanted)
        return dict(zip(wanted, files, strict=True))


def _read_one(s3: "S3Client", bucket: str, key: str) -> File:
    answer = s3.get_object(Bucket=bucket, Key=key)
    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] if answer.get("TagCount", 1) else []
    return File(
        answer["Body"].read(),
        answer["ContentType"],
        answer["Metadata"],
        {tag["Key"]: tag["Value"] for tag in tags},
    )


def remains(deployment: Deployment, clients: Clients, tenant_id: TenantId, slug: Slug) -> Iterator[str]:
    """Yield whatever there still is of a tenant: in the pool, its bucket, its items, its log group.

    By the names that these have, not by what any record says of them.
    """
    yield from remains_of_place(clients.s3, deployment.data_bucket_name, pool_prefix(tenant_id))
    bucket = silo_bucket(deployment.environment, slug, tenant_id, deployment.account_id, deployment.region)
    try:
        clients.s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NO_BUCKET:
            raise
    else:
        yield f"bucket {bucket}"
        yield from remains_of_place(clients.s3, bucket, "")
    items = clients.dynamodb.query(
        TableName=deployment.data_table_name,
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": {"S": Key.of(tenant_id).pk}},
        ConsistentRead=True,
    )
    yield from (f"item {item['SK']['S']}" for item in items["Items"])
    group = log_group_of(deployment, tenant_id)
    found: Any = clients.logs.describe_log_groups(logGroupNamePrefix=group)
    yield from (f"log group {group}" for each in found["logGroups"] if each["logGroupName"] == group)


def remains_of_place(s3: "S3Client", bucket: str, prefix: str) -> Iterator[str]:
    """Yield every version, delete marker and unfinished upload under a prefix."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        yield from (f"version of {bucket}/{each['Key']}" for each in page.get("Versions", []))
        yield from (f"delete marker of {bucket}/{each['Key']}" for each in page.get("DeleteMarkers", []))
    for uploads in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        yield from (f"upload of {bucket}/{each['Key']}" for each in uploads.get("Uploads", []))


def left_in(s3: "S3Client", place: tuple[str, str]) -> list[str]:
    """Return whatever there is still in a place, a bucket that is gone included: then nothing."""
    try:
        return list(remains_of_place(s3, *place))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NO_BUCKET:
            raise
        return []
