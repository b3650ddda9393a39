"""Cold starts: import and init of each handler from its zip, beside a baseline: boto3 and one client."""

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

RUNS: Final = 9
#: Module and the function that makes its clients, by service.
HANDLERS: Final = {
    "provisioning": ("provisioning.handler", "_service"),
    "provisioning-completion": ("provisioning_completion.handler", "_consumer"),
    "tenant-provisioner": ("tenant_provisioner.handler", "_consumer"),
    "reconciler": ("reconciler.handler", "_service"),
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
        for service, (module, wiring) in HANDLERS.items():
            path = Path(folder) / service
            with zipfile.ZipFile(zips / f"{service}.zip") as archive:
                archive.extractall(path)
            programs[service] = (path, f"import {module} as handler\nhandler.{wiring}()\n")
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for number in range(RUNS + 1):
            for name, (path, program) in programs.items():
                figure = _run(path, program)
                if number:  # the first run writes the bytecode
                    figures[name].append(figure)
    return {
        name: {
            "seconds": Summary.of([seconds for seconds, _ in found]),
            "megabytes": max(megabytes for _, megabytes in found),
        }
        for name, found in figures.items()
    }


def _run(path: Path, program: str) -> tuple[float, float]:
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(path),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "TABLE_NAME": "t",
        "EVENT_BUS_NAME": "b",
        "DATA_BUCKET_NAME": "d",
        "TENKACLOUD_ENVIRONMENT": "local",
        "TENANT_ACCESS_ROLE_ARN": "arn:aws:iam::000000000000:role/r",
        "ACCOUNT_ID": "000000000000",
        "DEAD_LETTER_QUEUE_URL": "https://queue.example/q",
        "STUCK_AFTER_SECONDS": "900",
        "RESUMPTIONS_MAX": "5",
    }
    done = subprocess.run(
        [str(PYTHON), "-c", _TIMED, program], env=environment, check=True, capture_output=True, text=True
    )
    seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), float(megabytes)
