"""Make a virtual environment: `python -m scripts.tooling.virtualenv FOLDER REQUIREMENTS [NEWER...]`.

Where the requirements have Typer, the operator's command `FOLDER/bin/tenkacloud` is written, too.

Runs on the system's Python, before any package is there. `FOLDER/.done` marks a whole environment. One at a
time: whoever comes second waits, and finds it done.
"""

import shlex
import subprocess
import sys
from pathlib import Path

from scripts.tooling.project import BUILD, ROOT, CommandError, UsageError, exclusively, run, say


def main(arguments: list[str]) -> None:
    """Make it."""
    if len(arguments) < 2:  # noqa: PLR2004 - FOLDER and REQUIREMENTS
        raise UsageError(__doc__ or "")
    folder, *inputs = map(Path, arguments)
    with exclusively(f"virtualenv-{folder.name}", f"setting up {folder}") as waited:
        if waited and _is_fresh(folder / ".done", inputs):
            return
        say(f"setting up {folder}")
        make(folder, inputs[0])


def make(folder: Path, requirements: Path) -> None:
    """Make it anew.

    Raises:
        CommandError: it can't be made.
    """
    (folder / ".done").unlink(missing_ok=True)
    log = BUILD / f"setup-{folder.name}.log"
    python = str(folder / "bin" / "python")
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    with log.open("w") as output:
        for command, step in (
            ([sys.executable, "-m", "venv", "--clear", str(folder)], f"{folder} could not be made"),
            ([python, *pip, "-r", str(requirements)], f"pip could not install {requirements}"),
        ):
            if subprocess.run(command, stdout=output, stderr=output, check=False).returncode:
                raise CommandError(f"{step}: {last_error(log)}")
    if next(folder.glob("lib/python*/site-packages/typer"), None):
        write_command(folder)
    (folder / ".done").touch()


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
