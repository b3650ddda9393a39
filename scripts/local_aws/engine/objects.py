"""S3 requests: which object a request is about, versions in a batch of deletions, tags, expected owners.

AWS: Service Authorization Reference of S3; S3 API Reference, "DeleteObjects"; S3 User Guide, "Verifying
bucket ownership with bucket owner condition" (bucket-owner-condition).
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

Function = Callable[..., Any]
Replace = Callable[[str, str, str, Callable[[Function], Function]], None]

_BUCKET: Final = "arn:aws:s3:::"


def install(replace: Replace) -> None:  # noqa: C901 - one small function for each that is patched
    """Patch what the engine reads of S3's requests."""
    actions = importlib.import_module("ministack.core.iam_actions")
    s3 = importlib.import_module("ministack.services.s3")

    def extract_resource_arn(original: Function) -> Function:
        def extract(service: str, method: str, path: str, *args: Any) -> Any:
            key = key_of(path)
            exact = f"{_BUCKET}{bucket_of(path)}/{key}" if service == "s3" and key else None
            return exact or original(service, method, path, *args)

        return extract

    def s3_action(original: Function) -> Function:
        return lambda method, path, query_params: original(method, plain(path), query_params)

    def s3_additional_checks(original: Function) -> Function:
        def checks(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            found = original(method, path, headers, body, query_params)
            if method == "POST" and "delete" in query_params and not key_of(path):
                found += first_version(actions._s3_batch_delete_targets(bucket_of(path), body))
            if (
                actions._s3_action(method, path, query_params) == "PutObject"
                and "uploadId" not in query_params
            ):
                found += tagging(path, headers, s3.object_tags_for_condition)
            return found

        return checks

    def validate_object_request(original: Function) -> Function:
        def validate(method: str, path: str, headers: Any, query_params: Any) -> Any:
            if has_unexpected_owner(path, headers, s3._bucket_owner_account):
                return s3._error("AccessDenied", "Access Denied", 403, path)
            return original(method, path, headers, query_params)

        return validate

    where = "ministack.core.iam_actions"
    replace(
        where,
        "extract_resource_arn",
        "service method path headers body query_params region account_id",
        extract_resource_arn,
    )
    replace(where, "_s3_action", "method path query_params", s3_action)
    replace(where, "s3_additional_checks", "method path headers body query_params", s3_additional_checks)
    replace(
        "ministack.services.s3",
        "validate_object_request",
        "method path headers query_params",
        validate_object_request,
    )


def bucket_of(path: str) -> str:
    """Return the bucket of a request's path."""
    return path.lstrip("/").partition("/")[0]


def key_of(path: str) -> str:
    """Return the key of a request's path, exactly as it is.

    The engine's check folds slashes, and drops one at the end; to S3 these are other objects.
    """
    return path.lstrip("/").partition("/")[2]


def plain(path: str) -> str:
    """Return a path of the same depth, bucket or object, whatever slashes the key consists of."""
    return f"/{bucket_of(path)}/key" if key_of(path) else path


def first_version(targets: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the check that the engine leaves out of a batch of deletions: the first, if it names a version.

    `targets` are ARNs and version ids. Deleting a version needs `s3:DeleteObjectVersion` (DeleteObjects).
    """
    return [("s3:DeleteObjectVersion", arn) for arn, version in targets[:1] if version]


def tagging(
    path: str,
    headers: Mapping[str, str],
    tags_of: Callable[[str, str, Mapping[str, Any]], Mapping[str, str]],
) -> list[tuple[str, str]]:
    """Return the checks of a write that gives its object tags: by a header, or by copying a source's.

    `tags_of` finds an object's tags by bucket, key and query parameters. To give tags needs
    `s3:PutObjectTagging`, and to copy some, they must be read (PutObject, CreateMultipartUpload, CopyObject).
    """
    put = ("s3:PutObjectTagging", f"{_BUCKET}{bucket_of(path)}/{key_of(path)}")
    raw, _, version = headers.get("x-amz-copy-source", "").partition("?versionId=")
    if not raw or headers.get("x-amz-tagging-directive", "COPY").upper() == "REPLACE":
        return [put] if headers.get("x-amz-tagging") else []
    source = unquote(raw).lstrip("/")
    query = {"versionId": [unquote(version)]} if version else {}
    if not tags_of(bucket_of(source), key_of(source), query):
        return []
    return [(f"s3:GetObject{'Version' if version else ''}Tagging", f"{_BUCKET}{source}"), put]


def has_unexpected_owner(path: str, headers: Mapping[str, str], owner: Callable[[str], str | None]) -> bool:
    """Tell whether a bucket is not of the account that the caller expects (bucket-owner-condition).

    `owner` finds the account of a bucket by its name. A bucket that does not exist is another error.
    """
    source = unquote(headers.get("x-amz-copy-source", ""))
    expected = (
        (bucket_of(path), headers.get("x-amz-expected-bucket-owner")),
        (bucket_of(source), headers.get("x-amz-source-expected-bucket-owner")),
    )
    return any(account and owner(bucket) not in {None, account} for bucket, account in expected)
