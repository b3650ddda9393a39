"""Deleting all that is in a place: versions, delete markers, unfinished uploads; a bounded piece at a time.

Nothing has to be remembered from one piece to the next: what is deleted is not listed again, so whoever goes
on begins with a listing from the start. A place is empty when such a listing finds nothing.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

from tenkacloud.isolation.maintenance import MaintenanceSession
from tenkacloud.isolation.places import Place
from tenkacloud.platform.clients import Call
from tenkacloud.platform.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Versions that one listing returns and one DeleteObjects takes: S3's limit of both.
PAGE_MAX: Final = 1000
#: Pages that are deleted at the same time while as many are listed. S3 takes 3,500 deletions a second of a
#: prefix before it slows us down (S3 User Guide, "Optimizing performance"): more would only be throttled.
PAGES_TOGETHER: Final = 4
#: Uploads that are aborted in one round: each is a call.
_UPLOADS_TOGETHER: Final = 100
#: What a key may hold and XML may not (XML 1.0, "Characters"): DeleteObjects can't name such a key.
_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
#: Answers that say that what was to be deleted is gone.
_GONE: Final = frozenset({"NoSuchUpload", "NoSuchKey", "NoSuchVersion"})

_VERSIONS: Final = "Versions"
_MARKERS: Final = "DeleteMarkers"
_UPLOADS: Final = "Uploads"


@dataclass(frozen=True)
class PurgeProgress:
    """What was deleted, and whether the place was found empty afterwards. `bytes` are about the versions'."""

    versions: int = 0
    markers: int = 0
    uploads: int = 0
    bytes: int = 0
    done: bool = False


@dataclass(frozen=True)
class Purge:
    """Empties one place of a session's tenant: everything in it, our own objects, too.

    `together` makes calls that do not depend on each other. `has_time` is asked before each round, which
    deletes up to `PAGES_TOGETHER` pages.

    A session may not list the data bucket's uploads: AWS does not let IAM bound that by a prefix. They are
    listed with `uploads_of_pool`, a client of the function's own role; without one the pool's are left to
    the data bucket's lifecycle rule.
    """

    session: MaintenanceSession
    place: Place
    together: Callable[[Sequence[Call]], list[BaseException | None]]
    has_time: Callable[[], bool]
    uploads_of_pool: "S3Client | None" = None

    def run(self) -> PurgeProgress:
        """Delete until the place is empty or the time is up.

        An error after something was deleted only ends the run: so what was deleted is counted.

        Raises:
            botocore.exceptions.ClientError: S3 does not list, or does not delete, anything; worth a retry.
            botocore.exceptions.BotoCoreError: S3 does not answer; worth a retry.
        """
        prefix = self.session.prefix_of(self.place)
        if not self.place.is_silo and not prefix.endswith("/"):
            raise ValueError(f"the prefix {prefix!r} has no closing slash: it is others' as well")
        passes = _Passes()
        done = False
        try:
            while not done and self.has_time():
                passes.begin()
                if not (self._abort_uploads(passes) and self._delete_versions(passes)):
                    break
                passes.require_progress()
                done = passes.found_nothing
        except (ClientError, BotoCoreError) as error:
            if not passes.deleted.total():
                raise
            logger.warning("Purge interrupted", error=str(error))
        return PurgeProgress(
            passes.deleted[_VERSIONS],
            passes.deleted[_MARKERS],
            passes.deleted[_UPLOADS],
            passes.bytes,
            done,
        )

    def _delete_versions(self, passes: "_Passes") -> bool:
        """Go through all versions once; return whether the end was reached in time.

        The next pages are listed while those that are known are deleted. A page begins behind the last
        version of the one before, whether that one still exists or not.
        """
        start: dict[str, Any] | None = {}
        known: list[Any] = []
        while start is not None or known:
            if not self.has_time():
                return False
            ahead = _LookAhead(start)
            calls: list[Call] = [partial(self._delete_page, page, passes) for page in known]
            if start is not None:
                calls.append(partial(self._look, ahead))
            _raise_first(self.together(calls))
            start, known = ahead.start, ahead.pages
        return True

    def _look(self, ahead: "_LookAhead") -> None:
        for _ in range(PAGES_TOGETHER):
            if ahead.start is None:
                return
            page: Any = self.session.s3.list_object_versions(
                **self._target, MaxKeys=PAGE_MAX, **self._listed, **ahead.start
            )
            ahead.take(page)

    def _delete_page(self, page: Any, passes: "_Passes") -> None:
        for kind in (_VERSIONS, _MARKERS):
            entries = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in page.get(kind, ())]
            errors = [*self._delete([each for each in entries if not _NOT_IN_XML.search(each["Key"])])]
            for each in entries:
                if _NOT_IN_XML.search(each["Key"]):
                    errors += _error_code(partial(self.session.s3.delete_object, **self._target, **each))
            size = sum(each.get("Size", 0) for each in page.get(kind, ()))
            # Of those that stay nobody knows the size: they are taken for as large as the others.
            gone = size * (len(entries) - len(errors)) // len(entries) if entries else 0
            passes.count(kind, len(entries), errors, gone)

    def _delete(self, entries: Sequence[dict[str, str]]) -> list[str]:
        """Delete up to a page of versions; return the codes of those that did not go."""
        if not entries:
            return []
        objects: Any = {"Objects": entries, "Quiet": True}
        answer = self.session.s3.delete_objects(**self._target, Delete=objects)
        # The call succeeds even where parts of it fail: each says so itself.
        return [error["Code"] for error in answer.get("Errors", ()) if error["Code"] not in _GONE]

    def _abort_uploads(self, passes: "_Passes") -> bool:
        """Go through all unfinished uploads once; return whether the end was reached in time."""
        lister = self.session.s3 if self.place.is_silo else self.uploads_of_pool
        start: dict[str, Any] | None = {} if lister else None
        while lister and start is not None:
            if not self.has_time():
                return False
            # botocore asks for encoded keys by itself, and decodes them, but in other listings.
            page: Any = lister.list_multipart_uploads(
                **self._target, MaxUploads=PAGE_MAX, EncodingType="url", **self._listed, **start
            )
            uploads = [
                {"Key": _decoded(page, each["Key"]), "UploadId": each["UploadId"]}
                for each in page.get(_UPLOADS, ())
            ]
            for first in range(0, len(uploads), _UPLOADS_TOGETHER):
                if not self.has_time():
                    return False
                some = uploads[first : first + _UPLOADS_TOGETHER]
                _raise_first(self.together([partial(self._abort, each, passes) for each in some]))
            start = (
                {
                    "KeyMarker": _decoded(page, page["NextKeyMarker"]),
                    "UploadIdMarker": page["NextUploadIdMarker"],
                }
                if page.get("IsTruncated")
                else None
            )
        return True

    def _abort(self, upload: dict[str, Any], passes: "_Passes") -> None:
        abort = partial(self.session.s3.abort_multipart_upload, **self._target, **upload)
        passes.count(_UPLOADS, 1, _error_code(abort))

    @property
    def _target(self) -> dict[str, Any]:
        return self.session.target_of(self.place)

    @property
    def _listed(self) -> dict[str, Any]:
        return {"Prefix": self.session.prefix_of(self.place)}


class _Passes:
    """What was deleted in all passes, and what came of the current one. Thread-safe."""

    def __init__(self) -> None:
        self.deleted: Counter[str] = Counter()
        self.bytes = 0
        self._lock = Lock()
        self._found = 0
        self._found_before = 0  # in the pass before
        self._errors: Counter[str] = Counter()

    def begin(self) -> None:
        """Begin a pass."""
        self._found_before, self._found = self._found, 0
        self._errors.clear()

    def count(self, kind: str, found: int, errors: Sequence[str], size: int = 0) -> None:
        """Take what was found and tried, the codes of what could not be deleted of it, and the bytes."""
        with self._lock:
            self.bytes += size
            self._found += found
            self.deleted[kind] += found - len(errors)
            self._errors.update(errors)

    @property
    def found_nothing(self) -> bool:
        """Whether there was nothing to delete."""
        return not self._found

    def require_progress(self) -> None:
        """Raise an error if there was something and all of it stayed, or as much was there before.

        The latter is no S3, which lists nothing that it deleted; without this it would go on for ever.

        Raises:
            botocore.exceptions.ClientError: with the most frequent code.
        """
        stayed = self._found and self._errors.total() == self._found
        if stayed or 0 < self._found_before <= self._found:
            ((code, _count),) = self._errors.most_common(1) or [("NotDeleted", self._found)]
            told = ", ".join(f"{each} {count} times" for each, count in sorted(self._errors.items()))
            raise ClientError(
                {"Error": {"Code": code, "Message": f"{self._found} stay: {told or 'without an error'}"}},
                "DeleteObjects",
            )


class _LookAhead:
    """The pages that were listed from a start on, and where the next begins; None: there is no next."""

    def __init__(self, start: dict[str, Any] | None) -> None:
        self.start = start
        self.pages: list[Any] = []

    def take(self, page: Any) -> None:
        """Take the next page."""
        if page.get(_VERSIONS) or page.get(_MARKERS):
            self.pages.append(page)
        following = {
            "KeyMarker": page.get("NextKeyMarker"),
            "VersionIdMarker": page.get("NextVersionIdMarker"),
        }
        self.start = (
            {name: value for name, value in following.items() if value} if page["IsTruncated"] else None
        )


def _error_code(call: Callable[[], object]) -> list[str]:
    """Make a call that deletes; return the code of its error, nothing if there is none or it is gone."""
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return [] if code in _GONE else [code]
    return []


def _decoded(page: Any, key: str) -> str:
    """Return a key of a listing; engines that do not know the parameter encode nothing."""
    return unquote_plus(key) if page.get("EncodingType") == "url" else key


def _raise_first(errors: Sequence[BaseException | None]) -> None:
    for error in errors:
        if error is not None:
            raise error
