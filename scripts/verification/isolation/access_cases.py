"""What a session tries, and what has to come of it.

A case takes the actor and the dataset that it is tried on; the dataset may be the actor's own. It returns if
AWS lets it, and raises `ClientError` (or `DeniedError`, where AWS says no inside an answer) if not.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3

from scripts.tooling.aws import CLIENT
from scripts.tooling.deployment import PROBLEM_DATA, PROVISIONER, Deployment
from scripts.verification.isolation.datasets import OWN, SEED_ITEM, SEED_KEY, Dataset
from scripts.verification.isolation.probe import Probe
from tenkacloud.isolation import policies
from tenkacloud.tenants import keys
from tenkacloud.tenants.validation import Slug, TenantStatus, Tier

#: AWS's codes for "you may not", by no service other than these. HEAD has no body, hence the number.
DENIED_CODES: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"}
)
_PART: Final = b"x" * (5 * 1024 * 1024)  # S3's least size of a part that is not the last


class DeniedError(Exception):
    """AWS said no inside an answer that is none as a whole."""


class Expect(Enum):
    """Who may do it."""

    OWN = "own only"
    SILO = "own bucket only"  # a whole bucket: the owner of a silo
    NOBODY = "nobody"


@dataclass
class Actor:
    """A session of one tenant, with its clients, and its dataset."""

    dataset: Dataset
    session: boto3.Session
    deployment: Deployment
    probe: Probe

    def client(self, service: str) -> Any:
        """Return the session's client of a service."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service, config=CLIENT)  # type: ignore[call-overload]
        return self._clients[service]

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    @property
    def s3(self) -> Any:
        """S3."""
        return self.client("s3")

    @property
    def dynamodb(self) -> Any:
        """DynamoDB."""
        return self.client("dynamodb")

    def scratch(self, dataset: Dataset) -> str:
        """Return a new key in a dataset, which names the actor if it is not its own."""
        name = OWN if dataset is self.dataset else f"intruder-{self.dataset.id}"
        return dataset.key(f"{name}/{secrets.token_hex(8)}")

    def scratch_item(self, dataset: Dataset) -> dict[str, Any]:
        """Return a new item in a dataset, likewise."""
        name = OWN if dataset is self.dataset else f"intruder-{self.dataset.id}"
        return dataset.item_key(f"{name}-{secrets.token_hex(8)}")


Try = Callable[[Actor, Dataset], object]


@dataclass(frozen=True)
class AccessCase:
    """One thing to try. `alone`: it is on nobody's data in particular, so it is tried once per actor."""

    service: str
    name: str
    expect: Expect
    do: Try
    #: The IAM actions that it shows to be allowed.
    shows: tuple[str, ...] = ()
    alone: bool = False
    #: Tried on silo buckets only: on the shared bucket it would do damage if it were allowed.
    silo_only: bool = False

    #: Who may do it with a session of the maintenance role; None: the same.
    maintenance: Expect | None = None
    #: Whether it writes objects: denied to all while they are read-only.
    writes: bool = False

    def allowed(
        self, actor: Dataset, dataset: Dataset, *, maintenance: bool = False, read_only: bool = False
    ) -> bool:
        """Tell whether it has to succeed, with a session of one of the roles."""
        expect = self.maintenance if maintenance and self.maintenance is not None else self.expect
        if expect is Expect.NOBODY or actor is not dataset or (read_only and self.writes):
            return False
        return expect is Expect.OWN or dataset.siloed


# --- S3 ---------------------------------------------------------------------------------------------------


def _object(method: str, **more: Any) -> Try:
    """Return a call on the seeded object."""
    return lambda me, at: getattr(me.s3, method)(Bucket=at.bucket, Key=at.key(SEED_KEY), **more)


def _bucket(method: str, **more: Any) -> Try:
    """Return a call on the bucket."""
    return lambda me, at: getattr(me.s3, method)(Bucket=at.bucket, **more)


def _list(prefix: Callable[[Dataset], str | None]) -> Try:
    def access(me: Actor, at: Dataset) -> object:
        wanted = prefix(at)
        return me.s3.list_objects_v2(Bucket=at.bucket, **({} if wanted is None else {"Prefix": wanted}))

    return access


def _prefix(at: Dataset) -> str | None:
    return at.prefix or None  # none is a whole bucket: its owner's


def _put(me: Actor, at: Dataset) -> object:
    return me.s3.put_object(Bucket=at.bucket, Key=me.scratch(at), Body=b"written")


def _overwrite(me: Actor, at: Dataset) -> object:
    key = at.key(SEED_KEY)
    return me.s3.put_object(Bucket=at.bucket, Key=key, Body=at.secret if me.dataset is at else b"overwritten")


def _delete(me: Actor, at: Dataset) -> object:
    key = at.key(SEED_KEY)
    if me.dataset is at:
        key = me.scratch(at)
        me.s3.put_object(Bucket=at.bucket, Key=key, Body=b"to be deleted")
    return me.s3.delete_object(Bucket=at.bucket, Key=key)


def _delete_mixed(me: Actor, at: Dataset) -> object:
    """Delete an object of the actor's and one of the dataset's in one call; the first it may delete."""
    mine = me.scratch(me.dataset)
    me.s3.put_object(Bucket=me.dataset.bucket, Key=mine, Body=b"to be deleted")
    theirs = me.scratch(at) if me.dataset is at else at.key(SEED_KEY)
    same = me.dataset.bucket == at.bucket
    keys = [{"Key": key} for key in ([mine, theirs] if same else [theirs])]
    answer = me.s3.delete_objects(Bucket=at.bucket, Delete={"Objects": keys})
    if any(error["Key"] == theirs and error["Code"] in DENIED_CODES for error in answer.get("Errors", [])):
        raise DeniedError("AccessDenied in Errors")
    return answer


def _copy_from(me: Actor, at: Dataset) -> object:
    return me.s3.copy_object(
        Bucket=me.dataset.bucket,
        Key=me.scratch(me.dataset),
        CopySource={"Bucket": at.bucket, "Key": at.key(SEED_KEY)},
    )


def _copy_to(me: Actor, at: Dataset) -> object:
    source = {"Bucket": me.dataset.bucket, "Key": me.dataset.key(SEED_KEY)}
    return me.s3.copy_object(Bucket=at.bucket, Key=me.scratch(at), CopySource=source)


def _upload_part_copy(me: Actor, at: Dataset) -> object:
    target: Any = {"Bucket": me.dataset.bucket, "Key": me.scratch(me.dataset)}
    target["UploadId"] = me.s3.create_multipart_upload(**target)["UploadId"]
    try:
        source = {"Bucket": at.bucket, "Key": at.key(SEED_KEY)}
        return me.s3.upload_part_copy(**target, PartNumber=1, CopySource=source)
    finally:
        me.s3.abort_multipart_upload(**target)


def _multipart(me: Actor, at: Dataset) -> object:
    target: Any = {"Bucket": at.bucket, "Key": me.scratch(at)}
    target["UploadId"] = me.s3.create_multipart_upload(**target)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": me.s3.upload_part(**target, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate((_PART, b"end"), start=1)
    ]
    return me.s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})


def _unfinished(method: str, **more: Any) -> Try:
    """Return a call on an upload that is under way: the seeded one, or the actor's own new one."""

    def access(me: Actor, at: Dataset) -> object:
        target: Any = {"Bucket": at.bucket, "Key": at.key("seed/unfinished"), "UploadId": at.upload_id}
        if me.dataset is at:
            target["Key"] = me.scratch(at)
            del target["UploadId"]
            target["UploadId"] = me.s3.create_multipart_upload(**target)["UploadId"]
        return getattr(me.s3, method)(**target, **more)

    return access


def _presigned(method: str, http_method: str) -> Try:
    def access(me: Actor, at: Dataset) -> object:
        key = at.key(SEED_KEY) if http_method == "GET" else me.scratch(at)
        url = me.s3.generate_presigned_url(method, Params={"Bucket": at.bucket, "Key": key}, ExpiresIn=60)
        body = None if http_method == "GET" else b"written"
        request = Request(url, method=http_method, data=body)  # noqa: S310 - made by botocore, right above
        request.add_header("Content-Type", "")
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.read()
        except HTTPError as error:
            with error:
                if error.code == HTTPStatus.FORBIDDEN:
                    raise DeniedError(str(error)) from None
                raise

    return access


def _delete_version(me: Actor, at: Dataset) -> object:
    key, version = at.key(SEED_KEY), at.version_id
    if me.dataset is at:
        key = me.scratch(at)
        version = me.s3.put_object(Bucket=at.bucket, Key=key, Body=b"to be deleted for good")["VersionId"]
    return me.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=version)


def _export(method: str, **more: Any) -> Try:
    """Return a call on the seeded export."""
    return lambda me, at: getattr(me.s3, method)(
        Bucket=me.deployment.exports_bucket_name, Key=f"{at.exports}{SEED_KEY}", **more
    )


def _put_export(me: Actor, at: Dataset) -> object:
    name = OWN if me.dataset is at else f"intruder-{me.dataset.id}"
    key = f"{at.exports}{name}/{secrets.token_hex(8)}"
    return me.s3.put_object(Bucket=me.deployment.exports_bucket_name, Key=key, Body=b"written")


def _copy_to_export(me: Actor, at: Dataset) -> object:
    return me.s3.copy_object(
        Bucket=me.deployment.exports_bucket_name,
        Key=f"{at.exports}{OWN if me.dataset is at else 'intruder'}/{secrets.token_hex(8)}",
        CopySource={"Bucket": me.dataset.bucket, "Key": me.dataset.key(SEED_KEY)},
    )


def _list_exports(prefix: Callable[[Dataset], str | None]) -> Try:
    def access(me: Actor, at: Dataset) -> object:
        wanted = prefix(at)
        bucket = me.deployment.exports_bucket_name
        return me.s3.list_objects_v2(Bucket=bucket, **({} if wanted is None else {"Prefix": wanted}))

    return access


_LISTS: Final = (
    AccessCase("s3", "list its prefix", Expect.OWN, _list(_prefix), (policies.LIST_ACTION,)),
    AccessCase("s3", "list below its prefix", Expect.OWN, _list(lambda at: at.key("seed/"))),
    AccessCase("s3", "list without prefix", Expect.SILO, _list(lambda _: None)),
    AccessCase("s3", "list with empty prefix", Expect.SILO, _list(lambda _: "")),
    AccessCase("s3", "list the parent prefix", Expect.SILO, _list(lambda _: "tenants/")),
    AccessCase("s3", "list its prefix less the slash", Expect.SILO, _list(lambda at: at.prefix[:-1])),
    AccessCase("s3", "list its prefix less two characters", Expect.SILO, _list(lambda at: at.prefix[:-2])),
    AccessCase("s3", "list its prefix with a wildcard", Expect.SILO, _list(lambda at: f"{at.prefix[:-1]}*/")),
    AccessCase(
        "s3",
        "ListObjects (version 1)",
        Expect.OWN,
        lambda me, at: me.s3.list_objects(Bucket=at.bucket, **({"Prefix": at.prefix} if at.prefix else {})),
    ),
)
_OBJECTS: Final = (
    AccessCase("s3", "GetObject", Expect.OWN, _object("get_object"), ("s3:GetObject",)),
    AccessCase("s3", "GetObject, a range", Expect.OWN, _object("get_object", Range="bytes=0-1")),
    AccessCase("s3", "HeadObject", Expect.OWN, _object("head_object")),
    AccessCase("s3", "PutObject, new", Expect.OWN, _put, ("s3:PutObject",), writes=True),
    AccessCase("s3", "PutObject over another", Expect.OWN, _overwrite, writes=True),
    AccessCase("s3", "CopyObject from there", Expect.OWN, _copy_from, writes=True),
    AccessCase("s3", "CopyObject to there", Expect.OWN, _copy_to, writes=True),
    AccessCase("s3", "UploadPartCopy from there", Expect.OWN, _upload_part_copy, writes=True),
    AccessCase("s3", "multipart upload", Expect.OWN, _multipart, writes=True),
    AccessCase(
        "s3",
        "AbortMultipartUpload",
        Expect.OWN,
        _unfinished("abort_multipart_upload"),
        ("s3:AbortMultipartUpload",),
        writes=True,
    ),
    AccessCase(
        "s3",
        "UploadPart into an upload there",
        Expect.OWN,
        _unfinished("upload_part", PartNumber=1, Body=b"x"),
        writes=True,
    ),
    AccessCase("s3", "ListParts", Expect.NOBODY, _unfinished("list_parts")),
    AccessCase("s3", "DeleteObject", Expect.OWN, _delete, ("s3:DeleteObject",), writes=True),
    AccessCase("s3", "DeleteObjects, own and other mixed", Expect.OWN, _delete_mixed, writes=True),
    AccessCase("s3", "presigned GET", Expect.OWN, _presigned("get_object", "GET")),
    AccessCase("s3", "presigned PUT", Expect.OWN, _presigned("put_object", "PUT"), writes=True),
    AccessCase(
        "s3",
        "GetObject of a version",
        Expect.NOBODY,
        lambda me, at: _object("get_object", VersionId=at.version_id)(me, at),
        ("s3:GetObjectVersion",),
        maintenance=Expect.OWN,
    ),
    AccessCase(
        "s3",
        "DeleteObject of a version",
        Expect.NOBODY,
        _delete_version,
        ("s3:DeleteObjectVersion",),
        maintenance=Expect.OWN,
        writes=True,
    ),
    AccessCase(
        "s3",
        "CopyObject from a version",
        Expect.NOBODY,
        lambda me, at: me.s3.copy_object(
            Bucket=me.dataset.bucket,
            Key=me.scratch(me.dataset),
            CopySource={"Bucket": at.bucket, "Key": at.key(SEED_KEY), "VersionId": at.version_id},
        ),
        maintenance=Expect.OWN,
        writes=True,
    ),
    AccessCase(
        "s3",
        "GetObjectAttributes",
        Expect.NOBODY,
        _object("get_object_attributes", ObjectAttributes=["ETag"]),
    ),
    AccessCase(
        "s3",
        "GetObjectTagging",
        Expect.NOBODY,
        _object("get_object_tagging"),
        ("s3:GetObjectTagging",),
        maintenance=Expect.OWN,
    ),
    AccessCase(
        "s3",
        "GetObjectTagging of a version",
        Expect.NOBODY,
        lambda me, at: _object("get_object_tagging", VersionId=at.version_id)(me, at),
        ("s3:GetObjectVersionTagging",),
        maintenance=Expect.OWN,
    ),
    AccessCase(
        "s3",
        "PutObjectTagging",
        Expect.NOBODY,
        _object("put_object_tagging", Tagging={"TagSet": []}),
        ("s3:PutObjectTagging",),
        maintenance=Expect.OWN,
        writes=True,
    ),
    AccessCase("s3", "GetObjectAcl", Expect.NOBODY, _object("get_object_acl")),
    AccessCase("s3", "PutObjectAcl", Expect.NOBODY, _object("put_object_acl", ACL="private")),
)
_BUCKETS: Final = (
    AccessCase(
        "s3",
        "ListObjectVersions",
        Expect.NOBODY,
        _bucket("list_object_versions"),
        maintenance=Expect.SILO,
    ),
    AccessCase(
        "s3",
        "ListObjectVersions of its prefix",
        Expect.NOBODY,
        lambda me, at: me.s3.list_object_versions(Bucket=at.bucket, Prefix=at.prefix),
        ("s3:ListBucketVersions",),
        maintenance=Expect.OWN,
    ),
    AccessCase(
        "s3",
        "ListObjectVersions of its prefix less the slash",
        Expect.NOBODY,
        lambda me, at: me.s3.list_object_versions(Bucket=at.bucket, Prefix=at.prefix[:-1]),
        maintenance=Expect.SILO,
    ),
    AccessCase(
        "s3",
        "ListMultipartUploads",
        Expect.NOBODY,
        _bucket("list_multipart_uploads"),
        maintenance=Expect.SILO,
    ),
    AccessCase(
        "s3",
        "ListMultipartUploads of its prefix",
        Expect.NOBODY,
        lambda me, at: me.s3.list_multipart_uploads(Bucket=at.bucket, Prefix=at.prefix),
        maintenance=Expect.SILO,
    ),
    AccessCase(
        "s3",
        "ListMultipartUploads of its bucket",
        Expect.NOBODY,
        _bucket("list_multipart_uploads"),
        ("s3:ListBucketMultipartUploads",),
        maintenance=Expect.OWN,
        silo_only=True,
    ),
    AccessCase("s3", "GetBucketPolicy", Expect.NOBODY, _bucket("get_bucket_policy")),
    AccessCase("s3", "GetBucketTagging", Expect.NOBODY, _bucket("get_bucket_tagging")),
    AccessCase("s3", "GetBucketVersioning", Expect.NOBODY, _bucket("get_bucket_versioning")),
    AccessCase("s3", "DeleteBucketPolicy", Expect.NOBODY, _bucket("delete_bucket_policy"), silo_only=True),
    AccessCase(
        "s3", "DeletePublicAccessBlock", Expect.NOBODY, _bucket("delete_public_access_block"), silo_only=True
    ),
    AccessCase(
        "s3",
        "PutBucketTagging",
        Expect.NOBODY,
        _bucket("put_bucket_tagging", Tagging={"TagSet": []}),
        silo_only=True,
    ),
    AccessCase("s3", "DeleteBucket", Expect.NOBODY, _bucket("delete_bucket"), silo_only=True),
    AccessCase("s3", "ListBuckets", Expect.NOBODY, lambda me, _: me.s3.list_buckets(), alone=True),
    AccessCase(
        "s3",
        "CreateBucket",
        Expect.NOBODY,
        lambda me, _: me.s3.create_bucket(
            Bucket=f"{me.probe.name}-{secrets.token_hex(4)}",
            CreateBucketConfiguration={"LocationConstraint": me.deployment.region},
        ),
        alone=True,
    ),
)
_EXPORTS: Final = (
    AccessCase("exports", "GetObject", Expect.NOBODY, _export("get_object"), maintenance=Expect.OWN),
    AccessCase("exports", "PutObject", Expect.NOBODY, _put_export, maintenance=Expect.OWN, writes=True),
    AccessCase(
        "exports", "CopyObject to there", Expect.NOBODY, _copy_to_export, maintenance=Expect.OWN, writes=True
    ),
    AccessCase(
        "exports",
        "PutObjectTagging",
        Expect.NOBODY,
        _export("put_object_tagging", Tagging={"TagSet": []}),
        maintenance=Expect.OWN,
    ),
    AccessCase("exports", "DeleteObject", Expect.NOBODY, _export("delete_object")),
    AccessCase(
        "exports",
        "list its prefix",
        Expect.NOBODY,
        _list_exports(lambda at: at.exports),
        maintenance=Expect.OWN,
    ),
    AccessCase("exports", "list without prefix", Expect.NOBODY, _list_exports(lambda _: None), alone=True),
    AccessCase(
        "exports", "list its prefix less the slash", Expect.NOBODY, _list_exports(lambda at: at.exports[:-1])
    ),
)


# --- DynamoDB ---------------------------------------------------------------------------------------------


def _items(method: str, **more: Any) -> Try:
    """Return a call on the seeded item."""
    return lambda me, at: getattr(me.dynamodb, method)(
        TableName=me.deployment.data_table_name, Key=at.item_key(), **more
    )


def _put_item(me: Actor, at: Dataset) -> object:
    return me.dynamodb.put_item(TableName=me.deployment.data_table_name, Item=me.scratch_item(at))


def _update_item(me: Actor, at: Dataset) -> object:
    return me.dynamodb.update_item(
        TableName=me.deployment.data_table_name,
        Key=me.scratch_item(at) if me.dataset is at else at.item_key(),
        UpdateExpression="SET written = :w",
        ExpressionAttributeValues={":w": {"S": str(me.dataset.id)}},
    )


def _delete_item(me: Actor, at: Dataset) -> object:
    key = me.scratch_item(at) if me.dataset is at else at.item_key()
    return me.dynamodb.delete_item(TableName=me.deployment.data_table_name, Key=key)


def _query(condition: str, **more: Any) -> Try:
    return lambda me, at: me.dynamodb.query(
        TableName=me.deployment.data_table_name,
        KeyConditionExpression=condition,
        ExpressionAttributeValues={":pk": at.partition},
        **more,
    )


def _batch_get(me: Actor, at: Dataset) -> object:
    keys = [me.dataset.item_key(), at.item_key() if me.dataset is not at else at.item_key("other")]
    return me.dynamodb.batch_get_item(RequestItems={me.deployment.data_table_name: {"Keys": keys}})


def _batch_write(kind: str) -> Try:
    def access(me: Actor, at: Dataset) -> object:
        member = "Item" if kind == "PutRequest" else "Key"
        theirs = at.item_key() if kind == "DeleteRequest" and me.dataset is not at else me.scratch_item(at)
        requests = [{kind: {member: key}} for key in (me.scratch_item(me.dataset), theirs)]
        return me.dynamodb.batch_write_item(RequestItems={me.deployment.data_table_name: requests})

    return access


def _transact_get(me: Actor, at: Dataset) -> object:
    table = me.deployment.data_table_name
    keys = [me.dataset.item_key(), at.item_key() if me.dataset is not at else at.item_key("other")]
    return me.dynamodb.transact_get_items(
        TransactItems=[{"Get": {"TableName": table, "Key": key}} for key in keys]
    )


def _transact_write(second: Callable[[Actor, Dataset, str], dict[str, Any]]) -> Try:
    def access(me: Actor, at: Dataset) -> object:
        table = me.deployment.data_table_name
        first = {"Put": {"TableName": table, "Item": me.scratch_item(me.dataset)}}
        return me.dynamodb.transact_write_items(TransactItems=[first, second(me, at, table)])

    return access


def _check_of(me: Actor, at: Dataset, table: str) -> dict[str, Any]:
    del me
    check = {"TableName": table, "Key": at.item_key(), "ConditionExpression": "attribute_exists(PK)"}
    return {"ConditionCheck": check}


def _update_of(me: Actor, at: Dataset, table: str) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": table,
            "Key": me.scratch_item(at) if me.dataset is at else at.item_key(),
            "UpdateExpression": "SET written = :w",
            "ExpressionAttributeValues": {":w": {"S": str(me.dataset.id)}},
        }
    }


def _statement(text: Callable[[Actor, Dataset], str]) -> Try:
    return lambda me, at: me.dynamodb.execute_statement(Statement=text(me, at))


def _select(me: Actor, at: Dataset) -> str:
    return f"SELECT * FROM \"{me.deployment.data_table_name}\" WHERE PK = '{at.partition['S']}'"


def _select_one(me: Actor, at: Dataset) -> str:
    return f"{_select(me, at)} AND SK = '{SEED_ITEM}'"


def _batch_statement(me: Actor, at: Dataset) -> object:
    answer = me.dynamodb.batch_execute_statement(Statements=[{"Statement": _select_one(me, at)}])
    codes = [response.get("Error", {}).get("Code") for response in answer["Responses"]]
    if codes and all(code in {"AccessDenied", "AccessDeniedException"} for code in codes):
        raise DeniedError("AccessDenied in Responses")
    return answer


def _record_of(at: Dataset) -> dict[str, Any]:
    return at.item_key(keys.METADATA)


def _index(index: keys.Index, partition: Callable[[Dataset], str]) -> Try:
    return lambda me, at: me.dynamodb.query(
        TableName=me.deployment.table_name,
        IndexName=index.name,
        KeyConditionExpression="#pk = :pk",
        ExpressionAttributeNames={"#pk": index.partition},
        ExpressionAttributeValues={":pk": {"S": partition(at)}},
    )


_PARTIQL_WHERE: Final = "WHERE PK = '{pk}' AND SK = '{sk}'"


def _partiql_insert(me: Actor, at: Dataset) -> str:
    key = me.scratch_item(at)
    value = f"{{'PK': '{key['PK']['S']}', 'SK': '{key['SK']['S']}'}}"
    return f'INSERT INTO "{me.deployment.data_table_name}" VALUE {value}'


def _partiql_change(verb: str) -> Callable[[Actor, Dataset], str]:
    def text(me: Actor, at: Dataset) -> str:
        table = f'"{me.deployment.data_table_name}"'
        where = _PARTIQL_WHERE.format(pk=at.partition["S"], sk=SEED_ITEM)
        return f"UPDATE {table} SET x = 1 {where}" if verb == "UPDATE" else f"DELETE FROM {table} {where}"

    return text


_DYNAMODB: Final = (
    AccessCase(
        "dynamodb",
        "GetItem",
        Expect.OWN,
        _items("get_item"),
        ("dynamodb:GetItem",),
        maintenance=Expect.NOBODY,
    ),
    AccessCase(
        "dynamodb", "PutItem", Expect.OWN, _put_item, ("dynamodb:PutItem",), maintenance=Expect.NOBODY
    ),
    AccessCase(
        "dynamodb",
        "UpdateItem",
        Expect.OWN,
        _update_item,
        ("dynamodb:UpdateItem",),
        maintenance=Expect.NOBODY,
    ),
    AccessCase("dynamodb", "DeleteItem", Expect.OWN, _delete_item, ("dynamodb:DeleteItem",)),
    AccessCase("dynamodb", "Query", Expect.OWN, _query("PK = :pk"), ("dynamodb:Query",)),
    AccessCase(
        "dynamodb",
        "Query, the sort key too",
        Expect.OWN,
        lambda me, at: me.dynamodb.query(
            TableName=me.deployment.data_table_name,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues={":pk": at.partition, ":sk": {"S": "S"}},
        ),
    ),
    AccessCase(
        "dynamodb",
        "BatchGetItem, own and other mixed",
        Expect.OWN,
        _batch_get,
        ("dynamodb:BatchGetItem",),
        maintenance=Expect.NOBODY,
    ),
    AccessCase(
        "dynamodb",
        "BatchWriteItem, puts mixed",
        Expect.OWN,
        _batch_write("PutRequest"),
        ("dynamodb:BatchWriteItem",),
    ),
    AccessCase("dynamodb", "BatchWriteItem, deletes mixed", Expect.OWN, _batch_write("DeleteRequest")),
    AccessCase("dynamodb", "TransactGetItems, mixed", Expect.OWN, _transact_get, maintenance=Expect.NOBODY),
    AccessCase(
        "dynamodb",
        "TransactWriteItems, puts mixed",
        Expect.OWN,
        _transact_write(lambda me, at, table: {"Put": {"TableName": table, "Item": me.scratch_item(at)}}),
        maintenance=Expect.NOBODY,
    ),
    AccessCase(
        "dynamodb",
        "TransactWriteItems, an update",
        Expect.OWN,
        _transact_write(_update_of),
        maintenance=Expect.NOBODY,
    ),
    AccessCase(
        "dynamodb",
        "TransactWriteItems, a condition",
        Expect.OWN,
        _transact_write(_check_of),
        ("dynamodb:ConditionCheckItem",),
        maintenance=Expect.NOBODY,
    ),
    AccessCase("dynamodb", "PartiQL SELECT", Expect.NOBODY, _statement(_select)),
    AccessCase(
        "dynamodb",
        "PartiQL SELECT of all",
        Expect.NOBODY,
        _statement(lambda me, _: f'SELECT * FROM "{me.deployment.data_table_name}"'),
        alone=True,
    ),
    AccessCase("dynamodb", "PartiQL INSERT", Expect.NOBODY, _statement(_partiql_insert)),
    AccessCase("dynamodb", "PartiQL UPDATE", Expect.NOBODY, _statement(_partiql_change("UPDATE"))),
    AccessCase("dynamodb", "PartiQL DELETE", Expect.NOBODY, _statement(_partiql_change("DELETE"))),
    AccessCase("dynamodb", "BatchExecuteStatement", Expect.NOBODY, _batch_statement),
    AccessCase(
        "dynamodb",
        "ExecuteTransaction",
        Expect.NOBODY,
        lambda me, at: me.dynamodb.execute_transaction(
            TransactStatements=[{"Statement": _select_one(me, at)}]
        ),
    ),
    AccessCase(
        "dynamodb",
        "Scan",
        Expect.NOBODY,
        lambda me, _: me.dynamodb.scan(TableName=me.deployment.data_table_name),
        alone=True,
    ),
    AccessCase(
        "dynamodb",
        "Scan with a filter",
        Expect.NOBODY,
        lambda me, at: me.dynamodb.scan(
            TableName=me.deployment.data_table_name,
            FilterExpression="PK = :pk",
            ExpressionAttributeValues={":pk": at.partition},
        ),
    ),
    AccessCase(
        "dynamodb",
        "DescribeTable",
        Expect.NOBODY,
        lambda me, _: me.dynamodb.describe_table(TableName=me.deployment.data_table_name),
        alone=True,
    ),
    AccessCase("dynamodb", "ListTables", Expect.NOBODY, lambda me, _: me.dynamodb.list_tables(), alone=True),
)
_RECORDS: Final = (
    AccessCase(
        "record",
        "GetItem",
        Expect.OWN,
        lambda me, at: me.dynamodb.get_item(TableName=me.deployment.table_name, Key=_record_of(at)),
        (policies.RECORD_ACTION,),
        maintenance=Expect.NOBODY,
    ),
    AccessCase(
        "record",
        "TransactGetItems",
        Expect.OWN,
        lambda me, at: me.dynamodb.transact_get_items(
            TransactItems=[{"Get": {"TableName": me.deployment.table_name, "Key": _record_of(at)}}]
        ),
        maintenance=Expect.NOBODY,
    ),
    AccessCase(
        "record",
        "BatchGetItem",
        Expect.NOBODY,
        lambda me, at: me.dynamodb.batch_get_item(
            RequestItems={me.deployment.table_name: {"Keys": [_record_of(at)]}}
        ),
    ),
    AccessCase(
        "record",
        "Query",
        Expect.NOBODY,
        lambda me, at: me.dynamodb.query(
            TableName=me.deployment.table_name,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues={":pk": at.partition},
        ),
    ),
    AccessCase(
        "record",
        "PutItem",
        Expect.NOBODY,
        lambda me, at: me.dynamodb.put_item(
            TableName=me.deployment.table_name, Item={**at.record, "tier": {"S": "ENTERPRISE"}}
        ),
    ),
    AccessCase(
        "record",
        "PutItem beside it",
        Expect.NOBODY,
        lambda me, at: me.dynamodb.put_item(TableName=me.deployment.table_name, Item=at.item_key("INTRUDER")),
    ),
    AccessCase(
        "record",
        "UpdateItem",
        Expect.NOBODY,
        lambda me, at: me.dynamodb.update_item(
            TableName=me.deployment.table_name,
            Key=_record_of(at),
            UpdateExpression="SET tier = :t",
            ExpressionAttributeValues={":t": {"S": "ENTERPRISE"}},
        ),
    ),
    AccessCase(
        "record",
        "DeleteItem",
        Expect.NOBODY,
        lambda me, at: me.dynamodb.delete_item(TableName=me.deployment.table_name, Key=_record_of(at)),
    ),
    AccessCase(
        "record",
        "Query of by-slug",
        Expect.NOBODY,
        _index(keys.BY_SLUG, lambda at: keys.slug_partition(Slug(at.record["slug"]["S"]))),
    ),
    AccessCase(
        "record",
        "Query of by-status-tier",
        Expect.NOBODY,
        _index(
            keys.BY_STATUS_TIER,
            lambda at: keys.status_tier_partition(TenantStatus.ACTIVE, Tier(at.record["tier"]["S"])),
        ),
    ),
    AccessCase(
        "record",
        "Query of in-flight",
        Expect.NOBODY,
        _index(keys.IN_FLIGHT, lambda _: keys.IN_FLIGHT_PARTITION),
        alone=True,
    ),
    AccessCase(
        "record",
        "Query of failed",
        Expect.NOBODY,
        _index(keys.FAILED, lambda _: keys.FAILED_PARTITION),
        alone=True,
    ),
    AccessCase(
        "record",
        "Scan",
        Expect.NOBODY,
        lambda me, _: me.dynamodb.scan(TableName=me.deployment.table_name),
        alone=True,
    ),
    AccessCase(
        "record",
        "PartiQL SELECT",
        Expect.NOBODY,
        lambda me, at: me.dynamodb.execute_statement(
            Statement=f"SELECT * FROM \"{me.deployment.table_name}\" WHERE PK = '{at.partition['S']}'"
        ),
    ),
    AccessCase(
        "record",
        "ListStreams",
        Expect.NOBODY,
        lambda me, _: me.client("dynamodbstreams").list_streams(TableName=me.deployment.table_name),
        alone=True,
    ),
)


# --- other services -----------------------------------------------------------------------------------------


def _assume(me: Actor, at: Dataset, **changes: Any) -> object:
    wanted = {**me.probe.request(at.id), "SourceIdentity": None, **changes}
    request = {name: value for name, value in wanted.items() if value is not None}
    return me.client("sts").assume_role(**request)


_OTHERS: Final = (
    AccessCase("sts", "AssumeRole again, as the tenant there", Expect.NOBODY, _assume),
    AccessCase(
        "sts",
        "AssumeRole again, without a tag",
        Expect.NOBODY,
        lambda me, at: _assume(me, at, Tags=None, TransitiveTagKeys=None),
        alone=True,
    ),
    AccessCase(
        "sts",
        "AssumeRole of the function",
        Expect.NOBODY,
        lambda me, at: _assume(
            me, at, Tags=None, TransitiveTagKeys=None, RoleArn=_function_role(me.deployment)
        ),
        alone=True,
    ),
    AccessCase(
        "sts",
        "GetFederationToken",
        Expect.NOBODY,
        lambda me, _: me.client("sts").get_federation_token(Name="intruder"),
        alone=True,
    ),
    AccessCase(
        "events",
        "PutEvents",
        Expect.NOBODY,
        lambda me, _: me.client("events").put_events(
            Entries=[
                {
                    "EventBusName": me.deployment.event_bus_name,
                    "Source": "tenkacloud.e2e",
                    "DetailType": "Probe",
                    "Detail": "{}",
                }
            ]
        ),
        alone=True,
    ),
    AccessCase(
        "lambda",
        "Invoke",
        Expect.NOBODY,
        lambda me, _: me.client("lambda").invoke(
            FunctionName=me.deployment.lambda_function_names[PROBLEM_DATA], InvocationType="DryRun"
        ),
        alone=True,
    ),
    AccessCase(
        "sqs",
        "SendMessage",
        Expect.NOBODY,
        lambda me, _: me.client("sqs").send_message(
            QueueUrl=me.deployment.dead_letter_queue_urls[PROVISIONER], MessageBody="intruder"
        ),
        alone=True,
    ),
    AccessCase(
        "iam",
        "GetRole",
        Expect.NOBODY,
        lambda me, _: me.client("iam").get_role(RoleName=me.deployment.tenant_access_role_name),
        alone=True,
    ),
    AccessCase(
        "iam",
        "PutRolePolicy",
        Expect.NOBODY,
        lambda me, _: me.client("iam").put_role_policy(
            RoleName=me.probe.name, PolicyName="wider", PolicyDocument="{}"
        ),
        alone=True,
    ),
    AccessCase(
        "logs",
        "FilterLogEvents",
        Expect.NOBODY,
        lambda me, _: me.client("logs").filter_log_events(
            logGroupName=me.deployment.log_group_names[PROBLEM_DATA]
        ),
        alone=True,
    ),
)

ACCESS_CASES: Final = (*_OBJECTS, *_LISTS, *_BUCKETS, *_EXPORTS, *_DYNAMODB, *_RECORDS, *_OTHERS)


def _function_role(deployment: Deployment) -> str:
    partition = deployment.event_bus_arn.split(":")[1]
    path = f"tenkacloud/{deployment.environment}/application-plane"
    name = deployment.function_role_names[PROBLEM_DATA]
    return f"arn:{partition}:iam::{deployment.account_id}:role/{path}/{name}"
