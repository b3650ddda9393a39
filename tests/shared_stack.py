"""The deployed stack that the end-to-end and contract tests share: one engine, one apply, one destroy.

A process of its own deploys it, and another destroys it: both mostly wait, so that other tests run meanwhile.
`python -m tests.shared_stack (deploy|destroy) PORT FOLDER`
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from scripts.local_aws.engine.process import Engine, free_port
from scripts.local_aws.stack import Stack, configured, deploy, left_over, terraform_on
from scripts.tooling.aws import Clients
from scripts.tooling.project import LOCAL, REGION, ROOT

#: Seconds for each of the two, on a machine with much else to do.
_SECONDS: Final = 400


class SharedStack:
    """A stack on the way up, there, or on the way down."""

    def __init__(self) -> None:
        self.engine = Engine(free_port())
        self._files = tempfile.TemporaryDirectory()
        self._folder = Path(self._files.name)
        self._deploying = self._start("deploy")
        self._destroying: subprocess.Popen[bytes] | None = None

    def wait(self) -> Stack:
        """Return the stack once it is there."""
        self._wait("deploy", self._deploying)
        return _stack(self.engine, self._folder)

    def begin_to_destroy(self) -> None:
        """Let its end begin: no test needs it any more. `finish` waits for it, and looks what is left."""
        if self._destroying is None and self._deploying.poll() == 0:
            self._destroying = self._start("destroy")

    def finish(self) -> None:
        """Destroy it, if that has not begun; fail if anything is left over."""
        self.begin_to_destroy()
        if self._destroying is not None:
            self._wait("destroy", self._destroying)
            with configured(self.engine.endpoint):
                assert left_over(Clients(LOCAL, REGION)) == []

    def stop(self) -> None:
        """Leave nothing running, whatever happened before."""
        for process in (self._deploying, self._destroying):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # and Terraform with it
                process.wait()
        self.engine.stop()
        self._files.cleanup()

    def _start(self, what: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.shared_stack", what, str(self.engine.port), str(self._folder)]
        with self._log(what).open("wb") as log:
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def _wait(self, what: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait(_SECONDS)
        assert code == 0, f"{what} of the stack failed:\n{self._log(what).read_text()}"

    def _log(self, what: str) -> Path:
        return self._folder / f"{what}.log"


def _stack(engine: Engine, folder: Path) -> Stack:
    return Stack(engine, terraform_on(engine.endpoint, folder))


def main(what: str, port: str, folder: str) -> None:
    """Deploy or destroy."""
    engine = Engine(int(port))
    with configured(engine.endpoint):
        if what == "deploy":
            engine.start()
            deploy(engine, Path(folder))
        else:
            _stack(engine, Path(folder)).destroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
