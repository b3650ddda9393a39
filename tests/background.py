"""Programs that are all CPU, run while other tests wait for an engine: niced, and from the start.

They take minutes of both cores; beside the end-to-end tests, which mostly wait, next to nothing.
"""

import os
import subprocess
import sys
from typing import Final

from scripts.tooling.project import BUILD, ROOT

#: By the test that waits for its end: the module to be run.
PROGRAMS: Final = {
    "test_every_invariant_holds_for_every_seed": "tests.simulation.run",
    "test_each_deliberate_bug_is_found": "tests.simulation.mutants",
    "test_the_handlers_work_with_the_oldest_boto3": "tests.packaging.runtime_floor",
}
_running: dict[str, subprocess.Popen[bytes]] = {}


def start(test: str) -> None:
    """Start the program of a test."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    output = BUILD / f"{PROGRAMS[test]}.txt"
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as file:
        _running[test] = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", PROGRAMS[test]],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: os.nice(19),  # noqa: PLW1509 - no other thread of ours is at work yet
        )


def result(test: str, seconds: float) -> tuple[int, str]:
    """Wait for the end of a test's program; return the exit code and what was printed.

    Raises:
        subprocess.TimeoutExpired: it takes longer.
    """
    code = _running[test].wait(seconds)
    return code, (BUILD / f"{PROGRAMS[test]}.txt").read_text()


def stop() -> None:
    """End what still runs."""
    for process in _running.values():
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
    _running.clear()
