"""Build the Lambda zips: `python -m scripts.tooling.build`.

A zip holds the service's package, the shared package and the pinned dependencies; pure Python, no boto3.
The same inputs give the same bytes: fixed order, dates, permissions and compression.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.tooling.project import BUILD, REQUIREMENTS, ROOT, ZIPS, CommandError, exclusively, run, say
from scripts.tooling.services import SERVICES
from scripts.tooling.virtualenv import last_error

SHARED: Final = ROOT / "backend" / "shared" / "src"
ZIP_MAX: Final = 3 * 1024 * 1024  # bytes
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the oldest date that a zip can hold
_LEFT_OUT: Final = {"__pycache__", "bin", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def main(_arguments: list[str]) -> None:
    """Build every zip and print its size."""
    for name, path in build(ZIPS).items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        say(f"{name:<24} {path.stat().st_size / 1024:7.0f} kB  sha256 {digest}…")


def build(target: Path) -> dict[str, Path]:
    """Build the zip of every service into a folder; return the paths by service name.

    Raises:
        CommandError: a dependency can't be had as pure Python, or a zip is too large.
    """
    vendored = vendor()
    target.mkdir(parents=True, exist_ok=True)
    zips = {}
    for name, service in SERVICES.items():
        path = target / f"{name}.zip"
        write_zip(path, [vendored, SHARED, service.source])
        if path.stat().st_size > ZIP_MAX:
            raise CommandError(f"{path} has {path.stat().st_size} bytes; at most {ZIP_MAX} are allowed")
        zips[name] = path
    return zips


def vendor() -> Path:
    """Install the pinned dependencies into a folder named after the pins; return it.

    Raises:
        CommandError: pip could not.
    """
    pins = REQUIREMENTS / "lambda.txt"
    target = BUILD / "vendor" / hashlib.sha256(pins.read_bytes()).hexdigest()[:16]
    if target.is_dir():
        return target
    with exclusively("vendor", "installing the functions' dependencies"):
        if not target.is_dir():
            _install(pins, target)
    return target


def _install(pins: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--target", str(unfinished), "--require-hashes", "--no-deps", "--no-compile"]
    # Wheels of no platform only: one zip for every architecture and Python.
    command += ["--only-binary", ":all:", "--platform", "any", "--implementation", "py", "--abi", "none"]
    command += ["--python-version", "3.11", "--requirement", str(pins)]
    log = BUILD / "vendor.log"
    with log.open("w") as output:
        if subprocess.run(command, stdout=output, stderr=output, check=False).returncode:
            raise CommandError(f"pip could not install {pins.relative_to(ROOT)}: {last_error(log)}")
    unfinished.rename(target)


def write_zip(path: Path, folders: list[Path]) -> None:
    """Write the files of some folders into one zip.

    Raises:
        CommandError: two folders hold the same file.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        for name, file in _files(folder):
            if name in files:
                raise CommandError(f"{file} and {files[name]} would be the same file in {path.name}")
            files[name] = file
    # A name of our own: another build may run beside this one.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with zipfile.ZipFile(unfinished, "w") as archive:
            for name in sorted(files):
                info = zipfile.ZipInfo(name, _EPOCH)
                info.create_system = 3  # Unix, wherever it is built
                info.external_attr = 0o644 << 16
                archive.writestr(info, files[name].read_bytes(), zipfile.ZIP_DEFLATED, 9)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in folder.rglob("*"):
        name = file.relative_to(folder)
        if file.is_file() and _LEFT_OUT.isdisjoint(name.parts):
            yield name.as_posix(), file


if __name__ == "__main__":
    run(main)
