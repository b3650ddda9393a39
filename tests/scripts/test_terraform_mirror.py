"""Terraform with and without a registry."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.tooling import project, terraform
from scripts.tooling.project import ENVIRONMENTS, CommandError, UsageError


def mirror(folder: Path, *, packed: bool = False, version: str | None = None) -> Path:
    provider = folder / "registry.example.org" / "hashicorp" / "aws"
    version = version or terraform._locked_version()
    if packed:
        provider.mkdir(parents=True)
        (provider / f"terraform-provider-aws_{version}_linux_amd64.zip").touch()
    else:
        (provider / version / "linux_amd64").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("depth", ["", "a", "a/b", "a/b/c"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_mirror_is_found_under_a_system_place(tmp_path: Path, depth: str, packed: bool) -> None:
    expected = mirror(tmp_path / depth, packed=packed)
    assert terraform.find_mirror({}, (str(tmp_path),)) == expected


def test_a_mirror_of_another_version_is_none(tmp_path: Path) -> None:
    mirror(tmp_path, version="1.2.3")
    assert terraform.find_mirror({}, (str(tmp_path),)) is None


def test_a_mirror_can_be_named(tmp_path: Path) -> None:
    expected = mirror(tmp_path / "mine")
    assert terraform.find_mirror({"TENKACLOUD_TERRAFORM_MIRROR": str(expected)}, ()) == expected
    with pytest.raises(CommandError, match=r"TENKACLOUD_TERRAFORM_MIRROR=.* holds no"):
        terraform.find_mirror({"TENKACLOUD_TERRAFORM_MIRROR": str(tmp_path / "empty")}, ())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of nobody, and a build folder of our own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(terraform, "BUILD", tmp_path / "build")
    monkeypatch.setattr(terraform, "_PLACES", ())
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_mirror_gets_a_cli_configuration(home: Path, tmp_path: Path) -> None:
    found = mirror(tmp_path / "mine")
    # a configuration that does not exist is what the environment may point at
    settings = {"TENKACLOUD_TERRAFORM_MIRROR": str(found), "TF_CLI_CONFIG_FILE": str(home / "missing")}
    environment = terraform.cli_environment(settings)
    config = Path(environment["TF_CLI_CONFIG_FILE"])
    assert config.parent == tmp_path / "build"
    assert f'path = "{found}"' in config.read_text()


def test_the_users_own_configuration_goes_first(home: Path, tmp_path: Path) -> None:
    own = home / "own.tfrc"
    own.touch()
    settings = {"TENKACLOUD_TERRAFORM_MIRROR": str(mirror(tmp_path / "m")), "TF_CLI_CONFIG_FILE": str(own)}
    assert terraform.cli_environment(settings)["TF_CLI_CONFIG_FILE"] == str(own)


def test_without_a_mirror_the_registry_is_used(home: Path) -> None:
    settings = {"TF_CLI_CONFIG_FILE": str(home / "missing")}
    assert "TF_CLI_CONFIG_FILE" not in terraform.cli_environment(settings)


@pytest.mark.usefixtures("home")
def test_a_registry_that_must_not_be_used(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no mirror of hashicorp/aws was found"):
        terraform.cli_environment({"TENKACLOUD_TERRAFORM_REGISTRY": "never"})
    with pytest.raises(CommandError, match="one of auto, never, always"):
        terraform.cli_environment({"TENKACLOUD_TERRAFORM_REGISTRY": "perhaps"})
    settings = {
        "TENKACLOUD_TERRAFORM_REGISTRY": "always",
        "TENKACLOUD_TERRAFORM_MIRROR": str(mirror(tmp_path)),
    }
    assert "TF_CLI_CONFIG_FILE" not in terraform.cli_environment(settings)


def test_plain_terraform_finds_the_mirror_in_each_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for environment in ("local", "dev"):
        (tmp_path / "environments" / environment).mkdir(parents=True)
        (tmp_path / "environments" / environment / "main.tf").touch()
    lock = (ENVIRONMENTS / "local" / ".terraform.lock.hcl").read_text()
    (tmp_path / "environments" / "local" / ".terraform.lock.hcl").write_text(lock)
    monkeypatch.setattr(terraform, "ENVIRONMENTS", tmp_path / "environments")
    found = mirror(tmp_path / "mine")
    for _ in range(2):
        assert terraform.link_mirror({"TENKACLOUD_TERRAFORM_MIRROR": str(found)}) == found
    links = list((tmp_path / "environments").glob("*/terraform.d/plugins"))
    assert {link.resolve() for link in links} == {found}
    assert len(links) == 2
    # WHEN the mirror is not to be used any more THEN no stale link is left
    terraform.link_mirror({"TENKACLOUD_TERRAFORM_REGISTRY": "always"})
    assert not list((tmp_path / "environments").glob("*/terraform.d/plugins"))


def fake_terraform(folder: Path, version: str) -> None:
    folder.mkdir(exist_ok=True)
    program = folder / "terraform"
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'terraform_version': version})}'\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "good"), [("1.10.5", False), ("0.15.0", False), ("1.11.0", True), ("2.0.0", True)]
)
def test_an_old_terraform_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, good: bool
) -> None:
    fake_terraform(tmp_path / "bin", version)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.defpath}")
    if good:
        assert terraform.terraform_binary() == str(tmp_path / "bin" / "terraform")
    else:
        with pytest.raises(CommandError, match=rf"Terraform {version} is too old; 1.11 or later is needed"):
            terraform.terraform_binary()


def test_a_missing_terraform_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CommandError, match="Terraform is not installed"):
        terraform.terraform_binary()


def test_an_aws_environment_needs_a_state_bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "main.tf").touch()
    monkeypatch.setattr(project, "ENVIRONMENTS", tmp_path)
    monkeypatch.delenv("STATE_BUCKET", raising=False)
    with pytest.raises(CommandError, match="say where the state of dev is kept: STATE_BUCKET=<bucket>"):
        terraform.Terraform("dev").init()


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh checkout with a root `dev`, and a Terraform that notes its calls."""
    root = tmp_path / "environments" / "dev"
    root.mkdir(parents=True)
    (root / "main.tf").touch()
    monkeypatch.setattr(project, "ENVIRONMENTS", root.parent)
    monkeypatch.setattr(project, "BUILD", tmp_path / "build")
    monkeypatch.setattr(terraform, "BUILD", tmp_path / "build")
    monkeypatch.setenv("TENKACLOUD_TERRAFORM_REGISTRY", "always")
    for name in ("STATE_BUCKET", "STATE_REGION"):
        monkeypatch.delenv(name, raising=False)
    program = tmp_path / "bin" / "terraform"
    program.parent.mkdir()
    program.write_text(
        f"""#!{sys.executable}
import json, pathlib, sys
with open({str(tmp_path / "calls")!r}, "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + chr(10))
match sys.argv[1]:
    case "version":
        print('{{"terraform_version": "1.11.4"}}')
    case "init":
        bucket = [each.split("=")[2] for each in sys.argv if each.startswith("-backend-config=bucket=")]
        folder = pathlib.Path(".terraform")
        folder.mkdir(exist_ok=True)
        backend = {{"backend": {{"config": {{"bucket": bucket[0]}}}}}}
        (folder / "terraform.tfstate").write_text(json.dumps(backend))
    case "output":
        print('{{"name": {{"value": "x"}}}}')
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.defpath}")
    return tmp_path


def calls(folder: Path) -> list[str]:
    found = (folder / "calls").read_text().splitlines()
    (folder / "calls").unlink()
    return [call.split()[0] for call in found if call != "version -json"]


def test_a_fresh_checkout_initialises_itself_when_it_reads_an_aws_environment(
    dev: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_BUCKET", "state-of-dev")
    assert terraform.Terraform.of("dev").outputs() == {"name": "x"}
    assert calls(dev) == ["init", "output"]
    # the second time, with or without the name, there is nothing to initialise
    terraform.Terraform.of("dev").outputs()
    monkeypatch.delenv("STATE_BUCKET")
    terraform.Terraform.of("dev").outputs()
    assert calls(dev) == ["output", "output"]
    # another bucket is another state
    monkeypatch.setenv("STATE_BUCKET", "another")
    terraform.Terraform.of("dev").outputs()
    assert calls(dev) == ["init", "output"]


def test_a_fresh_checkout_asks_for_the_state_bucket(dev: Path) -> None:
    with pytest.raises(UsageError, match="STATE_BUCKET=<bucket>"):
        terraform.Terraform.of("dev").outputs()


def test_an_init_without_a_network_is_told_in_one_line(dev: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_BUCKET", "b")
    program = dev / "bin" / "terraform"
    failing = (
        "sys.stderr.write('Error: Failed to query available provider packages' + chr(10) * 3); sys.exit(1)"
    )
    program.write_text(
        program.read_text().replace("        bucket = [", f"        {failing}\n        bucket = [")
    )
    with pytest.raises(CommandError, match="Failed to query available provider packages") as raised:
        terraform.Terraform.of("dev").outputs()
    assert "Is there a network?" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_ctrl_c_lets_terraform_write_its_state(dev: Path) -> None:
    slow = """#!/bin/sh
[ "$1" = version ] && echo '{"terraform_version": "1.11.4"}' && exit
trap 'sleep 1; echo written > state; exit 1' INT
echo started >&2
while :; do sleep 0.1; done
"""
    (dev / "bin" / "terraform").write_text(slow)
    program = f"""
from pathlib import Path
from scripts.tooling import project
from scripts.tooling import terraform
project.ENVIRONMENTS = Path({str(dev / "environments")!r})
project.run(lambda _: terraform.Terraform("dev").run("apply"))
"""
    command = subprocess.Popen(
        [sys.executable, "-c", program], text=True, stderr=subprocess.PIPE, start_new_session=True
    )
    assert command.stderr is not None
    assert command.stderr.readline() == "started\n"
    os.killpg(command.pid, signal.SIGINT)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "Traceback" not in err
    assert (dev / "environments" / "dev" / "state").read_text() == "written\n"


def test_an_unknown_environment_is_told() -> None:
    with pytest.raises(
        CommandError, match="there is no environment 'moon': one of dev, local, prod, staging"
    ):
        terraform.Terraform("moon").run("version")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("exit 1", "is too old; 3.11 or later is needed"),
        (None, "Python is not installed"),
    ],
)
def test_a_python_that_will_not_do_is_told_in_one_line(
    tmp_path: Path, program: str | None, message: str
) -> None:
    python = tmp_path / "python3"
    if program:
        python.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.9.1' && exit 0\n{program}\n")
        python.chmod(0o755)
    done = subprocess.run(
        ["scripts/tooling/check-tools.sh", str(python)], text=True, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
