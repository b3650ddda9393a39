"""`terraform test` of every module, `validate` of every root; both offline, on plans."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from scripts.tooling.build import build
from scripts.tooling.project import BUILD, ENVIRONMENTS, ZIPS
from scripts.tooling.terraform import cli_environment, terraform_binary

MODULES = ENVIRONMENTS.parent / "modules"


def terraform(folder: Path, *arguments: str) -> str:
    environment = {
        **cli_environment(os.environ),
        "TF_DATA_DIR": str(BUILD / "terraform-test" / folder.parent.name / folder.name),
    }
    done = subprocess.run(
        [terraform_binary(), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("module", sorted(path.parent.name for path in MODULES.glob("*/main.tf")))
def test_module(module: str) -> None:
    folder = MODULES / module
    assert {path.name for path in folder.glob("tests/*")} >= {"contract.tftest.hcl", "unit.tftest.hcl"}
    terraform(folder, "init", "-backend=false", "-lockfile=readonly", "-input=false", "-no-color")
    output = terraform(folder, "test", "-no-color")
    assert "Success!" in output
    assert "0 failed" in output


@pytest.mark.parametrize("environment", sorted(path.parent.name for path in ENVIRONMENTS.glob("*/main.tf")))
def test_root_is_valid(environment: str) -> None:
    build(ZIPS)
    folder = ENVIRONMENTS / environment
    terraform(folder, "init", "-backend=false", "-lockfile=readonly", "-input=false", "-no-color")
    assert "Success!" in terraform(folder, "validate", "-no-color")


def test_the_roots_are_the_same_stack() -> None:
    """They may differ in provider, backend and plain values; not in what is deployed, or put out."""
    roots = sorted(path.parent for path in ENVIRONMENTS.glob("*/main.tf"))
    assert [root.name for root in roots] == ["dev", "local", "prod", "staging"]
    assert len({(root / "outputs.tf").read_text() for root in roots}) == 1
    assert len({(root / "versions.tf").read_text() for root in roots}) == 1
    assert len({(root / ".terraform.lock.hcl").read_text() for root in roots}) == 1
    for root in roots:
        main = (root / "main.tf").read_text()
        # One call of the stack; the local root stands in for the tokens' issuer, too
        modules = re.findall('^module "(.+)"', main, re.MULTILINE)
        assert modules == (["identity_provider", "stack"] if root.name == "local" else ["stack"])
        assert "\nresource " not in main
