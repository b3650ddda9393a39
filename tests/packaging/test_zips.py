"""The Lambda zips, as Lambda gets them."""

import subprocess
import sys
import zipfile
from pathlib import Path

import boto3
import pytest

from scripts.tooling.build import ZIP_MAX, build, vendor
from scripts.tooling.services import SERVICES, Service
from tests.settings import ENVIRONMENT, REGION

#: What Lambda does when a function starts, but for the invocation.
START = """
import os, sys
sys.path[:0] = {path}
import {package}.handler
from {package}.bootstrap import Settings, bootstrap
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import SystemClock
from tenkacloud.platform.settings import read
bootstrap(read(Settings, os.environ), Clients(), SystemClock())
print(*(getattr(module, "__file__", None) for module in list(sys.modules.values())), sep="\\n")
"""


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("zips"))


def test_every_service_has_a_zip(zips: dict[str, Path]) -> None:
    assert set(zips) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_zip_is_small_pure_python_and_without_boto3(zips: dict[str, Path], name: str) -> None:
    with zipfile.ZipFile(zips[name]) as archive:
        members = archive.namelist()
    assert zips[name].stat().st_size <= ZIP_MAX
    assert not [member for member in members if member.endswith((".so", ".pyd", ".dylib", ".pyc"))]
    assert {"tenkacloud", "aws_lambda_powertools"} <= {member.split("/")[0] for member in members}
    assert not {"boto3", "botocore", "s3transfer"} & {member.split("/")[0] for member in members}


def test_two_builds_give_the_same_bytes(zips: dict[str, Path], tmp_path: Path) -> None:
    # GIVEN sources of another day and other permissions
    for source in Path("backend").rglob("*.py"):
        source.touch()
    # WHEN they are built again THEN no byte differs
    again = build(tmp_path)
    assert {name: path.read_bytes() for name, path in again.items()} == {
        name: path.read_bytes() for name, path in zips.items()
    }


def test_dates_and_permissions_in_a_zip_are_fixed(zips: dict[str, Path]) -> None:
    with zipfile.ZipFile(next(iter(zips.values()))) as archive:
        entries = archive.infolist()
    assert {(entry.date_time, entry.external_attr, entry.create_system) for entry in entries} == {
        ((1980, 1, 1, 0, 0, 0), 0o644 << 16, 3)
    }
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)


def test_dependencies_are_installed_once(zips: dict[str, Path]) -> None:
    first = vendor()
    made = first.stat().st_mtime_ns
    assert vendor() == first
    assert first.stat().st_mtime_ns == made


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)
def test_a_function_starts_from_its_zip_alone(
    zips: dict[str, Path], tmp_path: Path, service: Service
) -> None:
    """In a clean interpreter with only boto3 beside it, as in the Lambda runtime."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    site_packages = Path(boto3.__file__).parent.parent
    for package in ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3"):
        (runtime / package).symlink_to(site_packages / package)
    (runtime / "six.py").symlink_to(site_packages / "six.py")
    zip_path = str(zips[service.name])
    program = START.format(path=[zip_path, str(runtime)], package=service.package)
    done = subprocess.run(
        # -I and -S: nothing of this environment's, no site-packages
        [sys.executable, "-I", "-S", "-c", program],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "AWS_DEFAULT_REGION": REGION},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.splitlines()
    ours = [file for file in loaded if f"/{service.package}/" in file or "/tenkacloud/" in file]
    assert ours
    assert all(file.startswith(zip_path) for file in ours)
