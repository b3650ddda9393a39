"""From `make TARGET VARIABLE=value` to the command: no value is ever read by a shell."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.tooling.project import ENVIRONMENTS, UsageError
from scripts.tooling.targets import (
    TARGETS,
    EnvironmentName,
    Flag,
    Positional,
    Setting,
    Target,
    Words,
    arguments_of,
    variables_of,
)

MAKEFILE = Path("Makefile")
VARIABLES = sorted({name for target in TARGETS for name in variables_of(target)})
HOSTILE = [
    '"; touch x; echo "',
    "'; touch x; echo '",
    "FAILED; touch x",
    "`touch x`",
    "$(touch x)",
    "$$(touch x)",
    "$(shell touch x)",
    "$${IFS}|touch x",
    "a\ntouch x\n",
    "--all\t&& touch x #",
]


def recipes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in MAKEFILE.read_text().splitlines():
        if match := re.match(r"([a-z][a-z0-9-]*):(?!=)", line):
            lines = found.setdefault(match[1], [])
        elif line.startswith("\t") and found:
            lines.append(line)
    return found


def test_recipes_use_constants_only() -> None:
    text = MAKEFILE.read_text()
    constants = set(re.findall(r"^override (\w+) :=", text, re.MULTILINE))
    used = {
        name
        for line in text.splitlines()
        if line[:1] == "\t"
        for name in re.findall(r"(?<!\$)\$[({](\w+)", line)
    }
    assert used <= constants
    assert not re.search(r"^\w+ [:?]?=", text, re.MULTILINE)  # one without `override` could be given


def test_the_makefile_and_the_table_have_the_same_targets() -> None:
    run = {
        line.split()[-1] for lines in recipes().values() for line in lines if line.startswith("\t@$(RUN) ")
    }
    assert run == set(TARGETS)


RECORDER = """#!{python} -IS
import json, os, sys
with open(os.environ["RECORD"], "a") as record:
    record.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Makefile with everything set up, and a Python that only notes how it was called."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copy(MAKEFILE, folder)
    shutil.copytree("requirements", folder / "requirements")
    (folder / "scripts" / "tooling").mkdir(parents=True)
    shutil.copy("scripts/run", folder / "scripts")
    for name in ("check-tools.sh", "virtualenv.py", "sources.py"):
        shutil.copy(f"scripts/tooling/{name}", folder / "scripts" / "tooling")
    for venv in (".venv", "build/engine-venv"):
        python = folder / venv / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(RECORDER.format(python=sys.executable))
        python.chmod(0o755)
        (folder / venv / ".done").touch()
    return folder


def make(checkout: Path, *arguments: str) -> list[tuple[list[str], dict[str, str]]]:
    record = checkout / "record"
    record.unlink(missing_ok=True)
    environment = {"PATH": os.environ["PATH"], "RECORD": str(record)}
    done = subprocess.run(
        ["make", *arguments], cwd=checkout, env=environment, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [(argv, seen) for argv, seen in map(json.loads, record.read_text().splitlines())]


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_hostile_values_arrive_to_the_letter(checkout: Path, target: str) -> None:
    if target == "mirror":
        return  # no goal of its own: a line of `build`
    for value in HOSTILE:
        given = [f"{name}={value}" for name in [*VARIABLES, "UNKNOWN"]]
        *_, (argv, seen) = make(checkout, target, *given)
        assert argv[:3] == ["-P", "-m", "scripts.tooling.targets"]
        assert argv[3] == ("mirror" if target == "build" else target)
        assert {name: seen[name] for name in [*VARIABLES, "UNKNOWN"]} == dict.fromkeys(
            [*VARIABLES, "UNKNOWN"], value
        )
        # AND what the other side makes of the command line is right in spite of all the quoting
        with pytest.raises(UsageError, match="there is no variable UNKNOWN"):
            arguments_of(target, seen)
    assert not list(checkout.rglob("x"))


def test_a_hostile_python_runs_nothing(checkout: Path) -> None:
    (checkout / ".venv" / ".done").unlink()
    done = subprocess.run(
        ["make", "setup", 'PYTHON="; touch x; echo "'],
        cwd=checkout,
        text=True,
        capture_output=True,
        check=False,
    )
    (checkout / ".venv" / ".done").touch()
    assert "Python is not installed" in done.stderr
    assert not (checkout / "x").exists()


@pytest.mark.parametrize("value", HOSTILE)
def test_every_value_becomes_one_argument(value: str) -> None:
    for name, target, given in every_target():
        for variable, how in target.variables.items():
            if isinstance(how, Positional):
                leads_there = {} if variable in TARGETS[name].variants else given
                assert arguments_of(name, {**leads_there, variable: value})[-2:] == ["--", value]
            elif isinstance(how, Flag | EnvironmentName):
                with pytest.raises(UsageError):
                    arguments_of(name, {**given, variable: value})
            elif not isinstance(how, Setting | Words):
                assert f"{how.option}={value}" in arguments_of(name, {**given, variable: value})


def every_target() -> Iterator[tuple[str, Target, dict[str, str]]]:
    """Yield each target, and each that a variable puts in its place, with what leads there."""
    for name, target in TARGETS.items():
        yield name, target, {}
        for variable, variant in target.variants.items():
            yield name, variant, {variable: "1"}


def test_words_are_split_as_a_shell_does_but_by_none() -> None:
    assert arguments_of("e2e", {"ARGS": "--keep --timeout '1 $(touch x)'"}) == [
        "local",
        "--keep",
        "--timeout",
        "1 $(touch x)",
    ]
    with pytest.raises(UsageError, match="No closing quotation"):
        arguments_of("test", {"PYTEST_ARGS": "-k 'a"})


@pytest.mark.parametrize("value", ["", "0", "no", "false", "False", "NO"])
def test_off_is_off(value: str) -> None:
    for name, target, given in every_target():
        for variable, how in target.variables.items():
            if isinstance(how, Flag):
                assert how.option not in arguments_of(name, {**given, variable: value})
                assert how.option in arguments_of(name, {**given, variable: "yes"})
                with pytest.raises(UsageError, match="1, yes or true for on"):
                    arguments_of(name, {**given, variable: "2"})
    assert arguments_of("verify", {"REPAIR": value, "ALL": "1"})[:2] == ["tenants", "verify"]
    with pytest.raises(UsageError, match="REPAIR='maybe': 1, yes or true for on"):
        arguments_of("verify", {"REPAIR": "maybe"})


def test_the_operators_targets_are_commands_with_the_options_of_the_program() -> None:
    assert arguments_of("tenants", {"OLDER_THAN": "15m", "TENANT_NAME": "a", "JSON": "1"}) == [
        "tenants",
        "list",
        "--name=a",
        "--older-than=15m",
        "--env=local",
        "--json",
    ]
    assert arguments_of("retry", {"ID": "-a", "ENV": "dev", "WAIT": "1"}) == [
        "tenants",
        "retry",
        "--wait",
        "--env=dev",
        "--",
        "-a",
    ]
    assert arguments_of("verify", {"ALL": "1", "REPAIR": "1"})[:3] == ["tenants", "repair", "--all"]
    assert arguments_of("change-tier", {"TIER": "-x", "ID": "-a", "WAIT": "1"}) == [
        "tenants",
        "change-tier",
        "--wait",
        "--env=local",
        "--",
        "-a",
        "-x",
    ]
    given = {"ID": "a", "CONFIRM": "a", "RETENTION_DAYS": "7", "EXPORT": "1"}
    assert arguments_of("offboard", given) == [
        "tenants",
        "offboard",
        "--confirm=a",
        "--retention-days=7",
        "--export",
        "--env=local",
        "--",
        "a",
    ]
    # Whatever a shell's environment says of a NAME is about something else
    assert not [each for each in arguments_of("tenants", {"NAME": "a"}) if each.startswith("--name")]


@pytest.mark.parametrize(("target", "variable"), [("letters", "LETTER"), ("dead-letters", "MESSAGE")])
def test_the_older_names_of_dead_letter_messages_still_work(target: str, variable: str) -> None:
    assert arguments_of(target, {"SERVICE": "provisioning"})[:2] == ["dead-letters", "list"]
    found = arguments_of(target, {variable: "-1", "SERVICE": "provisioning"})
    assert found == ["dead-letters", "show", "--service=provisioning", "--env=local", "--", "-1"]
    assert "--message=1" in arguments_of("discard", {variable: "1"})


def test_operations_are_listed_shown_or_followed() -> None:
    assert arguments_of("operations", {"STATE": "failed"})[:3] == ["operations", "list", "--state=failed"]
    assert arguments_of("operations", {"ID": "a"}) == ["operations", "show", "--env=local", "--", "a"]
    found = arguments_of("operations", {"FOLLOW": "a", "TIMEOUT": "5m"})
    assert found == ["operations", "follow", "--timeout=5m", "--env=local", "--", "a"]


ASKING = {"retry", "verify", "redrive", "discard", "replay", "reconcile"}


def test_nobody_is_asked_where_nobody_is_there() -> None:
    for name in TARGETS:
        given = {"REPAIR": "1"} if name == "verify" else {}
        assert ("--yes" in arguments_of(name, given, attended=False)) == (name in ASKING), name
        assert "--yes" not in arguments_of(name, given)


def test_a_variable_that_a_target_does_not_know_is_rejected_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match="no variable SERVCE; did you mean SERVICE"):
        arguments_of("redrive", {"MAKEFLAGS": "s -- SERVCE=provisioning", "MAKECMDGOALS": "redrive"})
    with pytest.raises(UsageError, match="no variable ID"):
        arguments_of("tenants", {"MAKEFLAGS": " -- ID=a"})
    assert arguments_of("verify", {"MAKEFLAGS": " -- REPAIR=0", "REPAIR": "0"})[:2] == ["tenants", "verify"]
    # of another goal of the same command, or a setting of a program
    goals = {"MAKEFLAGS": " -- ARGS=--json AWS_ENDPOINT_URL=http://x", "MAKECMDGOALS": "deploy-local e2e"}
    assert arguments_of("deploy-local", goals) == ["deploy"]


def test_an_environment_that_is_none_is_rejected() -> None:
    for name in ("moon", "../environments/dev", str((ENVIRONMENTS / "dev").resolve()), "--all"):
        with pytest.raises(UsageError, match="there is no environment"):
            arguments_of("tenants", {"ENV": name})


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry", "ID=a", "ALL=1"),
        ("retry",),
        ("verify", "ALL=1", "REPAIR=maybe"),
        ("tenants", "STATUS=ODD"),
        ("tenant", "ID=a", "ENV=moon"),
        ("replay", "FROM=yesterday", "TO=2026-01-01T00:00:00Z"),
        ("tenants", "SORT=odd"),
        ("tenants", "OLDER_THAN=soon"),
        ("bench", "BURSTS=x"),
        ("suspend", "ID=a"),
        ("change-tier", "ID=a"),
        ("change-tier", "TIER=PRO"),
        ("change-tier", "ID=a", "TIER=GOLD"),
        ("offboard", "ID=a"),
        ("offboard", "ID=a", "CONFIRM=b"),
        ("offboard", "ID=a", "CONFIRM=a", "RETENTION_DAYS=x"),
        ("operations", "STATE=odd"),
    ],
)
def test_wrong_use_is_2_to_the_very_end(arguments: tuple[str, ...]) -> None:
    target, *variables = arguments
    environment = {"PATH": os.environ["PATH"], **dict(each.split("=", 1) for each in variables)}
    done = subprocess.run(
        ["scripts/run", "scripts.tooling.targets", target],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
