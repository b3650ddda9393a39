"""Sessions: what STS gives, and what IAM then lets them do by their and the buckets' policies.

The role's own policies are `make prove`'s. Here the second lock holds alone, so that a session which was
started for too much, too little or another tenant is seen at the call that needs it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from scripts.verification.proof import evaluator
from scripts.verification.proof.policy import Policy, parse_policy
from tests.settings import ACCOUNT, DATA_BUCKET, EXPORTS_BUCKET, REGION
from tests.simulation.aws.dynamodb import partition_of
from tests.simulation.aws.errors import error
from tests.simulation.aws.s3 import Bucket, copy_source

#: What the roles' own policies reach, besides what a bucket's policy lets in.
_OF_THE_ROLES: Final = (DATA_BUCKET, EXPORTS_BUCKET)
_READ: Final = "s3:GetObject"

#: By operation of S3: the permission on the bucket, or on the object.
_ON_BUCKETS: Final[Mapping[str, str]] = {
    "list_objects_v2": "s3:ListBucket",
    "list_object_versions": "s3:ListBucketVersions",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "head_bucket": "s3:ListBucket",
}
_ON_OBJECTS: Final[Mapping[str, str]] = {
    "get_object": _READ,
    "head_object": _READ,
    "put_object": "s3:PutObject",
    "copy_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "upload_part_copy": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "list_parts": "s3:ListMultipartUploadParts",
    "delete_object": "s3:DeleteObject",
    "get_object_tagging": "s3:GetObjectTagging",
    "put_object_tagging": "s3:PutObjectTagging",
}
#: Of a version that is named, another permission.
_OF_VERSIONS: Final[Mapping[str, str]] = {
    _READ: "s3:GetObjectVersion",
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
}
_ITEM_ACTIONS: Final[Mapping[str, str]] = {
    "get_item": "GetItem",
    "put_item": "PutItem",
    "update_item": "UpdateItem",
    "delete_item": "DeleteItem",
    "query": "Query",
    "batch_get_item": "BatchGetItem",
    "batch_write_item": "BatchWriteItem",
}


@dataclass(frozen=True)
class Session:
    """A session of a role. `tenant`: its tag `tenantId`."""

    role: str
    tenant: str
    policy: str
    expires_at: datetime


@dataclass
class Sts:
    """A client of STS, and the sessions that it gave, by their tokens."""

    now: Callable[[], datetime]
    sessions: dict[str, Session] = field(default_factory=dict)

    def assume_role(self, **arguments: Any) -> dict[str, Any]:
        """AssumeRole, with one tag."""
        (tag,) = arguments["Tags"]
        token = f"session-{len(self.sessions)}"
        expires = self.now() + timedelta(seconds=arguments["DurationSeconds"])
        self.sessions[token] = Session(arguments["RoleArn"], tag["Value"], arguments["Policy"], expires)
        return {
            "Credentials": {
                "AccessKeyId": f"ASIA{token}",
                "SecretAccessKey": "secret",
                "SessionToken": token,
                "Expiration": expires,
            }
        }


@dataclass(frozen=True)
class _Need:
    """A permission that a call needs. `prefix` is a listing's, `keys` are leading keys of a table."""

    action: str
    resource: str
    prefix: str | None = None
    keys: tuple[str, ...] = ()
    bucket: str | None = None


def authorize(
    session: Session,
    now: datetime,
    service: str,
    operation: str,
    arguments: Mapping[str, Any],
    buckets: Mapping[str, Bucket],
) -> None:
    """Let a session's call pass.

    Raises:
        ClientError: it may not, or has ended.
        KeyError: a call whose permission is not known here.
    """
    if now >= session.expires_at:
        raise error("ExpiredToken" if service == "s3" else "ExpiredTokenException", operation)
    for need in _s3_needs(operation, arguments) if service == "s3" else _item_needs(operation, arguments):
        bucket = buckets.get(need.bucket) if need.bucket else None
        if not _allows(session, need, bucket.policy if bucket else None):
            code = "AccessDenied" if service == "s3" else "AccessDeniedException"
            raise error(code, operation, need.action)


def may_list(session: Session, bucket: Bucket) -> bool:
    """Tell whether a session may list all of a bucket: S3 tells others "denied" for "no such key"."""
    need = _Need("s3:ListBucket", f"arn:aws:s3:::{bucket.name}", bucket=bucket.name)
    return _allows(session, need, bucket.policy)


@lru_cache(maxsize=4096)
def _allows(session: Session, need: _Need, bucket_policy: str | None) -> bool:
    request = evaluator.Request(
        need.action,
        need.resource,
        {
            "aws:principaltag/tenantid": session.tenant,
            "aws:securetransport": "true",
            "aws:resourceaccount": ACCOUNT,
            "aws:principalarn": session.role,
            **({"s3:prefix": need.prefix} if need.prefix is not None else {}),
            **({"dynamodb:leadingkeys": need.keys} if need.keys else {}),
        },
    )
    if not evaluator.matching([_policy(session.policy)], request, allow=True):
        return False
    if need.bucket is None:
        return True
    resource_policy = Policy(
        "bucket",
        tuple(
            statement
            for statement in (_bucket_policy(bucket_policy).statements if bucket_policy else ())
            if {("*", "*"), ("AWS", "*"), ("AWS", session.role)} & set(statement.principals)
        ),
    )
    if evaluator.matching([resource_policy], request, allow=False):
        return False
    return need.bucket in _OF_THE_ROLES or bool(evaluator.matching([resource_policy], request, allow=True))


@lru_cache(maxsize=4096)
def _policy(text: str) -> Policy:
    return parse_policy("session", text)


@lru_cache(maxsize=4096)
def _bucket_policy(text: str) -> Policy:
    return parse_policy("bucket", text, with_principals=True)


def _s3_needs(operation: str, arguments: Mapping[str, Any]) -> Iterator[_Need]:
    bucket = arguments["Bucket"]
    if operation in _ON_BUCKETS:
        yield _Need(
            _ON_BUCKETS[operation], f"arn:aws:s3:::{bucket}", prefix=arguments.get("Prefix"), bucket=bucket
        )
    elif operation == "delete_objects":
        for each in arguments["Delete"]["Objects"]:
            action = "s3:DeleteObjectVersion" if "VersionId" in each else "s3:DeleteObject"
            yield _on_object(action, bucket, each["Key"])
    else:
        action = _ON_OBJECTS[operation]
        if "VersionId" in arguments:
            action = _OF_VERSIONS[action]
        yield _on_object(action, bucket, arguments["Key"])
        if "CopySource" in arguments:
            source = copy_source(arguments["CopySource"])
            action = "s3:GetObjectVersion" if "VersionId" in source else _READ
            yield _on_object(action, source["Bucket"], source["Key"])


def _on_object(action: str, bucket: str, key: str) -> _Need:
    return _Need(action, f"arn:aws:s3:::{bucket}/{key}", bucket=bucket)


def _item_needs(operation: str, arguments: Mapping[str, Any]) -> Iterator[_Need]:
    if "RequestItems" in arguments:
        for table, requests in arguments["RequestItems"].items():
            keys = requests["Keys"] if isinstance(requests, dict) else map(_written, requests)
            yield _on_items(operation, table, tuple(dict.fromkeys(key["PK"]["S"] for key in keys)))
    elif operation == "query":
        partition = partition_of(arguments)
        yield _on_items(operation, arguments["TableName"], (partition,))
    else:
        key = arguments.get("Key") or arguments["Item"]
        yield _on_items(operation, arguments["TableName"], (key["PK"]["S"],))


def _written(request: Mapping[str, Any]) -> Mapping[str, Any]:
    ((_, arguments),) = request.items()
    key: Mapping[str, Any] = arguments.get("Key") or arguments["Item"]
    return key


def _on_items(operation: str, table: str, keys: tuple[str, ...]) -> _Need:
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
    return _Need(f"dynamodb:{_ITEM_ACTIONS[operation]}", arn, keys=keys)
