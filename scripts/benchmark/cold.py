"""Cold starts: import and init of each service from its zip, beside a baseline: boto3 and one client."""

import json
import os
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from scripts.benchmark.measure import Summary
from scripts.local_aws.engine.process import PYTHON
from scripts.tooling.project import REGION
from scripts.tooling.services import SERVICES
from tenkacloud.platform import settings

RUNS: Final = 9
#: What a function does until it can take its first event.
_INIT: Final = """
import os
import {package}.handler
from {package}.bootstrap import Settings, bootstrap
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import SystemClock
from tenkacloud.platform.settings import read
bootstrap(read(Settings, os.environ), Clients(), SystemClock())
"""
#: Settings that are more than any text or number.
_SETTINGS: Final = {
    "AWS_REGION": REGION,
    "DEAD_LETTER_QUEUE_URL": "https://queue.example/q",
    "TENANT_ACCESS_ROLE_ARN": "arn:aws:iam::000000000000:role/r",
}
_BASELINE: Final = "import boto3\nboto3.client('dynamodb')\n"
_TIMED: Final = """
import json, resource, sys, time
began = time.perf_counter()
exec(sys.argv[1])
taken = time.perf_counter() - began
print(json.dumps([taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def cold_starts(zips: Path) -> dict[str, dict[str, Any]]:
    """Return, by service and for `baseline`, `seconds` (a spread) and `megabytes` (peak memory).

    The runs take turns, so that what else the machine does falls on all of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        programs = {"baseline": (Path(folder), _BASELINE)}
        variables: set[str] = set()
        for name, service in SERVICES.items():
            path = Path(folder) / name
            with zipfile.ZipFile(zips / f"{name}.zip") as archive:
                archive.extractall(path)
            programs[name] = (path, _INIT.format(package=service.package))
            variables.update(settings.variables(service.load_bootstrap().Settings).values())
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for number in range(RUNS + 1):
            for name, (path, program) in programs.items():
                figure = _run(path, program, variables)
                if number:  # the first run writes the bytecode
                    figures[name].append(figure)
    return {
        name: {
            "seconds": Summary.of([seconds for seconds, _ in found]),
            "megabytes": max(megabytes for _, megabytes in found),
        }
        for name, found in figures.items()
    }


def _run(path: Path, program: str, variables: set[str]) -> tuple[float, float]:
    environment = {
        **{name: _SETTINGS.get(name, "1") for name in variables},
        "PATH": os.defpath,
        "PYTHONPATH": str(path),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_SERVICE_NAME": "bench",
    }
    done = subprocess.run(
        [str(PYTHON), "-c", _TIMED, program], env=environment, check=True, capture_output=True, text=True
    )
    seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), float(megabytes)
