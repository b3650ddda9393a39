"""`terraform test` of every module, `validate` of every root; all offline, on plans."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.tooling.project import BUILD, ENVIRONMENTS
from scripts.tooling.terraform import cli_environment, terraform_binary

MODULE_ROOT = ENVIRONMENTS.parent / "modules"
TESTS = ENVIRONMENTS.parent / "tests"
MODULES = sorted(path.parent.name for path in MODULE_ROOT.glob("*/main.tf"))
TESTED = sorted(path.name.removesuffix(".tftest.hcl") for path in TESTS.glob("*.tftest.hcl"))
ROOTS = sorted(path.parent.name for path in ENVIRONMENTS.glob("*/main.tf"))


def terraform(folder: Path, *arguments: str) -> str:
    environment = {
        **cli_environment(os.environ),
        "TF_DATA_DIR": str(BUILD / "terraform-test" / folder.name),
        # The provider's schema is most of what Terraform holds. It is there to the end, and looking at it
        # again and again for garbage costs a quarter of the time.
        "GOGC": "400",
    }
    done = subprocess.run(
        [terraform_binary(), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or arguments[0] == "test", done.stdout + done.stderr
    return done.stdout + done.stderr


def init(folder: Path) -> None:
    terraform(folder, "init", "-backend=false", "-lockfile=readonly", "-input=false", "-no-color")


def run_tests(modules: Sequence[str]) -> str:
    return terraform(TESTS, "test", "-no-color", *(f"-filter={module}.tftest.hcl" for module in modules))


def validate(root: str) -> str:
    init(ENVIRONMENTS / root)
    return terraform(ENVIRONMENTS / root, "validate", "-no-color")


def halves() -> tuple[list[str], list[str]]:
    """Return the modules in two parts that take about as long: a run of the stack takes as long as four."""
    cost = {
        name: len(re.findall("^run ", (TESTS / f"{name}.tftest.hcl").read_text(), re.MULTILINE))
        * (4 if name == "stack" else 1)
        for name in TESTED
    }
    parts: tuple[list[str], list[str]] = ([], [])
    for name in sorted(TESTED, key=lambda name: -cost[name]):
        min(parts, key=lambda part: sum(cost[each] for each in part)).append(name)
    return parts


@pytest.fixture(scope="module")
def outputs() -> Iterator[dict[str, Future[str]]]:
    """Run everything, two processes at a time; return the outputs to come, by module and by root.

    A process runs its files one after another, and is only started once: most of the time is Terraform's own.
    """
    init(TESTS)
    with ThreadPoolExecutor(2) as pool:
        found = {
            name: output for part in halves() for output in [pool.submit(run_tests, part)] for name in part
        }
        yield found | {root: pool.submit(validate, root) for root in ROOTS}


@pytest.mark.parametrize("module", MODULES)
def test_module(outputs: dict[str, Future[str]], module: str) -> None:
    assert module in TESTED, f"there is no {TESTS}/{module}.tftest.hcl"
    output = outputs[module].result()
    assert re.search(rf"^{module}\.tftest\.hcl\.\.\. pass$", output, re.MULTILINE), output


@pytest.mark.parametrize("root", ROOTS)
def test_root_is_valid(outputs: dict[str, Future[str]], root: str) -> None:
    assert "Success!" in outputs[root].result()


def test_the_roots_are_the_same_stack() -> None:
    """They may differ in provider, backend and plain values; not in what is deployed, or put out."""
    roots = [ENVIRONMENTS / root for root in ROOTS]
    assert [root.name for root in roots] == ["dev", "local", "prod", "staging"]
    assert len({(root / "outputs.tf").read_text() for root in roots}) == 1
    assert len({(root / "versions.tf").read_text() for root in roots}) == 1
    for root in roots:
        main = (root / "main.tf").read_text()
        # One call of the stack; the local root stands in for the tokens' issuer, too
        modules = re.findall('^module "(.+)"', main, re.MULTILINE)
        assert modules == (["identity_provider", "stack"] if root.name == "local" else ["stack"])
        assert "\nresource " not in main


def test_roots_and_tests_have_one_provider() -> None:
    """Only they say a version and lock it: a module takes the provider of whoever calls it."""
    infrastructure = ENVIRONMENTS.parent
    locks = sorted(infrastructure.rglob(".terraform.lock.hcl"))
    assert {lock.parent for lock in locks} == {TESTS, *(ENVIRONMENTS / root for root in ROOTS)}
    assert len({lock.read_text() for lock in locks}) == 1
    modules = [*MODULE_ROOT.glob("*/*.tf")]
    assert [path for path in modules if re.search('^provider "', path.read_text(), re.MULTILINE)] == []


def test_a_modules_context_is_a_part_of_the_one_that_is_validated() -> None:
    """Terraform has no name for a type: what a module lists has to be what modules/context puts out."""
    context = MODULE_ROOT / "context"
    given = set(re.findall(r"^    (\w+) +=", (context / "outputs.tf").read_text(), re.MULTILINE))
    # An object in it is a local of its name.
    objects = re.findall(
        r"^  (\w+) = \{\n(.*?)^  \}", (context / "main.tf").read_text(), re.DOTALL | re.MULTILINE
    )
    given |= {
        f"{name}.{part}"
        for name, parts in objects
        for part in re.findall(r"^    (\w+) +=", parts, re.MULTILINE)
    }
    taken = {}
    for variables in MODULE_ROOT.glob("*/variables.tf"):
        if found := re.search(
            r'^variable "context" \{.*?^\}', variables.read_text(), re.DOTALL | re.MULTILINE
        ):
            taken[variables.parent.name] = set(_attributes(found[0]))
    assert taken
    assert all(taken.values())
    assert {module: names - given for module, names in taken.items() if names - given} == {}


def _attributes(variable: str) -> Iterator[str]:
    """Yield the attributes of a variable's type, an object; those of objects in it as `object.attribute`."""
    inner = r"(?!type\b)\b(\w+) *= *object\(\{([^{}]*)\}\)"
    for name, parts in re.findall(inner, variable):
        yield from (f"{name}.{part}" for part in re.findall(r"(\w+) *=", parts))
    flat = re.sub(inner, r"\1 = any", variable)
    found = re.search(r"type +=\s+object\(\{([^{}]*)\}\)", flat)
    assert found, variable
    yield from re.findall(r"(\w+) *=", found[1])
