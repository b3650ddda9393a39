"""Copying one object within S3, with all that belongs to it. Nothing passes through the function.

A copy is of one version and keeps content, metadata, content type, tags and storage class; S3 computes its
SHA-256. Limits: S3 User Guide, "Amazon S3 multipart upload limits"; S3 API Reference, CopyObject (5 GB) and
UploadPartCopy.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from tenkacloud.errors import PermanentError
from tenkacloud.objects.comparison import StoredObject
from tenkacloud.objects.listing import Location
from tenkacloud.platform.clients import Call, one_by_one
from tenkacloud.tenants.validation import truncated_repr

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Makes calls that do not depend on each other; returns the error of each, None for success.
Together = Callable[[Sequence[Call]], list[BaseException | None]]

KEY_MAX: Final = 1024  # bytes of UTF-8
PART_MIN: Final = 5 * 1024**2
PARTS_MAX: Final = 10_000
#: Of an object that was not uploaded in parts. AWS copies one in seconds.
PART_SIZE: Final = 512 * 1024**2
#: Of what was uploaded in parts, what is larger is copied by all threads together; the rest, one thread each.
HUGE: Final = 1024**3
CHECKSUM: Final = "SHA256"

#: The version is gone: expired, or deleted for good. Or, of a bucket without versions, it is another now.
_VANISHED: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "PreconditionFailed"})
_DENIED: Final = "AccessDenied"
_PERMANENT: Final = {
    "InvalidObjectState": "object {key} is archived ({storage_class}): restore it first, or delete it",
    "KeyTooLongError": "the key of object {key} is too long for the place that it is to come to",
}
#: What HeadObject says of an object and CreateMultipartUpload takes, by the same names.
_ATTRIBUTES: Final = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
)


@dataclass(frozen=True)
class Copy:
    """A copy that was made. `sha256` is of its content, in hex; None where S3 did not say."""

    sha256: str | None


@dataclass(frozen=True)
class ObjectCopier:
    """Copies objects from one location to another.

    Objects above `multipart_threshold` bytes are copied in parts, as are those that came in parts. `hold` is
    called before each call that writes, and raises if nothing may be written any more.
    """

    s3: "S3Client"
    source: Location
    target: Location
    multipart_threshold: int
    together: Together
    hold: Callable[[], None] = lambda: None

    def is_huge(self, stored: StoredObject) -> bool:
        """Tell whether it is copied by all threads together, and so takes a run of its own."""
        return stored.size > (HUGE if stored.is_multipart else self.multipart_threshold)

    def copy(self, stored: StoredObject, to: str) -> Copy | None:
        """Copy an object to a relative key of the target; None, if that version is not there any more.

        Raises:
            PermanentError: no retry can copy it.
            botocore.exceptions.ClientError: S3 failed in a way that a retry may mend.
        """
        if not to or len(self.target.key(to).encode()) > KEY_MAX:
            raise PermanentError(_reason("KeyTooLongError", stored))
        try:
            if stored.is_multipart or stored.size > self.multipart_threshold:
                return self._copy_in_parts(stored, to)
            return self._copy_whole(stored, to)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _VANISHED or (code == _DENIED and self._is_gone(stored)):
                return None
            if code in _PERMANENT:
                raise PermanentError(_reason(code, stored)) from error
            raise

    def _is_gone(self, stored: StoredObject) -> bool:
        """Tell whether the version is not there any more.

        S3 says so, instead of that it is denied, only to those who may list the whole bucket.
        """
        key = self.source.key(stored.key)
        pages = self.s3.get_paginator("list_object_versions").paginate(**self.source.arguments, Prefix=key)
        versions = (version for page in pages for version in page.get("Versions", ()))
        # Its own versions come first: all other keys with this prefix are longer.
        own = takewhile(lambda version: version["Key"] == key, versions)
        return not any(version["VersionId"] == (stored.version_id or "null") for version in own)

    def _copy_whole(self, stored: StoredObject, to: str) -> Copy:
        self.hold()
        answer = self.s3.copy_object(
            **self.target.arguments,
            Key=self.target.key(to),
            **self._copy_source(stored),
            ChecksumAlgorithm=CHECKSUM,
            **_storage_class(stored),
        )
        return Copy(_hex(answer["CopyObjectResult"].get("ChecksumSHA256")))

    def _copy_in_parts(self, stored: StoredObject, to: str) -> Copy:
        # A huge object is alone; many smaller ones have a thread each.
        together = self.together if self.is_huge(stored) else one_by_one
        version = {**self.source.arguments, "Key": self.source.key(stored.key), **_version(stored)}
        sizes = self._part_sizes(stored, version, together)
        if sizes is None:
            return self._copy_whole(stored, to)
        upload = _Upload(self, stored, to)
        upload.begin(version)
        try:
            upload.copy_parts(sizes, together)
            upload.complete()
        except Exception:
            upload.abort()
            raise
        return Copy(None)  # S3's checksum of an object in parts is one of its parts' checksums

    def _part_sizes(
        self, stored: StoredObject, version: Mapping[str, Any], together: Together
    ) -> list[int] | None:
        """Return the sizes of the parts to copy; None: copy it whole.

        Those that it was uploaded in, as S3 has them, so that the copy gets the same ETag.
        """
        sizes: dict[int, int] = {}

        def look(number: int) -> int:
            answer = self.s3.head_object(**version, PartNumber=number)
            sizes[number] = answer["ContentLength"]
            return answer.get("PartsCount", 0)

        if stored.is_multipart:
            count = look(1)
            raise_first(together([partial(_call, look, number) for number in range(2, count + 1)]))
            found = [sizes[number] for number in sorted(sizes)]
            if count and sum(found) == stored.size and all(size >= PART_MIN for size in found[:-1]):
                return found
        if stored.size <= self.multipart_threshold:
            return None
        size = max(PART_MIN, min(PART_SIZE, self.multipart_threshold), -(-stored.size // PARTS_MAX))
        whole, rest = divmod(stored.size, size)
        return [size] * whole + ([rest] if rest else [])

    def _copy_source(self, stored: StoredObject) -> dict[str, Any]:
        return {
            "CopySource": {
                "Bucket": self.source.bucket,
                "Key": self.source.key(stored.key),
                **_version(stored),
            },
            "ExpectedSourceBucketOwner": self.source.account_id,
            # A version never changes. Where there are none, the object may have become another.
            **({} if stored.version_id else {"CopySourceIfMatch": stored.etag}),
        }


@dataclass
class _Upload:
    """One multipart upload of a copy."""

    copier: ObjectCopier
    stored: StoredObject
    to: str
    _target: dict[str, Any] = field(init=False)
    _parts: dict[int, dict[str, Any]] = field(init=False, default_factory=dict)

    def begin(self, version: Mapping[str, Any]) -> None:
        """Create it, with all that belongs to the object."""
        s3, target = self.copier.s3, self.copier.target
        head: Mapping[str, Any] = s3.head_object(**version)
        attributes: dict[str, Any] = {name: head[name] for name in _ATTRIBUTES if name in head}
        tags = s3.get_object_tagging(**version)["TagSet"]
        if tags:
            attributes["Tagging"] = urlencode([(tag["Key"], tag["Value"]) for tag in tags])
        self._target = {**target.arguments, "Key": target.key(self.to)}
        self._target["UploadId"] = s3.create_multipart_upload(
            **self._target, **attributes, **_storage_class(self.stored), ChecksumAlgorithm=CHECKSUM
        )["UploadId"]

    def copy_parts(self, sizes: Sequence[int], together: Together) -> None:
        """Copy all parts."""
        start, calls = 0, list[Call]()
        for number, size in enumerate(sizes, start=1):
            calls.append(partial(self._copy_part, number, start, size))
            start += size
        raise_first(together(calls))

    def complete(self) -> None:
        """Make the object of the parts."""
        self.copier.hold()
        parts: Any = [self._parts[number] for number in sorted(self._parts)]
        self.copier.s3.complete_multipart_upload(**self._target, MultipartUpload={"Parts": parts})

    def abort(self) -> None:
        """Give it up, so that S3 keeps, and bills, no parts of it. What failed is raised, and not this."""
        try:
            self.copier.s3.abort_multipart_upload(**self._target)
        except ClientError:
            return  # the bucket's lifecycle rule ends it

    def _copy_part(self, number: int, start: int, size: int) -> None:
        self.copier.hold()
        answer = self.copier.s3.upload_part_copy(
            **self._target,
            PartNumber=number,
            **self.copier._copy_source(self.stored),
            CopySourceRange=f"bytes={start}-{start + size - 1}",
        )["CopyPartResult"]
        checksum = answer.get("ChecksumSHA256")
        self._parts[number] = {
            "PartNumber": number,
            "ETag": answer["ETag"],
            **({"ChecksumSHA256": checksum} if checksum else {}),
        }


def raise_first(errors: Sequence[BaseException | None]) -> None:
    """Raise the first error of calls made together: one that no retry can mend before all others."""
    for error in sorted(filter(None, errors), key=lambda error: not isinstance(error, PermanentError)):
        raise error


def _call(function: Callable[[int], object], number: int) -> None:
    function(number)


def _version(stored: StoredObject) -> dict[str, Any]:
    return {"VersionId": stored.version_id} if stored.version_id else {}


def _storage_class(stored: StoredObject) -> dict[str, Any]:
    return {} if stored.storage_class == "STANDARD" else {"StorageClass": stored.storage_class}


def _hex(checksum: str | None) -> str | None:
    return base64.b64decode(checksum).hex() if checksum else None


def _reason(code: str, stored: StoredObject) -> str:
    return _PERMANENT[code].format(key=truncated_repr(stored.key), storage_class=stored.storage_class)
