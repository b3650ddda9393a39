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
from tenkacloud.isolation.places import PLACE_NAMES
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


#: What S3 answers where a setting is not there.
_NOT_SET: Final = frozenset(
    {
        "NoSuchTagSet",
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        "NoSuchBucketPolicy",
    }
)


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be: what there is, and what is wanted; None: it is not there at all.

    `text` says it to people, where the values themselves would say too much or too little.
    """

    what: str
    actual: Any = None
    wanted: Any = None
    text: str = ""

    def __str__(self) -> str:
        """Return it for people, in one line."""
        if self.text:
            return f"{self.what}: {self.text}"
        return f"{self.what}: is {told(self.actual)}, wanted {told(self.wanted)}"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"what": self.what, "actual": self.actual, "wanted": self.wanted, "message": str(self)}


def told(value: Any) -> str:
    """Return a value of a setting as people read it; None: it is not there."""
    if value is None:
        return "absent"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


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
) -> Iterator[Problem]:
    """Yield what is wrong with the resources of a COMPLETED tenant; `named` are those that its record names.

    Looks at the resources that it has to have, be they on the record or not.

    Raises:
        botocore.exceptions.BotoCoreError: S3 does not answer.
    """
    wanted = resources_of(deployment, tenant_id, slug, tier)
    # What provisioners' own steps put out beside the place is theirs to verify.
    places = {name: value for name, value in named.items() if name in PLACE_NAMES}
    if places != wanted:
        yield Problem("resources in the record", dict(named), wanted)
    if bucket := wanted.get("dedicatedBucket"):
        yield from problems_of_silo_bucket(
            s3,
            bucket,
            deployment.account_id,
            tenant_id,
            deployment.tenant_access_role_arn,
            deployment.tenant_maintenance_role_arn,
        )
    else:
        yield from problems_of_pool_marker(s3, deployment.data_bucket_name, deployment.account_id, tenant_id)


def problems_of_pool_marker(
    s3: "S3Client", data_bucket: str, account_id: str, tenant_id: TenantId
) -> Iterator[Problem]:
    """Yield what is wrong with the object that marks a pooled tenant's prefix."""
    key = pool_marker(tenant_id)
    try:
        s3.head_object(Bucket=data_bucket, Key=key, ExpectedBucketOwner=account_id)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        missing = code in ("404", "NoSuchKey")
        yield Problem(f"marker {data_bucket}/{key}", None if missing else code, "present")


def problems_of_silo_bucket(
    s3: "S3Client",
    bucket: str,
    account_id: str,
    tenant_id: TenantId,
    tenant_access_role_arn: str,
    tenant_maintenance_role_arn: str,
) -> Iterator[Problem]:
    """Yield what is wrong with a siloed tenant's bucket: its tag, and all that hardens it."""
    target: dict[str, Any] = {"Bucket": bucket, "ExpectedBucketOwner": account_id}
    settings: Mapping[str, tuple[Callable[[], Any], Any]] = {
        # Others may have tags of theirs on it.
        f"tag {TENANT_TAG}": (lambda: _tags(s3.get_bucket_tagging(**target)).get(TENANT_TAG), tenant_id),
        "public access": (
            lambda: s3.get_public_access_block(**target)["PublicAccessBlockConfiguration"],
            PUBLIC_ACCESS_BLOCKED,
        ),
        "versioning": (lambda: s3.get_bucket_versioning(**target).get("Status"), "Enabled"),
        "encryption": (lambda: _algorithm(s3.get_bucket_encryption(**target)), "AES256"),
        "policy": (
            lambda: json.loads(s3.get_bucket_policy(**target)["Policy"]),
            policies.silo_bucket_policy(
                bucket, tenant_id, tenant_access_role_arn, tenant_maintenance_role_arn
            ),
        ),
    }
    for name, (read, wanted) in settings.items():
        what = f"bucket {bucket}: {name}"
        try:
            actual = read()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            actual = None
            if code not in _NOT_SET:
                yield Problem(what, code, wanted, text=f"can't be read: {code}")
                continue
        if actual != wanted or (name == "policy" and not _denials(actual) >= DENIED):
            yield Problem(what, actual, wanted, _policies_told(actual, wanted) if name == "policy" else "")


def _policies_told(actual: Any, wanted: Any) -> str:
    """Say by their Sids which statements of a policy differ."""
    there, right = _statements(actual), _statements(wanted)
    right |= dict.fromkeys(sorted(DENIED - right.keys()))
    told = [f"lacks {sid}" for sid in right if sid not in there]
    told += [f"{sid} differs" for sid in right if sid in there and there[sid] != right[sid]]
    told += [f"has {sid}, which is not wanted" for sid in there if sid not in right]
    return ", ".join(told) or "differs from the one that is wanted"


def _denials(policy: Any) -> set[str]:
    return {sid for sid, statement in _statements(policy).items() if statement.get("Effect") == "Deny"}


def _statements(policy: Any) -> dict[str, Any]:
    """Return a policy's statements by their ids; one without an id by its place."""
    found = policy.get("Statement", []) if isinstance(policy, dict) else []
    statements = found if isinstance(found, list) else [found]
    return {str(each.get("Sid", f"statement {number}")): each for number, each in enumerate(statements, 1)}


def _tags(answer: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def _algorithm(answer: Any) -> str:
    """Return how new objects are encrypted; several rules, which S3 does not have today, are all told."""
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    return ", ".join(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules)
