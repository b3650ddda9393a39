"""The handlers with the oldest boto3 that they may meet in Lambda's runtime (`docs/security.md`)."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.project import BUILD, REQUIREMENTS, ROOT
from tenkacloud.runtime import BOTO3_FLOOR

PINS = REQUIREMENTS / "runtime-floor.txt"


def test_the_pins_are_the_floor_that_the_code_names() -> None:
    pinned = dict(re.findall(r"^(boto3|botocore)==(\S+)", PINS.read_text(), re.MULTILINE))
    assert pinned == {"boto3": BOTO3_FLOOR, "botocore": BOTO3_FLOOR}


def test_the_handlers_work_with_the_oldest_boto3() -> None:
    python = environment() / "bin" / "python"
    here = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    # Only the handlers' conftest: the others need what the functions don't
    command = [
        "-m",
        "pytest",
        "tests/handlers",
        "--confcutdir=tests/handlers",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    done = subprocess.run(
        [python, *command], cwd=ROOT, env=here, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    version = subprocess.run(
        [python, "-c", "import boto3; print(boto3.__version__)"], capture_output=True, text=True, check=True
    )
    assert version.stdout.strip() == BOTO3_FLOOR


def environment() -> Path:
    """Return an environment with exactly the pins; made once for each set of them."""
    digest = hashlib.sha256(PINS.read_bytes()).hexdigest()[:16]
    target = BUILD / "runtime-floor" / digest
    if not target.is_dir():
        unfinished = target.with_suffix(f".{os.getpid()}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", unfinished], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([unfinished / "bin" / "python", *install, "-r", PINS], check=True)
        try:
            unfinished.rename(target)
        except OSError:  # another run was faster
            shutil.rmtree(unfinished)
    return target
