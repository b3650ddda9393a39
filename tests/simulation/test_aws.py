"""The simulation's AWS answers as moto does, call by call; and lets sessions do what IAM would."""

import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tenkacloud.tenants.keys import table_definition
from tests.settings import ACCOUNT, DATA_TABLE, REGION, TABLE
from tests.simulation.aws import iam
from tests.simulation.aws.dynamodb import DynamoDB
from tests.simulation.aws.errors import error
from tests.simulation.aws.expressions import condition
from tests.simulation.aws.logs import Logs
from tests.simulation.aws.s3 import S3
from tests.simulation.run import play, stage

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BUCKETS: Final = ("one", "two", "three")
_KEYS: Final = ("t/a/1", "t/a/2", "t/ab/1", "t/a")
_CALLS: Final = 200
#: Of an answer: what the two cannot agree on, or what nobody reads.
_LEFT_OUT: Final = frozenset(
    {
        "ResponseMetadata",
        "AcceptRanges",
        "ArnPrefix",
        "ArchivedSize",
        "Bucket",
        "BucketArn",
        "BucketRegion",
        "ChecksumAlgorithm",
        "ChecksumCRC32",
        "ChecksumType",
        "ConsumedCapacity",
        "CopySourceVersionId",
        "DeleteMarker",  # moto says it of some deletions
        "Delimiter",
        "EncodingType",
        "Expiration",
        "Expires",
        "Initiated",
        "Initiator",
        "KeyMarker",
        "LastModified",
        "Location",
        "MaxKeys",
        "MaxUploads",
        "MissingMeta",
        "Name",
        "NextUploadIdMarker",
        "Owner",
        "Prefix",
        "ServerSideEncryption",
        "TagCount",  # moto keeps the tags of an object that was written over without versions
        "StartAfter",
        "StorageClass",
        "UploadIdMarker",
        "VersionIdMarker",
        "ContinuationToken",
        "NextContinuationToken",
        "RequestCharged",
        "ItemCollectionMetrics",
    }
)


@pytest.fixture
def moto() -> Iterator[None]:
    with mock_aws():
        yield


def _real(service: Any) -> Any:
    return boto3.client(
        service, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing"
    )


class _Both:
    """Plays each call in both, and compares. Ids that each makes are told apart by when they came."""

    def __init__(self, ours: Any, real: Any) -> None:
        self.ours, self.real = ours, real
        self.ids: list[tuple[str, str]] = []

    def call(self, operation: str, **arguments: Any) -> Any:
        """Return the answer of ours, or the error code; after a look that the other's is the same."""
        mine, theirs = (
            self._of(self.ours, operation, arguments),
            self._of(self.real, operation, self._translated(arguments)),
        )
        self._learn(mine, theirs)
        assert self._plain(mine, 0) == self._plain(theirs, 1), f"{operation} {arguments}"
        return mine

    @staticmethod
    def _of(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        try:
            answer = getattr(client, operation)(**arguments)
        except ClientError as failure:
            code = failure.response["Error"]["Code"]
            reasons = failure.response.get("CancellationReasons", [])
            if code == "MethodNotAllowed":  # of a marker; moto has one for both
                code = "NoSuchVersion"
            return {"Code": code, "Reasons": [(each.get("Code"), each.get("Item")) for each in reasons]}
        return {**answer, "Body": answer["Body"].read()} if "Body" in answer else answer

    def _translated(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._translated(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._translated(each) for each in value]
        return next((theirs for mine, theirs in self.ids if mine == value), value)

    def _learn(self, mine: Any, theirs: Any) -> None:
        for name in ("VersionId", "UploadId"):
            if name in mine and name in theirs and mine[name] not in dict(self.ids):
                self.ids.append((mine[name], theirs[name]))

    def _plain(self, value: Any, side: int) -> Any:
        if isinstance(value, dict):
            return {
                name: self._plain(each, side)
                for name, each in sorted(value.items())
                if name not in _LEFT_OUT and not name.startswith(("Checksum", "Next"))
            }
        if isinstance(value, list | tuple):
            return [self._plain(each, side) for each in value]
        numbers = {pair[side]: number for number, pair in enumerate(self.ids)}
        return f"id {numbers[value]}" if isinstance(value, str) and value in numbers else value


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize("seed", range(3))
def test_s3_answers_as_moto_does(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - to be repeatable
    both = _Both(S3(lambda: _NOW), _real("s3"))
    for bucket in _BUCKETS:
        arguments = {"Bucket": bucket, "CreateBucketConfiguration": {"LocationConstraint": REGION}}
        both.call("create_bucket", **arguments)
        both.call("create_bucket", **arguments)
    for bucket in _BUCKETS[:2]:
        versioning = {"Status": "Enabled"}
        both.call("put_bucket_versioning", Bucket=bucket, VersioningConfiguration=versioning)
    versions: list[tuple[str, str, str]] = []
    for _ in range(_CALLS):
        operation, arguments = _some_s3_call(rng, versions)
        there = both.ours.buckets.get(arguments["Bucket"])
        if operation == "delete_object" and arguments["Key"] not in there.versions:
            continue  # of what was never there S3 makes a marker, too; moto makes none
        answer: dict[str, Any] = both.call(operation, **arguments)
        if operation in ("put_object", "copy_object", "delete_object") and "VersionId" in answer:
            versions.append((str(arguments["Bucket"]), str(arguments["Key"]), answer["VersionId"]))
    for bucket in _BUCKETS:
        both.call("list_object_versions", Bucket=bucket)
        both.call("delete_bucket", Bucket=bucket)


def _some_s3_call(rng: random.Random, versions: list[tuple[str, str, str]]) -> tuple[str, dict[str, Any]]:
    where = {"Bucket": rng.choice(_BUCKETS), "Key": rng.choice(_KEYS)}
    of_version: dict[str, str] = where
    if versions:
        bucket, key, version = rng.choice(versions)
        of_version = {"Bucket": bucket, "Key": key, "VersionId": version}
    prefix = rng.choice(("t/a/", "t/a", "t/", "x"))
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        (
            "put_object",
            {
                **where,
                "Body": rng.choice((b"", b"one", b"another")),
                "ContentType": rng.choice(("text/plain", "image/png")),
                "Metadata": rng.choice(({}, {"who": "me"})),
                "Tagging": rng.choice(("", "kind=a&of=b")),
            },
        ),
        ("get_object", where),
        ("head_object", where),
        ("get_object", of_version),
        ("delete_object", where),
        ("delete_object", of_version),
        ("get_object_tagging", {**where, "Bucket": rng.choice(_BUCKETS[:2])}),
        (
            "copy_object",
            {
                **where,
                "CopySource": {"Bucket": rng.choice(_BUCKETS), "Key": rng.choice(_KEYS)},
            },
        ),
        ("list_objects_v2", {"Bucket": where["Bucket"], "Prefix": prefix, "MaxKeys": rng.choice((1, 2, 9))}),
        (
            "list_objects_v2",
            {"Bucket": where["Bucket"], "Prefix": prefix, "StartAfter": rng.choice(_KEYS)},
        ),
        ("list_object_versions", {"Bucket": where["Bucket"], "Prefix": prefix}),
        ("get_bucket_tagging", {"Bucket": where["Bucket"]}),
        (
            "put_bucket_tagging",
            {"Bucket": where["Bucket"], "Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]}},
        ),
        ("get_bucket_policy", {"Bucket": where["Bucket"]}),
        ("get_bucket_versioning", {"Bucket": where["Bucket"]}),
        ("get_object", {"Bucket": "missing", "Key": "k"}),
    )
    return rng.choice(calls)


def test_all_pages_of_versions_are_all_versions() -> None:
    s3 = S3(lambda: _NOW, page=2)
    s3.create_bucket(Bucket="one")
    s3.put_bucket_versioning(Bucket="one", VersioningConfiguration={"Status": "Enabled"})
    for number in range(7):
        s3.put_object(Bucket="one", Key=_KEYS[number % 3], Body=b"")
    s3.delete_object(Bucket="one", Key=_KEYS[0])
    found, arguments = [], {"Bucket": "one"}
    while True:
        page = s3.list_object_versions(**arguments)
        found += [each["VersionId"] for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))]
        if not page["IsTruncated"]:
            break
        arguments |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert len(found) == len(set(found)) == 8


@pytest.mark.usefixtures("moto")
def test_uploads_in_parts_answer_as_moto_does() -> None:
    both = _Both(S3(lambda: _NOW), _real("s3"))
    location = {"LocationConstraint": REGION}
    both.call("create_bucket", Bucket="one", CreateBucketConfiguration=location)
    both.call("put_object", Bucket="one", Key="source", Body=b"x" * 11)
    upload = both.call("create_multipart_upload", Bucket="one", Key="t", ContentType="text/plain")
    target = {"Bucket": "one", "Key": "t", "UploadId": upload["UploadId"]}
    source = {"CopySource": {"Bucket": "one", "Key": "source"}}
    both.call("upload_part_copy", **target, **source, PartNumber=1, CopySourceRange="bytes=0-5")
    both.call("list_multipart_uploads", Bucket="one")
    both.call("abort_multipart_upload", **target)
    both.call("abort_multipart_upload", **target)
    assert both.call("list_multipart_uploads", Bucket="one")["IsTruncated"] is False


_TABLE: Final[dict[str, Any]] = {
    "TableName": "table",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK", "GSI1PK", "GSI1SK")
    ],
    "KeySchema": [
        {"AttributeName": "PK", "KeyType": "HASH"},
        {"AttributeName": "SK", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "index",
            "KeySchema": [
                {"AttributeName": "GSI1PK", "KeyType": "HASH"},
                {"AttributeName": "GSI1SK", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}
_NAMES: Final = {"#n": "n", "#s": "s", "#m": "m", "#g": "GSI1PK", "#h": "GSI1SK", "#pk": "PK", "#in": "in"}


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize("seed", range(3))
def test_dynamodb_answers_as_moto_does(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - to be repeatable
    ours, real = DynamoDB(), _real("dynamodb")
    table = ours.create(_TABLE)
    real.create_table(**_TABLE)
    both = _Both(ours, real)
    for _ in range(_CALLS):
        operation, arguments = _some_item_call(rng)
        both.call(operation, **arguments)
    scanned = real.scan(TableName="table")["Items"]
    assert sorted(map(str, (sorted(each.items()) for each in scanned))) == sorted(
        map(str, (sorted(each.items()) for each in table.all()))
    )


def _some_item_call(rng: random.Random) -> tuple[str, dict[str, Any]]:
    key = {"PK": {"S": rng.choice("ab")}, "SK": {"S": rng.choice("xy")}}
    item = {
        **key,
        "n": {"N": str(rng.randint(0, 3))},
        "s": {"S": rng.choice(("one", "other"))},
        **rng.choice(({}, {"m": {"M": {"in": {"S": "one"}}}})),
        **rng.choice(({}, {"GSI1PK": {"S": "G"}, "GSI1SK": {"S": rng.choice("pq")}})),
    }
    here = {"TableName": "table"}
    update = {**here, "Key": key, **_some_update(rng)}
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("put_item", {**here, "Item": item}),
        ("get_item", {**here, "Key": key}),
        (
            "get_item",
            {
                **here,
                "Key": key,
                "ProjectionExpression": "#n, #m",
                "ExpressionAttributeNames": {"#n": "n", "#m": "m"},
            },
        ),
        ("delete_item", {**here, "Key": key}),
        ("update_item", update),
        (
            "transact_write_items",
            {
                "TransactItems": [
                    {"Update": update},
                    {
                        "Put": {
                            **here,
                            "Item": {"PK": {"S": "history"}, "SK": {"S": rng.choice("123")}},
                        }
                    },
                ]
            },
        ),
        (
            "query",
            {
                **here,
                "KeyConditionExpression": "#pk = :pk",
                "ExpressionAttributeNames": {"#pk": "PK"},
                "ExpressionAttributeValues": {":pk": {"S": rng.choice("abc")}},
                "ScanIndexForward": rng.random() < 0.5,
            },
        ),
        (
            "query",
            {
                **here,
                "IndexName": "index",
                "KeyConditionExpression": rng.choice(
                    ("#g = :g AND #h <= :h", "#g = :g AND #h > :h", "#g = :g AND begins_with(#h, :h)")
                ),
                "ExpressionAttributeNames": {"#g": "GSI1PK", "#h": "GSI1SK"},
                "ExpressionAttributeValues": {":g": {"S": "G"}, ":h": {"S": "p"}},
                "Select": "COUNT",
            },
        ),
    )
    return rng.choice(calls)


def _some_update(rng: random.Random) -> dict[str, Any]:
    values = {":n": {"N": str(rng.randint(0, 3))}, ":s": {"S": "one"}, ":l": {"L": [{"S": "e"}]}}
    text = rng.choice(
        (
            "SET #n = :n REMOVE #s",
            "SET #s = if_not_exists(#s, :s), #n = :n",
            "REMOVE #s, #n",
            "ADD #n :n",
            "SET #m.#in = :s",
        )
    )
    test = rng.choice(
        (
            "attribute_exists(#pk)",
            "attribute_not_exists(#s) OR #s = :s AND #n >= :n",
            "(#n < :n OR #s IN (:s, :t)) AND NOT attribute_type(#s, :kind)",
            "begins_with(#s, :s) OR #n BETWEEN :zero AND :n",
            "#m = :m OR #m.#in = :s",
            "attribute_exists(#m) AND #n <> :n",
        )
    )
    values |= {
        ":t": {"S": "other"},
        ":kind": {"S": "N"},
        ":zero": {"N": "0"},
        ":m": {"M": {"in": {"S": "one"}}},
    }
    aliases = _aliases(f"{text} {test}")
    values = {alias: value for alias, value in values.items() if alias in aliases}
    return {
        "UpdateExpression": text,
        "ConditionExpression": test,
        "ExpressionAttributeNames": {alias: name for alias, name in _NAMES.items() if alias in aliases},
        **({"ExpressionAttributeValues": values} if values else {}),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


class _Compared:
    """A client of DynamoDB that compares each call with moto's."""

    def __init__(self, both: _Both) -> None:
        self.both = both

    def __getattr__(self, name: str) -> Any:
        if name in ("tables", "create", "exceptions"):
            return getattr(self.both.ours, name)

        def call(**arguments: Any) -> Any:
            answer = self.both.call(name, **arguments)
            if set(answer) != {"Code", "Reasons"}:
                return answer
            reasons = [{"Code": code, **({"Item": item} if item else {})} for code, item in answer["Reasons"]]
            raise error(answer["Code"], name, CancellationReasons=reasons)

        return call


@pytest.mark.parametrize("seed", range(8))
def test_a_run_finds_dynamodb_as_moto_has_it(seed: int) -> None:
    """The calls that the functions make in a run, with their expressions and transactions."""
    with stage() as state, mock_aws():
        real = _real("dynamodb")
        definition = table_definition(TABLE)
        real.create_table(**definition)
        real.create_table(**{**definition, "TableName": DATA_TABLE})
        state.dynamodb = _Compared(_Both(state.dynamodb, real))  # type: ignore[assignment]
        assert play(state, seed).problems == []


def _aliases(text: str) -> set[str]:
    return set(re.findall(r"[#:]\w+", text))


def test_what_is_no_expression_is_an_error() -> None:
    for text in ("#a =", "size(#a", "nothing(#a)", "#a = :b :c", "#a ! :b"):
        with pytest.raises(ValueError, match=re.escape(text)):
            condition(text)


@pytest.mark.usefixtures("moto")
def test_log_groups_answer_as_moto_does() -> None:
    both = _Both(Logs(), _real("logs"))
    for operation, arguments in (
        ("create_log_group", {"logGroupName": "/t/a", "tags": {"tenantId": "a"}}),
        ("create_log_group", {"logGroupName": "/t/a"}),
        ("put_retention_policy", {"logGroupName": "/t/a", "retentionInDays": 30}),
        ("put_retention_policy", {"logGroupName": "/t/b", "retentionInDays": 30}),
        ("delete_log_group", {"logGroupName": "/t/a"}),
        ("delete_log_group", {"logGroupName": "/t/a"}),
        ("describe_log_groups", {"logGroupNamePrefix": "/t/"}),
    ):
        both.call(operation, **arguments)


def test_a_session_may_do_what_its_policy_and_the_bucket_let_it() -> None:
    s3, sts = S3(lambda: _NOW), iam.Sts(lambda: _NOW)
    role = f"arn:aws:iam::{ACCOUNT}:role/access"
    s3.create_bucket(Bucket="silo")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::silo/*"},
            {
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem"],
                "Resource": "*",
                "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "TENANT#a"}},
            },
        ],
    }
    given = sts.assume_role(
        RoleArn=role,
        Tags=[{"Key": "tenantId", "Value": "a"}],
        Policy=json.dumps(policy),
        DurationSeconds=60,
    )
    session = sts.sessions[given["Credentials"]["SessionToken"]]

    def denied(operation: str, now: datetime = _NOW, **arguments: Any) -> str | None:
        service = "s3" if "Bucket" in arguments else "dynamodb"
        try:
            iam.authorize(session, now, service, operation, arguments, s3.buckets)
        except ClientError as failure:
            return str(failure.response["Error"]["Code"])
        return None

    assert denied("get_object", Bucket="silo", Key="k") == "AccessDenied"
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": {"AWS": role}}
    opened = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket="silo", Policy=json.dumps(opened))
    assert denied("get_object", Bucket="silo", Key="k") is None
    assert denied("put_object", Bucket="silo", Key="k") == "AccessDenied"
    assert denied("get_object", Bucket="silo", Key="k", VersionId="v1") == "AccessDenied"
    assert denied("get_object", Bucket="silo", Key="k", now=_NOW + timedelta(minutes=1)) == "ExpiredToken"
    key = {"SK": {"S": "METADATA"}}
    assert denied("get_item", TableName="t", Key={"PK": {"S": "TENANT#a"}, **key}) is None
    assert denied("get_item", TableName="t", Key={"PK": {"S": "TENANT#ab"}, **key}) == "AccessDeniedException"
    closed = {**opened, "Statement": [statement, {**statement, "Effect": "Deny", "Principal": "*"}]}
    s3.put_bucket_policy(Bucket="silo", Policy=json.dumps(closed))
    assert denied("get_object", Bucket="silo", Key="k") == "AccessDenied"
