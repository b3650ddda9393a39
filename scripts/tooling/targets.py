"""What a make target runs: `python -m scripts.tooling.targets TARGET`.

The Makefile hands the user's variables over through the environment, so that no shell ever reads a value;
`TARGETS` says which options they become. A variable on make's command line that the target does not know is
rejected: `SERVCE=x`, left out in silence, would mean all services.
"""

import difflib
import os
import re
import runpy
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from scripts.tooling.project import LOCAL, UsageError, environment_root, run

_ON: Final = ("1", "yes", "true")
_OFF: Final = ("", "0", "no", "false")
#: Read from the environment by programs themselves: no options of a target.
_SETTING: Final = re.compile(
    r"(AWS|TF|TENKACLOUD|PIP|PYTHON)_\w+|PYTHON|SHELL|(https?|no)_proxy", re.IGNORECASE
)


@dataclass(frozen=True)
class Variable:
    """How one variable becomes arguments. An empty one counts as not given."""

    option: str = ""

    def arguments(self, _name: str, value: str, /) -> list[str]:
        """Return the arguments. One word with the option: a value that begins with a dash is no option."""
        return [f"{self.option}={value}"] if value else []


class Flag(Variable):
    """On or off."""

    def arguments(self, name: str, value: str, /) -> list[str]:
        """Return the option, or nothing.

        Raises:
            UsageError: the value says neither.
        """
        if value.lower() in _ON:
            return [self.option]
        if value.lower() in _OFF:
            return []
        raise UsageError(f"{name}={value!r}: 1, yes or true for on; 0, no or false for off")


class Words(Variable):
    """Options to be handed on, quoted as for a shell."""

    def arguments(self, name: str, value: str, /) -> list[str]:
        """Return the words.

        Raises:
            UsageError: a quote is not closed.
        """
        try:
            return shlex.split(value)
        except ValueError as error:
            raise UsageError(f"{name}={value!r}: {error}") from error


class EnvironmentName(Variable):
    """The environment, by position; `local` where none is given."""

    def arguments(self, _name: str, value: str, /) -> list[str]:
        """Return it.

        Raises:
            UsageError: there is none of that name.
        """
        environment_root(value or LOCAL)
        return [value or LOCAL]


class Setting(Variable):
    """Read from the environment by the command itself."""

    def arguments(self, _name: str, _value: str, /) -> list[str]:
        """Return nothing."""
        return []


@dataclass(frozen=True)
class Target:
    """A module, what it is always given, and the variables that the user may give."""

    module: str
    constants: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)


_STATE: Final = {"STATE_BUCKET": Setting(), "STATE_REGION": Setting()}
_ENVIRONMENT: Final = {"ENV": EnvironmentName(), **_STATE}
_TERRAFORM: Final = {**_ENVIRONMENT, "ARGS": Words()}
_ID_OR_ALL: Final = {"ID": Variable("--id"), "ALL": Flag("--all")}


def _operation(name: str, **variables: Variable) -> Target:
    return Target("scripts.operator", (name,), {**variables, "JSON": Flag("--json"), **_ENVIRONMENT})


#: How the tests are shared out, and in which order: tests/conftest.py.
_SIDE_BY_SIDE: Final = ("--numprocesses=auto", "--dist=loadgroup", "--no-loadscope-reorder")
_QUICK: Final = (
    "--numprocesses=logical",
    *_SIDE_BY_SIDE[1:],
    "-m",
    "not stack",
    "tests/unit",
    "tests/handlers",
    "tests/contract",
)

_CHAOS: Final = Target(
    "scripts.verification.chaos.chaos", (), {"TENANTS": Variable("--tenants"), "SEED": Variable("--seed")}
)

TARGETS: Final[Mapping[str, Target]] = {
    "build": Target("scripts.tooling.build"),
    "mirror": Target("scripts.tooling.terraform", ("mirror",)),
    "test": Target("pytest", _SIDE_BY_SIDE, {"PYTEST_ARGS": Words()}),
    "test-quick": Target("pytest", _QUICK, {"PYTEST_ARGS": Words()}),
    "deploy-local": Target("scripts.local_aws.local", ("deploy",)),
    "deploy-local-quietly": Target("scripts.local_aws.local", ("deploy", "--quiet")),
    "stop-local": Target("scripts.local_aws.local", ("stop",)),
    "destroy-local": Target("scripts.local_aws.local", ("destroy",)),
    "e2e": Target("scripts.verification.flow.e2e", (), _TERRAFORM),
    "simulate": Target(
        "tests.simulation.run", (), {"FIRST": Variable("--first"), "SEEDS": Variable("--seeds")}
    ),
    "chaos": _CHAOS,
    "load-faults": _CHAOS,  # its old name
    "bench": Target("scripts.benchmark", (), {"BURSTS": Variable("--bursts")}),
    "prove": Target("scripts.verification.proof.prove", (), _TERRAFORM),
    "least-privilege": Target("scripts.verification.least_privilege.least_privilege", (LOCAL,)),
    "tenants": _operation(
        "tenants",
        STATUS=Variable("--status"),
        TIER=Variable("--tier"),
        STUCK=Flag("--stuck"),
        LIMIT=Variable("--limit"),
    ),
    "tenant": _operation("tenant", ID=Variable("--id")),
    "retry": _operation("retry", **_ID_OR_ALL, RATE=Variable("--rate")),
    "letters": _operation("letters", SERVICE=Variable("--service"), LETTER=Variable("--letter")),
    "redrive": _operation(
        "redrive",
        SERVICE=Variable("--service"),
        REJECTED=Flag("--rejected"),
        FORCE=Flag("--force"),
        RATE=Variable("--rate"),
    ),
    "discard": _operation(
        "discard",
        SERVICE=Variable("--service"),
        LETTER=Variable("--letter"),
        REASON=Variable("--reason"),
        EXPORT=Variable("--export"),
        NO_EXPORT=Flag("--no-export"),
    ),
    "replay": _operation("replay", FROM=Variable("--from"), TO=Variable("--to")),
    "verify": _operation("verify", **_ID_OR_ALL, REPAIR=Flag("--repair")),
    "reconcile": _operation("reconcile", OLDER_THAN=Variable("--older-than")),
    "plan": Target("scripts.tooling.terraform", ("plan",), _TERRAFORM),
    "apply": Target("scripts.tooling.terraform", ("apply",), _TERRAFORM),
    "destroy": Target("scripts.tooling.terraform", ("destroy",), _TERRAFORM),
    "output": Target("scripts.tooling.terraform", ("output",), _ENVIRONMENT),
    "state-bucket": Target("scripts.tooling.state_bucket", (), _STATE),
}


def arguments_of(name: str, environment: Mapping[str, str]) -> list[str]:
    """Return the arguments of a target's module, by the variables in an environment.

    Raises:
        UsageError: a variable on make's command line is none of the target's, or a value can't be.
    """
    goals = environment.get("MAKECMDGOALS", "").split() or [name]
    known = {each: how for goal in (*goals, name) for each, how in _variables(goal).items()}
    for given in _on_the_command_line(environment.get("MAKEFLAGS", "")):
        if given not in known and not _SETTING.fullmatch(given):
            near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]}?" if near else ""
            takes = f" (it takes {', '.join(known)})" if known else " (it takes none)"
            raise UsageError(f"make {' '.join(goals)}: there is no variable {given}{meant}{takes}")
    target = TARGETS[name]
    arguments = list(target.constants)
    for variable, how in target.variables.items():
        arguments += how.arguments(variable, environment.get(variable, ""))
    return arguments


def _variables(goal: str) -> Mapping[str, Variable]:
    return TARGETS[goal].variables if goal in TARGETS else {}


def _on_the_command_line(flags: str) -> list[str]:
    """Return the names of the variables that MAKEFLAGS hands on, as make quotes them."""
    _, separator, given = f" {flags}".partition(" -- ")
    if not separator:
        return []
    words = re.findall(r"(?:\\.|[^\\ \t])+", given, re.DOTALL)
    return [re.split(r"[:?+!]*=", word, maxsplit=1)[0] for word in words]


def main(arguments: list[str]) -> None:
    """Run a target's module in this process, as `python -m` would."""
    if len(arguments) != 1 or arguments[0] not in TARGETS:
        raise UsageError(f"which target? One of {', '.join(TARGETS)}")
    target = TARGETS[arguments[0]]
    sys.argv = [target.module, *arguments_of(arguments[0], os.environ)]
    runpy.run_module(target.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run(main)
