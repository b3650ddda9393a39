"""The deployed stack that the end-to-end and contract tests share: one engine, one apply, one destroy.

A process of its own deploys it, and another destroys it: both mostly wait, so that other tests run meanwhile.
Everything about it is in a folder, so that it does not matter which of several test processes (pytest-xdist)
begins, which one runs the stack's tests, and which one is left to clear up.

`python -m tests.shared_stack (deploy|destroy) FOLDER`
"""

import contextlib
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Final

from scripts.local_aws.engine.process import Engine, free_port
from scripts.local_aws.stack import Stack, configured, deploy, left_over, terraform_on
from scripts.tooling.aws import Clients
from scripts.tooling.project import LOCAL, REGION, ROOT
from scripts.tooling.waiting import wait_until

#: Seconds for each of the two, on a machine with much else to do.
_SECONDS: Final = 400


class SharedStack:
    """A stack on the way up, there, or on the way down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Let its deployment begin, if it has not."""
        try:
            self._folder.mkdir(parents=True)
        except FileExistsError:
            return
        _write(self._folder / "port", str(free_port()))
        self._start("deploy")

    def wait(self) -> Stack:
        """Return the stack once it is there."""
        self.begin()
        self._wait("deploy")
        return self._stack()

    @property
    def engine(self) -> Engine:
        """Its engine, which may not run yet."""
        port = self._folder / "port"
        wait_until("the stack's port", port.is_file, seconds=30)
        return Engine(int(port.read_text()))

    def begin_to_destroy(self) -> None:
        """Let its end begin: no test needs it any more. `finish` waits for it, and looks what is left."""
        if not (self._folder / "destroy.log").exists():
            self._start("destroy")

    def finish(self) -> None:
        """Destroy it, if that has not begun; fail if anything is left over."""
        self.begin_to_destroy()
        self._wait("destroy")
        with configured(self.engine.endpoint):
            assert left_over(Clients(LOCAL, REGION)) == []

    def stop(self) -> None:
        """Leave nothing running, whatever happened before."""
        for pid in self._folder.glob("*.pid"):
            if not pid.with_suffix(".ended").exists():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(pid.read_text()), signal.SIGKILL)  # and Terraform with it
        for process in self._started:
            process.wait()
        if (self._folder / "port").is_file():
            self.engine.stop()

    def run(self, what: str) -> None:
        """Deploy or destroy, in this process."""
        outcome = ""
        try:
            with configured(self.engine.endpoint):
                if what == "deploy":
                    self.engine.start()
                    deploy(self.engine, self._folder)
                else:
                    self._stack().destroy()
        except BaseException:
            outcome = traceback.format_exc()
            raise
        finally:
            _write(self._folder / f"{what}.ended", outcome)

    def _stack(self) -> Stack:
        return Stack(self.engine, terraform_on(self.engine.endpoint, self._folder))

    def _start(self, what: str) -> None:
        command = [sys.executable, "-m", "tests.shared_stack", what, str(self._folder)]
        with (self._folder / f"{what}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        _write(self._folder / f"{what}.pid", str(process.pid))
        self._started.append(process)

    def _wait(self, what: str) -> None:
        ended = self._folder / f"{what}.ended"
        wait_until(f"{what} of the stack (log: {ended.with_suffix('.log')})", ended.is_file, _SECONDS)
        assert not ended.read_text(), f"{what} of the stack failed:\n{ended.read_text()}"


def _write(path: Path, text: str) -> None:
    """Write a file that is there with all its text, or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)


if __name__ == "__main__":
    SharedStack(Path(sys.argv[2])).run(sys.argv[1])
