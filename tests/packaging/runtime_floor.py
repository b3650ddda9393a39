"""Run the tests of the handlers with the oldest boto3 that they may meet in Lambda's runtime."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from scripts.tooling import virtualenv
from scripts.tooling.project import BUILD, REQUIREMENTS, ROOT

PINS: Final = REQUIREMENTS / "runtime-floor.txt"
#: Only the handlers' conftest: the others need what the functions don't.
_PYTEST: Final = ("tests/handlers", "--confcutdir=tests/handlers", "-p", "no:cacheprovider", "-q")


def main() -> int:
    """Run them; print the version of boto3, alone on the last line; return pytest's exit code."""
    here = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    python = environment() / "bin" / "python"
    done = subprocess.run([python, "-m", "pytest", *_PYTEST], cwd=ROOT, env=here, check=False)
    subprocess.run([python, "-c", "import boto3; print(boto3.__version__)"], env=here, check=True)
    return done.returncode


def environment() -> Path:
    """Return a virtual environment with exactly the pins; made once for each set of them."""
    digest = hashlib.sha256(PINS.read_bytes()).hexdigest()[:16]
    target = BUILD / "runtime-floor" / digest
    if not target.is_dir():
        unfinished = target.with_suffix(f".{os.getpid()}")
        virtualenv.make(unfinished, PINS, sources=True, installer=virtualenv.MAIN)
        try:
            unfinished.rename(target)
        except OSError:  # another run was faster
            shutil.rmtree(unfinished)
    return target


if __name__ == "__main__":
    sys.exit(main())
