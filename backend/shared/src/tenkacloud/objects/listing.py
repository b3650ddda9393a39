"""Listing what is in a place, by pages, from any key on."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tenkacloud.objects.comparison import RESERVED, StoredObject, is_ours

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Location:
    """Where objects are: all keys of a bucket that begin with a prefix, maybe an empty one.

    `account_id` is the account that has to own the bucket: names are global.
    """

    bucket: str
    prefix: str
    account_id: str

    @property
    def arguments(self) -> dict[str, Any]:
        """`Bucket` and `ExpectedBucketOwner`, for every S3 call."""
        return {"Bucket": self.bucket, "ExpectedBucketOwner": self.account_id}

    def key(self, relative: str) -> str:
        """Return the whole key of a relative one."""
        return f"{self.prefix}{relative}"

    def relative(self, key: str) -> str:
        """Return the relative key of a whole one."""
        return key.removeprefix(self.prefix)


class Listing(Iterator[StoredObject]):
    """The current objects behind a key, in the order of their keys, without our own; read by pages.

    `prefetch` reads the next page while something else is done: not while somebody else iterates.
    Both raise `botocore.exceptions.ClientError` where S3 does not list them.
    """

    def __init__(self, pages: Iterator[Any], parse: Callable[[Any], Iterator[StoredObject]]) -> None:
        self._pages: Iterator[Any] | None = pages
        self._parse = parse
        self._read: deque[StoredObject] = deque()

    def __next__(self) -> StoredObject:
        while not self._read:
            if self._pages is None:
                raise StopIteration
            self._read_page(self._pages)
        return self._read.popleft()

    def prefetch(self, wanted: int) -> None:
        """Read another page, unless as many objects as are wanted are read already."""
        if self._pages is not None and len(self._read) < wanted:
            self._read_page(self._pages)

    def _read_page(self, pages: Iterator[Any]) -> None:
        page = next(pages, None)
        if page is None:
            self._pages = None
        else:
            self._read.extend(self._parse(page))


def current_objects(s3: "S3Client", location: Location, after: str = "", *, page_size: int = 1000) -> Listing:
    """Return the current objects behind a relative key, as S3 lists objects."""
    start: dict[str, Any] = {"StartAfter": location.key(after)} if after else {}
    pages = s3.get_paginator("list_objects_v2").paginate(
        **location.arguments, Prefix=location.prefix, **start, PaginationConfig={"PageSize": page_size}
    )

    def parse(page: Any) -> Iterator[StoredObject]:
        for entry in page.get("Contents", ()):
            key = location.relative(entry["Key"])
            if not is_ours(key, entry["Size"]):
                yield StoredObject(
                    key=key,
                    size=entry["Size"],
                    etag=entry["ETag"].strip('"'),
                    last_modified=entry["LastModified"],
                    storage_class=entry.get("StorageClass", "STANDARD"),
                )

    return Listing(iter(pages), parse)


@dataclass
class VersionListing:
    """A listing of current objects with their version ids, from all versions there are.

    `newest` is when the newest version or delete marker was written that was listed so far, None if there was
    none. It is in UTC.
    """

    s3: "S3Client"
    location: Location
    newest: datetime | None = field(default=None, init=False)

    def objects(self, after: str = "", *, page_size: int = 1000) -> Listing:
        """Return the current objects behind a relative key, as S3 lists versions."""
        start: dict[str, Any] = {"KeyMarker": self.location.key(after)} if after else {}
        pages = self.s3.get_paginator("list_object_versions").paginate(
            **self.location.arguments,
            Prefix=self.location.prefix,
            **start,
            PaginationConfig={"PageSize": page_size},
        )

        def parse(page: Any) -> Iterator[StoredObject]:
            for marker in page.get("DeleteMarkers", ()):
                self._see(marker["Key"], marker["LastModified"])
            for version in page.get("Versions", ()):
                key = self._see(version["Key"], version["LastModified"])
                current = version["IsLatest"] and not is_ours(key, version["Size"])
                if current and (not after or key > after):
                    yield StoredObject(
                        key=key,
                        size=version["Size"],
                        etag=version["ETag"].strip('"'),
                        last_modified=version["LastModified"],
                        # What S3 calls a version of a bucket that keeps none.
                        version_id=None if version["VersionId"] == "null" else version["VersionId"],
                        storage_class=version.get("StorageClass", "STANDARD"),
                    )

        return Listing(iter(pages), parse)

    def _see(self, key: str, written: datetime) -> str:
        relative = self.location.relative(key)
        if relative not in RESERVED and (self.newest is None or self.newest < written):
            self.newest = written
        return relative
