"""Making one place hold what another holds: a comparison of both as they are, and what follows from it.

So one function serves a first copy, its resumption after a crash, and the changes since: what is new, what is
changed, what is gone. What changes while it runs is for its next run to see.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from tenkacloud.objects.comparison import Digest, StoredObject, is_copied, merge
from tenkacloud.objects.copying import ObjectCopier, raise_first
from tenkacloud.objects.listing import Listing, Location, VersionListing, current_objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: What is done before the time is looked at again: so many keys, or copies of so many bytes.
CHUNK_KEYS: Final = 1000
CHUNK_BYTES: Final = 16 * 1024**3
DELETE_MAX: Final = 1000  # keys a call; S3's limit
#: What XML 1.0 cannot hold, as far as keys may have it. Such keys are deleted one by one.
_CONTROL: Final = frozenset(map(chr, {*range(32)} - {9, 10, 13})) | {"\ufffe", "\uffff"}


@dataclass
class SyncRun:
    """One run over both places, from behind a key, as far as time allows.

    `after` is the last key that is done. `objects` and `bytes` are those of the source that it came by. Of
    them, `copied` were to be copied, and of those `vanished` were gone before they could be; `deleted` counts
    what was there in the target only. A run over everything also has the source's `digest`, and `listing`
    the time of its newest version.

    With `look_ahead`, so many objects of the source are listed before anything is copied: if that is all of
    them, `total` is their number as soon as the first is copied. It costs memory, about 0.5 kB for each.
    """

    copier: ObjectCopier
    after: str = ""
    look_ahead: int = 0
    total: int | None = field(default=None, init=False)
    objects: int = 0
    bytes: int = 0
    copied: int = 0
    deleted: int = 0
    vanished: list[str] = field(default_factory=list)
    digest: Digest = field(default_factory=Digest)
    listing: VersionListing = field(init=False)

    def __post_init__(self) -> None:
        self.listing = VersionListing(self.copier.s3, self.copier.source)

    @property
    def changes(self) -> int:
        """How much was not as it should be."""
        return self.copied + self.deleted

    def run(self, keep_going: Callable[[], bool]) -> bool:
        """Go on to the end, or until it is time to stop; return whether this is the end.

        A huge object is begun by a fresh run only, since it needs the time of a whole one.

        Raises:
            PermanentError: an object can't be copied, however often that is tried.
            botocore.exceptions.ClientError: S3 failed in a way that a retry may mend.
        """
        s3, target = self.copier.s3, self.copier.target
        listings = (self.listing.objects(self.after), current_objects(s3, target, self.after))
        pairs = merge(self._source(listings[0]), listings[1])
        is_fresh = True
        for chunk in self._chunks(pairs):
            if not is_fresh and (chunk.is_huge or not keep_going()):
                return False
            self._do(chunk, listings)
            is_fresh = False
        return True

    def _source(self, listing: Iterator[StoredObject]) -> Iterator[StoredObject]:
        if not self.look_ahead:
            return listing
        first = list(islice(listing, self.look_ahead))
        if len(first) < self.look_ahead:
            self.total = len(first)
        return chain(first, listing)

    def _do(self, chunk: "_Chunk", listings: Sequence[Listing]) -> None:
        """Do what is to be done, and have the next pages listed meanwhile."""
        deletions = [partial(self._delete, keys) for keys in in_batches(chunk.deletions, DELETE_MAX)]
        if chunk.is_huge:
            for stored in chunk.copies:
                self._copy(stored)
        else:
            copies = [partial(self._copy, stored) for stored in chunk.copies]
            pages = [partial(listing.prefetch, CHUNK_KEYS) for listing in listings]
            raise_first(self.copier.together([*pages, *copies, *deletions]))
        self.deleted += len(chunk.deletions)
        self.copied += len(chunk.copies)
        self.objects += chunk.objects
        self.bytes += chunk.bytes
        self.after = chunk.last

    def _delete(self, keys: Sequence[str]) -> None:
        self.copier.hold()
        delete_keys(self.copier.s3, self.copier.target, keys)

    def _copy(self, stored: StoredObject) -> None:
        if self.copier.copy(stored, stored.key) is None:
            self.vanished.append(stored.key)

    def _chunks(self, pairs: Iterator[tuple[StoredObject | None, StoredObject | None]]) -> "Iterator[_Chunk]":
        chunk = _Chunk()
        for source, target in pairs:
            copy = source is not None and not (target is not None and is_copied(source, target))
            if copy and source is not None and self.copier.is_huge(source):
                if chunk.keys:
                    yield chunk
                self.digest.add(source)
                yield _Chunk([source], [], 1, 1, source.size, source.size, source.key, is_huge=True)
                chunk = _Chunk()
                continue
            if source is not None:
                self.digest.add(source)
            chunk.add(source, target, copy=copy)
            if chunk.is_full:
                yield chunk
                chunk = _Chunk()
        if chunk.keys:
            yield chunk


@dataclass
class _Chunk:
    """What is done between two looks at the time."""

    copies: list[StoredObject] = field(default_factory=list)
    deletions: list[str] = field(default_factory=list)
    keys: int = 0
    objects: int = 0
    bytes: int = 0
    bytes_to_copy: int = 0
    last: str = ""
    is_huge: bool = False

    @property
    def is_full(self) -> bool:
        return self.keys >= CHUNK_KEYS or self.bytes_to_copy >= CHUNK_BYTES

    def add(self, source: StoredObject | None, target: StoredObject | None, *, copy: bool) -> None:
        self.keys += 1
        if source is not None:
            self.objects += 1
            self.bytes += source.size
            self.last = source.key
            if copy:
                self.copies.append(source)
                self.bytes_to_copy += source.size
        elif target is not None:
            self.last = target.key
            self.deletions.append(target.key)


def delete_keys(s3: "S3Client", location: Location, keys: Sequence[str]) -> None:
    """Delete current objects by their relative keys, at most `DELETE_MAX`. A bucket with versions keeps them.

    Raises:
        RuntimeError: S3 left some of them.
        botocore.exceptions.ClientError: S3 failed.
    """
    plain = [key for key in keys if _CONTROL.isdisjoint(key)]
    for key in keys:
        if not _CONTROL.isdisjoint(key):
            s3.delete_object(**location.arguments, Key=location.key(key))
    if not plain:
        return
    objects: Any = [{"Key": location.key(key)} for key in plain]
    answer = s3.delete_objects(**location.arguments, Delete={"Objects": objects, "Quiet": True})
    if errors := answer.get("Errors"):
        raise RuntimeError(f"S3 did not delete {len(errors)} objects, the first: {errors[0].get('Code')}")


def in_batches(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Yield the values in batches of at most so many."""
    return (values[start : start + size] for start in range(0, len(values), size))
