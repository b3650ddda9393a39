"""Names, prefixes and policies of tenant resources."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation.places import Place, other_resources, pool_place, silo_place
from tenkacloud.isolation.policies import (
    MaintenanceScope,
    Policy,
    SessionScope,
    maintenance_session_policy,
    session_policy,
    silo_bucket_policy,
)
from tenkacloud.isolation.resource_names import pool_marker, pool_prefix, silo_bucket
from tenkacloud.tenants.validation import NULL, SLUG_PATTERN, TENANT_ID_PATTERN, Slug, TenantId

ROLE = "arn:aws:iam::123456789012:role/tenkacloud-test-tenant-access"
MAINTENANCE_ROLE = "arn:aws:iam::123456789012:role/tenkacloud-test-tenant-maintenance"
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


OBJECT_ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
MAINTENANCE_ACTIONS = [
    "s3:GetObject",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionTagging",
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:AbortMultipartUpload",
]
LISTINGS = ["s3:ListBucket", "s3:ListBucketVersions"]
#: Of uploads in a bucket of the tenant's own only: S3 does not tell IAM the prefix of that listing
SILO_LISTINGS = [*LISTINGS, "s3:ListBucketMultipartUploads"]


def statements_of(policy: Policy) -> dict[str, Any]:
    return {statement["Sid"]: statement for statement in policy["Statement"]}


@pytest.mark.parametrize("open_to_tenant", [True, False])
def test_the_silo_policy_names_the_tenant_and_no_pattern(open_to_tenant: bool) -> None:
    policy = silo_bucket_policy(
        "the-bucket", TenantId("a"), ROLE, MAINTENANCE_ROLE, open_to_tenant=open_to_tenant
    )
    statements = statements_of(policy)
    assert policy["Version"] == "2012-10-17"
    denials = {sid: statements.pop(sid) for sid in ("DenyOtherTenants", "DenyInsecureTransport")}
    assert denials["DenyOtherTenants"]["Condition"] == {
        "StringNotEquals": {"aws:PrincipalTag/tenantId": "a"},
        "Null": {"aws:PrincipalTag/tenantId": "false"},
    }
    assert denials["DenyInsecureTransport"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    for denial in denials.values():
        assert denial["Effect"] == "Deny"
        assert denial["Principal"] == "*"
        assert denial["Action"] == "s3:*"
        assert denial["Resource"] == ["arn:aws:s3:::the-bucket", "arn:aws:s3:::the-bucket/*"]
    bucket, objects = "arn:aws:s3:::the-bucket", "arn:aws:s3:::the-bucket/*"
    of_tenant = {
        "AllowTenantObjects": (ROLE, OBJECT_ACTIONS, objects),
        "AllowTenantListing": (ROLE, "s3:ListBucket", bucket),
    }
    of_maintenance = {
        "AllowMaintenanceObjects": (MAINTENANCE_ROLE, MAINTENANCE_ACTIONS, objects),
        "AllowMaintenanceListing": (MAINTENANCE_ROLE, SILO_LISTINGS, bucket),
    }
    allowed = {
        sid: (statement["Principal"]["AWS"], statement["Action"], statement["Resource"])
        for sid, statement in statements.items()
    }
    # The target of a move takes nothing of the tenant's yet
    assert allowed == {**(of_tenant if open_to_tenant else {}), **of_maintenance}
    for statement in statements.values():
        assert statement["Effect"] == "Allow"
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalTag/tenantId": "a"}}
    assert len(json.dumps(policy)) < 20_480  # S3's limit


@pytest.mark.parametrize("partition", ["aws", "aws-cn"])
def test_the_silo_policy_is_of_the_roles_partition(partition: str) -> None:
    role, maintenance_role = (
        arn.replace("arn:aws:", f"arn:{partition}:") for arn in (ROLE, MAINTENANCE_ROLE)
    )
    policy = silo_bucket_policy("the-bucket", TenantId("a"), role, maintenance_role)
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
        statements = statements_of(policy)
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


def test_a_session_of_a_read_only_scope_reads_objects_and_nothing_else_is_less() -> None:
    for scope in (SCOPE, replace(SCOPE, silo_bucket="own")):
        usual = statements_of(session_policy(TenantId("a"), scope))
        fenced = statements_of(session_policy(TenantId("a"), replace(scope, read_only=True)))
        assert fenced.pop("TenantObjects") == {**usual.pop("TenantObjects"), "Action": ["s3:GetObject"]}
        assert fenced == usual


MAINTENANCE = MaintenanceScope(
    partition="aws",
    region="ap-northeast-1",
    account_id="123456789012",
    data_table_name="TenkaCloud-test-tenant-data",
    data_bucket="tenkacloud-data-test",
    places=(),
)
POOL, POOL_ARN = pool_place(TenantId("a")), "arn:aws:s3:::tenkacloud-data-test"
SILO, SILO_ARN = silo_place("own"), "arn:aws:s3:::own"
IN_POOL = {"StringLike": {"s3:prefix": "tenants/a/*"}, "Null": {"s3:prefix": "false"}}
IN_EXPORTS = {"StringLike": {"s3:prefix": "a/*"}, "Null": {"s3:prefix": "false"}}


@pytest.mark.parametrize(
    ("places", "objects", "listings"),
    [
        ((POOL,), [f"{POOL_ARN}/tenants/a/*"], {"ListPool": ([POOL_ARN], IN_POOL)}),
        ((SILO,), [f"{SILO_ARN}/*"], {"ListSilo": ([SILO_ARN], None)}),
        (
            (POOL, SILO),
            [f"{POOL_ARN}/tenants/a/*", f"{SILO_ARN}/*"],
            {"ListPool": ([POOL_ARN], IN_POOL), "ListSilo": ([SILO_ARN], None)},
        ),
    ],
)
def test_a_maintenance_policy_names_the_places_of_its_operation(
    places: tuple[Place, ...], objects: list[str], listings: dict[str, Any]
) -> None:
    policy = maintenance_session_policy(TenantId("a"), replace(MAINTENANCE, places=places))
    statements = statements_of(policy)
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}
    assert set(statements) == {"Objects", "Items", *listings}
    assert statements["Objects"]["Action"] == MAINTENANCE_ACTIONS
    assert statements["Objects"]["Resource"] == objects
    for sid, (resources, condition) in listings.items():
        assert statements[sid]["Action"] == (SILO_LISTINGS if sid == "ListSilo" else LISTINGS)
        assert (statements[sid]["Resource"], statements[sid].get("Condition")) == (resources, condition)
    assert statements["Items"] == {
        "Sid": "Items",
        "Effect": "Allow",
        "Action": ["dynamodb:Query", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"],
        "Resource": ["arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-test-tenant-data"],
        "Condition": {
            "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "TENANT#a"},
            "Null": {"dynamodb:LeadingKeys": "false"},
        },
    }


def test_an_export_is_written_under_the_tenants_id_and_never_deleted() -> None:
    scope = replace(MAINTENANCE, places=(POOL,), exports_bucket="the-exports")
    statements = statements_of(maintenance_session_policy(TenantId("a"), scope))
    assert statements["Exports"]["Resource"] == ["arn:aws:s3:::the-exports/a/*"]
    assert not [action for action in statements["Exports"]["Action"] if "Delete" in action]
    assert statements["ListExports"]["Action"] == ["s3:ListBucket"]
    assert statements["ListExports"]["Resource"] == ["arn:aws:s3:::the-exports"]
    assert statements["ListExports"]["Condition"] == IN_EXPORTS


def test_a_place_of_another_tenant_does_not_choose_the_prefix() -> None:
    scope = replace(MAINTENANCE, places=(pool_place(TenantId("ab")),))
    text = json.dumps(maintenance_session_policy(TenantId("a"), scope))
    assert "tenants/a/*" in text
    assert "tenants/ab" not in text


def test_a_place_is_in_its_bucket_under_its_prefix() -> None:
    assert (MAINTENANCE.bucket(POOL), MAINTENANCE.prefix(POOL)) == ("tenkacloud-data-test", "tenants/a/")
    assert (MAINTENANCE.bucket(SILO), MAINTENANCE.prefix(SILO)) == ("own", "")


@given(ids, st.from_regex("[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", fullmatch=True))
def test_a_place_is_read_as_it_is_written(tenant_id: TenantId, bucket_name: str) -> None:
    for place in (pool_place(tenant_id), silo_place(bucket_name)):
        assert Place.of(place.as_resources()) == place
        assert Place.of({**place.as_resources(), "logGroup": "/x"}) == place
        assert place.is_silo == ("dedicatedBucket" in place.as_resources())
    assert other_resources({**pool_place(tenant_id).as_resources(), "logGroup": "/x"}) == {"logGroup": "/x"}


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (None, "resources is missing"),
        ("tenants/a/", "resources must be an object"),
        ({}, "resources must name one of s3Prefix, dedicatedBucket"),
        ({"logGroup": "/x"}, "resources must name one of"),
        ({"s3Prefix": "tenants/a/", "dedicatedBucket": "own"}, "resources must name one of"),
        ({"s3Prefix": "tenants/a/", "dedicatedBucket": NULL}, "resources must name one of"),
        ({"s3Prefix": NULL}, "resources.s3Prefix must be a string, not null"),
        ({"s3Prefix": ""}, "resources.s3Prefix is empty"),
        # Without the slash it would be the prefix of tenant ab, too
        ({"s3Prefix": "tenants/a"}, "resources.s3Prefix 'tenants/a' is not tenants/<tenant id>/"),
        ({"s3Prefix": "tenants/"}, "resources.s3Prefix"),
        ({"s3Prefix": "tenants//"}, "resources.s3Prefix"),
        ({"s3Prefix": "tenants/a/b/"}, "resources.s3Prefix"),
        ({"s3Prefix": "tenants/a/\n"}, "resources.s3Prefix"),
        ({"s3Prefix": "tenants/*/"}, "resources.s3Prefix"),
        ({"dedicatedBucket": "A"}, "resources.dedicatedBucket 'A' is not a bucket's name"),
        ({"dedicatedBucket": "own/x"}, "resources.dedicatedBucket"),
        ({"dedicatedBucket": "own*"}, "resources.dedicatedBucket"),
        ({"dedicatedBucket": 7}, "resources.dedicatedBucket must be a string"),
    ],
)
def test_resources_that_name_no_place_are_rejected(resources: Any, said: str) -> None:
    with pytest.raises(InvalidFieldError, match=f"^{re.escape(said)}"):
        Place.of(resources)


@given(ids)
def test_no_policy_of_the_code_holds_a_variable_or_a_pattern_beside_the_last_star(
    tenant_id: TenantId,
) -> None:
    places = (pool_place(tenant_id), silo_place("the-bucket"))
    for policy in (
        session_policy(tenant_id, SCOPE),
        maintenance_session_policy(
            tenant_id, replace(MAINTENANCE, places=places, exports_bucket="the-exports")
        ),
        silo_bucket_policy("the-bucket", tenant_id, ROLE, MAINTENANCE_ROLE),
    ):
        text = json.dumps(policy)
        assert "$" not in text
        assert "?" not in text
        for statement in policy["Statement"]:
            resources = statement["Resource"]
            for resource in [resources] if isinstance(resources, str) else resources:
                assert "*" not in resource.removesuffix("/*")
