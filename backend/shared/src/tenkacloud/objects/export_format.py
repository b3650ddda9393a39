"""What an export looks like: its files, and which file an object's content is in. Pure.

    <tenantId>/<exportId>/objects/<key>              an object, under its own key
    <tenantId>/<exportId>/objects-by-hash/<SHA-256>  one whose key is no path of a file: its key's SHA-256
    <tenantId>/<exportId>/items.jsonl                the items, a line each, in DynamoDB's JSON;
                              items/<n>-<hash>.jsonl where they are several files
    <tenantId>/<exportId>/manifest/<n>-<hash>.jsonl  the objects, a line each: key, path, bytes, sha256
    <tenantId>/<exportId>/manifest.json              all other files, their sizes and hashes; written last

Paths in an export are relative to the folder of its manifest. Hashes are SHA-256 in hex, of a file's content.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

FORMAT: Final = "tenkacloud-export"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
ITEMS: Final = "items.jsonl"
OBJECTS: Final = "objects"
BY_HASH: Final = "objects-by-hash"
#: POSIX file systems (NAME_MAX), in bytes.
NAME_MAX: Final = 255
#: Characters of a hash that tell the files of one number apart.
_SHORT: Final = 16


class Ancestors:
    """Tells of keys that come in order which of them are the name of a folder of a later one.

    An S3 bucket can hold both `a` and `a/b`; a file system can't. `keys` are those that may still be folders.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = list(keys)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the next one may lie under: what to go on with."""
        return tuple(self._keys)

    def have(self, key: str) -> bool:
        """Take the next key; return whether it lies under one that came before."""
        while self._keys and not key.startswith(self._keys[-1]):
            self._keys.pop()
        lies_under = any(key.startswith(f"{each}/") for each in self._keys)
        self._keys.append(key)
        return lies_under


def object_path(key: str, prefix_bytes: int, key_max: int, *, lies_under: bool) -> str:
    """Return the path of an object in its export.

    `prefix_bytes` is the length of what S3's key begins with before the path, `key_max` what S3 allows.
    `lies_under`: there is an object with the name of one of its folders.
    """
    path = f"{OBJECTS}/{key}"
    if lies_under or not _is_file_name(key) or prefix_bytes + len(path.encode()) > key_max:
        return f"{BY_HASH}/{hashlib.sha256(key.encode()).hexdigest()}"
    return path


def _is_file_name(key: str) -> bool:
    return all(
        part not in ("", ".", "..") and len(part.encode()) <= NAME_MAX and part.isprintable()
        for part in key.split("/")
    )


def part_path(folder: str, number: int, sha256: str) -> str:
    """Return the path of a file that is one of several. Its content is in its name: nobody overwrites it."""
    return f"{folder}/{number:05}-{sha256[:_SHORT]}.jsonl"


def json_line(value: Mapping[str, Any]) -> bytes:
    """Return a line of JSON; binary values of DynamoDB as base64, as in DynamoDB's own JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=_plain)
    return f"{text}\n".encode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is not DynamoDB's JSON")
