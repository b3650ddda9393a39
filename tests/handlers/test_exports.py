"""Exports: all that a tenant has, in files that can be checked without AWS."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from scripts.verification.exports import __main__ as program
from scripts.verification.exports.check import Report, check
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.isolation.places import pool_place
from tenkacloud.objects import export_format
from tenkacloud.objects.copying import KEY_MAX, PART_MIN
from tenkacloud.objects.lease import DURATION
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.operations import Operation, OperationKind, Phase, PhaseState
from tenkacloud.tenants.validation import TenantId
from tests.handlers.conftest import DATA_BUCKET, DATA_TABLE, REGION, Cloud
from tests.handlers.slices import SliceFunction, operate
from tests.settings import EXPORTS_BUCKET

ACME: Final = TenantId("acme")
OPERATION: Final = "0b0e7c1e-4d9c-4f0a-9a55-3c5b1c1f2d3e"
EXPORT: Final = "export-1"
FOLDER: Final = f"acme/{EXPORT}/"


@pytest.fixture
def mover(cloud: Cloud) -> SliceFunction:
    cloud.s3.create_bucket(Bucket=EXPORTS_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    cloud.s3.put_bucket_versioning(Bucket=DATA_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    cloud.s3.put_object(Bucket=DATA_BUCKET, Key="tenants/acme-b/x", Body=b"not acme's")
    cloud.s3.put_object(Bucket=DATA_BUCKET, Key="tenants/acme/.tenkacloud.json", Body=b"ours")
    return SliceFunction(cloud, "tenant-mover")


def put(cloud: Cloud, *objects: tuple[str, bytes]) -> None:
    for key, body in objects:
        cloud.s3.put_object(Bucket=DATA_BUCKET, Key=f"tenants/acme/{key}", Body=body)


def put_items(cloud: Cloud, number: int, size: int = 1, tenant: str = "acme") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [
        {
            "PK": {"S": f"TENANT#{tenant}"},
            "SK": {"S": f"PROBLEM#{each:05}"},
            "text": {"S": "é" * size},
            "data": {"B": b"\x00\xff"},
            "count": {"N": str(each)},
        }
        for each in range(number)
    ]
    for item in items:
        cloud.dynamodb.put_item(TableName=DATA_TABLE, Item=item)
    return items


def request(cloud: Cloud, attempt: int = 1) -> TenantExporting:
    event = TenantExporting(
        tenant_id=ACME,
        operation_id=OPERATION,
        phase=Phase.EXPORT,
        attempt=attempt,
        timestamp=rfc3339(cloud.clock.now()),
        place=pool_place(ACME),
        export_id=EXPORT,
        expires_at=rfc3339(cloud.clock.now() + timedelta(days=7)),
    )
    operation = Operation(
        id=OPERATION,
        kind=OperationKind.EXPORT,
        phase=Phase.EXPORT,
        state=PhaseState.RUNNING,
        attempt=attempt,
        requested_at=event.timestamp,
        requested_by="operator",
        export_id=EXPORT,
        expires_at=event.expires_at,
    )
    operate(cloud, ACME, operation, resources=pool_place(ACME).as_resources())
    return event


def result(events: list[dict[str, Any]]) -> TenantExported:
    (found,) = [each for each in events if each["detail-type"] == TenantExported.DETAIL_TYPE]
    return TenantExported.parse(found["detail"])


def export(cloud: Cloud, mover: SliceFunction) -> TenantExported:
    return result(mover.work(request(cloud)))


def fetch(cloud: Cloud, folder: Path) -> Path:
    """Fetch the export as `aws s3 sync` does."""
    for page in cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=EXPORTS_BUCKET, Prefix=FOLDER):
        for entry in page.get("Contents", ()):
            path = folder / entry["Key"].removeprefix(FOLDER)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cloud.s3.get_object(Bucket=EXPORTS_BUCKET, Key=entry["Key"])["Body"].read())
    return folder


def lines(folder: Path, *paths: str) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in (folder / path).read_bytes().splitlines()]


def objects_of(folder: Path) -> dict[str, bytes]:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    entries = lines(folder, *(part["path"] for part in manifest["objectParts"]))
    return {entry["key"]: (folder / entry["path"]).read_bytes() for entry in entries}


def test_an_export_holds_the_tenants_objects_and_items_and_nothing_else(
    cloud: Cloud, mover: SliceFunction, tmp_path: Path
) -> None:
    put(cloud, ("a", b"1"), ("folder/b c", b"22"), ("empty", b""))
    items = put_items(cloud, 3)
    put_items(cloud, 2, tenant="acme-b")
    done = export(cloud, mover)
    assert (done.objects, done.items, done.bytes) == (3, 3, 3)
    assert done.location == f"s3://{EXPORTS_BUCKET}/{FOLDER}manifest.json"
    folder = fetch(cloud, tmp_path)
    assert objects_of(folder) == {"a": b"1", "folder/b c": b"22", "empty": b""}
    assert (folder / "objects/folder/b c").read_bytes() == b"22"
    found = lines(folder, "items.jsonl")
    assert [item["SK"] for item in found] == [item["SK"] for item in items]
    assert found[2]["data"] == {"B": "AP8="}
    assert found[2]["count"] == {"N": "2"}
    assert check(folder, done.manifest_sha256) == Report(
        "acme", EXPORT, 3, 3, 3, str(done.manifest_sha256), []
    )


def test_a_tenant_without_anything(cloud: Cloud, mover: SliceFunction, tmp_path: Path) -> None:
    done = export(cloud, mover)
    assert (done.objects, done.items, done.bytes) == (0, 0, 0)
    assert check(fetch(cloud, tmp_path), done.manifest_sha256).is_right


def test_keys_that_are_no_paths_are_files_of_another_name(
    cloud: Cloud, mover: SliceFunction, tmp_path: Path
) -> None:
    long = "k" * (KEY_MAX - len("tenants/acme/"))
    keys = ("a", "a/b", "a/b/c", "ab", "d/", "e//f", "../g", "./h", "i\tj", "k" * 256, long, "é漢字😀")
    put(cloud, *((key, key.encode()) for key in keys))
    done = export(cloud, mover)
    folder = fetch(cloud, tmp_path)
    assert objects_of(folder) == {key: key.encode() for key in keys}
    assert {path.name for path in (folder / "objects").iterdir()} == {"a", "ab", "é漢字😀"}
    assert check(folder, done.manifest_sha256).is_right


def test_an_export_in_many_slices(
    cloud: Cloud, mover: SliceFunction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenant_mover.exporting.CHUNK", 2)
    monkeypatch.setattr("tenant_mover.exporting.PART_BYTES", 1)
    monkeypatch.setattr("tenant_mover.service.SLICE", timedelta(0))
    # two pages of items
    put_items(cloud, 8, size=100_000)
    put(cloud, *((key, key.encode()) for key in ("a", "a/b", "a/b/c", "c", "d")))
    event = request(cloud)
    published = mover.work(event)
    done = result(published)
    assert (done.objects, done.items) == (5, 8)
    folder = fetch(cloud, tmp_path)
    assert set(objects_of(folder)) == {"a", "a/b", "a/b/c", "c", "d"}
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (len(manifest["objectParts"]), len(manifest["itemParts"])) == (3, 2)
    assert check(folder, done.manifest_sha256).is_right
    progress = [each["detail"] for each in published if each["detail-type"] == "TenantOperationProgressed"]
    assert [each["objects"] for each in progress][:3] == [2, 4, 5]


def test_a_large_object_has_the_hash_of_its_content(
    cloud: Cloud, mover: SliceFunction, tmp_path: Path
) -> None:
    mover.variables = {"MULTIPART_THRESHOLD_BYTES": str(PART_MIN)}
    put(cloud, ("film", b"x" * (PART_MIN + 1)))
    done = export(cloud, mover)
    assert mover.calls.of("UploadPartCopy")
    assert check(fetch(cloud, tmp_path), done.manifest_sha256).is_right


def test_the_hash_is_s3s_own_where_it_has_one(cloud: Cloud, mover: SliceFunction) -> None:
    put(cloud, ("a", b"1"))
    digest = "a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s="  # of b"1"
    mover.calls.answers["CopyObject"] = [{"CopyObjectResult": {"ChecksumSHA256": digest}}]
    cloud.s3.put_object(Bucket=EXPORTS_BUCKET, Key=f"{FOLDER}objects/a", Body=b"1")
    assert export(cloud, mover).succeeded
    read = {arguments["Key"] for arguments in mover.calls.of("GetObject")}
    assert f"{FOLDER}objects/a" not in read


def test_an_object_that_is_deleted_meanwhile_is_not_in_the_export(
    cloud: Cloud, mover: SliceFunction, tmp_path: Path
) -> None:
    put(cloud, ("a", b"1"), ("b", b"2"))
    mover.calls.reject("CopyObject", "NoSuchVersion")
    done = export(cloud, mover)
    assert done.objects == 1
    assert objects_of(fetch(cloud, tmp_path)) == {"b": b"2"}


def test_a_copy_that_is_not_what_was_written_fails_the_export(cloud: Cloud, mover: SliceFunction) -> None:
    put(cloud, ("a", b"1"))

    def before(operation: str, _arguments: dict[str, Any]) -> None:
        if operation == "Query":
            cloud.s3.put_object(Bucket=EXPORTS_BUCKET, Key=f"{FOLDER}objects/a", Body=b"longer")

    mover.calls.before = before
    done = export(cloud, mover)
    assert done.failure_reason == "the copy of object 'a' has 6 bytes, and not 1"
    assert "manifest.json" not in str(cloud.s3.list_objects_v2(Bucket=EXPORTS_BUCKET)["Contents"])


def test_a_crash_anywhere_ends_in_a_right_export(cloud: Cloud, mover: SliceFunction, tmp_path: Path) -> None:
    put(cloud, ("a", b"1"), ("b", b"2"))
    put_items(cloud, 2)
    calls = SliceFunction(cloud, "tenant-mover")
    calls.work(request(cloud))
    for point in range(len(calls.calls.names) * 2):
        one = SliceFunction(cloud, "tenant-mover")
        one.calls.crash_at = point
        # each of its own attempt, so that none finds the others' answers
        one.send(request(cloud, attempt=point + 2))
        while one.queue.waiting:
            if not one.take():
                one.calls.crash_at = None
                cloud.clock.sleep(DURATION.total_seconds())
        done = TenantExported.parse(
            next(each for each in cloud.published() if each["detail-type"] == "TenantExported")["detail"]
        )
        folder = fetch(cloud, tmp_path / str(point))
        assert check(folder, done.manifest_sha256).problems == []
        assert objects_of(folder) == {"a": b"1", "b": b"2"}


# --- the check itself ---------------------------------------------------------------------------------------


@pytest.fixture
def exported(cloud: Cloud, mover: SliceFunction, tmp_path: Path) -> Path:
    put(cloud, ("a", b"1"), ("b/c", b"22"))
    put_items(cloud, 1)
    assert export(cloud, mover).succeeded
    return fetch(cloud, tmp_path)


def rewrite(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))


TAMPERINGS: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "a byte": (lambda folder: (folder / "objects/a").write_bytes(b"2"), "'objects/a' has SHA-256"),
    "a size": (lambda folder: (folder / "objects/a").write_bytes(b"22"), "'objects/a' has 2 bytes, not 1"),
    "an object": (lambda folder: (folder / "objects/a").unlink(), "'objects/a' can't be read: No such file"),
    "another object": (lambda folder: (folder / "objects/x").write_bytes(b""), "'objects/x' is not in the"),
    "the items": (lambda folder: (folder / "items.jsonl").write_bytes(b""), "'items.jsonl' has 0 bytes"),
    "a count": (lambda folder: rewrite(folder, objects=9), "the manifest says 9 objects; its files have 2"),
    "a path": (
        lambda folder: rewrite(folder, itemParts=[{"path": "../x", "bytes": 0, "sha256": ""}]),
        "'../x' leads out of the export",
    ),
    "a member": (lambda folder: rewrite(folder, objectParts=[{}]), "is not of this format"),
    "the format": (lambda folder: rewrite(folder, format="x"), "is not the manifest of an export, version 1"),
    "the manifest": (lambda folder: (folder / "manifest.json").write_text("{"), "is not valid JSON"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "can't be read: No such file"),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_the_check_sees_what_is_wrong(exported: Path, what: str) -> None:
    tamper, told = TAMPERINGS[what]
    tamper(exported)
    assert any(told in problem for problem in check(exported).problems)


def test_a_manifest_of_its_own_kind_is_still_not_the_one_that_was_told_of(exported: Path) -> None:
    told = check(exported).manifest_sha256
    rewrite(exported, expiresAt="never")
    assert check(exported).is_right
    (problem,) = check(exported, told).problems
    assert problem.endswith(f"not {told}")


@pytest.mark.parametrize("by", ["folder", "manifest"])
def test_the_command_says_what_it_found(
    exported: Path, by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported if by == "folder" else exported / "manifest.json"
    monkeypatch.setattr("sys.argv", ["check", str(path)])
    capsys.readouterr()
    assert program.main() == 0
    assert capsys.readouterr().out == f"export {EXPORT} of tenant acme: 2 objects, 1 items, 3 bytes\n"
    (exported / "objects/a").unlink()
    assert program.main() == 1
    assert "wrong: 'objects/a'" in capsys.readouterr().out


def test_keys_that_lie_under_a_key_are_known_by_the_order_of_keys() -> None:
    keys = sorted(("a", "a!", "a/b", "a/b/c", "aa", "b/c", "b/c/d"))
    ancestors = export_format.Ancestors()
    under = {}
    for key in keys:
        # as if each were in a slice of its own
        ancestors = export_format.Ancestors(ancestors.keys)
        under[key] = ancestors.have(key)
    assert {key for key in keys if under[key]} == {"a/b", "a/b/c", "b/c/d"}
