"""Starting and stopping the embedded engine. Only what was started here is ever stopped, by its pid."""

import contextlib
import json
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from scripts.tooling.aws import Endpoint
from scripts.tooling.project import BUILD, REGION, CommandError
from scripts.tooling.waiting import DeadlineError, wait_until

PYTHON: Final = BUILD / "engine-venv" / "bin" / "python"
#: What the engine's health says of an engine with our extension.
EDITION: Final = "tenkacloud"
_SERVE: Final = Path(__file__).with_name("serve.py")
_START_SECONDS: Final = 60
#: Engines that this very process started: their parent has to take note of their end.
_STARTED: Final[dict[int, subprocess.Popen[bytes]]] = {}
_STOP_SECONDS: Final = 15


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Engine:
    """The embedded engine of one port. Its log, pid and files are in `build/engine-<port>/`."""

    port: int

    @property
    def folder(self) -> Path:
        """Where it keeps what it keeps."""
        return BUILD / f"engine-{self.port}"

    @property
    def log(self) -> Path:
        """What it and its Lambdas print."""
        return self.folder / "engine.log"

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers."""
        return Endpoint(f"http://127.0.0.1:{self.port}")

    def start(self) -> None:
        """Start it, empty, and wait until it answers.

        Raises:
            CommandError: it is not installed, its folder can't be written, or it does not come up in time.
        """
        if not PYTHON.exists():
            raise CommandError("the engine is not installed: run `make setup`")
        try:
            process = self._launch()
        except OSError as error:  # a full disk, above all
            raise CommandError(f"the engine can't be started in {self.folder}: {error.strerror}") from error

        def answers() -> bool:
            if process.poll() is not None:
                last = self.log.read_text().strip().splitlines()[-1:]
                raise CommandError(f"the engine ended at once: {' '.join(last)} (log: {self.log})")
            return self.endpoint.is_aws()

        try:
            wait_until(f"the engine to answer (log: {self.log})", answers, _START_SECONDS, poll=0.05)
        except DeadlineError:
            self.stop()
            raise

    def environment(self) -> dict[str, str]:
        """Return the variables that it is started with.

        Nothing of the caller's: the engine's Lambdas see all that it sees. All that it writes, it writes
        into its folder, and shares with no other engine.
        """
        temporary = self.folder / "tmp"
        return {
            "PATH": f"{PYTHON.parent}:{os.defpath}",
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "AWS_ENDPOINT_URL": self.endpoint.url,  # for the Lambdas
            "MINISTACK_REGION": REGION,
            "S3_DATA_DIR": str(temporary / "s3"),
            "STATE_DIR": str(self.folder / "state"),  # the keys that Cognito signs with
            "MINISTACK_EDITION": EDITION,
            # Listeners that we don't need and that would bind all interfaces.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the process, and note it; leave nothing running if that fails.

        Raises:
            OSError: a file could not be written, or the process not be made.
        """
        environment = self.environment()
        Path(environment["TMPDIR"]).mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as log:
            process = subprocess.Popen(
                [str(PYTHON), str(_SERVE)],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            created = psutil.Process(process.pid).create_time()
            self._pid_file.write_text(json.dumps({"pid": process.pid, "created": created}))
        except OSError:
            process.kill()
            process.wait()
            self._pid_file.unlink(missing_ok=True)
            raise
        _STARTED[self.port] = process
        return process

    def stop(self) -> bool:
        """Stop it and its Lambdas; return whether there was anything to stop.

        Raises:
            CommandError: it does not end.
        """
        engine = self.process()
        self._pid_file.unlink(missing_ok=True)
        if engine is None:
            return False
        # Listed before the engine ends: its Lambdas are nobody's children after that.
        alive = [engine, *engine.children(recursive=True)]
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for process in alive:
                with contextlib.suppress(psutil.NoSuchProcess):
                    end(process)
            _, alive = psutil.wait_procs(alive, timeout=_STOP_SECONDS)
        if alive:
            raise CommandError(f"the engine, process {engine.pid}, does not end")
        if started := _STARTED.pop(self.port, None):
            started.wait()
        return True

    def process(self) -> psutil.Process | None:
        """Return the engine's process, None if it does not run.

        A pid alone may be another process's by now, so the time of its start is compared, too.
        """
        try:
            kept = json.loads(self._pid_file.read_text())
            process = psutil.Process(kept["pid"])
            return process if process.create_time() == kept["created"] else None
        except (FileNotFoundError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
            return None

    @property
    def _pid_file(self) -> Path:
        return self.folder / "engine.pid"
