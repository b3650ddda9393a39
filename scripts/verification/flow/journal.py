"""What a tenant's clients were told: the files that are there, byte for byte, and those that are not. Pure.

Afterwards it is compared with what is found, by whatever way the data has gone meanwhile.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

_SHOWN_MAX: Final = 5  # differences of a kind that are told one by one


@dataclass(frozen=True)
class File:
    """A file as it was written. `metadata` and `tags` are the user's own."""

    content: bytes
    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


class Journal:
    """What was acknowledged, by key. Thread-safe; each key has one writer at a time.

    A write that was sent and never answered is in doubt: `begin` takes note of it before it is sent, and
    `written` or `deleted` when it is acknowledged. As long as it is in doubt, either is right.
    """

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._deleted: set[str] = set()
        self._doubtful: dict[str, File | None] = {}
        self._versions: dict[str, int] = {}
        self._lock = Lock()
        self.writes = 0
        self.overwrites = 0
        self.deletes = 0

    def begin(self, key: str, file: File | None) -> None:
        """Take note that a write is sent, or a deletion (None)."""
        with self._lock:
            self._doubtful[key] = file
            self._versions[key] = self._versions.get(key, 0) + 1

    def end(self, key: str) -> None:
        """Take note that what was begun is acknowledged."""
        with self._lock:
            file = self._doubtful.pop(key)
            self._versions[key] += 1
            if file is None:
                self.deletes += 1
                self._files.pop(key, None)
                self._deleted.add(key)
                return
            self.writes += 1
            self.overwrites += key in self._files
            self._files[key] = file
            self._deleted.discard(key)

    def withdraw(self, key: str) -> None:
        """Take note that what was begun was denied: it has changed nothing."""
        with self._lock:
            del self._doubtful[key]
            self._versions[key] += 1

    def state(self, key: str) -> tuple[int, File | None]:
        """Return the number of changes of a key, and its file as acknowledged.

        A reader compares only if the number is the same and even before and after its read: each change
        counts twice, at its beginning and at its end.
        """
        with self._lock:
            return self._versions.get(key, 0), self._files.get(key)

    def files(self) -> dict[str, File]:
        """Return all files that are there."""
        with self._lock:
            return dict(self._files)

    def deleted(self) -> set[str]:
        """Return the keys of those that were there once."""
        with self._lock:
            return set(self._deleted)

    def differences(self, found: Mapping[str, File]) -> Iterator[str]:
        """Yield what differs between what was acknowledged and what was found, the worst first."""
        wanted, deleted, doubtful = self.files(), self.deleted(), dict(self._doubtful)
        lost, back, strange, changed = [], [], [], []
        for key in sorted(wanted.keys() | found.keys()):
            there = found.get(key)
            if there == wanted.get(key) or (key in doubtful and there == doubtful[key]):
                continue
            if there is None:
                lost.append(key)
            elif key in wanted:
                changed.append(f"{key} ({_difference(wanted[key], there)})")
            elif key in deleted:
                back.append(key)
            else:
                strange.append(key)
        yield from _told("acknowledged and lost", lost)
        yield from _told("deleted and there again", back)
        yield from _told("not as acknowledged", changed)
        yield from _told("there and never written", strange)


def _difference(wanted: File, there: File) -> str:
    names = [name for name in vars(wanted) if getattr(wanted, name) != getattr(there, name)]
    return f"{', '.join(names)}: {len(there.content)} bytes, not {len(wanted.content)}"


def _told(what: str, keys: list[str]) -> Iterator[str]:
    yield from (f"{what}: {key}" for key in keys[:_SHOWN_MAX])
    if len(keys) > _SHOWN_MAX:
        yield f"{what}: {len(keys) - _SHOWN_MAX} more"
