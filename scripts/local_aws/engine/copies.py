"""S3's copies and uploads in parts: checksums, ETags, conditions, tags and part numbers.

AWS: S3 API Reference, "CopyObject", "UploadPartCopy", "CreateMultipartUpload", "HeadObject"; S3 User Guide,
"Checking object integrity" (checking-object-integrity).
"""

import contextvars
import hashlib
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

Function = Callable[..., Any]
Replace = Callable[[str, str, str, Callable[[Function], Function]], None]
#: Computes a checksum by the algorithm's name, in base64.
Checksum = Callable[[str, bytes], str | None]

_MODULE: Final = "ministack.services.s3"
_OK: Final = 200
_PARTIAL: Final = 206


@dataclass(frozen=True)
class Copying:
    """A copy under way: the algorithm that was asked for, None if S3 chooses it."""

    algorithm: str | None


_current: Final[contextvars.ContextVar[Copying | None]] = contextvars.ContextVar("copying", default=None)


def install(replace: Replace) -> None:
    """Patch the engine's copies, and its uploads in parts."""
    s3: Any = importlib.import_module(_MODULE)
    _install_copies(replace, s3)
    _install_uploads(replace, s3)
    _install_parts(replace, s3)


def _install_copies(replace: Replace, s3: Any) -> None:
    def copy_object(original: Function) -> Function:
        def copy(bucket_name: str, dest_key: str, headers: Mapping[str, str]) -> Any:
            bucket = s3._ensure_bucket(bucket_name)
            if bucket is not None:
                there = bucket["objects"].get(dest_key)
                if refused := s3._check_put_preconditions(headers, there):
                    return refused
            token = _current.set(Copying(algorithm_of(headers)))
            try:
                answer = original(bucket_name, dest_key, headers)
            finally:
                _current.reset(token)
            if bucket is None or answer[0] != _OK:
                return answer
            made = bucket["objects"][dest_key]
            return with_elements(answer, {"ETag": made["etag"], **checksum_elements(made["checksums"])})

        return copy

    def record_object_version(original: Function) -> Function:
        def record(bucket_name: str, key: str, prior_obj: Any, obj: dict[str, Any], data: bytes) -> Any:
            copying = _current.get()
            if copying is not None:
                obj.update(of_whole(obj, data, copying.algorithm, s3._compute_s3_checksum))
            return original(bucket_name, key, prior_obj, obj, data)

        return record

    replace(_MODULE, "_copy_object", "bucket_name dest_key headers", copy_object)
    replace(_MODULE, "_record_object_version", "bucket_name key prior_obj obj data", record_object_version)


def _install_uploads(replace: Replace, s3: Any) -> None:  # noqa: C901 - one small function for each
    def create_multipart_upload(original: Function) -> Function:
        def create(bucket_name: str, key: str, headers: Mapping[str, str]) -> Any:
            answer = original(bucket_name, key, headers)
            if answer[0] == _OK and headers.get("x-amz-tagging"):
                upload = s3._multipart_uploads[element(answer[2], "UploadId")]
                upload["tagging"] = dict(parse_qsl(headers["x-amz-tagging"], keep_blank_values=True))
            return answer

        return create

    def complete_multipart_upload(original: Function) -> Function:
        def complete(bucket_name: str, key: str, body: bytes, query_params: Any, headers: Any = None) -> Any:
            upload = s3._multipart_uploads.get(s3._qp(query_params, "uploadId")) or {}
            answer = original(bucket_name, key, body, query_params, headers)
            if answer[0] == _OK and upload.get("tagging"):
                version = s3._ensure_bucket(bucket_name)["objects"][key].get("version_id")
                s3._object_tags[bucket_name, key, version] = upload["tagging"]
            return answer

        return complete

    def upload_part_copy(original: Function) -> Function:
        def copy(bucket_name: str, dest_key: str, query_params: Any, headers: Any) -> Any:
            answer = original(bucket_name, dest_key, query_params, headers)
            if answer[0] != _OK:
                return answer
            upload = s3._multipart_uploads[s3._qp(query_params, "uploadId")]
            part = upload["parts"][int(s3._qp(query_params, "partNumber", "1"))]
            if algorithm := upload.get("checksum_algorithm"):
                part["checksums"] = {algorithm: s3._compute_s3_checksum(algorithm, part["body"])}
            return with_elements(answer, checksum_elements(part.get("checksums") or {}, kind=None))

        return copy

    replace(_MODULE, "_create_multipart_upload", "bucket_name key headers", create_multipart_upload)
    replace(
        _MODULE,
        "_complete_multipart_upload",
        "bucket_name key body query_params headers",
        complete_multipart_upload,
    )
    replace(_MODULE, "_upload_part_copy", "bucket_name dest_key query_params headers", upload_part_copy)


def _install_parts(replace: Replace, s3: Any) -> None:
    def head_object(original: Function) -> Function:
        def head(bucket_name: str, key: str, headers: Any = None, query_params: Any = None) -> Any:
            answer = original(bucket_name, key, headers, query_params)
            number = s3._qp(query_params or {}, "partNumber")
            if answer[0] != _OK or not number:
                return answer
            version = s3._qp(query_params, "versionId")
            stored: Mapping[str, Any] = next(
                (
                    each
                    for each in s3._object_versions.get((bucket_name, key), [])
                    if each["version_id"] == version
                ),
                s3._ensure_bucket(bucket_name)["objects"].get(key) or {},
            )
            found = part_headers(int(number), [part["Size"] for part in stored.get("parts") or ()])
            if found is None:
                return s3._error("InvalidPartNumber", "The requested partnumber is not satisfiable", 416)
            return _PARTIAL, {**answer[1], **found}, answer[2]

        return head

    replace(_MODULE, "_head_object", "bucket_name key headers query_params", head_object)


def algorithm_of(headers: Mapping[str, str]) -> str | None:
    """Return the checksum algorithm that a copy asks for, None if it asks for none."""
    return headers.get("x-amz-checksum-algorithm", "").upper().replace("_", "") or None


def of_whole(
    record: Mapping[str, Any], content: bytes, algorithm: str | None, checksum: Checksum
) -> dict[str, Any]:
    """Return what a copy made in one request gets of its own: its ETag and its checksum.

    Both are of its whole content, also where the source was uploaded in parts. An object has one checksum: by
    the algorithm asked for, else by the source's.
    """
    found = {}
    if "-" in record["etag"]:
        found["etag"] = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
    algorithms = [algorithm] if algorithm else list(record.get("checksums") or ())
    computed = {name: checksum(name, content) for name in algorithms}
    return {**found, "checksums": {name: value for name, value in computed.items() if value}}


def checksum_elements(checksums: Mapping[str, str], kind: str | None = "FULL_OBJECT") -> dict[str, str]:
    """Return a result's elements of checksums, and of their type unless it has none."""
    elements = {f"Checksum{name}": value for name, value in checksums.items()}
    return {**elements, **({"ChecksumType": kind} if elements and kind else {})}


def part_headers(number: int, sizes: list[int]) -> dict[str, str] | None:
    """Return the headers about one part of an object; None: it has no such part.

    What was not uploaded in parts has one, and does not say so (HeadObject, `x-amz-mp-parts-count`).
    """
    if not sizes:
        return {} if number == 1 else None
    if not 1 <= number <= len(sizes):
        return None
    return {"Content-Length": str(sizes[number - 1]), "x-amz-mp-parts-count": str(len(sizes))}


def element(xml: bytes, name: str) -> str:
    """Return the text of an element of an answer, nothing if it is not there. The text is plain."""
    found = re.search(rf"<{name}>([^<]*)</{name}>".encode(), xml)
    return found[1].decode() if found else ""


def with_elements(
    answer: tuple[int, dict[str, str], bytes], elements: Mapping[str, str]
) -> tuple[int, dict[str, str], bytes]:
    """Return an answer whose result has these elements, in the place of those that it had."""
    status, headers, xml = answer
    for name, text in elements.items():
        xml = re.sub(rf"<{name}>[^<]*</{name}>".encode(), b"", xml)
        end = xml.rindex(b"</")
        xml = xml[:end] + f"<{name}>{text.replace('&', '&amp;')}</{name}>".encode() + xml[end:]
    return status, headers, xml
