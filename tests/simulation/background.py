"""The default seeds, played while other tests wait for an engine: at the lowest priority, from the start.

They take two minutes of both cores; beside the end-to-end tests, which mostly wait, next to nothing.
"""

import os
import subprocess
import sys
from typing import Final

from scripts.project import BUILD, ROOT

OUTPUT: Final = BUILD / "simulation.txt"
_running: dict[str, subprocess.Popen[bytes]] = {}


def start() -> None:
    """Start playing."""
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with OUTPUT.open("wb") as output:
        _running["play"] = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.simulation.run"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: os.nice(19),  # noqa: PLW1509 - no other thread of ours is at work yet
        )


def result(seconds: float) -> tuple[int, str]:
    """Wait for the end; return the exit code and what was printed.

    Raises:
        subprocess.TimeoutExpired: it takes longer.
    """
    code = _running["play"].wait(seconds)
    return code, OUTPUT.read_text()


def stop() -> None:
    """End it, if it still runs."""
    if (process := _running.pop("play", None)) and process.poll() is None:
        os.killpg(process.pid, 9)
        process.wait()
