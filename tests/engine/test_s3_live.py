"""Moving and purging objects on the engine is as on AWS: tried by real calls.

AWS: S3 API Reference and Service Authorization Reference of Amazon S3.
"""

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.tooling.project import REGION
from tests.conftest import running_engine
from tests.engine.cloud import Caller, Cloud, is_allowed, refusal

SOURCE, TARGET = "moves-source", "moves-target"
MIB = 1024**2
#: All but the tags' actions: what moves objects without tags.
WITHOUT_TAGS = ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        # Starting an engine leaves its endpoint there, which other tests' is not.
        patch.setenv("AWS_ENDPOINT_URL", "")
        with running_engine() as engine:
            root = Cloud(engine.endpoint.url)
            for bucket in (SOURCE, TARGET):
                location = {"LocationConstraint": REGION}
                root.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
                root.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            yield root


def sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def md5(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def put(cloud: Cloud, key: str, content: bytes = b"content", **more: Any) -> str:
    """Write an object; return its version."""
    version: str = cloud.s3.put_object(Bucket=SOURCE, Key=key, Body=content, **more)["VersionId"]
    return version


def put_in_parts(cloud: Cloud, key: str, *parts: bytes, **more: Any) -> str:
    """Write an object in parts; return its version."""
    upload: Any = {"Bucket": SOURCE, "Key": key}
    upload["UploadId"] = cloud.s3.create_multipart_upload(**upload, **more)["UploadId"]
    etags = [
        {
            "PartNumber": number,
            "ETag": cloud.s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"],
        }
        for number, part in enumerate(parts, start=1)
    ]
    version: str = cloud.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": etags})["VersionId"]
    return version


def copy(caller: Caller, key: str, version: str = "", **more: Any) -> Any:
    source = {"Bucket": SOURCE, "Key": key, **({"VersionId": version} if version else {})}
    return caller.s3.copy_object(Bucket=TARGET, Key=key, CopySource=source, **more)["CopyObjectResult"]


def checksums(cloud: Cloud, key: str) -> dict[str, str]:
    head = cloud.s3.head_object(Bucket=TARGET, Key=key, ChecksumMode="ENABLED")
    return {name: value for name, value in head.items() if name.startswith("Checksum")}


def test_a_copy_is_given_the_checksum_that_is_asked_for(cloud: Cloud) -> None:
    put(cloud, "sum", b"some content")
    wanted = {"ChecksumSHA256": sha256(b"some content"), "ChecksumType": "FULL_OBJECT"}
    answer = copy(cloud, "sum", ChecksumAlgorithm="SHA256")
    assert {name: value for name, value in answer.items() if name.startswith("Checksum")} == wanted
    # and keeps it, and no other; also of an older version
    assert checksums(cloud, "sum") == wanted
    older = put(cloud, "sum-of-older", b"older")
    put(cloud, "sum-of-older", b"newer")
    assert copy(cloud, "sum-of-older", older, ChecksumAlgorithm="SHA256")["ChecksumSHA256"] == sha256(
        b"older"
    )


def test_an_object_in_parts_that_is_copied_whole_is_whole(cloud: Cloud) -> None:
    """Its ETag and its checksum are of the content, no more of the parts (checking-object-integrity)."""
    parts = b"x" * 5 * MIB, b"the end"
    put_in_parts(cloud, "parts", *parts, ChecksumAlgorithm="SHA256")
    assert cloud.s3.head_object(Bucket=SOURCE, Key="parts")["ETag"].endswith('-2"')
    answer = copy(cloud, "parts")
    assert answer["ETag"] == md5(b"".join(parts))
    assert cloud.s3.head_object(Bucket=TARGET, Key="parts")["ETag"] == md5(b"".join(parts))
    assert checksums(cloud, "parts") == {
        "ChecksumSHA256": sha256(b"".join(parts)),
        "ChecksumType": "FULL_OBJECT",
    }


def test_the_parts_of_an_object_can_be_looked_at_and_copied(cloud: Cloud) -> None:
    """So a copy in the same parts has the same ETag, and a checksum of its parts' checksums."""
    parts = b"x" * 5 * MIB, b"y" * 5 * MIB, b"the end"
    version = put_in_parts(cloud, "by-part", *parts)
    source = {"Bucket": SOURCE, "Key": "by-part", "VersionId": version}
    heads = [cloud.s3.head_object(**source, PartNumber=number) for number in (1, 2, 3)]
    assert [head["ContentLength"] for head in heads] == [len(part) for part in parts]
    assert {head["PartsCount"] for head in heads} == {3}
    with pytest.raises(ClientError, match="416"):
        cloud.s3.head_object(**source, PartNumber=4)
    upload: Any = {"Bucket": TARGET, "Key": "by-part"}
    upload["UploadId"] = cloud.s3.create_multipart_upload(
        **upload, ChecksumAlgorithm="SHA256", Tagging="a=1&b=%26"
    )["UploadId"]
    start, made = 0, []
    for number, part in enumerate(parts, start=1):
        copied = cloud.s3.upload_part_copy(
            **upload,
            PartNumber=number,
            CopySource=source,
            CopySourceRange=f"bytes={start}-{start + len(part) - 1}",
        )["CopyPartResult"]
        assert copied["ChecksumSHA256"] == sha256(part)
        made.append({"PartNumber": number, "ETag": copied["ETag"], "ChecksumSHA256": sha256(part)})
        start += len(part)
    done = cloud.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": made})
    assert done["ETag"] == cloud.s3.head_object(**source)["ETag"]
    of_parts = sha256(b"".join(base64.b64decode(sha256(part)) for part in parts))
    assert done["ChecksumSHA256"] == f"{of_parts}-3"
    tags = cloud.s3.get_object_tagging(Bucket=TARGET, Key="by-part")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"a": "1", "b": "&"}


def test_a_whole_object_has_one_part(cloud: Cloud) -> None:
    put(cloud, "whole", b"12345")
    head = cloud.s3.head_object(Bucket=SOURCE, Key="whole", PartNumber=1)
    assert head["ContentLength"] == len(b"12345")
    assert "PartsCount" not in head


def test_a_copy_can_insist_on_a_free_key(cloud: Cloud) -> None:
    put(cloud, "free", b"1")
    copy(cloud, "free", IfNoneMatch="*")
    put(cloud, "free", b"2")
    assert refusal(copy, caller=cloud, key="free", IfNoneMatch="*").startswith("PreconditionFailed")
    assert cloud.s3.get_object(Bucket=TARGET, Key="free")["Body"].read() == b"1"
    # a key that a delete marker hides is free
    cloud.s3.delete_object(Bucket=TARGET, Key="free")
    copy(cloud, "free", IfNoneMatch="*")


def test_a_copy_of_a_version_carries_what_belongs_to_it(cloud: Cloud) -> None:
    version = put(cloud, "all", b"1", ContentType="text/x-1", Metadata={"m": "1"}, Tagging="t=1")
    put(cloud, "all", b"2", ContentType="text/x-2", Metadata={"m": "2"}, Tagging="t=2")
    copy(cloud, "all", version, ChecksumAlgorithm="SHA256")
    head = cloud.s3.head_object(Bucket=TARGET, Key="all")
    tags = cloud.s3.get_object_tagging(Bucket=TARGET, Key="all")["TagSet"]
    assert (head["ContentType"], head["Metadata"], tags) == (
        "text/x-1",
        {"m": "1"},
        [{"Key": "t", "Value": "1"}],
    )


#: What S3 takes in a key, and a listing has to tell: XML, URLs, control characters, more than 16 bits.
KEYS = [
    "",
    "/",
    " ",
    "+",
    "%",
    "&<>\"'",
    "a b+c%2B",
    "\x01",
    "\n\r\t",
    "ü",
    "日本",
    "\U0001f600",
    "\x7f",
    "\ufffd",
]


def test_versions_of_any_key_are_listed_in_order(cloud: Cloud) -> None:
    keys = sorted((f"keys/{key}" for key in KEYS), key=str.encode)
    for key in keys:
        put(cloud, key, b"1")
    newest = [put(cloud, key, b"2") for key in keys]
    pages = cloud.s3.get_paginator("list_object_versions").paginate(
        Bucket=SOURCE, Prefix="keys/", PaginationConfig={"PageSize": 3}
    )
    listed = [version for page in pages for version in page["Versions"]]
    assert [version["Key"] for version in listed] == [key for key in keys for _ in "12"]
    assert [version["VersionId"] for version in listed if version["IsLatest"]] == newest
    assert [version["IsLatest"] for version in listed] == [True, False] * len(keys)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_a_listing_goes_on_where_its_last_version_is_gone(cloud: Cloud, size: int) -> None:
    """Whoever purges deletes what a page holds, and lists on."""
    for key in ("gone/a", "gone/b", "gone/c"):
        for content in (b"1", b"2", b"3", b"4"):
            put(cloud, key, content)
        cloud.s3.delete_object(Bucket=SOURCE, Key=key)
    pages = cloud.s3.get_paginator("list_object_versions").paginate(
        Bucket=SOURCE, Prefix="gone/", PaginationConfig={"PageSize": size}
    )
    for page in pages:
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        assert len(found) <= size
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        cloud.s3.delete_objects(Bucket=SOURCE, Delete={"Objects": objects})
    left = cloud.s3.list_object_versions(Bucket=SOURCE, Prefix="gone/")
    assert not [*left.get("Versions", ()), *left.get("DeleteMarkers", ())]


def test_uploads_of_any_key_are_listed(cloud: Cloud) -> None:
    keys = sorted((f"uploads/{key}" for key in KEYS if key.isprintable()), key=str.encode)
    for key in keys:
        cloud.s3.create_multipart_upload(Bucket=SOURCE, Key=key)
    pages = cloud.s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=SOURCE, Prefix="uploads/", PaginationConfig={"PageSize": 2}
    )
    uploads = [upload for page in pages for upload in page["Uploads"]]
    assert [upload["Key"] for upload in uploads] == keys
    for upload in uploads:
        cloud.s3.abort_multipart_upload(Bucket=SOURCE, Key=upload["Key"], UploadId=upload["UploadId"])
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=SOURCE, Prefix="uploads/")


# --- permissions --------------------------------------------------------------------------------------------


def session(cloud: Cloud, *actions: str) -> Caller:
    """Return a session of a role that may do this to objects and buckets, and nothing else."""
    name = f"role-{hashlib.sha256(repr(actions).encode()).hexdigest()[:16]}"
    buckets = [f"arn:aws:s3:::{bucket}{part}" for bucket in (SOURCE, TARGET) for part in ("", "/*")]
    with contextlib.suppress(cloud.iam.exceptions.EntityAlreadyExistsException):
        cloud.role(name, {"Action": list(actions), "Resource": buckets})
    return cloud.assume(name)


@pytest.mark.parametrize("missing", ["s3:GetObjectVersionTagging", "s3:PutObjectTagging"])
def test_to_copy_tags_they_must_be_read_and_written(cloud: Cloud, missing: str) -> None:
    tagged = put(cloud, "tagged", Tagging="a=1")
    plain = put(cloud, "plain")
    needed = {*WITHOUT_TAGS, "s3:GetObjectVersionTagging", "s3:PutObjectTagging"}
    assert is_allowed(copy, caller=session(cloud, *sorted(needed)), key="tagged", version=tagged)
    lacking = session(cloud, *sorted(needed - {missing}))
    assert not is_allowed(copy, caller=lacking, key="tagged", version=tagged)
    # where there are none, nothing more is needed
    assert is_allowed(copy, caller=lacking, key="plain", version=plain)


def test_to_copy_the_tags_of_the_current_object_is_another_action(cloud: Cloud) -> None:
    put(cloud, "tagged", Tagging="a=1")
    assert is_allowed(
        copy, caller=session(cloud, *WITHOUT_TAGS, "s3:GetObjectTagging", "s3:PutObjectTagging"), key="tagged"
    )
    assert not is_allowed(
        copy,
        caller=session(cloud, *WITHOUT_TAGS, "s3:GetObjectVersionTagging", "s3:PutObjectTagging"),
        key="tagged",
    )


def test_to_give_tags_needs_a_permission(cloud: Cloud) -> None:
    writer, tagger = session(cloud, "s3:PutObject"), session(cloud, "s3:PutObject", "s3:PutObjectTagging")
    target: Any = {"Bucket": TARGET, "Key": "given"}
    for call in (writer.s3.put_object, writer.s3.create_multipart_upload):
        assert is_allowed(call, **target)
        assert not is_allowed(call, **target, Tagging="a=1")
    for call in (tagger.s3.put_object, tagger.s3.create_multipart_upload):
        assert is_allowed(call, **target, Tagging="a=1")
    # replacing a copy's tags reads none of the source's
    put(cloud, "given", Tagging="a=1")
    copier = session(cloud, *WITHOUT_TAGS)
    assert is_allowed(copy, caller=copier, key="given", TaggingDirective="REPLACE")
    assert not is_allowed(copy, caller=copier, key="given", TaggingDirective="REPLACE", Tagging="a=2")


#: Calls that move, export and purge, with the one action that each needs.
ACTIONS: dict[str, Callable[[Any, str], Any]] = {
    "s3:GetObjectVersion": lambda s3, version: s3.get_object(Bucket=SOURCE, Key="one", VersionId=version),
    "s3:GetObject": lambda s3, _: s3.head_object(Bucket=SOURCE, Key="one"),
    "s3:GetObjectTagging": lambda s3, _: s3.get_object_tagging(Bucket=SOURCE, Key="one"),
    "s3:GetObjectVersionTagging": lambda s3, version: s3.get_object_tagging(
        Bucket=SOURCE, Key="one", VersionId=version
    ),
    "s3:DeleteObjectVersion": lambda s3, _: s3.delete_object(Bucket=SOURCE, Key="one", VersionId="none"),
    "s3:ListBucket": lambda s3, _: s3.list_objects_v2(Bucket=SOURCE),
    "s3:ListBucketVersions": lambda s3, _: s3.list_object_versions(Bucket=SOURCE),
    "s3:ListBucketMultipartUploads": lambda s3, _: s3.list_multipart_uploads(Bucket=SOURCE),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_each_call_needs_its_own_action(cloud: Cloud, action: str) -> None:
    version = put(cloud, "one", Tagging="a=1")
    others = sorted(set(ACTIONS) - {action})
    with_it, without = session(cloud, action).s3, session(cloud, *others).s3
    assert is_allowed(lambda: ACTIONS[action](with_it, version))
    assert not is_allowed(lambda: ACTIONS[action](without, version))
