"""What is computed of S3's copies, each function by itself."""

import hashlib
from typing import Any

import pytest

from scripts.local_aws.engine import copies

WHOLE = f'"{hashlib.md5(b"content", usedforsecurity=False).hexdigest()}"'


def checksum(algorithm: str, content: bytes) -> str | None:
    return f"{algorithm} of {content.decode()}" if algorithm != "UNKNOWN" else None


@pytest.mark.parametrize(
    ("headers", "algorithm"),
    [
        ({"x-amz-checksum-algorithm": "SHA256"}, "SHA256"),
        ({"x-amz-checksum-algorithm": "crc_32"}, "CRC32"),
        ({"x-amz-checksum-algorithm": ""}, None),
        ({}, None),
    ],
)
def test_a_copy_names_its_algorithm(headers: dict[str, str], algorithm: str | None) -> None:
    assert copies.algorithm_of(headers) == algorithm


@pytest.mark.parametrize(
    ("record", "algorithm", "own"),
    [
        # by the algorithm asked for, and by no other
        (
            {"etag": '"e"', "checksums": {"CRC32": "c"}},
            "SHA256",
            {"checksums": {"SHA256": "SHA256 of content"}},
        ),
        ({"etag": '"e"', "checksums": {"CRC32": "c"}}, None, {"checksums": {"CRC32": "CRC32 of content"}}),
        ({"etag": '"e"', "checksums": {}}, None, {"checksums": {}}),
        ({"etag": '"e"'}, "UNKNOWN", {"checksums": {}}),
        # a source in parts
        (
            {"etag": '"e-2"', "checksums": {"SHA256": "c-2"}},
            None,
            {"etag": WHOLE, "checksums": {"SHA256": "SHA256 of content"}},
        ),
    ],
)
def test_a_copy_has_one_checksum_of_its_whole_content(
    record: dict[str, Any], algorithm: str | None, own: dict[str, Any]
) -> None:
    assert copies.of_whole(record, b"content", algorithm, checksum) == own


@pytest.mark.parametrize(
    ("number", "sizes", "headers"),
    [
        (1, [5, 3], {"Content-Length": "5", "x-amz-mp-parts-count": "2"}),
        (2, [5, 3], {"Content-Length": "3", "x-amz-mp-parts-count": "2"}),
        (3, [5, 3], None),
        (0, [5, 3], None),
        (1, [], {}),
        (2, [], None),
    ],
)
def test_a_part_is_told_apart(number: int, sizes: list[int], headers: dict[str, str] | None) -> None:
    assert copies.part_headers(number, sizes) == headers


def test_elements_of_an_answer_are_added_and_replaced() -> None:
    answer = (200, {"h": "1"}, b"<R><ETag>&quot;old&quot;</ETag></R>")
    elements = {"ETag": '"new"', **copies.checksum_elements({"SHA256": "s="})}
    assert copies.with_elements(answer, elements) == (
        200,
        {"h": "1"},
        b'<R><ETag>"new"</ETag><ChecksumSHA256>s=</ChecksumSHA256><ChecksumType>FULL_OBJECT</ChecksumType></R>',
    )
    assert copies.with_elements(answer, copies.checksum_elements({}))[2] == answer[2]


def test_an_element_is_found() -> None:
    assert copies.element(b"<R><UploadId>u</UploadId></R>", "UploadId") == "u"
    assert copies.element(b"<R/>", "UploadId") == ""
