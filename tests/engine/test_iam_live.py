"""The engine enforces IAM as AWS does: tried by real calls with real sessions of roles."""

from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from scripts.tooling.project import REGION
from tests.conftest import running_engine
from tests.engine.cloud import (
    ACCOUNT,
    OPEN_TRUST,
    ROOT,
    Caller,
    Cloud,
    assume,
    is_allowed,
    policy,
    refusal,
)

OTHER_ACCOUNT = "111111111111"
BUCKET, FOREIGN, TABLE = "tenants-data", "somebody-elses", "Items"
TABLE_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}"
TAG = "${aws:PrincipalTag/tenantId}"
LEADING_KEY: dict[str, Any] = {
    "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": f"TENANT#{TAG}"},
    "Null": {"dynamodb:LeadingKeys": "false"},
}
OWN_OBJECTS: list[dict[str, Any]] = [
    {
        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        "Resource": f"arn:aws:s3:::{BUCKET}/tenants/{TAG}/*",
    },
    {
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{BUCKET}",
        "Condition": {"StringLike": {"s3:prefix": f"tenants/{TAG}/*"}, "Null": {"s3:prefix": "false"}},
    },
]
OWN_ITEMS: list[dict[str, Any]] = [
    {
        "Action": [
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:Query",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:PartiQLSelect",
            "dynamodb:PartiQLInsert",
            "dynamodb:PartiQLUpdate",
            "dynamodb:PartiQLDelete",
        ],
        "Resource": [TABLE_ARN, f"{TABLE_ARN}/index/*"],
        "Condition": LEADING_KEY,
    },
    # Had Scan the key, it would be allowed; it never has.
    {"Action": "dynamodb:Scan", "Resource": TABLE_ARN, "Condition": LEADING_KEY},
]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        # Starting an engine leaves its endpoint there, which other tests' is not.
        patch.setenv("AWS_ENDPOINT_URL", "")
        with running_engine() as engine:
            yield furnished(Cloud(engine.endpoint.url))


def furnished(root: Cloud) -> Cloud:
    """Make what the tests share."""
    root.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for key in ("tenants/a/1", "tenants/a-b/1", "tenants/b/1", "tenants/*/1", "tenants/team/1"):
        root.s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    root.dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK", "GPK")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-gpk",
                "KeySchema": [{"AttributeName": "GPK", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for tenant in ("a", "a-b", "b"):
        root.dynamodb.put_item(TableName=TABLE, Item=item(tenant))
    root.role("tenant-access", *OWN_OBJECTS, *OWN_ITEMS)
    return root


def key(tenant: str, sort: str = "1") -> dict[str, Any]:
    return {"PK": {"S": f"TENANT#{tenant}"}, "SK": {"S": sort}}


def item(tenant: str, sort: str = "1") -> dict[str, Any]:
    return {**key(tenant, sort), "GPK": {"S": f"TENANT#{tenant}"}, "n": {"N": "1"}}


@pytest.fixture(scope="module")
def a(cloud: Cloud) -> Caller:
    return cloud.assume("tenant-access", tags={"tenantId": "a"}, TransitiveTagKeys=["tenantId"])


OBJECT_CALLS = {
    "get": lambda s3, key: s3.get_object(Bucket=BUCKET, Key=key),
    "head": lambda s3, key: s3.head_object(Bucket=BUCKET, Key=key),
    "put": lambda s3, key: s3.put_object(Bucket=BUCKET, Key=f"{key}.new", Body=b""),
    "delete": lambda s3, key: s3.delete_object(Bucket=BUCKET, Key=f"{key}.new"),
    "upload": lambda s3, key: s3.abort_multipart_upload(
        Bucket=BUCKET,
        Key=f"{key}.parts",
        UploadId=s3.create_multipart_upload(Bucket=BUCKET, Key=f"{key}.parts")["UploadId"],
    ),
    "copy from": lambda s3, key: s3.copy_object(
        Bucket=BUCKET, Key="tenants/a/copy", CopySource={"Bucket": BUCKET, "Key": key}
    ),
    "copy to": lambda s3, key: s3.copy_object(
        Bucket=BUCKET, Key=f"{key}.copy", CopySource={"Bucket": BUCKET, "Key": "tenants/a/1"}
    ),
    "delete many": lambda s3, key: s3.delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": "tenants/a/none"}, {"Key": f"{key}.none"}]}
    ),
    "list": lambda s3, key: s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{key.rpartition('/')[0]}/"),
    "list, version 1": lambda s3, key: s3.list_objects(Bucket=BUCKET, Prefix=f"{key.rpartition('/')[0]}/"),
}


@pytest.mark.parametrize("call", OBJECT_CALLS)
def test_objects_are_the_tenants_own(a: Caller, call: str) -> None:
    assert is_allowed(OBJECT_CALLS[call], s3=a.s3, key="tenants/a/1")
    for other in ("tenants/a-b/1", "tenants/b/1"):
        assert not is_allowed(OBJECT_CALLS[call], s3=a.s3, key=other)


@pytest.mark.parametrize("request_", [{}, {"Prefix": ""}, {"Prefix": "tenants/"}, {"Prefix": "tenants/a"}])
def test_no_listing_beyond_the_own_prefix(a: Caller, request_: dict[str, str]) -> None:
    assert not is_allowed(a.s3.list_objects_v2, Bucket=BUCKET, **request_)


def test_no_other_listing_of_the_bucket(a: Caller) -> None:
    own = {"Bucket": BUCKET, "Prefix": "tenants/a/"}
    assert not is_allowed(a.s3.list_object_versions, **own)
    assert not is_allowed(a.s3.list_multipart_uploads, **own)
    assert not is_allowed(a.s3.head_bucket, Bucket=BUCKET)


def test_a_part_is_copied_from_the_own_objects_only(a: Caller) -> None:
    upload = {"Bucket": BUCKET, "Key": "tenants/a/parts"}
    upload["UploadId"] = a.s3.create_multipart_upload(**upload)["UploadId"]
    source = {"Bucket": BUCKET, "Key": "tenants/a/1"}
    assert is_allowed(a.s3.upload_part_copy, **upload, PartNumber=1, CopySource=source)
    source["Key"] = "tenants/b/1"
    assert not is_allowed(a.s3.upload_part_copy, **upload, PartNumber=1, CopySource=source)


def test_a_key_is_taken_to_the_letter(a: Caller) -> None:
    """Slashes at the start, doubled and at the end make other keys."""
    assert is_allowed(a.s3.put_object, Bucket=BUCKET, Key="tenants/a/", Body=b"")
    assert is_allowed(a.s3.put_object, Bucket=BUCKET, Key="tenants/a//x", Body=b"")
    assert not is_allowed(a.s3.put_object, Bucket=BUCKET, Key="tenants//a/x", Body=b"")
    assert not is_allowed(a.s3.put_object, Bucket=BUCKET, Key="/tenants/a/x", Body=b"")
    assert is_allowed(a.s3.get_object, Bucket=BUCKET, Key="tenants/a//x")
    assert is_allowed(a.s3.put_object, Bucket=BUCKET, Key="tenants/a/line\nend", Body=b"")


def test_a_key_of_slashes_is_an_object_not_the_bucket(cloud: Cloud) -> None:
    cloud.role("lists", {"Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"})
    lists = cloud.assume("lists").s3
    assert is_allowed(lists.list_objects_v2, Bucket=BUCKET)
    cloud.s3.put_object(Bucket=BUCKET, Key="/", Body=b"")
    assert not is_allowed(lists.get_object, Bucket=BUCKET, Key="/")
    cloud.role("reads", {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"})
    assert is_allowed(cloud.assume("reads").s3.get_object, Bucket=BUCKET, Key="/")


def test_deleting_a_version_is_an_action_of_its_own(a: Caller) -> None:
    one = {"Key": "tenants/a/none", "VersionId": "null"}
    assert not is_allowed(a.s3.delete_object, Bucket=BUCKET, **one)
    assert not is_allowed(a.s3.delete_objects, Bucket=BUCKET, Delete={"Objects": [one]})
    assert not is_allowed(a.s3.get_object, Bucket=BUCKET, Key="tenants/a/1", VersionId="null")


@pytest.mark.parametrize(("operation", "method"), [("get_object", "GET"), ("put_object", "PUT")])
def test_a_presigned_url_allows_what_its_session_may(a: Caller, operation: str, method: str) -> None:
    def status(key: str) -> int:
        url = urlsplit(a.s3.generate_presigned_url(operation, Params={"Bucket": BUCKET, "Key": key}))
        with closing(HTTPConnection(url.netloc)) as connection:
            connection.request(method, f"{url.path}?{url.query}")
            return connection.getresponse().status

    own, other = ("tenants/a/1", "tenants/b/1") if method == "GET" else ("tenants/a/2", "tenants/b/2")
    assert status(own) == 200
    assert status(other) == 403


@pytest.mark.parametrize(
    ("tag", "own", "others"),
    [
        ("*", "tenants/*/1", ["tenants/a/1", "tenants/b/1"]),
        ("?", None, ["tenants/a/1", "tenants/b/1"]),
    ],
)
def test_a_wildcard_in_a_value_is_none(cloud: Cloud, tag: str, own: str | None, others: list[str]) -> None:
    """STS lets no wildcard into a tag; a tag of the role can't have one either, a session name neither."""
    name = f"wildcard-{ord(tag)}"
    cloud.role(name, *OWN_OBJECTS)
    # IAM refuses such a tag, this engine does not: it is the way to get one into a request.
    cloud.iam.tag_role(RoleName=name, Tags=[{"Key": "tenantId", "Value": tag}])
    session = cloud.assume(name)
    for other in others:
        assert not is_allowed(session.s3.get_object, Bucket=BUCKET, Key=other)
    if own:
        assert is_allowed(session.s3.get_object, Bucket=BUCKET, Key=own)


def test_without_a_value_an_allow_with_a_variable_does_not_match(cloud: Cloud) -> None:
    session = cloud.assume("tenant-access")
    assert not is_allowed(session.s3.get_object, Bucket=BUCKET, Key="tenants/a/1")
    assert not is_allowed(session.dynamodb.get_item, TableName=TABLE, Key=key("a"))


def test_without_a_value_a_deny_with_a_variable_does_not_match(cloud: Cloud) -> None:
    objects = f"arn:aws:s3:::{BUCKET}/*"
    cloud.role(
        "deny-others",
        {"Action": "s3:GetObject", "Resource": objects},
        {
            "Effect": "Deny",
            "Action": "s3:GetObject",
            "NotResource": f"arn:aws:s3:::{BUCKET}/tenants/{TAG}/*",
        },
    )
    tagged = cloud.assume("deny-others", tags={"tenantId": "a"})
    assert is_allowed(tagged.s3.get_object, Bucket=BUCKET, Key="tenants/a/1")
    assert not is_allowed(tagged.s3.get_object, Bucket=BUCKET, Key="tenants/b/1")
    assert is_allowed(cloud.assume("deny-others").s3.get_object, Bucket=BUCKET, Key="tenants/b/1")


def test_a_default_stands_in_for_no_value(cloud: Cloud) -> None:
    resource = f"arn:aws:s3:::{BUCKET}/tenants/${{aws:PrincipalTag/tenantId, 'team'}}/*"
    cloud.role("with-default", {"Action": "s3:GetObject", "Resource": resource})
    assert is_allowed(cloud.assume("with-default").s3.get_object, Bucket=BUCKET, Key="tenants/team/1")
    tagged = cloud.assume("with-default", tags={"tenantId": "b"})
    assert is_allowed(tagged.s3.get_object, Bucket=BUCKET, Key="tenants/b/1")
    assert not is_allowed(tagged.s3.get_object, Bucket=BUCKET, Key="tenants/team/1")


def test_variables_of_an_old_policy_are_text(cloud: Cloud) -> None:
    cloud.role("old-policy", *OWN_OBJECTS, version="2008-10-17")
    session = cloud.assume("old-policy", tags={"tenantId": "a"})
    assert not is_allowed(session.s3.get_object, Bucket=BUCKET, Key="tenants/a/1")


def test_a_session_policy_has_variables(cloud: Cloud) -> None:
    everything = {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    cloud.role("wide", everything)
    session = cloud.assume("wide", tags={"tenantId": "a"}, Policy=policy(*OWN_OBJECTS))
    assert is_allowed(session.s3.get_object, Bucket=BUCKET, Key="tenants/a/1")
    assert not is_allowed(session.s3.get_object, Bucket=BUCKET, Key="tenants/b/1")


def test_a_bucket_policy_has_variables_and_names_the_role(cloud: Cloud) -> None:
    role = cloud.role("by-bucket-policy", path="/tenkacloud/local/")
    cloud.s3.create_bucket(Bucket="shared", CreateBucketConfiguration={"LocationConstraint": REGION})
    cloud.s3.put_bucket_policy(
        Bucket="shared",
        Policy=policy(
            {
                "Principal": {"AWS": role},
                "Action": "s3:PutObject",
                "Resource": f"arn:aws:s3:::shared/{TAG}/*",
                "Condition": {"ArnEquals": {"aws:PrincipalArn": role}},
            }
        ),
    )
    session = cloud.assume(role, tags={"tenantId": "a"})
    assert is_allowed(session.s3.put_object, Bucket="shared", Key="a/1", Body=b"")
    assert not is_allowed(session.s3.put_object, Bucket="shared", Key="b/1", Body=b"")


def test_the_loopback_counts_as_secure_transport(cloud: Cloud) -> None:
    cloud.s3.create_bucket(Bucket="tls-only", CreateBucketConfiguration={"LocationConstraint": REGION})
    cloud.s3.put_bucket_policy(
        Bucket="tls-only",
        Policy=policy(
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": "arn:aws:s3:::tls-only/*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ),
    )
    cloud.role("writes", {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::tls-only/*"})
    assert is_allowed(cloud.assume("writes").s3.put_object, Bucket="tls-only", Key="1", Body=b"")


def test_a_bucket_of_another_account_is_told_from_the_own(cloud: Cloud) -> None:
    foreign = Caller(cloud.url, OTHER_ACCOUNT)
    foreign.s3.create_bucket(Bucket=FOREIGN, CreateBucketConfiguration={"LocationConstraint": REGION})
    open_to_all = {
        "Principal": {"AWS": ACCOUNT},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{FOREIGN}/*",
    }
    foreign.s3.put_bucket_policy(Bucket=FOREIGN, Policy=policy(open_to_all))
    anywhere = {"Action": "s3:PutObject", "Resource": "*"}
    cloud.role("anywhere", anywhere)
    cloud.role(
        "at-home",
        anywhere,
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}},
        },
    )
    assert is_allowed(cloud.assume("anywhere").s3.put_object, Bucket=FOREIGN, Key="1", Body=b"")
    at_home = cloud.assume("at-home").s3
    assert not is_allowed(at_home.put_object, Bucket=FOREIGN, Key="1", Body=b"")
    own = {"Bucket": BUCKET, "Key": "owned", "Body": b""}
    assert is_allowed(at_home.put_object, **own, ExpectedBucketOwner=ACCOUNT)
    assert not is_allowed(at_home.put_object, **own, ExpectedBucketOwner=OTHER_ACCOUNT)


def partiql(statement: str, who: str = "") -> str:
    return statement.replace("TABLE", f'"{TABLE}"').replace("WHO", who)


ITEM_CALLS: dict[str, Callable[[Any, str], Any]] = {
    "get": lambda db, who: db.get_item(TableName=TABLE, Key=key(who)),
    "put": lambda db, who: db.put_item(TableName=TABLE, Item=item(who, "new")),
    "update": lambda db, who: db.update_item(
        TableName=TABLE,
        Key=key(who),
        UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "2"}},
    ),
    "delete": lambda db, who: db.delete_item(TableName=TABLE, Key=key(who, "none")),
    "query": lambda db, who: db.query(
        TableName=TABLE,
        KeyConditionExpression="begins_with(SK, :sk) AND #pk = :pk",
        ExpressionAttributeNames={"#pk": "PK"},
        ExpressionAttributeValues={":pk": {"S": f"TENANT#{who}"}, ":sk": {"S": "1"}},
    ),
    "query, the old way": lambda db, who: db.query(
        TableName=TABLE,
        KeyConditions={"PK": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": f"TENANT#{who}"}]}},
    ),
    "query of an index": lambda db, who: db.query(
        TableName=TABLE,
        IndexName="by-gpk",
        KeyConditionExpression="GPK = :pk",
        ExpressionAttributeValues={":pk": {"S": f"TENANT#{who}"}},
    ),
    "batch get": lambda db, who: db.batch_get_item(
        RequestItems={TABLE: {"Keys": [key("a"), key(who, "other")]}}
    ),
    "batch write": lambda db, who: db.batch_write_item(
        RequestItems={
            TABLE: [
                {"PutRequest": {"Item": item("a", "batch")}},
                {"DeleteRequest": {"Key": key(who, "none")}},
            ]
        }
    ),
    "transact get": lambda db, who: db.transact_get_items(
        TransactItems=[{"Get": {"TableName": TABLE, "Key": k}} for k in (key("a"), key(who, "other"))]
    ),
    "transact write": lambda db, who: db.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": TABLE, "Item": item("a", "transaction")}},
            {"Delete": {"TableName": TABLE, "Key": key(who, "none")}},
        ]
    ),
    "transact check": lambda db, who: db.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": TABLE, "Item": item("a", "transaction")}},
            {
                "ConditionCheck": {
                    "TableName": TABLE,
                    "Key": key(who),
                    "ConditionExpression": "attribute_exists(PK)",
                }
            },
        ]
    ),
    "PartiQL select": lambda db, who: db.execute_statement(
        Statement=partiql("SELECT * FROM TABLE WHERE PK = ?"), Parameters=[{"S": f"TENANT#{who}"}]
    ),
    "PartiQL select of an index": lambda db, who: db.execute_statement(
        Statement=partiql("""SELECT * FROM TABLE."by-gpk" WHERE GPK = 'TENANT#WHO'""", who)
    ),
    "PartiQL select in": lambda db, who: db.execute_statement(
        Statement=partiql("SELECT * FROM TABLE WHERE PK IN ['TENANT#a', 'TENANT#WHO']", who)
    ),
    "PartiQL insert": lambda db, who: db.execute_statement(
        Statement=partiql("INSERT INTO TABLE VALUE {'PK': 'TENANT#WHO', 'SK': 'inserted'}", who)
    ),
    "PartiQL update": lambda db, who: db.execute_statement(
        Statement=partiql("UPDATE TABLE SET n = 3 WHERE PK = 'TENANT#WHO' AND SK = '1'", who)
    ),
    "PartiQL batch": lambda db, who: db.batch_execute_statement(
        Statements=[
            {"Statement": partiql("SELECT * FROM TABLE WHERE PK = 'TENANT#WHO' AND SK = '1'", one)}
            for one in ("a", who)
        ]
    ),
    "PartiQL transaction": lambda db, who: db.execute_transaction(
        TransactStatements=[
            {"Statement": partiql("UPDATE TABLE SET n = 4 WHERE PK = 'TENANT#a' AND SK = '1'")},
            {"Statement": partiql("DELETE FROM TABLE WHERE PK = 'TENANT#WHO' AND SK = '2'", who)},
        ]
    ),
}


@pytest.mark.parametrize("call", ITEM_CALLS)
def test_items_are_the_tenants_own(a: Caller, call: str) -> None:
    assert is_allowed(ITEM_CALLS[call], db=a.dynamodb, who="a")
    for other in ("a-b", "b"):
        assert not is_allowed(ITEM_CALLS[call], db=a.dynamodb, who=other)


def test_what_names_no_partition_key_is_refused(a: Caller) -> None:
    assert not is_allowed(a.dynamodb.scan, TableName=TABLE)
    for statement in (
        "SELECT * FROM TABLE",
        "SELECT * FROM TABLE WHERE SK = '1'",
        "SELECT * FROM TABLE WHERE PK = 'TENANT#a' OR SK = '1'",
        "SELECT * FROM TABLE WHERE NOT PK = 'TENANT#a'",
    ):
        assert not is_allowed(a.dynamodb.execute_statement, Statement=partiql(statement))


def test_partiql_is_actions_of_its_own(cloud: Cloud) -> None:
    cloud.role("executes", {"Action": "dynamodb:ExecuteStatement", "Resource": "*"})
    statement = partiql("SELECT * FROM TABLE WHERE PK = 'TENANT#a'")
    assert not is_allowed(cloud.assume("executes").dynamodb.execute_statement, Statement=statement)


def test_the_principals_arn_is_the_roles(cloud: Cloud) -> None:
    """Trust by account and `aws:PrincipalArn`, as that of the tenant access role is."""
    caller = cloud.role("trusted", {"Action": "sts:AssumeRole", "Resource": "*"}, path="/tenkacloud/local/")
    condition = {"ArnEquals": {"aws:PrincipalArn": caller}}
    cloud.role("trusts", trust={"Principal": ROOT, "Action": "sts:AssumeRole", "Condition": condition})
    cloud.role("not-trusted", {"Action": "sts:AssumeRole", "Resource": "*"})
    assert is_allowed(cloud.assume(caller).sts.assume_role, **assume("trusts"))
    assert not is_allowed(cloud.assume("not-trusted").sts.assume_role, **assume("trusts"))
    # Of the same name, but of another path.
    elsewhere = assume(f"arn:aws:iam::{ACCOUNT}:role/elsewhere/trusts")
    assert not is_allowed(cloud.assume(caller).sts.assume_role, **elsewhere)


def test_a_trust_policy_has_variables(cloud: Cloud) -> None:
    condition = {"StringEquals": {"aws:RequestTag/tenantId": TAG}}
    cloud.role("same-tenant", trust={**OPEN_TRUST, "Condition": condition})
    cloud.role("of-a-tenant", {"Action": "sts:*", "Resource": "*"})
    session = cloud.assume("of-a-tenant", tags={"tenantId": "a"}).sts
    assert is_allowed(session.assume_role, **assume("same-tenant", tags={"tenantId": "a"}))
    assert not is_allowed(session.assume_role, **assume("same-tenant", tags={"tenantId": "b"}))


def test_both_policies_decide_who_starts_a_session(cloud: Cloud) -> None:
    cloud.role("nobody")
    cloud.role("of-the-account")
    named = {"Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/nobody"}}
    cloud.role("names-it", trust=named)
    nobody = cloud.assume("nobody").sts
    assert not is_allowed(nobody.assume_role, **assume("of-the-account"))
    assert is_allowed(nobody.assume_role, **assume("names-it"))
    cloud.role("denied", {"Effect": "Deny", "Action": "sts:*", "Resource": "*"})
    cloud.iam.update_assume_role_policy(
        RoleName="names-it",
        PolicyDocument=policy({**named, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/denied"}}),
    )
    assert not is_allowed(nobody.assume_role, **assume("names-it"))
    assert not is_allowed(cloud.assume("denied").sts.assume_role, **assume("names-it"))


@pytest.fixture(scope="module")
def strict(cloud: Cloud) -> tuple[Caller, str]:
    """A session of a service, and a role with the trust policy of the tenant access role."""
    service = cloud.role(
        "service",
        {"Action": "sts:*", "Resource": "*", "Condition": {"Null": {"sts:RoleSessionName": "false"}}},
        {"Action": ["sts:TagSession", "sts:SetSourceIdentity"], "Resource": "*"},
    )
    principal = {"ArnEquals": {"aws:PrincipalArn": service}}
    like = {"sts:SourceIdentity": "tenkacloud-*"}
    tags: dict[str, Any] = {
        "StringLike": {"aws:RequestTag/tenantId": "?*"},
        "StringNotLike": {"aws:RequestTag/tenantId": ["* *", "*.*", "*/*", "*:*", "*=*", "*+*", "*@*"]},
        "ForAllValues:StringEquals": {"aws:TagKeys": "tenantId", "sts:TransitiveTagKeys": "tenantId"},
        "Null": {
            "aws:TagKeys": "false",
            "aws:RequestTag/tenantId": "false",
            "sts:TransitiveTagKeys": "false",
        },
        **principal,
    }
    one = {**tags, "StringLike": {**tags["StringLike"], **like}}
    statements = [
        {"Principal": ROOT, "Action": "sts:AssumeRole", "Condition": one},
        {"Principal": ROOT, "Action": "sts:TagSession", "Condition": tags},
        {
            "Principal": ROOT,
            "Action": "sts:SetSourceIdentity",
            "Condition": {"StringLike": like, **principal},
        },
    ]
    role = cloud.role("strict", *OWN_OBJECTS)
    cloud.iam.update_assume_role_policy(RoleName="strict", PolicyDocument=policy(*statements))
    return cloud.assume(service), role


GOOD: dict[str, Any] = {
    "tags": {"tenantId": "a"},
    "TransitiveTagKeys": ["tenantId"],
    "SourceIdentity": "tenkacloud-x",
}


def test_a_session_of_the_tenant_access_role_starts(strict: tuple[Caller, str]) -> None:
    service, role = strict
    answer = service.sts.assume_role(**assume(role, **GOOD))
    assert answer["SourceIdentity"] == "tenkacloud-x"
    assert is_allowed(service.assume(role, **GOOD).s3.get_object, Bucket=BUCKET, Key="tenants/a/1")


@pytest.mark.parametrize(
    "change",
    [
        {"tags": {}, "TransitiveTagKeys": []},
        {"TransitiveTagKeys": []},
        {"tags": {"tenantId": ""}},
        {"tags": {"tenantId": "a/b"}},
        {"tags": {"tenantId": "a b"}},
        {"tags": {"other": "a"}, "TransitiveTagKeys": ["other"]},
        {"tags": {"tenantId": "a", "other": "b"}},
        {"tags": {"tenantId": "a", "other": "b"}, "TransitiveTagKeys": ["tenantId", "other"]},
        {"SourceIdentity": "other"},
    ],
    ids=str,
)
def test_no_other_session_of_the_tenant_access_role_starts(
    strict: tuple[Caller, str], change: dict[str, Any]
) -> None:
    service, role = strict
    assert not is_allowed(service.sts.assume_role, **assume(role, **{**GOOD, **change}))


def test_the_tenant_access_role_needs_a_source_identity(strict: tuple[Caller, str]) -> None:
    service, role = strict
    without = {name: value for name, value in GOOD.items() if name != "SourceIdentity"}
    assert not is_allowed(service.sts.assume_role, **assume(role, **without))


@pytest.mark.parametrize(
    "request_",
    [
        {"tags": {"tenantId": "a*"}},
        {"tags": {"tenantId": "a\n"}},
        {"tags": {"tenantId": "a" * 257}},
        {"tags": {"tenantId": "a"}, "TransitiveTagKeys": ["other"]},
        {"SourceIdentity": "a b"},
        {"RoleSessionName": "a/b"},
        {"RoleSessionName": "a" * 65},
    ],
    ids=str,
)
def test_sts_refuses_what_is_not_valid(cloud: Cloud, request_: dict[str, Any]) -> None:
    assert refusal(cloud.sts.assume_role, **assume("tenant-access", **request_)).startswith(
        ("ValidationError", "InvalidParameterValue")
    )


@pytest.mark.parametrize("lacks", ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])
@pytest.mark.parametrize("where", ["trust", "caller"])
def test_each_action_has_to_be_allowed_on_both_sides(cloud: Cloud, lacks: str, where: str) -> None:
    name = f"without-{where}-{lacks.partition(':')[2]}"
    actions = [action for action in OPEN_TRUST["Action"] if action != lacks]
    narrow = {"Action": actions, "Resource": "*"}
    caller = cloud.role(
        f"caller-{name}", narrow if where == "caller" else {"Action": "sts:*", "Resource": "*"}
    )
    trust = {"Action": actions, "Principal": ROOT} if where == "trust" else OPEN_TRUST
    target = cloud.role(name, trust=trust)
    everything = assume(target, tags={"x": "1"}, SourceIdentity="somebody")
    denied = refusal(cloud.assume(caller).sts.assume_role, **everything)
    assert denied.startswith("AccessDenied: ")
    assert is_allowed(cloud.assume(caller).sts.assume_role, **assume(target)) is (lacks != "sts:AssumeRole")


@pytest.fixture(scope="module")
def chain(cloud: Cloud) -> Caller:
    """A session that may start others, with a transitive tag, one that is not, and a source identity."""
    cloud.role("first", {"Action": "sts:*", "Resource": "*"}, *OWN_OBJECTS, tags={"tenantId": "b"})
    return cloud.assume(
        "first",
        tags={"tenantId": "a", "other": "x"},
        TransitiveTagKeys=["tenantId"],
        SourceIdentity="somebody",
    )


def test_a_session_tag_overrides_the_roles(cloud: Cloud, chain: Caller) -> None:
    assert is_allowed(chain.s3.get_object, Bucket=BUCKET, Key="tenants/a/1")
    assert not is_allowed(chain.s3.get_object, Bucket=BUCKET, Key="tenants/b/1")
    untagged = cloud.assume("first")
    assert is_allowed(untagged.s3.get_object, Bucket=BUCKET, Key="tenants/b/1")
    assert not is_allowed(untagged.s3.get_object, Bucket=BUCKET, Key="tenants/a/1")


def test_a_transitive_tag_stays_and_others_go(cloud: Cloud, chain: Caller) -> None:
    other = f"arn:aws:s3:::{BUCKET}/tenants/${{aws:PrincipalTag/other}}/*"
    cloud.role("second", *OWN_OBJECTS, {"Action": "s3:PutObject", "Resource": other})
    second = chain.assume("second")
    assert is_allowed(second.s3.get_object, Bucket=BUCKET, Key="tenants/a/1")
    assert not is_allowed(second.s3.put_object, Bucket=BUCKET, Key="tenants/x/1", Body=b"")
    for tag in ("tenantId", "TENANTID"):
        refused = refusal(chain.sts.assume_role, **assume("second", tags={tag: "b"}))
        assert refused.startswith("InvalidParameterValue: ")


def test_the_source_identity_stays(cloud: Cloud, chain: Caller) -> None:
    condition = {"StringEquals": {"aws:SourceIdentity": "somebody"}}
    objects = f"arn:aws:s3:::{BUCKET}/*"
    cloud.role("third", {"Action": "s3:GetObject", "Resource": objects, "Condition": condition})
    third = chain.assume("third")
    assert is_allowed(third.s3.get_object, Bucket=BUCKET, Key="tenants/a/1")
    assert chain.sts.assume_role(**assume("third"))["SourceIdentity"] == "somebody"
    assert not is_allowed(chain.sts.assume_role, **assume("third", SourceIdentity="else"))
    assert not is_allowed(cloud.assume("third").s3.get_object, Bucket=BUCKET, Key="tenants/a/1")


def test_what_is_inherited_needs_its_permission_too(cloud: Cloud, chain: Caller) -> None:
    cloud.role("plain", trust={"Action": "sts:AssumeRole", "Principal": ROOT})
    assert not is_allowed(chain.sts.assume_role, **assume("plain"))
    cloud.role("starter", {"Action": "sts:AssumeRole", "Resource": "*"})
    assert is_allowed(cloud.assume("starter").sts.assume_role, **assume("plain"))


def test_a_chained_session_ends_within_the_hour(chain: Caller, cloud: Cloud) -> None:
    cloud.role("long")
    cloud.iam.update_role(RoleName="long", MaxSessionDuration=7200)
    assert refusal(chain.sts.assume_role, **assume("long", DurationSeconds=3601)).startswith(
        "ValidationError"
    )
    assert is_allowed(chain.sts.assume_role, **assume("long", DurationSeconds=3600))


def test_a_tenants_session_starts_no_other(cloud: Cloud) -> None:
    cloud.role(
        "chains",
        {"Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"},
    )
    session = cloud.assume("chains", tags={"tenantId": "a"})
    assert not is_allowed(session.sts.assume_role, **assume("chains", tags={"tenantId": "b"}))
