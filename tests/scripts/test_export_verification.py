"""That the check of an export finds what is wrong with one."""

import hashlib
import json
from typing import Any

import pytest

from scripts.verification.flow.exports import content_of


def described(path: str, content: bytes, **more: Any) -> dict[str, Any]:
    return {
        "path": path,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **more,
    }


def export() -> dict[str, bytes]:
    objects = {"objects/a": b"1", "objects-by-hash/x": b"22"}
    lines = [
        {"key": key, **described(path, content)}
        for key, (path, content) in zip(("a", "b/"), objects.items(), strict=True)
    ]
    listed = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    items = b'{"PK":{"S":"TENANT#a"},"title":{"S":"one"}}\n'
    manifest = {
        "objects": 2,
        "items": 1,
        "bytes": 3,
        "objectParts": [described("manifest/0.jsonl", listed, objects=2)],
        "itemParts": [described("items.jsonl", items, items=1)],
    }
    return {
        **objects,
        "manifest/0.jsonl": listed,
        "items.jsonl": items,
        "manifest.json": json.dumps(manifest).encode(),
    }


def test_what_is_as_its_manifest_says_is_read() -> None:
    checked = content_of(export())
    assert checked.problems == []
    assert checked.objects == {"a": b"1", "b/": b"22"}
    assert checked.items == [{"PK": "TENANT#a", "title": "one"}]


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        ("manifest.json", None, "manifest.json is missing"),
        ("objects/a", None, "objects/a is missing"),
        ("objects/a", b"2", "objects/a is not as the manifest says"),
        ("items.jsonl", b"", "items.jsonl is not as the manifest says"),
        ("objects/more", b"", "objects/more is not in the manifest"),
    ],
)
def test_what_is_not_is_told(path: str, content: bytes | None, problem: str) -> None:
    files = {**export(), path: content}
    checked = content_of({name: found for name, found in files.items() if found is not None})
    assert problem in checked.problems


@pytest.mark.parametrize(("name", "count"), [("objects", 3), ("items", 0), ("bytes", 4)])
def test_sums_are_compared(name: str, count: int) -> None:
    files = export()
    manifest = {**json.loads(files["manifest.json"]), name: count}
    (problem,) = content_of({**files, "manifest.json": json.dumps(manifest).encode()}).problems
    assert problem.startswith(f"the manifest says {count} ")
