"""Comparing listings: pure, so shown for many of them."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenkacloud.objects.comparison import (
    MOVE_MARKER,
    Digest,
    StoredObject,
    has_same_content,
    is_copied,
    is_ours,
    merge,
)

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def stored(key: str, *, size: int = 1, etag: str = "aa", seconds: int = 0) -> StoredObject:
    return StoredObject(key, size, etag, THEN + timedelta(seconds=seconds))


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


@given(st.sets(keys), st.sets(keys))
def test_a_merge_yields_each_key_once_in_the_order_of_its_bytes(one: set[str], other: set[str]) -> None:
    def listing(of: set[str]) -> list[StoredObject]:
        return [stored(key) for key in sorted(of, key=str.encode)]

    pairs = list(merge(listing(one), listing(other)))
    found = [(source or target).key for source, target in pairs if source or target]  # type: ignore[union-attr]
    assert found == sorted(one | other, key=str.encode)
    assert {source.key for source, _ in pairs if source} == one
    assert {target.key for _, target in pairs if target} == other


@pytest.mark.parametrize(
    ("source", "target", "copied"),
    [
        (stored("k"), stored("k", seconds=1), True),
        (stored("k", size=2), stored("k", seconds=1), False),
        (stored("k", etag="bb"), stored("k", seconds=1), False),
        # written again with the same content: its metadata may be others
        (stored("k", seconds=1), stored("k"), False),
        (stored("k"), stored("k"), False),
        # in parts, as it was uploaded
        (stored("k", etag="aa-2"), stored("k", etag="aa-2", seconds=1), True),
        # S3 dates what was uploaded in parts by the begin of the upload: the copy is of the object before it
        (stored("k", etag="aa-2"), stored("k", etag="aa", seconds=1), False),
        (stored("k", etag="aa-2"), stored("k", etag="bb-2", seconds=1), False),
        # one that had to be copied in parts
        (stored("k", etag="aa"), stored("k", etag="bb-3", seconds=1), True),
    ],
)
def test_what_counts_as_copied(source: StoredObject, target: StoredObject, copied: bool) -> None:
    assert is_copied(source, target) is copied


def test_a_listing_that_is_as_new_as_its_copy_still_has_the_same_content() -> None:
    assert has_same_content(stored("k", seconds=1), stored("k"))
    assert not has_same_content(stored("k", etag="bb"), stored("k"))


def test_a_digest_is_that_of_its_lines() -> None:
    digest = Digest()
    digest.add(stored("a", size=3, etag="x"))
    digest.add(stored("b\n", size=0, etag="y-2"))
    assert digest.hex() == hashlib.sha256(b"a\x003\x00x\nb\n\x000\x00y-2\n").hexdigest()


@pytest.mark.parametrize(
    ("key", "size", "ours"),
    [
        (".tenkacloud.json", 9, True),
        (MOVE_MARKER, 9, True),
        ("", 0, True),
        ("", 1, False),
        ("folder/", 0, False),
        (f"folder/{MOVE_MARKER}", 9, False),
    ],
)
def test_which_objects_are_not_the_tenants(key: str, size: int, ours: bool) -> None:
    assert is_ours(key, size) is ours
