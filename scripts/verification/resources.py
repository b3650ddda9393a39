"""What a COMPLETED tenant has to have, and what is wrong with what it has: actual beside wanted.

The one definition of these checks, for the flow's own verification, for the operator's `verify` and for the
tests. What is wanted of a bucket is written down here, apart from the code that provisions it
(`docs/decisions/0004-silo-buckets.md`).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from scripts.tooling.deployment import Deployment
from tenkacloud.isolation import policies
from tenkacloud.isolation.resource_names import pool_marker, pool_prefix, silo_bucket
from tenkacloud.tenants.validation import Slug, TenantId, Tier

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TENANT_TAG: Final = "tenantId"
PUBLIC_ACCESS_BLOCKED: Final = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
#: What a silo bucket's policy has to deny, whatever else the code may put into it one day.
DENIED: Final = frozenset({"DenyInsecureTransport", "DenyOtherTenants"})
#: What `problems_of_silo_bucket` looks at, in words for people.
HARDENING: Final = (
    "tagged with its tenant",
    "public access blocked",
    "versioned",
    "encrypted",
    "TLS only",
    "closed to other tenants",
)


@dataclass(frozen=True)
class Mismatch:
    """Something that is not as it has to be. `actual` is AWS's error code where there is nothing to read."""

    what: str
    actual: object
    wanted: object

    def __str__(self) -> str:
        """Return it for people, in one line."""
        return f"{self.what} is {self.actual}, not {self.wanted}"


def resources_of(deployment: Deployment, tenant_id: TenantId, slug: Slug, tier: str) -> dict[str, str]:
    """Return what the record of a COMPLETED tenant has to name, as on the record."""
    if tier != Tier.ENTERPRISE:
        return {"s3Prefix": pool_prefix(tenant_id)}
    bucket = silo_bucket(deployment.environment, slug, tenant_id, deployment.account_id, deployment.region)
    return {"dedicatedBucket": bucket}


def problems_of_resources(
    deployment: Deployment,
    s3: "S3Client",
    tenant_id: TenantId,
    slug: Slug,
    tier: str,
    named: Mapping[str, str | None],
) -> Iterator[Mismatch]:
    """Yield what is wrong with the resources of a COMPLETED tenant; `named` are those that its record names.

    Looks at the resources that it has to have, be they on the record or not.

    Raises:
        botocore.exceptions.BotoCoreError: S3 does not answer.
    """
    wanted = resources_of(deployment, tenant_id, slug, tier)
    if named != wanted:
        yield Mismatch("record: resources", named, wanted)
    if bucket := wanted.get("dedicatedBucket"):
        yield from problems_of_silo_bucket(
            s3, bucket, deployment.account_id, tenant_id, deployment.tenant_access_role_arn
        )
    else:
        yield from problems_of_pool_marker(s3, deployment.data_bucket_name, deployment.account_id, tenant_id)


def problems_of_pool_marker(
    s3: "S3Client", data_bucket: str, account_id: str, tenant_id: TenantId
) -> Iterator[Mismatch]:
    """Yield what is wrong with the object that marks a pooled tenant's prefix."""
    key = pool_marker(tenant_id)
    try:
        s3.head_object(Bucket=data_bucket, Key=key, ExpectedBucketOwner=account_id)
    except ClientError as error:
        yield Mismatch(f"marker: s3://{data_bucket}/{key}", error.response["Error"]["Code"], "there")


def problems_of_silo_bucket(
    s3: "S3Client", bucket: str, account_id: str, tenant_id: TenantId, tenant_access_role_arn: str
) -> Iterator[Mismatch]:
    """Yield what is wrong with a siloed tenant's bucket: its tag, and all that hardens it."""
    target: dict[str, Any] = {"Bucket": bucket, "ExpectedBucketOwner": account_id}
    policy = policies.silo_bucket_policy(bucket, tenant_id, tenant_access_role_arn)
    wanted = dict.fromkeys(DENIED, "there") | _statements(policy)
    checks: tuple[tuple[str, Callable[[], object], object], ...] = (
        # Others may have put tags of their own on it.
        (f"tag {TENANT_TAG}", lambda: _tags(s3.get_bucket_tagging(**target)).get(TENANT_TAG), tenant_id),
        (
            "public access block",
            lambda: s3.get_public_access_block(**target)["PublicAccessBlockConfiguration"],
            PUBLIC_ACCESS_BLOCKED,
        ),
        ("versioning", lambda: s3.get_bucket_versioning(**target).get("Status", "off"), "Enabled"),
        ("encryption", lambda: _algorithms(s3.get_bucket_encryption(**target)), ["AES256"]),
        ("policy", lambda: _statements(json.loads(s3.get_bucket_policy(**target)["Policy"])), wanted),
    )
    for what, look, expected in checks:
        try:
            actual = look()
        except ClientError as error:
            actual = error.response["Error"]["Code"]
        if actual != expected:
            yield Mismatch(f"bucket {bucket}: {what}", *_differing(actual, expected))


def _differing(actual: object, wanted: object) -> tuple[object, object]:
    """Return both; of two maps, what is not the same in them."""
    if not isinstance(wanted, dict):
        return actual, wanted
    if not isinstance(actual, dict):
        return actual, f"with {', '.join(wanted)}"
    names = [name for name in {**wanted, **actual} if actual.get(name) != wanted.get(name)]
    return (
        {name: actual.get(name, "missing") for name in names},
        {name: wanted.get(name, "nothing of that name") for name in names},
    )


def _statements(policy: Any) -> dict[str, object]:
    """Return a policy's version, and its statements by their ids; one without an id by its place."""
    return {"Version": policy.get("Version")} | {
        statement.get("Sid", f"statement {number}"): {
            name: part for name, part in statement.items() if name != "Sid"
        }
        for number, statement in enumerate(policy["Statement"], start=1)
    }


def _tags(answer: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def _algorithms(answer: Any) -> list[str]:
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    return [rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules]
