"""Terraform never sends a call to the engine twice, however many there are."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from scripts.tooling.project import ENVIRONMENTS, LOCAL
from scripts.tooling.terraform import cli_environment, terraform_binary
from tests.conftest import running_engine

RESOURCES = int(os.environ.get("MANY_RESOURCES", "150"))
#: How often all of them are applied, each time with another value.
ROUNDS = int(os.environ.get("MANY_ROUNDS", "2"))
_ATTEMPT = re.compile(r'http\.request\.header\.amz_sdk_request="attempt=(\d+)')


def test_no_call_is_sent_again(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent / "many_resources" / "main.tf", tmp_path)
    shutil.copy(ENVIRONMENTS / LOCAL / ".terraform.lock.hcl", tmp_path)
    log = tmp_path / "terraform.log"
    environment = {**cli_environment(os.environ), "TF_LOG_PROVIDER": "DEBUG", "TF_LOG_PATH": str(log)}
    environment.pop("AWS_PROFILE", None)

    def terraform(*arguments: str) -> None:
        done = subprocess.run(
            [terraform_binary(), *arguments, "-input=false", "-no-color"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    with running_engine() as engine:
        environment |= {"TF_VAR_endpoint": engine.endpoint.url, "TF_VAR_resources": str(RESOURCES)}
        terraform("init", "-lockfile=readonly")
        for number in range(ROUNDS):
            terraform("apply", "-auto-approve", "-parallelism=30", "-refresh=false", f"-var=value={number}")
    attempts = _ATTEMPT.findall(log.read_text())
    assert len(attempts) > RESOURCES * ROUNDS
    assert [attempt for attempt in attempts if attempt != "1"] == []
