"""Is an export what its manifest says? Reads the files of a folder, and nothing else.

    aws s3 sync s3://<exports bucket>/<tenantId>/<exportId> export
    scripts/run scripts.verification.exports export

The manifest names every file with its size and SHA-256, those of the objects by way of files that list them
(`tenkacloud.objects.export_format`). The hashes are those that `sha256sum` prints.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from tenkacloud.objects.export_format import BY_HASH, FORMAT, MANIFEST, OBJECTS, VERSION

PROBLEMS_MAX: Final = 100  # that are told one by one
_READ: Final = 1024**2
#: Folders whose files are all in the manifest. In others an interrupted attempt may have left some.
_COMPLETE: Final = (OBJECTS, BY_HASH)


@dataclass
class Report:
    """What an export holds, and what is wrong with it: nothing, if there are no problems."""

    tenant_id: str = ""
    export_id: str = ""
    objects: int = 0
    items: int = 0
    bytes: int = 0
    manifest_sha256: str = ""
    problems: list[str] = field(default_factory=list)
    #: Problems beyond `PROBLEMS_MAX`.
    more: int = 0

    @property
    def is_right(self) -> bool:
        """Whether everything is as the manifest says."""
        return not self.problems

    def add(self, problem: str) -> None:
        """Take a problem."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)
        else:
            self.more += 1


def check(path: Path, manifest_sha256: str | None = None) -> Report:
    """Check the export in a folder, which may be given by its manifest.

    `manifest_sha256` is what the export's result said of the manifest: without it, whoever could change a
    file could have changed the manifest as well.
    """
    folder = path if path.is_dir() else path.parent
    report = Report()
    manifest = _manifest(folder / MANIFEST if path.is_dir() else path, report)
    if manifest is None:
        return report
    if manifest_sha256 is not None and manifest_sha256.lower() != report.manifest_sha256:
        report.add(f"{MANIFEST} has SHA-256 {report.manifest_sha256}, not {manifest_sha256}")
    try:
        _check(folder, manifest, report)
    except (KeyError, TypeError, ValueError) as error:
        report.add(f"{MANIFEST} or a file of it is not of this format: {type(error).__name__} {error}")
    return report


def _check(folder: Path, manifest: Mapping[str, Any], report: Report) -> None:
    report.tenant_id, report.export_id = str(manifest["tenantId"]), str(manifest["exportId"])
    named: set[str] = set()
    for part in manifest["objectParts"]:
        if _is_file_right(folder, part, report):
            for entry in _lines(folder, part):
                if entry["path"] in named:
                    report.add(f"{entry['path']!r} is there for two objects")
                named.add(entry["path"])
                report.objects += 1
                report.bytes += int(entry["bytes"])
                _is_file_right(folder, entry, report)
    for part in manifest["itemParts"]:
        if _is_file_right(folder, part, report):
            report.items += sum(1 for _item in _lines(folder, part))
    for name, count in (("objects", report.objects), ("bytes", report.bytes), ("items", report.items)):
        if manifest[name] != count:
            report.add(f"the manifest says {manifest[name]} {name}; its files have {count}")
    for path in sorted(_files_of(folder) - named):
        report.add(f"{path!r} is not in the manifest")


def _files_of(folder: Path) -> set[str]:
    found = (path for top in _COMPLETE for path in (folder / top).rglob("*"))
    return {path.relative_to(folder).as_posix() for path in found if path.is_file()}


def _manifest(path: Path, report: Report) -> Mapping[str, Any] | None:
    try:
        body = path.read_bytes()
        manifest = json.loads(body)
    except OSError as error:
        report.add(f"{path} can't be read: {error.strerror}")
        return None
    except ValueError:
        report.add(f"{path} is not valid JSON")
        return None
    report.manifest_sha256 = hashlib.sha256(body).hexdigest()
    kind = (manifest.get("format"), manifest.get("version")) if isinstance(manifest, dict) else None
    if kind != (FORMAT, VERSION):
        report.add(f"{path} is not the manifest of an export, version {VERSION}")
        return None
    found: Mapping[str, Any] = manifest
    return found


def _is_file_right(folder: Path, entry: Mapping[str, Any], report: Report) -> bool:
    """Compare a file with its entry; tell whether it is right."""
    path = str(entry["path"])
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts:
        report.add(f"{path!r} leads out of the export")
        return False
    digest, size = hashlib.sha256(), 0
    try:
        with (folder / path).open("rb") as file:
            while piece := file.read(_READ):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        report.add(f"{path!r} can't be read: {error.strerror}")
        return False
    if size != entry["bytes"]:
        report.add(f"{path!r} has {size} bytes, not {entry['bytes']}")
        return False
    if digest.hexdigest() != entry["sha256"]:
        report.add(f"{path!r} has SHA-256 {digest.hexdigest()}, not {entry['sha256']}")
        return False
    return True


def _lines(folder: Path, part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    with (folder / str(part["path"])).open("rb") as file:
        for line in file:
            yield json.loads(line)
