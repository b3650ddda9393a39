"""What S3 requests are about, each function by itself."""

from collections.abc import Mapping
from typing import Any

import pytest

from scripts.local_aws.engine import objects


@pytest.mark.parametrize(
    ("path", "bucket", "key", "plain"),
    [
        ("/b/tenants/a/1", "b", "tenants/a/1", "/b/key"),
        ("/b/tenants//a/", "b", "tenants//a/", "/b/key"),
        ("/b//", "b", "/", "/b/key"),
        ("/b/", "b", "", "/b/"),
        ("/b", "b", "", "/b"),
        ("/", "", "", "/"),
    ],
)
def test_a_key_is_taken_to_the_letter(path: str, bucket: str, key: str, plain: str) -> None:
    assert (objects.bucket_of(path), objects.key_of(path), objects.plain(path)) == (bucket, key, plain)


@pytest.mark.parametrize(
    ("targets", "checks"),
    [
        ([("arn:1", "v"), ("arn:2", "v")], [("s3:DeleteObjectVersion", "arn:1")]),
        ([("arn:1", ""), ("arn:2", "v")], []),
        ([], []),
    ],
)
def test_the_first_of_a_batch_is_checked_for_its_version(
    targets: list[tuple[str, str]], checks: list[tuple[str, str]]
) -> None:
    assert objects.first_version(targets) == checks


OWN = {"x-amz-expected-bucket-owner": "1"}
SOURCE = {"x-amz-copy-source": "/other/a%2Fb", "x-amz-source-expected-bucket-owner": "1"}


@pytest.mark.parametrize(
    ("bucket", "headers", "unexpected"),
    [
        ("own", OWN, False),
        ("other", OWN, True),
        ("gone", OWN, False),
        ("other", {}, False),
        ("own", SOURCE, True),
        ("own", {**OWN, **SOURCE}, True),
        ("other", {**SOURCE, "x-amz-source-expected-bucket-owner": "2"}, False),
        # One bucket, for both.
        ("other", {**OWN, **SOURCE, "x-amz-source-expected-bucket-owner": "2"}, True),
    ],
)
def test_a_bucket_of_another_account_is_unexpected(
    bucket: str, headers: dict[str, str], unexpected: bool
) -> None:
    owners = {"own": "1", "other": "2"}
    assert objects.has_unexpected_owner(f"/{bucket}/key", headers, owners.get) is unexpected


TAGGED = "/source/a%2Fb"
PUT = ("s3:PutObjectTagging", "arn:aws:s3:::b/key")


@pytest.mark.parametrize(
    ("headers", "checks"),
    [
        ({}, []),
        ({"x-amz-tagging": "t=1"}, [PUT]),
        ({"x-amz-copy-source": TAGGED}, [("s3:GetObjectTagging", "arn:aws:s3:::source/a/b"), PUT]),
        (
            {"x-amz-copy-source": f"{TAGGED}?versionId=v1"},
            [("s3:GetObjectVersionTagging", "arn:aws:s3:::source/a/b"), PUT],
        ),
        ({"x-amz-copy-source": f"{TAGGED}?versionId=v2"}, []),
        ({"x-amz-copy-source": "source/untagged"}, []),
        ({"x-amz-copy-source": TAGGED, "x-amz-tagging-directive": "REPLACE"}, []),
        (
            {"x-amz-copy-source": TAGGED, "x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "t=1"},
            [PUT],
        ),
    ],
)
def test_tags_are_checked_where_some_are_given(
    headers: dict[str, str], checks: list[tuple[str, str]]
) -> None:
    def tags_of(bucket: str, key: str, query: Mapping[str, Any]) -> dict[str, str]:
        tagged = (bucket, key) == ("source", "a/b") and query.get("versionId") in (None, ["v1"])
        return {"t": "1"} if tagged else {}

    assert objects.tagging("/b/key", headers, tags_of) == checks
