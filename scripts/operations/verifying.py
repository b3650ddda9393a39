"""Do a tenant's record, its resources and their policies agree?"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from scripts.operations.environment import Environment
from tenkacloud import names, policies, records
from tenkacloud.errors import InvalidField
from tenkacloud.fields import TenantId, Tier
from tenkacloud.lifecycle import ProvisioningStatus
from tenkacloud.records import TENANT_PREFIX, Key, Tenant

WORKERS: Final = 8
_CLOSED: Final = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass(frozen=True)
class Finding:
    """What was found of a tenant. `problems` is empty if all agrees; a FAILED tenant agrees with itself."""

    tenant_id: str
    status: str
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {"tenantId": self.tenant_id, "status": self.status, "problems": self.problems}


def verify(environment: Environment, item: dict[str, Any], stuck_after: float) -> Finding:
    """Compare one record, in DynamoDB's JSON, with what there is. `stuck_after`: seconds."""
    tenant_id = item["PK"]["S"].removeprefix(TENANT_PREFIX)
    read = records.read(item)
    status = str(read.get("provisioningStatus"))
    problems = [*_of_indexes(item, status), *_of_age(item, stuck_after)]
    try:
        tenant = records.parse_tenant(Key(item["PK"]["S"]), read)
    except InvalidField as error:
        # Known already where it is the reason of the failure.
        if status != ProvisioningStatus.FAILED:
            problems.append(f"record: {error}")
        return Finding(tenant_id, status, problems)
    problems += _of_history(environment, tenant)
    if status == ProvisioningStatus.COMPLETED:
        problems += _of_resources(environment, tenant, item)
    elif status == ProvisioningStatus.FAILED and not item.get("failureReason", {}).get("S"):
        problems.append("record: FAILED without a failureReason")
    return Finding(tenant_id, status, problems)


def verify_all(
    environment: Environment, items: Iterator[dict[str, Any]], stuck_after: float
) -> Iterator[Finding]:
    """Verify several at once; yield what is found, in their order."""
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(lambda item: verify(environment, item, stuck_after), items)


def _of_indexes(item: dict[str, Any], status: str) -> Iterator[str]:
    in_flight, failed = "GSI3PK" in item, "GSI4PK" in item
    pending = status == ProvisioningStatus.PENDING
    if (in_flight and not pending) != (status == ProvisioningStatus.PROVISIONING):
        yield f"index: in flight is {in_flight} of a tenant that is {status}"
    if failed != (status == ProvisioningStatus.FAILED) and not pending:
        yield f"index: failed is {failed} of a tenant that is {status}"


def _of_age(item: dict[str, Any], stuck_after: float) -> Iterator[str]:
    since = item.get(records.IN_FLIGHT_SINCE, {}).get("S")
    if since:
        now = datetime.now(UTC)
        age = (now - datetime.fromisoformat(records.in_flight_since(since, now))).total_seconds()
        if age > stuck_after:
            yield f"stuck: in flight for {age:.0f} s"


def _of_history(environment: Environment, tenant: Tenant) -> Iterator[str]:
    lines = environment.history(tenant.id)
    # Whoever writes PENDING by hand leaves no line.
    if lines and tenant.provisioning_status not in (lines[-1]["to"], ProvisioningStatus.PENDING):
        yield f"history: ends with {lines[-1]['to']}, the record is {tenant.provisioning_status}"


def _of_resources(environment: Environment, tenant: Tenant, item: dict[str, Any]) -> Iterator[str]:
    named = {name: value.get("S") for name, value in item.get("resources", {}).get("M", {}).items()}
    if tenant.tier is Tier.ENTERPRISE:
        deployment = environment.deployment
        bucket = names.silo_bucket(
            deployment.environment, tenant.slug, tenant.id, deployment.account_id, deployment.region
        )
        if named != {"dedicatedBucket": bucket}:
            yield f"record: names {named}, not the bucket {bucket}"
        yield from _of_bucket(environment, bucket, tenant.id)
    else:
        if named != {"s3Prefix": names.pool_prefix(tenant.id)}:
            yield f"record: names {named}, not the prefix {names.pool_prefix(tenant.id)}"
        yield from _of_marker(environment, tenant.id)


def _of_marker(environment: Environment, tenant_id: TenantId) -> Iterator[str]:
    bucket, key = environment.deployment.data_bucket_name, names.pool_marker(tenant_id)
    try:
        environment.clients.s3.head_object(
            Bucket=bucket, Key=key, ExpectedBucketOwner=environment.deployment.account_id
        )
    except ClientError as error:
        yield f"marker: {bucket}/{key}: {error.response['Error']['Code']}"


def _of_bucket(environment: Environment, bucket: str, tenant_id: TenantId) -> Iterator[str]:
    s3 = environment.clients.s3
    target: dict[str, Any] = {"Bucket": bucket, "ExpectedBucketOwner": environment.deployment.account_id}
    policy = policies.silo_bucket_policy(bucket, tenant_id, environment.deployment.tenant_access_role_arn)
    checks = (
        # Others may have tags of theirs on it.
        ("tags", lambda: dict(_tags(s3.get_bucket_tagging(**target))).get(policies.TENANT_TAG)),
        ("public access", lambda: s3.get_public_access_block(**target)["PublicAccessBlockConfiguration"]),
        ("versioning", lambda: s3.get_bucket_versioning(**target).get("Status")),
        ("encryption", lambda: _algorithm(s3.get_bucket_encryption(**target))),
        ("policy", lambda: json.loads(s3.get_bucket_policy(**target)["Policy"])),
    )
    wanted = {
        "tags": tenant_id,
        "public access": _CLOSED,
        "versioning": "Enabled",
        "encryption": "AES256",
        "policy": policy,
    }
    for what, found in checks:
        try:
            value = found()
        except ClientError as error:
            yield f"bucket {bucket}: {what}: {error.response['Error']['Code']}"
            continue
        if value != wanted[what]:
            yield f"bucket {bucket}: {what} differs from what provisioning sets"


def _tags(answer: Any) -> Iterator[tuple[str, str]]:
    return ((tag["Key"], tag["Value"]) for tag in answer["TagSet"])


def _algorithm(answer: Any) -> str:
    (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]
    return str(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])
