"""Names, prefixes and policies of tenant resources."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenkacloud.isolation.policies import SessionScope, session_policy, silo_bucket_policy
from tenkacloud.isolation.resource_names import pool_marker, pool_prefix, silo_bucket
from tenkacloud.tenants.validation import SLUG_PATTERN, TENANT_ID_PATTERN, Slug, TenantId

ROLE = "arn:aws:iam::123456789012:role/tenkacloud-test-tenant-access"
ids = st.from_regex(TENANT_ID_PATTERN, fullmatch=True).map(TenantId)
slugs = st.from_regex(SLUG_PATTERN, fullmatch=True).map(Slug)


def bucket(
    tenant_id: str, slug: str = "acme", environment: str = "dev", account: str = "1", region: str = "r"
) -> str:
    return silo_bucket(environment, Slug(slug), TenantId(tenant_id), account, region)


@given(ids, ids)
def test_no_prefix_is_within_another_tenants(one: TenantId, other: TenantId) -> None:
    assert pool_marker(one).startswith(pool_prefix(one))
    if one != other:
        assert not pool_prefix(one).startswith(pool_prefix(other))


@given(slugs, ids, st.from_regex("[a-z][a-z0-9]{1,11}", fullmatch=True))
def test_every_silo_bucket_name_is_one_that_s3_takes(
    slug: Slug, tenant_id: TenantId, environment: str
) -> None:
    name = silo_bucket(environment, slug, tenant_id, "123456789012", "ap-northeast-1")
    assert re.fullmatch("[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", name)
    assert name.startswith(f"tenkacloud-{environment}-silo-")
    assert name == silo_bucket(environment, slug, tenant_id, "123456789012", "ap-northeast-1")


def test_tenants_of_one_slug_and_ids_that_differ_in_case_have_buckets_of_their_own() -> None:
    names = {
        bucket("a"),
        bucket("A"),
        bucket("ab"),
        bucket("a", slug="other"),
        bucket("a", environment="prod"),
        bucket("a", account="2"),
        bucket("a", region="s"),
    }
    assert len(names) == 7


def test_a_tenant_called_like_the_pool_gets_no_pool_bucket() -> None:
    assert bucket("data-local", slug="data-local", environment="local") != "tenkacloud-data-local"


def test_the_silo_policy_names_the_tenant_and_no_pattern() -> None:
    policy = silo_bucket_policy("the-bucket", TenantId("a"), ROLE)
    statements = {statement["Sid"]: statement for statement in policy["Statement"]}
    assert policy["Version"] == "2012-10-17"
    assert statements["DenyOtherTenants"]["Condition"] == {
        "StringNotEquals": {"aws:PrincipalTag/tenantId": "a"},
        "Null": {"aws:PrincipalTag/tenantId": "false"},
    }
    assert statements["DenyInsecureTransport"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    for sid in ("DenyOtherTenants", "DenyInsecureTransport"):
        assert statements[sid]["Effect"] == "Deny"
        assert statements[sid]["Principal"] == "*"
        assert statements[sid]["Action"] == "s3:*"
        assert statements[sid]["Resource"] == ["arn:aws:s3:::the-bucket", "arn:aws:s3:::the-bucket/*"]
    for sid in ("AllowTenantObjects", "AllowTenantListing"):
        assert statements[sid]["Effect"] == "Allow"
        assert statements[sid]["Principal"] == {"AWS": ROLE}
        assert statements[sid]["Condition"] == {"StringEquals": {"aws:PrincipalTag/tenantId": "a"}}
    assert statements["AllowTenantObjects"]["Resource"] == "arn:aws:s3:::the-bucket/*"
    assert statements["AllowTenantListing"]["Resource"] == "arn:aws:s3:::the-bucket"
    assert statements["AllowTenantObjects"]["Action"] == [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
    ]
    assert statements["AllowTenantListing"]["Action"] == "s3:ListBucket"
    assert len(policy["Statement"]) == 4
    assert len(json.dumps(policy)) < 20_480  # S3's limit


@pytest.mark.parametrize("partition", ["aws", "aws-cn"])
def test_the_silo_policy_is_of_the_roles_partition(partition: str) -> None:
    policy = silo_bucket_policy("the-bucket", TenantId("a"), ROLE.replace("arn:aws:", f"arn:{partition}:"))
    assert policy["Statement"][0]["Resource"][0] == f"arn:{partition}:s3:::the-bucket"


SCOPE = SessionScope(
    partition="aws",
    region="ap-northeast-1",
    account_id="123456789012",
    table_name="TenkaCloud-test",
    data_table_name="TenkaCloud-test-tenant-data",
    data_bucket="tenkacloud-data-test",
)


def test_a_session_policy_names_the_tenant_and_its_place() -> None:
    for scope, arn, objects, listing in (
        (
            SCOPE,
            "arn:aws:s3:::tenkacloud-data-test",
            "arn:aws:s3:::tenkacloud-data-test/tenants/a/*",
            {"StringLike": {"s3:prefix": "tenants/a/*"}, "Null": {"s3:prefix": "false"}},
        ),
        (replace(SCOPE, silo_bucket="own"), "arn:aws:s3:::own", "arn:aws:s3:::own/*", None),
    ):
        policy = session_policy(TenantId("a"), scope)
        statements = {statement["Sid"]: statement for statement in policy["Statement"]}
        assert policy["Version"] == "2012-10-17"
        assert set(statements) == {"TenantObjects", "ListTenantObjects", "TenantItems", "TenantRecord"}
        assert statements["TenantObjects"]["Resource"] == objects
        assert statements["ListTenantObjects"]["Resource"] == arn
        assert statements["ListTenantObjects"].get("Condition") == listing
        for sid, table in (
            ("TenantItems", "TenkaCloud-test-tenant-data"),
            ("TenantRecord", "TenkaCloud-test"),
        ):
            assert (
                statements[sid]["Resource"] == f"arn:aws:dynamodb:ap-northeast-1:123456789012:table/{table}"
            )
            assert statements[sid]["Condition"] == {
                "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "TENANT#a"},
                "Null": {"dynamodb:LeadingKeys": "false"},
            }
        assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}
        assert statements["TenantObjects"]["Action"] == [
            "s3:GetObject",
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
        ]
        assert statements["ListTenantObjects"]["Action"] == "s3:ListBucket"
        assert statements["TenantItems"]["Action"] == [
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:Query",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:ConditionCheckItem",
        ]
        assert statements["TenantRecord"]["Action"] == "dynamodb:GetItem"  # never written by a tenant


@given(ids)
def test_no_policy_of_the_code_holds_a_variable_or_a_pattern_beside_the_last_star(
    tenant_id: TenantId,
) -> None:
    for policy in (session_policy(tenant_id, SCOPE), silo_bucket_policy("the-bucket", tenant_id, ROLE)):
        text = json.dumps(policy)
        assert "$" not in text
        assert "?" not in text
        for statement in policy["Statement"]:
            resources = statement["Resource"]
            for resource in [resources] if isinstance(resources, str) else resources:
                assert "*" not in resource.removesuffix("/*")
