"""The files of a tenant's problems: objects under the tenant's prefix, or in its own bucket.

Whatever writes raises `TenantReadOnlyError` while the tenant's objects are being moved, before it has changed
anything.
"""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from problem_data.requests import FILE_MAX, FileBody, Page
from tenkacloud.errors import TenkaCloudError
from tenkacloud.isolation.sessions import TenantSession

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef


class TooLargeError(TenkaCloudError):
    """A file, put here by other ways, is too large for the answer of a Lambda function."""


def write(session: TenantSession, problem_id: str, name: str, body: FileBody) -> None:
    """Write a file, new or not."""
    session.require_writable()
    session.s3.put_object(
        **session.bucket_arguments,
        Key=_key(session, problem_id, name),
        Body=body.content,
        ContentType=body.content_type,
    )


def read(session: TenantSession, problem_id: str, name: str) -> FileBody | None:
    """Return a file, None if there is none.

    Raises:
        TooLargeError: it has more than `FILE_MAX` bytes.
    """
    answer = _get(session, _key(session, problem_id, name))
    if answer is None:
        return None
    if answer["ContentLength"] > FILE_MAX:
        answer["Body"].close()
        raise TooLargeError(
            f"the file has {answer['ContentLength']} bytes; at most {FILE_MAX} can be read here"
        )
    return FileBody(answer["Body"].read(), answer["ContentType"])


def _get(session: TenantSession, key: str) -> "GetObjectOutputTypeDef | None":
    try:
        return session.s3.get_object(**session.bucket_arguments, Key=key)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchKey":
            return None
        # S3 tells "no such key" only to those who may list the whole bucket. Whether the key is there, the
        # session may see by listing it; if it is, then the denial is one.
        if code != "AccessDenied" or _list(session, key, MaxKeys=1)["KeyCount"]:
            raise
        return None


def page(session: TenantSession, problem_id: str, wanted: Page) -> tuple[list[dict[str, Any]], str | None]:
    """Return some files of a problem by name, with their sizes in bytes; the last name if there are more."""
    folder = _key(session, problem_id, "")
    start = {} if wanted.after is None else {"StartAfter": f"{folder}{wanted.after}"}
    answer = _list(session, folder, MaxKeys=wanted.limit, **start)
    files = [
        {"name": entry["Key"].removeprefix(folder), "size": entry["Size"]}
        for entry in answer.get("Contents", [])
    ]
    return files, files[-1]["name"] if answer["IsTruncated"] else None


def delete(session: TenantSession, problem_id: str, name: str) -> None:
    """Delete a file, if it is there. The bucket keeps it as an older version for a while."""
    session.require_writable()
    session.s3.delete_object(**session.bucket_arguments, Key=_key(session, problem_id, name))


def delete_all(session: TenantSession, problem_id: str) -> None:
    """Delete all files of a problem, 1,000 at a time.

    Raises:
        RuntimeError: S3 left some of them.
    """
    session.require_writable()
    folder = _key(session, problem_id, "")
    while found := _list(session, folder, MaxKeys=1000).get("Contents"):
        answer = session.s3.delete_objects(
            **session.bucket_arguments,
            Delete={"Objects": [{"Key": entry["Key"]} for entry in found], "Quiet": True},
        )
        if errors := answer.get("Errors"):
            raise RuntimeError(f"S3 did not delete {len(errors)} files, the first: {errors[0].get('Code')}")


def _list(session: TenantSession, prefix: str, **arguments: Any) -> Any:
    return session.s3.list_objects_v2(**session.bucket_arguments, Prefix=prefix, **arguments)


def _key(session: TenantSession, problem_id: str, name: str) -> str:
    return session.key(f"problems/{problem_id}/{name}")
