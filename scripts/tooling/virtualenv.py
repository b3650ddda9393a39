"""Make a virtual environment: `python -m scripts.tooling.virtualenv FOLDER REQUIREMENTS [NEWER...]`.

Where the requirements have Typer, the operator's command `FOLDER/bin/tenkacloud` is written, too.

Runs on the system's Python, before any package is there. `FOLDER/.done` marks a whole environment. One at a
time: whoever comes second waits, and finds it done.

uv installs the packages, in seconds: with pip it takes a minute. pip installs uv, and everything where uv
can't: behind an index that only pip is configured for, for example.
"""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from scripts.tooling.project import BUILD, REQUIREMENTS, ROOT, CommandError, UsageError, exclusively, run, say
from scripts.tooling.sources import PTH, PTH_NAME

#: The environment that everything but the engine's Lambdas runs in. Has pip and uv, for the others, too.
MAIN: Final = ROOT / ".venv"
#: What the engine's Lambdas may import, and nothing else: no installer, and none of our own code.
ENGINE: Final = REQUIREMENTS / "engine.txt"
#: Pins uv itself.
UV: Final = REQUIREMENTS / "uv.txt"
_HASHED: Final = ("--require-hashes", "-r")
_PIP: Final = ("install", "--quiet", "--disable-pip-version-check", *_HASHED)


def main(arguments: list[str]) -> None:
    """Make it."""
    if len(arguments) < 2:  # noqa: PLR2004 - FOLDER and REQUIREMENTS
        raise UsageError(__doc__ or "")
    folder, *inputs = map(Path, arguments)
    with exclusively(f"virtualenv-{folder.name}", f"setting up {folder}") as waited:
        if waited and _is_fresh(folder / ".done", inputs):
            return
        say(f"setting up {folder}")
        for_lambdas = inputs[0].name == ENGINE.name
        make(folder, inputs[0], sources=not for_lambdas, installer=MAIN if for_lambdas else None)


def make(folder: Path, requirements: Path, *, sources: bool, installer: Path | None = None) -> None:
    """Make it anew.

    Args:
        folder: where.
        requirements: the pins, with hashes; nothing else will be there.
        sources: whether it finds our own code.
        installer: the environment whose uv and pip to use; None for one that needs them itself.

    Raises:
        CommandError: it can't be made.
    """
    (folder / ".done").unlink(missing_ok=True)
    BUILD.mkdir(exist_ok=True)
    log = BUILD / f"setup-{folder.name}.log"
    with log.open("w") as output:
        _make(folder, installer, output)
        # Not resolved: the link leads to the system's Python, which is another environment.
        python = str(folder / "bin" / "python")
        tools = (installer or folder) / "bin"
        pip = [str(tools / "python"), "-m", "pip", *(["--python", python] if installer else [])]
        if installer is None and not _succeeds([*pip, *_PIP, str(UV)], output):
            raise CommandError(f"pip could not install {UV.relative_to(ROOT)}: {last_error(log)}")
        # As pip does: where a proxy looks into TLS, the system knows its certificate.
        uv = [str(tools / "uv"), "pip", "install", "--quiet", "--system-certs", "--python", python, *_HASHED]
        if not _succeeds([*uv, str(requirements)], output):
            say("uv could not install the packages: trying with pip, which takes longer")
            if not _succeeds([*pip, *_PIP, str(requirements)], output):
                raise CommandError(f"pip could not install {requirements}: {last_error(log)}")
    if sources:
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / PTH_NAME).write_text(PTH)
    if next(folder.glob("lib/python*/site-packages/typer"), None):
        write_command(folder)
    (folder / ".done").touch()


def _make(folder: Path, installer: Path | None, output: IO[str]) -> None:
    without_pip = ["--without-pip"] if installer else []
    if not _succeeds([sys.executable, "-m", "venv", "--clear", *without_pip, str(folder)], output):
        raise CommandError(f"{folder} could not be made: {last_error(Path(output.name))}")


def _succeeds(command: list[str], output: IO[str]) -> bool:
    return subprocess.run(command, stdout=output, stderr=output, check=False).returncode == 0


def write_command(folder: Path) -> None:
    """Write `bin/tenkacloud`, which runs the operator's tool of this checkout, from whatever folder."""
    command = folder / "bin" / "tenkacloud"
    python = shlex.quote(str(folder.absolute() / "bin" / "python"))
    runner = shlex.quote(str(ROOT / "scripts" / "run"))
    command.write_text(f'#!/bin/sh\nTENKACLOUD_PYTHON={python} exec {runner} scripts.operator "$@"\n')
    command.chmod(0o755)


def last_error(log: Path) -> str:
    """Return what a log of pip ends with, and what to look at, in one line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR:", "error:", "OSError"))] or lines
    said = errors[-1] if errors else "it said nothing"
    return f"{said} (is the network there, and the disk not full? All of it: {log}); then run the same again"


def _is_fresh(done: Path, inputs: list[Path]) -> bool:
    return done.exists() and all(done.stat().st_mtime >= path.stat().st_mtime for path in inputs)


if __name__ == "__main__":
    run(main)
