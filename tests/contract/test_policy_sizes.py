"""Every policy fits into what AWS takes of its kind, also with the longest names.

IAM and STS don't count blanks. What STS makes of a session policy and tags together, packed, it tells only
itself.
"""

import json
from typing import Any, Final

import pytest

from tenkacloud.isolation import resource_names as names
from tenkacloud.isolation.maintenance import EXPORTED_PLACES_MAX, PLACES_MAX
from tenkacloud.isolation.places import pool_place, silo_place
from tenkacloud.isolation.policies import (
    MaintenanceScope,
    SessionScope,
    maintenance_session_policy,
    session_policy,
    silo_bucket_policy,
)
from tenkacloud.tenants.validation import Slug, TenantId
from tests.conftest import Stack

TRUST_MAX: Final = 2_048  # the quota's default
INLINE_MAX: Final = 10_240  # all of a role's together
SESSION_MAX: Final = 2_048
BUCKET_MAX: Final = 20 * 1_024
QUEUE_MAX: Final = 65_536
#: An environment of as many characters as it may have, the longest partition and region.
ENVIRONMENT: Final = "abcdefghijkl"
LONGEST: Final = {
    "tenkacloud-data-local": f"tenkacloud-data-{ENVIRONMENT}-123456789012",
    "tenkacloud-local": f"tenkacloud-{ENVIRONMENT}",
    "tenkacloud/local": f"tenkacloud/{ENVIRONMENT}",
    "TenkaCloud-local": f"TenkaCloud-{ENVIRONMENT}",
    "arn:aws:": "arn:aws-us-gov:",
    "ap-northeast-1": "ap-northeast-10",
}
TENANT: Final = TenantId("t" * 64)
ROLE_ARN: Final = f"arn:aws-us-gov:iam::123456789012:role/tenkacloud-{ENVIRONMENT}-tenant-access"

MAINTENANCE_ROLE_ARN: Final = ROLE_ARN.replace("-access", "-maintenance")


def size(policy: Any) -> int:
    text = json.dumps(json.loads(policy) if isinstance(policy, str) else policy, separators=(",", ":"))
    for short, long in LONGEST.items():
        text = text.replace(short, long)
    return len(text)


def roles(stack: Stack) -> list[str]:
    deployment = stack.deployment
    of_tenants = (deployment.tenant_access_role_arn, deployment.tenant_maintenance_role_arn)
    return [*deployment.function_role_names.values(), *(arn.rsplit("/", 1)[1] for arn in of_tenants)]


def test_the_trust_policies_fit(stack: Stack) -> None:
    for role in roles(stack):
        found = stack.clients.iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        assert size(found) <= TRUST_MAX, role


def test_the_trust_names_each_role_once(stack: Stack) -> None:
    found: Any = stack.clients.iam.get_role(RoleName=stack.deployment.tenant_access_role_name)
    document = found["Role"]["AssumeRolePolicyDocument"]
    text = document if isinstance(document, str) else json.dumps(document)
    assert text.count("-problem-data") == 1


def test_the_roles_policies_fit(stack: Stack) -> None:
    iam = stack.clients.iam
    for role in roles(stack):
        inline = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in inline]
        assert documents
        assert sum(map(size, documents)) <= INLINE_MAX, role


def test_the_queues_policies_fit(stack: Stack) -> None:
    found = []
    for url in stack.deployment.dead_letter_queue_urls.values():
        attributes = stack.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        found += [size(policy) for policy in attributes.get("Attributes", {}).values() if policy]
    assert found
    assert max(found) <= QUEUE_MAX


def test_the_data_buckets_policy_fits(stack: Stack) -> None:
    bucket = stack.deployment.data_bucket_name
    assert size(stack.clients.s3.get_bucket_policy(Bucket=bucket)["Policy"]) <= BUCKET_MAX


@pytest.mark.parametrize("siloed", [False, True])
def test_a_session_policy_fits(siloed: bool) -> None:
    scope = SessionScope(
        partition="aws-us-gov",
        region="ap-northeast-10",
        account_id="123456789012",
        table_name=f"TenkaCloud-{ENVIRONMENT}",
        data_table_name=f"TenkaCloud-{ENVIRONMENT}-tenant-data",
        data_bucket=f"tenkacloud-data-{ENVIRONMENT}-123456789012",
        silo_bucket=silo_bucket() if siloed else None,
    )
    assert size(session_policy(TENANT, scope)) <= SESSION_MAX


@pytest.mark.parametrize(("exports", "count"), [(False, PLACES_MAX), (True, EXPORTED_PLACES_MAX)])
def test_a_session_policy_for_maintenance_fits(exports: bool, count: int) -> None:
    own = silo_bucket()
    silos = [silo_place(f"{own[:-1]}{number}") for number in range(count)]
    for places in (silos, [pool_place(TENANT), *silos[1:]]):
        scope = MaintenanceScope(
            partition="aws-us-gov",
            region="ap-northeast-10",
            account_id="123456789012",
            data_table_name=f"TenkaCloud-{ENVIRONMENT}-tenant-data",
            data_bucket=f"tenkacloud-data-{ENVIRONMENT}-123456789012",
            places=tuple(places),
            exports_bucket=f"tenkacloud-{ENVIRONMENT}-exports-123456789012" if exports else None,
        )
        assert size(maintenance_session_policy(TENANT, scope)) <= SESSION_MAX


def test_a_silo_buckets_policy_fits() -> None:
    assert size(silo_bucket_policy(silo_bucket(), TENANT, ROLE_ARN, MAINTENANCE_ROLE_ARN)) <= BUCKET_MAX


def silo_bucket() -> str:
    name = names.silo_bucket(ENVIRONMENT, Slug("s" * 63), TENANT, "123456789012", "ap-northeast-10")
    assert len(name) == names.BUCKET_NAME_MAX
    return name
