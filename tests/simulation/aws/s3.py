"""S3: buckets with versions, delete markers, uploads in parts, tags and policies."""

# ruff: noqa: N803 - arguments have boto3's names

import base64
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from botocore.response import StreamingBody

from tests.settings import ACCOUNT, REGION
from tests.simulation.aws.errors import EXCEPTIONS, error

_UNVERSIONED: Final = "null"
#: What an object keeps of the arguments that it was written with.
_HEADERS: Final = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")
_NOT_FOUND: Final = "404"


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker: then `body` is None."""

    key: str
    id: str
    modified: datetime
    body: bytes | None
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of it."""
        return len(self.body or b"")

    @property
    def sha256(self) -> str:
        """The checksum, as S3 writes it."""
        return base64.b64encode(hashlib.sha256(self.body or b"").digest()).decode()

    @property
    def named(self) -> dict[str, str]:
        """Its id, as answers hold it: of a bucket without versions none does."""
        return {} if self.id == _UNVERSIONED else {"VersionId": self.id}

    @property
    def described(self) -> dict[str, Any]:
        """What HeadObject and GetObject answer."""
        return {
            "ContentLength": self.size,
            "ContentType": "binary/octet-stream",
            "ETag": self.etag,
            "LastModified": self.modified,
            "Metadata": dict(self.metadata),
            **self.named,
            **self.headers,
            **({"TagCount": len(self.tags)} if self.tags else {}),
        }


@dataclass
class Upload:
    """An upload in parts under way. `version` is what it becomes, but for its bytes."""

    id: str
    version: Version
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Bucket:
    """A bucket. `versions`: of each key, the newest last."""

    name: str
    owner: str = ACCOUNT
    versioning: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    policy: str | None = None
    public_access_block: Mapping[str, bool] | None = None
    encryption: Any = None
    lifecycle: Any = None
    versions: dict[str, list[Version]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def current(self, key: str) -> Version | None:
        """Return the object of a key, None if there is none or it is deleted."""
        versions = self.versions.get(key)
        return versions[-1] if versions and versions[-1].body is not None else None

    def objects(self, prefix: str = "") -> dict[str, Version]:
        """Return the objects whose keys begin so, in the order of their keys."""
        found = ((key, self.current(key)) for key in sorted(self.versions) if key.startswith(prefix))
        return {key: version for key, version in found if version}

    def add(self, version: Version) -> None:
        """Make a version the newest of its key."""
        versions = self.versions.setdefault(version.key, [])
        versions[:] = [each for each in versions if each.id != version.id] + [version]

    def remove(self, key: str, version_id: str) -> Version | None:
        """Delete one version for good; return it."""
        versions = self.versions.get(key, [])
        found = next((each for each in versions if each.id == version_id), None)
        if found:
            versions.remove(found)
        if not versions:
            self.versions.pop(key, None)
        return found


@dataclass
class S3:
    """A client of S3. `page`: entries that a listing answers with, at most. `now` is the clock."""

    now: Callable[[], datetime]
    page: int = 1000
    buckets: dict[str, Bucket] = field(default_factory=dict)
    numbers: int = 0
    exceptions: Any = EXCEPTIONS

    def _bucket(self, operation: str, arguments: Mapping[str, Any]) -> Bucket:
        bucket = self.buckets.get(arguments["Bucket"])
        if bucket is None:
            raise error("NoSuchBucket", operation)
        if arguments.get("ExpectedBucketOwner", bucket.owner) != bucket.owner or bucket.owner != ACCOUNT:
            raise error("AccessDenied", operation)
        return bucket

    def _number(self, kind: str) -> str:
        self.numbers += 1
        return f"{kind}{self.numbers:06}"

    @property
    def _time(self) -> datetime:
        return self.now().replace(microsecond=0)  # S3 tells seconds

    # --- buckets --------------------------------------------------------------------------------------------

    def create_bucket(self, *, Bucket: str, **_: Any) -> dict[str, Any]:
        """CreateBucket, outside us-east-1."""
        there = self.buckets.get(Bucket)
        if there:
            code = "BucketAlreadyOwnedByYou" if there.owner == ACCOUNT else "BucketAlreadyExists"
            raise error(code, "CreateBucket")
        self.buckets[Bucket] = new_bucket(Bucket)
        return {"Location": f"http://{Bucket}.s3.amazonaws.com/"}

    def delete_bucket(self, **arguments: Any) -> dict[str, Any]:
        """DeleteBucket, of an empty one."""
        bucket = self._bucket("DeleteBucket", arguments)
        if bucket.versions:
            raise error("BucketNotEmpty", "DeleteBucket")
        del self.buckets[bucket.name]
        return {}

    def head_bucket(self, **arguments: Any) -> dict[str, Any]:
        """HeadBucket."""
        if arguments["Bucket"] not in self.buckets:
            raise error(_NOT_FOUND, "HeadBucket")
        self._bucket("HeadBucket", arguments)
        return {"BucketRegion": REGION}

    def get_bucket_tagging(self, **arguments: Any) -> dict[str, Any]:
        """GetBucketTagging."""
        bucket = self._bucket("GetBucketTagging", arguments)
        if not bucket.tags:
            raise error("NoSuchTagSet", "GetBucketTagging")
        return {"TagSet": _tag_set(bucket.tags)}

    def put_bucket_tagging(self, **arguments: Any) -> dict[str, Any]:
        """PutBucketTagging."""
        tags = {tag["Key"]: tag["Value"] for tag in arguments["Tagging"]["TagSet"]}
        self._bucket("PutBucketTagging", arguments).tags = tags
        return {}

    def get_bucket_policy(self, **arguments: Any) -> dict[str, Any]:
        """GetBucketPolicy."""
        bucket = self._bucket("GetBucketPolicy", arguments)
        if bucket.policy is None:
            raise error("NoSuchBucketPolicy", "GetBucketPolicy")
        return {"Policy": bucket.policy}

    def put_bucket_policy(self, **arguments: Any) -> dict[str, Any]:
        """PutBucketPolicy."""
        self._bucket("PutBucketPolicy", arguments).policy = arguments["Policy"]
        return {}

    def delete_bucket_policy(self, **arguments: Any) -> dict[str, Any]:
        """DeleteBucketPolicy."""
        self._bucket("DeleteBucketPolicy", arguments).policy = None
        return {}

    def get_public_access_block(self, **arguments: Any) -> dict[str, Any]:
        """GetPublicAccessBlock."""
        bucket = self._bucket("GetPublicAccessBlock", arguments)
        if bucket.public_access_block is None:
            raise error("NoSuchPublicAccessBlockConfiguration", "GetPublicAccessBlock")
        return {"PublicAccessBlockConfiguration": dict(bucket.public_access_block)}

    def put_public_access_block(self, **arguments: Any) -> dict[str, Any]:
        """PutPublicAccessBlock."""
        bucket = self._bucket("PutPublicAccessBlock", arguments)
        bucket.public_access_block = dict(arguments["PublicAccessBlockConfiguration"])
        return {}

    def get_bucket_encryption(self, **arguments: Any) -> dict[str, Any]:
        """GetBucketEncryption."""
        bucket = self._bucket("GetBucketEncryption", arguments)
        if bucket.encryption is None:
            raise error("ServerSideEncryptionConfigurationNotFoundError", "GetBucketEncryption")
        return {"ServerSideEncryptionConfiguration": bucket.encryption}

    def put_bucket_encryption(self, **arguments: Any) -> dict[str, Any]:
        """PutBucketEncryption."""
        bucket = self._bucket("PutBucketEncryption", arguments)
        bucket.encryption = arguments["ServerSideEncryptionConfiguration"]
        return {}

    def get_bucket_versioning(self, **arguments: Any) -> dict[str, Any]:
        """GetBucketVersioning."""
        status = self._bucket("GetBucketVersioning", arguments).versioning
        return {"Status": status} if status else {}

    def put_bucket_versioning(self, **arguments: Any) -> dict[str, Any]:
        """PutBucketVersioning."""
        status = arguments["VersioningConfiguration"]["Status"]
        self._bucket("PutBucketVersioning", arguments).versioning = status
        return {}

    def put_bucket_lifecycle_configuration(self, **arguments: Any) -> dict[str, Any]:
        """PutBucketLifecycleConfiguration."""
        bucket = self._bucket("PutBucketLifecycleConfiguration", arguments)
        bucket.lifecycle = arguments["LifecycleConfiguration"]
        return {}

    # --- objects --------------------------------------------------------------------------------------------

    def put_object(self, **arguments: Any) -> dict[str, Any]:
        """PutObject, with `IfNoneMatch` and `IfMatch`."""
        bucket = self._bucket("PutObject", arguments)
        current = bucket.current(arguments["Key"])
        if "IfNoneMatch" in arguments and current:
            raise error("PreconditionFailed", "PutObject")
        if "IfMatch" in arguments:
            if current is None:
                raise error("NoSuchKey", "PutObject")
            if current.etag.strip('"') != arguments["IfMatch"].strip('"'):
                raise error("PreconditionFailed", "PutObject")
        body = arguments.get("Body", b"")
        content = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else body.read()
        version = replace(self._made_with(bucket, arguments), body=content, etag=_etag(content))
        bucket.add(version)
        checksum = {"ChecksumSHA256": version.sha256} if _wants_sha256(arguments) else {}
        return {"ETag": version.etag, **version.named, **checksum}

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        """GetObject, with `VersionId` and `Range`."""
        version = self._version("GetObject", arguments)
        content = version.body or b""
        if "Range" in arguments:
            first, _, last = arguments["Range"].removeprefix("bytes=").partition("-")
            content = content[int(first) : int(last) + 1 if last else None]
        return {
            **version.described,
            "ContentLength": len(content),
            "Body": StreamingBody(io.BytesIO(content), len(content)),
        }

    def head_object(self, **arguments: Any) -> dict[str, Any]:
        """HeadObject."""
        version = self._version("HeadObject", arguments)
        checksum = {"ChecksumSHA256": version.sha256} if arguments.get("ChecksumMode") else {}
        return {**version.described, **checksum}

    def copy_object(self, **arguments: Any) -> dict[str, Any]:
        """CopyObject, of the current version or of one; with `CopySourceIfMatch`."""
        source = self._source("CopyObject", arguments)
        bucket = self._bucket("CopyObject", arguments)
        made = self._made_with(bucket, arguments)
        same = copy_source(arguments["CopySource"]) == {"Bucket": bucket.name, "Key": made.key}
        if same and "MetadataDirective" not in arguments:
            raise error("InvalidRequest", "CopyObject", "nothing of the object is changed")
        if arguments.get("MetadataDirective", "COPY") == "COPY":
            made = replace(made, headers=source.headers, metadata=source.metadata)
        if arguments.get("TaggingDirective", "COPY") == "COPY":
            made = replace(made, tags=source.tags)
        version = replace(made, body=source.body, etag=_etag(source.body or b""))
        bucket.add(version)
        result: dict[str, Any] = {"ETag": version.etag, "LastModified": version.modified}
        if _wants_sha256(arguments):
            result["ChecksumSHA256"] = version.sha256
        return {
            "CopyObjectResult": result,
            **version.named,
        }

    def delete_object(self, **arguments: Any) -> dict[str, Any]:
        """DeleteObject: a marker, or a version for good."""
        bucket = self._bucket("DeleteObject", arguments)
        return self._delete(bucket, arguments["Key"], arguments.get("VersionId"))

    def delete_objects(self, **arguments: Any) -> dict[str, Any]:
        """DeleteObjects."""
        bucket = self._bucket("DeleteObjects", arguments)
        objects = arguments["Delete"]["Objects"]
        if not 0 < len(objects) <= 1000:
            raise error("MalformedXML", "DeleteObjects")
        deleted = [
            {"Key": each["Key"], **self._delete(bucket, each["Key"], each.get("VersionId"))}
            for each in objects
        ]
        return {} if arguments["Delete"].get("Quiet") else {"Deleted": deleted}

    def get_object_tagging(self, **arguments: Any) -> dict[str, Any]:
        """GetObjectTagging."""
        version = self._version("GetObjectTagging", arguments)
        return {"TagSet": _tag_set(version.tags), **version.named}

    def put_object_tagging(self, **arguments: Any) -> dict[str, Any]:
        """PutObjectTagging."""
        version = self._version("PutObjectTagging", arguments)
        tags = {tag["Key"]: tag["Value"] for tag in arguments["Tagging"]["TagSet"]}
        versions = self.buckets[arguments["Bucket"]].versions[version.key]
        versions[versions.index(version)] = replace(version, tags=tags)
        return version.named

    def _version(self, operation: str, arguments: Mapping[str, Any]) -> Version:
        bucket, key = self._bucket(operation, arguments), arguments["Key"]
        version_id = arguments.get("VersionId")
        missing = _NOT_FOUND if operation == "HeadObject" else "NoSuchKey"
        if version_id is None:
            version = bucket.current(key)
        else:
            version = next((each for each in bucket.versions.get(key, ()) if each.id == version_id), None)
            missing = _NOT_FOUND if operation == "HeadObject" else "NoSuchVersion"
            if version and version.body is None:
                raise error("MethodNotAllowed", operation)
        if version is None:
            raise error(missing, operation)
        if arguments.get("IfMatch", version.etag) != version.etag:
            raise error("PreconditionFailed", operation)
        return version

    def _source(self, operation: str, arguments: Mapping[str, Any]) -> Version:
        source = copy_source(arguments["CopySource"])
        owner = {"ExpectedBucketOwner": arguments.get("ExpectedSourceBucketOwner", ACCOUNT)}
        version = self._version(operation, {**source, **owner})
        if arguments.get("CopySourceIfMatch", version.etag).strip('"') != version.etag.strip('"'):
            raise error("PreconditionFailed", operation)
        return version

    def _made_with(self, bucket: Bucket, arguments: Mapping[str, Any]) -> Version:
        """Return the version that a call makes, without its bytes."""
        return Version(
            key=arguments["Key"],
            id=self._number("v") if bucket.versioning == "Enabled" else _UNVERSIONED,
            modified=self._time,
            body=b"",
            headers={name: arguments[name] for name in _HEADERS if name in arguments},
            metadata=dict(arguments.get("Metadata", {})),
            tags=dict(parse_qsl(arguments.get("Tagging", ""), keep_blank_values=True)),
        )

    def _delete(self, bucket: Bucket, key: str, version_id: str | None) -> dict[str, Any]:
        if version_id is not None:
            removed = bucket.remove(key, version_id)
            marker = {"DeleteMarker": True} if removed and removed.body is None else {}
            return {"VersionId": version_id, **marker}
        if bucket.versioning != "Enabled":
            bucket.remove(key, _UNVERSIONED)
            return {}
        marker_id = self._number("v")
        bucket.add(Version(key, marker_id, self._time, None))
        return {"DeleteMarker": True, "VersionId": marker_id}

    # --- listings -------------------------------------------------------------------------------------------

    def list_objects_v2(self, **arguments: Any) -> dict[str, Any]:
        """ListObjectsV2, without a delimiter."""
        bucket = self._bucket("ListObjectsV2", arguments)
        after = arguments.get("ContinuationToken") or arguments.get("StartAfter", "")
        found = [
            version for key, version in bucket.objects(arguments.get("Prefix", "")).items() if key > after
        ]
        page = found[: self._size(arguments, "MaxKeys")]
        more = len(page) < len(found)
        contents = [
            {"Key": each.key, "Size": each.size, "ETag": each.etag, "LastModified": each.modified}
            for each in page
        ]
        return {
            "KeyCount": len(page),
            "IsTruncated": more,
            **({"Contents": contents} if contents else {}),
            **({"NextContinuationToken": page[-1].key} if more and page else {}),
        }

    def list_object_versions(self, **arguments: Any) -> dict[str, Any]:
        """ListObjectVersions: by key, the newest version first."""
        bucket = self._bucket("ListObjectVersions", arguments)
        prefix, key_marker = arguments.get("Prefix", ""), arguments.get("KeyMarker", "")
        version_marker = arguments.get("VersionIdMarker")
        found: list[tuple[Version, bool]] = []
        for key in sorted(bucket.versions):
            if not key.startswith(prefix) or key < key_marker or (key == key_marker and not version_marker):
                continue
            versions = bucket.versions[key][::-1]
            start = 0
            if key == key_marker:
                ids = [each.id for each in versions]
                # A version that is gone meanwhile: whatever is older than it.
                start = next((n for n, each in enumerate(ids) if each < str(version_marker)), len(ids))
                if version_marker in ids:
                    start = ids.index(version_marker) + 1
            found += [(each, number == 0) for number, each in enumerate(versions) if number >= start]
        page = found[: self._size(arguments, "MaxKeys")]
        entries = [
            (
                version,
                {
                    "Key": version.key,
                    "VersionId": version.id,
                    "IsLatest": latest,
                    "LastModified": version.modified,
                },
            )
            for version, latest in page
        ]
        versions_of_page = [
            {**entry, "Size": version.size, "ETag": version.etag}
            for version, entry in entries
            if version.body is not None
        ]
        markers = [entry for version, entry in entries if version.body is None]
        more = len(page) < len(found)
        last = page[-1][0] if page else None
        return {
            "IsTruncated": more,
            **({"Versions": versions_of_page} if versions_of_page else {}),
            **({"DeleteMarkers": markers} if markers else {}),
            **({"NextKeyMarker": last.key, "NextVersionIdMarker": last.id} if more and last else {}),
        }

    def list_multipart_uploads(self, **arguments: Any) -> dict[str, Any]:
        """ListMultipartUploads."""
        bucket = self._bucket("ListMultipartUploads", arguments)
        start = (arguments.get("KeyMarker", ""), arguments.get("UploadIdMarker", "~"))
        found = sorted(
            (upload.version.key, upload.id)
            for upload in bucket.uploads.values()
            if upload.version.key.startswith(arguments.get("Prefix", ""))
        )
        found = [each for each in found if each > start] if start[0] else found
        page = found[: self._size(arguments, "MaxUploads")]
        more = len(page) < len(found)
        return {
            "IsTruncated": more,
            **({"Uploads": [{"Key": key, "UploadId": upload} for key, upload in page]} if page else {}),
            **({"NextKeyMarker": page[-1][0], "NextUploadIdMarker": page[-1][1]} if more and page else {}),
        }

    def _size(self, arguments: Mapping[str, Any], name: str) -> int:
        return min(int(arguments.get(name, self.page)), self.page)

    # --- uploads in parts -----------------------------------------------------------------------------------

    def create_multipart_upload(self, **arguments: Any) -> dict[str, Any]:
        """CreateMultipartUpload."""
        bucket = self._bucket("CreateMultipartUpload", arguments)
        upload = Upload(self._number("u"), self._made_with(bucket, arguments))
        bucket.uploads[upload.id] = upload
        return {"Bucket": bucket.name, "Key": upload.version.key, "UploadId": upload.id}

    def upload_part(self, **arguments: Any) -> dict[str, Any]:
        """UploadPart."""
        content = arguments["Body"]
        self._upload("UploadPart", arguments).parts[arguments["PartNumber"]] = content
        return {"ETag": _etag(content)}

    def upload_part_copy(self, **arguments: Any) -> dict[str, Any]:
        """UploadPartCopy."""
        upload = self._upload("UploadPartCopy", arguments)
        content = self._source("UploadPartCopy", arguments).body or b""
        if "CopySourceRange" in arguments:
            first, _, last = arguments["CopySourceRange"].removeprefix("bytes=").partition("-")
            content = content[int(first) : int(last) + 1]
        upload.parts[arguments["PartNumber"]] = content
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        return {"CopyPartResult": {"ETag": _etag(content), "ChecksumSHA256": checksum}}

    def complete_multipart_upload(self, **arguments: Any) -> dict[str, Any]:
        """CompleteMultipartUpload."""
        upload = self._upload("CompleteMultipartUpload", arguments)
        parts = [upload.parts[part["PartNumber"]] for part in arguments["MultipartUpload"]["Parts"]]
        digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
        etag = f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'
        bucket = self.buckets[arguments["Bucket"]]
        version = replace(upload.version, body=b"".join(parts), etag=etag, modified=self._time)
        bucket.add(version)
        del bucket.uploads[upload.id]
        return {"ETag": etag, **version.named}

    def abort_multipart_upload(self, **arguments: Any) -> dict[str, Any]:
        """AbortMultipartUpload."""
        upload = self._upload("AbortMultipartUpload", arguments)
        del self.buckets[arguments["Bucket"]].uploads[upload.id]
        return {}

    def list_parts(self, **arguments: Any) -> dict[str, Any]:
        """ListParts."""
        upload = self._upload("ListParts", arguments)
        parts = [
            {"PartNumber": number, "ETag": _etag(part), "Size": len(part)}
            for number, part in sorted(upload.parts.items())
        ]
        return {"Parts": parts, "IsTruncated": False}

    def _upload(self, operation: str, arguments: Mapping[str, Any]) -> Upload:
        bucket = self._bucket(operation, arguments)
        upload = bucket.uploads.get(arguments["UploadId"])
        if upload is None or upload.version.key != arguments["Key"]:
            raise error("NoSuchUpload", operation)
        return upload


def new_bucket(name: str) -> Bucket:
    """Return a bucket as S3 makes them since 2023: closed to the public, and encrypted."""
    return Bucket(
        name,
        public_access_block=dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        ),
        encryption={
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                    "BucketKeyEnabled": False,
                }
            ]
        },
    )


def copy_source(source: Any) -> dict[str, str]:
    """Return the bucket, the key and maybe the version that a copy is of."""
    if isinstance(source, str):
        bucket, _, rest = source.partition("/")
        key, _, version = rest.partition("?versionId=")
        return {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
    return dict(source)


def _tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _wants_sha256(arguments: Mapping[str, Any]) -> bool:
    return arguments.get("ChecksumAlgorithm") == "SHA256" or "ChecksumSHA256" in arguments
