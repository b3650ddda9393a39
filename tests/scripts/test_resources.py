"""What is found wrong with a tenant's resources: actual beside wanted."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from scripts.verification.resources import problems_of_pool_marker, problems_of_silo_bucket
from tenkacloud.isolation import hardening, policies
from tenkacloud.isolation.resource_names import pool_marker
from tenkacloud.tenants.validation import TenantId

ACCOUNT = "123456789012"
BUCKET = "tenkacloud-test-silo-acme"
ACME = TenantId("acme")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tenkacloud-test-tenant-access"
MAINTENANCE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/tenkacloud-test-tenant-maintenance"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """S3 with a bucket as provisioning leaves it."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="ap-northeast-1")
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"}
        )
        tags: Any = [{"Key": "tenantId", "Value": ACME}, {"Key": "team", "Value": "billing"}]
        client.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": tags})
        client.put_public_access_block(
            Bucket=BUCKET, PublicAccessBlockConfiguration=hardening.PUBLIC_ACCESS_BLOCK
        )
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=hardening.VERSIONING)
        client.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=hardening.ENCRYPTION)
        policy = policies.silo_bucket_policy(BUCKET, ACME, ROLE, MAINTENANCE_ROLE)
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
        yield client


def problems(s3: Any) -> list[str]:
    return [str(each) for each in problems_of_silo_bucket(s3, BUCKET, ACCOUNT, ACME, ROLE, MAINTENANCE_ROLE)]


def open_one_way(s3: Any) -> None:
    s3.put_public_access_block(
        Bucket=BUCKET,
        PublicAccessBlockConfiguration={**hardening.PUBLIC_ACCESS_BLOCK, "BlockPublicPolicy": False},
    )


def drop_a_statement(s3: Any) -> None:
    policy = policies.silo_bucket_policy(BUCKET, ACME, ROLE, MAINTENANCE_ROLE)
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "DenyOtherTenants"]
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))


def add_a_statement(s3: Any) -> None:
    policy = policies.silo_bucket_policy(BUCKET, ACME, ROLE, MAINTENANCE_ROLE)
    policy["Statement"].append({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))


def let_another_in(s3: Any) -> None:
    policy = policies.silo_bucket_policy(BUCKET, TenantId("other"), ROLE, MAINTENANCE_ROLE)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))


def test_a_hardened_bucket_has_no_problems_whatever_else_it_is_tagged(s3: Any) -> None:
    assert problems(s3) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda s3: s3.put_bucket_tagging(
                Bucket=BUCKET, Tagging={"TagSet": [{"Key": "tenantId", "Value": "other"}]}
            ),
            "tag tenantId: is other, wanted acme",
        ),
        (
            lambda s3: s3.delete_bucket_tagging(Bucket=BUCKET),
            "tag tenantId: is absent, wanted acme",
        ),
        (lambda s3: s3.delete_public_access_block(Bucket=BUCKET), 'public access: is absent, wanted {"Block'),
        (open_one_way, 'public access: is {"BlockPublicAcls": true, "BlockPublicPolicy": false, '),
        (
            lambda s3: s3.put_bucket_versioning(
                Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}
            ),
            "versioning: is Suspended, wanted Enabled",
        ),
        (lambda s3: s3.delete_bucket_encryption(Bucket=BUCKET), "encryption: is absent, wanted AES256"),
        (
            lambda s3: s3.delete_bucket_policy(Bucket=BUCKET),
            "policy: lacks DenyInsecureTransport, lacks DenyOtherTenants",
        ),
        (drop_a_statement, "policy: lacks DenyOtherTenants"),
        (add_a_statement, "policy: has statement "),
        (let_another_in, "policy: DenyOtherTenants differs"),
    ],
)
def test_what_is_changed_is_told_with_what_is_wanted(
    s3: Any, change: Callable[[Any], object], problem: str
) -> None:
    change(s3)
    (found,) = problems(s3)
    assert found.startswith(f"bucket {BUCKET}: {problem}")


def test_a_bucket_that_is_not_there_has_every_problem(s3: Any) -> None:
    missing = [
        str(each)
        for each in problems_of_silo_bucket(s3, f"{BUCKET}-not", ACCOUNT, ACME, ROLE, MAINTENANCE_ROLE)
    ]
    assert len(missing) == 5
    assert all("can't be read: NoSuchBucket" in problem for problem in missing)


def test_a_pooled_tenant_s_marker_has_to_be_there(s3: Any) -> None:
    s3.delete_bucket_policy(Bucket=BUCKET)  # a data bucket's is another

    def of_marker() -> list[str]:
        return [str(each) for each in problems_of_pool_marker(s3, BUCKET, ACCOUNT, ACME)]

    assert of_marker() == [f"marker {BUCKET}/{pool_marker(ACME)}: is absent, wanted present"]
    s3.put_object(Bucket=BUCKET, Key=pool_marker(ACME), Body=b"{}")
    assert of_marker() == []
