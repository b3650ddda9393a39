"""Terraform, run in the root of an environment; with or without a registry.

`python -m scripts.tooling.terraform (plan|apply|destroy|output) ENV [terraform's own options]`
`python -m scripts.tooling.terraform mirror` prepares the roots for plain `terraform init` behind an air gap.

If a mirror of the AWS provider lies on this machine, it is used instead of the registry: through a CLI
configuration in `build/`, and through a link in each root for those who call Terraform themselves.
A CLI configuration of the user's own goes first.

Settings: `TENKACLOUD_TERRAFORM_REGISTRY` is `auto` (a mirror if there is one; the default), `never` or
`always`; `TENKACLOUD_TERRAFORM_MIRROR` names a mirror's folder.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.tooling.aws import Endpoint
from scripts.tooling.project import (
    BUILD,
    ENVIRONMENTS,
    LOCAL,
    REGION,
    CommandError,
    UsageError,
    environment_root,
    exclusively,
    run,
    say,
)

OLDEST: Final = (1, 11)  # the S3 backend's native locking
_PLACES: Final = ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib", "/opt", "/var/lib", "/srv")
_DEPTH: Final = 3  # folders between a place and the mirror
_PROVIDER: Final = "registry.*/hashicorp/aws"


def find_mirror(environment: Mapping[str, str], places: tuple[str, ...]) -> Path | None:
    """Return the folder of an unpacked or packed provider mirror with the locked version, None without.

    Raises:
        CommandError: the setting names a folder that is no such mirror.
    """
    given = environment.get("TENKACLOUD_TERRAFORM_MIRROR")
    if given:
        mirror = next(_mirrors(Path(given), 0), None)
        if mirror is None:
            raise CommandError(
                f"TENKACLOUD_TERRAFORM_MIRROR={given} holds no {_PROVIDER}/{_locked_version()}"
            )
        return mirror
    home = environment.get("HOME")
    searched = [Path(place) for place in places] + ([Path(home) / ".terraform.d"] if home else [])
    return next((mirror for place in searched for mirror in _mirrors(place, _DEPTH)), None)


def _mirrors(place: Path, depth: int) -> Iterator[Path]:
    version = _locked_version()
    for level in range(depth + 1):
        for provider in sorted(place.glob("*/" * level + _PROVIDER)):
            if any(provider.glob(f"{version}/*")) or any(provider.glob(f"*_{version}_*.zip")):
                yield provider.parent.parent.parent


def _locked_version() -> str:
    lock = (ENVIRONMENTS / LOCAL / ".terraform.lock.hcl").read_text()
    return str(re.findall(r'version\s*=\s*"([^"]+)"', lock)[0])


def cli_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which Terraform finds the AWS provider.

    Raises:
        CommandError: the registry is not to be used, and there is no mirror.
    """
    result = {**environment, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    configured = result.get("TF_CLI_CONFIG_FILE")
    if configured and not Path(configured).is_file():
        del result["TF_CLI_CONFIG_FILE"]  # Terraform would warn at every call
        configured = None
    mirror = _mirror_to_use(environment)
    if mirror is None or configured or (Path.home() / ".terraformrc").is_file():
        return result
    config = BUILD / "terraform.tfrc"
    config.parent.mkdir(exist_ok=True)
    text = (
        f"provider_installation {{\n  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n}}\n"
    )
    unfinished = config.with_name(f"{config.name}.{os.getpid()}")  # another Terraform may be reading it
    unfinished.write_text(text)
    unfinished.replace(config)
    return {**result, "TF_CLI_CONFIG_FILE": str(config)}


def _mirror_to_use(environment: Mapping[str, str]) -> Path | None:
    use = environment.get("TENKACLOUD_TERRAFORM_REGISTRY", "auto")
    if use == "always":
        return None
    if use not in ("auto", "never"):
        raise UsageError(f"TENKACLOUD_TERRAFORM_REGISTRY={use}: one of auto, never, always")
    mirror = find_mirror(environment, _PLACES)
    if mirror is None and use == "never":
        raise CommandError("the registry is not to be used, and no mirror of hashicorp/aws was found")
    return mirror


def link_mirror(environment: Mapping[str, str]) -> Path | None:
    """Link the mirror into each root as `terraform.d/plugins`, where plain Terraform looks; return it.

    Without a mirror, stale links are removed.
    """
    mirror = _mirror_to_use(environment)
    for main in ENVIRONMENTS.glob("*/main.tf"):
        link = main.parent / "terraform.d" / "plugins"
        if mirror is None:
            if link.is_symlink():
                link.unlink(missing_ok=True)
        elif link.is_symlink() or not link.exists():
            link.parent.mkdir(exist_ok=True)
            unfinished = link.with_name(f"plugins.{os.getpid()}")  # another build may run beside this one
            unfinished.symlink_to(mirror)
            unfinished.replace(link)
    return mirror


class KilledError(CommandError):
    """Terraform had no time to write down what it did."""


@dataclass(frozen=True)
class Terraform:
    """Terraform in one root.

    `data_dir` and `state` keep a second deployment of the same root apart from the user's own (tests).
    """

    environment: str
    variables: Mapping[str, str] = field(default_factory=dict)
    data_dir: Path | None = None
    state: Path | None = None

    @classmethod
    def of(cls, environment: str) -> "Terraform":
        """Return the Terraform of an environment, as the make targets run it.

        The local environment at the default endpoint has the root's own state, which plain Terraform uses,
        too; at any other endpoint it has a state of that endpoint's, since these are other resources.

        Raises:
            CommandError: there is no such environment, or `AWS_ENDPOINT_URL` is no URL.
        """
        if environment != LOCAL:
            return cls(environment)
        endpoint = Endpoint.configured()
        name = re.sub("[^A-Za-z0-9.]+", "-", endpoint.url)
        return cls(
            environment,
            variables={"aws_endpoint_url": endpoint.url},
            state=None if endpoint.is_default() else BUILD / "state" / f"{name}.tfstate",
        )

    @property
    def state_file(self) -> Path:
        """Where the state of a local backend is."""
        return self.state or self._root / "terraform.tfstate"

    def init(self) -> None:
        """Initialise the root: providers, modules, backend.

        Raises:
            CommandError: an AWS environment was not told its state bucket, or Terraform failed.
        """
        options = ["-input=false", "-no-color", "-lockfile=readonly"]
        if self.environment != LOCAL:
            options += self._backend()
        with exclusively(f"init-{self.environment}", f"initialising {self.environment}"):
            self.run("init", *options, quiet=True)

    def prepare(self) -> None:
        """Make sure that the state can be read: initialise a fresh checkout, or one of another state bucket.

        Raises:
            CommandError: the environment is not deployed, or `init` failed.
        """
        if self.environment == LOCAL and not self.state_file.is_file():
            raise CommandError("environment local is not deployed here: run `make deploy-local`")
        wanted = os.environ.get("STATE_BUCKET") if self.environment != LOCAL else None
        initialised, bucket = self._initialised()
        if not initialised or wanted not in (None, "", bucket):
            self.init()

    def _initialised(self) -> tuple[bool, str | None]:
        """Tell whether the root is initialised, and with which state bucket."""
        try:
            kept = json.loads(
                ((self.data_dir or self._root / ".terraform") / "terraform.tfstate").read_text()
            )
            return True, kept["backend"]["config"].get("bucket")
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return False, None

    def _backend(self) -> list[str]:
        bucket = os.environ.get("STATE_BUCKET")
        if bucket:
            region = os.environ.get("STATE_REGION") or REGION
            return ["-reconfigure", f"-backend-config=bucket={bucket}", f"-backend-config=region={region}"]
        if self._initialised()[0]:
            return []
        raise UsageError(
            f"say where the state of {self.environment} is kept: STATE_BUCKET=<bucket> "
            "(and STATE_REGION=<region>); `make state-bucket` creates one"
        )

    def apply(self, *options: str) -> str:
        """Apply the root without asking; return Terraform's own summary, one line.

        Raises:
            CommandError: Terraform failed.
        """
        output = self.run("apply", "-input=false", "-auto-approve", "-no-color", *options, quiet=True)
        return next(
            line for line in output.splitlines() if line.startswith(("Apply complete!", "No changes."))
        )

    def plan_json(self, folder: Path) -> dict[str, Any]:
        """Plan, and return the plan as `terraform show -json` prints it. The plan file is put into `folder`.

        Raises:
            CommandError: Terraform failed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "plan"
        self.run("plan", "-input=false", "-no-color", f"-out={file}", quiet=True)
        plan: dict[str, Any] = json.loads(self.run("show", "-json", str(file), quiet=True))
        return plan

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of the applied root. Those that `deployment` holds stand beside the others.

        Raises:
            CommandError: nothing has been applied.
        """
        self.prepare()
        raw = json.loads(self.run("output", "-json", quiet=True))
        if not raw:
            raise CommandError(f"environment {self.environment} is not deployed: it has no outputs")
        outputs = {name: output["value"] for name, output in raw.items()}
        return {**outputs.pop("deployment", {}), **outputs}

    def run(self, command: str, *options: str, quiet: bool = False) -> str:
        """Run one Terraform command; return its output if `quiet`, else let it write to the terminal.

        Raises:
            CommandError: Terraform is missing, too old, or failed.
        """
        environment = {
            **cli_environment(os.environ),
            **{f"TF_VAR_{name}": value for name, value in self.variables.items()},
            **({"TF_DATA_DIR": str(self.data_dir)} if self.data_dir else {}),
        }
        if self.environment == LOCAL:
            environment.pop("AWS_PROFILE", None)  # the provider would look for it, keys given or not
        if self.state and command not in ("init", "show"):
            # Not by the backend's configuration: init would take the user's own state for the old place.
            self.state.parent.mkdir(parents=True, exist_ok=True)
            options = (f"-state={self.state}", *options)
        pipe = subprocess.PIPE if quiet else None
        process = subprocess.Popen(
            [terraform_binary(), command, *options],
            cwd=self._root,
            env=environment,
            text=True,
            stdout=pipe,
            stderr=pipe,
        )
        out, err = _ended(process)
        if process.returncode < 0:
            raise KilledError(f"terraform {command} was killed in environments/{self.environment}")
        if process.returncode:
            where = f"terraform {command} failed in environments/{self.environment}"
            if command == "init":
                raise CommandError(f"{where}: {_told(err or out)}")
            raise CommandError(f"{where}:\n{err or out}" if quiet else where)
        return out or ""

    @property
    def _root(self) -> Path:
        return environment_root(self.environment)


def _ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for Terraform; return what it wrote. Ctrl-C reaches it, too, and it needs time to write its state.

    Raises:
        KeyboardInterrupt: once it has ended; at the second Ctrl-C, at once.
    """
    try:
        return process.communicate()
    except KeyboardInterrupt:
        say("stopping when Terraform has written its state (Ctrl-C again: at once)")
        try:
            process.communicate()
        except KeyboardInterrupt:
            process.kill()
            process.wait()
        raise


def _told(output: str | None) -> str:
    """Return in one line what init complains of, and what to do about it."""
    log = BUILD / "terraform-init.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(output or "")
    errors = [line.strip("│ ") for line in (output or "").splitlines() if "Error: " in line]
    said = errors[0] if errors else "it said nothing"
    return (
        f"{said} (all of it: {log}). Is there a network? Without one, see docs/configuration.md (air gap); "
        "then run the same command again"
    )


def terraform_binary() -> str:
    """Return the path of Terraform.

    Raises:
        CommandError: it is missing or older than `OLDEST`.
    """
    wanted = ".".join(map(str, OLDEST))
    path = shutil.which("terraform")
    if path is None:
        raise CommandError(f"Terraform is not installed, or not on the PATH; {wanted} or later is needed")
    version = json.loads(
        subprocess.run(
            [path, "version", "-json"],
            env=cli_environment(os.environ),
            text=True,
            capture_output=True,
            check=True,
        ).stdout
    )["terraform_version"]
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise CommandError(f"Terraform {version} is too old; {wanted} or later is needed")
    return path


def main(arguments: list[str]) -> None:
    """Run one command."""
    match arguments:
        case ["mirror"]:
            mirror = link_mirror(os.environ)
            if mirror:
                say(f"Terraform takes the AWS provider from {mirror}")
        case [("plan" | "apply" | "destroy") as command, environment, *options]:
            terraform = Terraform.of(environment)
            terraform.init()
            terraform.run(command, *options)
        case ["output", environment]:
            print(json.dumps(Terraform.of(environment).outputs(), indent=2))
        case _:
            raise UsageError(__doc__ or "")


if __name__ == "__main__":
    run(main)
