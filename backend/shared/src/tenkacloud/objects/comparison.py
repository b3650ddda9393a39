"""Comparing two listings of one tenant's objects: what to copy, what to delete, what is the same. Pure.

Listings come in the order of their keys' UTF-8, as S3 sends them; that is also Python's order of strings. So
two of them are merged as they come, and a key is all that is needed to go on from where one stopped.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tenkacloud.isolation.resource_names import POOL_MARKER

#: Marks the target of a move: says which operation fills it.
MOVE_MARKER: Final = ".tenkacloud-move.json"
#: Relative keys that are ours and no tenant's: never moved, exported or compared.
RESERVED: Final = frozenset({POOL_MARKER, MOVE_MARKER})


@dataclass(frozen=True)
class StoredObject:
    """A current object. `key` is relative, `etag` without quotes, `last_modified` S3's, in UTC.

    `version_id` is None where the listing was one of objects and not of versions, and for an object of a
    bucket that keeps no versions.
    """

    key: str
    size: int
    etag: str
    last_modified: datetime
    version_id: str | None = None
    storage_class: str = "STANDARD"

    @property
    def is_multipart(self) -> bool:
        """Whether it was uploaded or copied in parts: its ETag is then no MD5 of its content."""
        return "-" in self.etag


Pair = tuple[StoredObject | None, StoredObject | None]


def merge(source: Iterable[StoredObject], target: Iterable[StoredObject]) -> Iterator[Pair]:
    """Yield the objects of two listings by key: both, or the one that is there and None."""
    sources, targets = iter(source), iter(target)
    one, other = next(sources, None), next(targets, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.key < other.key):
            yield one, None
            one = next(sources, None)
        elif one is None or other.key < one.key:
            yield None, other
            other = next(targets, None)
        else:
            yield one, other
            one, other = next(sources, None), next(targets, None)


def has_same_content(source: StoredObject, target: StoredObject) -> bool:
    """Tell whether a copy has its source's content, as far as sizes and ETags say.

    A copy keeps the ETag: an MD5 of the content, or one of the parts' where the copy has the same parts. Only
    a single object that we had to copy in parts gets another.
    """
    if source.size != target.size:
        return False
    return source.etag == target.etag or (target.is_multipart and not source.is_multipart)


def is_copied(source: StoredObject, target: StoredObject) -> bool:
    """Tell whether the target is a copy of the source as it is now.

    Not where the source is as new as the copy, even with the same content: its metadata or tags may differ.
    S3 counts whole seconds, so an object that was written in the second of its copy is copied twice. And it
    dates what was uploaded in parts by the begin of the upload: of such an object another ETag tells that it
    is new, but nothing tells that only its metadata is, if the upload began before the copy.
    """
    return has_same_content(source, target) and source.last_modified < target.last_modified


def is_ours(key: str, size: int) -> bool:
    """Tell whether an object is none of the tenant's: ours, or what some tools put for a folder's name."""
    return key in RESERVED or (not key and not size)


class Digest:
    """The SHA-256 of a listing: of a line `key NUL size NUL etag` for each object, in the keys' order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, stored: StoredObject) -> None:
        """Take the next object."""
        self._hash.update(f"{stored.key}\0{stored.size}\0{stored.etag}\n".encode())

    def hex(self) -> str:
        """Return the digest of what came so far, in hex."""
        return self._hash.hexdigest()
