"""S3's listings of versions and of uploads: any key, and places that are gone.

AWS: S3 API Reference, "ListObjectVersions" and "ListMultipartUploads" (`encoding-type`, markers).
"""

import bisect
import contextvars
import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Function = Callable[..., Any]
Replace = Callable[[str, str, str, Callable[[Function], Function]], None]

_MODULE: Final = "ministack.services.s3"
#: The elements that are encoded where a request asks for it (`EncodingType`).
_ENCODED: Final = frozenset({"Key", "Prefix", "KeyMarker", "NextKeyMarker", "Delimiter"})
_encoded: Final[contextvars.ContextVar[bool]] = contextvars.ContextVar("encoded", default=False)


def install(replace: Replace) -> None:  # noqa: C901 - one small function for each that is patched
    """Patch the engine's listings."""
    s3: Any = importlib.import_module(_MODULE)

    def encoding(original: Function) -> Function:
        def listing(bucket_name: str, query_params: Mapping[str, Any]) -> Any:
            token = _encoded.set(s3._qp(query_params, "encoding-type") == "url")
            try:
                return original(bucket_name, query_params)
            finally:
                _encoded.reset(token)

        return listing

    def list_object_versions(original: Function) -> Function:
        def listing(bucket_name: str, query_params: Mapping[str, Any]) -> Any:
            key, version = s3._qp(query_params, "key-marker"), s3._qp(query_params, "version-id-marker")
            there = {each["version_id"] for each in s3._object_versions.get((bucket_name, key), [])}
            bucket = s3._ensure_bucket(bucket_name)
            if version and version not in there and bucket is not None:
                known = {*bucket["objects"], *(name for of, name in s3._object_versions if of == bucket_name)}
                # From the first version on that there still is of the key.
                query_params = {**query_params, "key-marker": before(key, known), "version-id-marker": ""}
            return original(bucket_name, query_params)

        return listing

    def xml_body(original: Function) -> Function:
        def body(root: Any) -> Any:
            if _encoded.get():
                root.append(root.makeelement("EncodingType", {}))
                root[-1].text = "url"
                for each in root.iter():
                    if each.tag in _ENCODED and each.text:
                        each.text = s3._url_encode(each.text)
            return original(root)

        return body

    replace(_MODULE, "_xml_body", "root", xml_body)
    replace(_MODULE, "_list_object_versions", "bucket_name query_params", list_object_versions)
    replace(_MODULE, "_list_object_versions", "bucket_name query_params", encoding)
    replace(_MODULE, "_list_multipart_uploads", "bucket_name query_params", encoding)


def before(key: str, known: Iterable[str]) -> str:
    """Return the last of the known keys that comes before a key, an empty text if none does."""
    ordered = sorted(known)
    position = bisect.bisect_left(ordered, key)
    return ordered[position - 1] if position else ""
