"""What a make target runs: `python -m scripts.tooling.targets TARGET`.

The Makefile hands the user's variables over through the environment, so that no shell ever reads a value;
`TARGETS` says which options they become. Those of the operator's targets are the options of `tenkacloud`
itself: `--older-than` is OLDER_THAN. A variable on make's command line that the target does not know is
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

from scripts.operator.catalogue import options_of
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
    """The environment, by option or by position; `local` where none is given."""

    def arguments(self, _name: str, value: str, /) -> list[str]:
        """Return it.

        Raises:
            UsageError: there is none of that name.
        """
        environment_root(value or LOCAL)
        return super().arguments(_name, value or LOCAL) if self.option else [value or LOCAL]


class Positional(Variable):
    """An argument by position. It goes last, behind `--`: one that begins with a dash is no option."""

    def arguments(self, _name: str, value: str, /) -> list[str]:
        """Return it, without the `--`, which several share."""
        return [value] if value else []


class Setting(Variable):
    """Read from the environment by the command itself."""

    def arguments(self, _name: str, _value: str, /) -> list[str]:
        """Return nothing."""
        return []


@dataclass(frozen=True)
class Target:
    """A module, what it is always given, and the variables that the user may give.

    `variants`: another target that is meant where a variable is given, by that variable. `unattended`: what
    is given besides where nobody can be asked, so that scripts go on as they did before there were questions.
    """

    module: str
    constants: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)
    variants: Mapping[str, "Target"] = field(default_factory=dict)
    unattended: tuple[str, ...] = ()


_STATE: Final = {"STATE_BUCKET": Setting(), "STATE_REGION": Setting()}
_ENVIRONMENT: Final = {"ENV": EnvironmentName(), **_STATE}
_TERRAFORM: Final = {**_ENVIRONMENT, "ARGS": Words()}
#: Where the environment of a shell may well have a variable of an option's name for something else.
_OTHER_NAMES: Final = {"NAME": "TENANT_NAME"}


def _tool(
    *command: str,
    positional: tuple[str | tuple[str, ...], ...] = ("ID",),
    aliases: Mapping[str, str] | None = None,
    variants: Mapping[str, Target] | None = None,
) -> Target:
    """Return the target of a command of `tenkacloud`.

    `positional`: the variable for each of its arguments by position; several where it has several names.
    `aliases`: older names, and today's.
    """
    options = options_of(command)
    variables: dict[str, Variable] = dict(_STATE)
    by_position = iter(positional)
    for name, option in options.items():
        if option.is_argument:
            given = next(by_position)
            variables |= {each: Positional() for each in ((given,) if isinstance(given, str) else given)}
        elif name == "ENV":
            variables[name] = EnvironmentName(option.name)
        else:
            how = Flag(option.name) if option.is_flag else Variable(option.name)
            variables[_OTHER_NAMES.get(name, name)] = how
    variables |= {alias: variables[name] for alias, name in (aliases or {}).items()}
    unattended = ("--yes",) if "YES" in options else ()
    return Target("scripts.operator", command, variables, variants or {}, unattended)


_SHOW_MESSAGE: Final = _tool("dead-letters", "show", positional=(("MESSAGE", "LETTER"),))
_DEAD_LETTERS: Final = _tool(
    "dead-letters", "list", variants={"MESSAGE": _SHOW_MESSAGE, "LETTER": _SHOW_MESSAGE}
)

#: How the tests are shared out, and in which order: tests/conftest.py.
_SIDE_BY_SIDE: Final = ("--numprocesses=auto", "--dist=loadscope", "--no-loadscope-reorder")
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
    "bench": Target("scripts.benchmark", (), {"BURSTS": Variable("--bursts"), "PARTS": Variable("--parts")}),
    "prove": Target("scripts.verification.proof.prove", (), _TERRAFORM),
    "least-privilege": Target("scripts.verification.least_privilege.least_privilege", (LOCAL,)),
    "tenants": _tool("tenants", "list"),
    "tenant": _tool("tenants", "show"),
    "retry": _tool("tenants", "retry"),
    "verify": _tool("tenants", "verify", variants={"REPAIR": _tool("tenants", "repair")}),
    "suspend": _tool("tenants", "suspend"),
    "reactivate": _tool("tenants", "reactivate"),
    "change-tier": _tool("tenants", "change-tier", positional=("ID", "TIER")),
    "export": _tool("tenants", "export"),
    "offboard": _tool("tenants", "offboard"),
    "restore": _tool("tenants", "restore"),
    "certificate": _tool("tenants", "certificate"),
    "operations": _tool(
        "operations",
        "list",
        variants={
            "ID": _tool("operations", "show"),
            "FOLLOW": _tool("operations", "follow", positional=("FOLLOW",)),
        },
    ),
    "dead-letters": _DEAD_LETTERS,
    "letters": _DEAD_LETTERS,  # its older name
    "redrive": _tool("dead-letters", "redrive"),
    "discard": _tool("dead-letters", "discard", aliases={"LETTER": "MESSAGE"}),
    "replay": _tool("events", "replay"),
    "reconcile": _tool("reconcile"),
    "docs": Target("scripts.operator.docs"),
    "plan": Target("scripts.tooling.terraform", ("plan",), _TERRAFORM),
    "apply": Target("scripts.tooling.terraform", ("apply",), _TERRAFORM),
    "destroy": Target("scripts.tooling.terraform", ("destroy",), _TERRAFORM),
    "output": Target("scripts.tooling.terraform", ("output",), _ENVIRONMENT),
    "state-bucket": Target("scripts.tooling.state_bucket", (), _STATE),
}


def arguments_of(name: str, environment: Mapping[str, str], *, attended: bool = True) -> list[str]:
    """Return the arguments of a target's module, by the variables in an environment.

    `attended`: whether there is somebody who can be asked.

    Raises:
        UsageError: a variable on make's command line is none of the target's, or a value can't be.
    """
    goals = environment.get("MAKECMDGOALS", "").split() or [name]
    known = dict.fromkeys(each for goal in (*goals, name) for each in variables_of(goal))
    for given in _on_the_command_line(environment.get("MAKEFLAGS", "")):
        if given not in known and not _SETTING.fullmatch(given):
            near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]}?" if near else ""
            takes = f" (it takes {', '.join(known)})" if known else " (it takes none)"
            raise UsageError(f"make {' '.join(goals)}: there is no variable {given}{meant}{takes}")
    target = _variant(TARGETS[name], environment)
    arguments = [*target.constants, *(() if attended else target.unattended)]
    by_position = list[str]()
    for variable, how in target.variables.items():
        words = how.arguments(variable, environment.get(variable, ""))
        (by_position if isinstance(how, Positional) else arguments).extend(words)
    return [*arguments, "--", *by_position] if by_position else arguments


def _variant(target: Target, environment: Mapping[str, str]) -> Target:
    for variable, variant in target.variants.items():
        switch = Flag(variable) if variable not in variant.variables else Variable(variable)
        if switch.arguments(variable, environment.get(variable, "")):
            return variant
    return target


def variables_of(goal: str) -> list[str]:
    """Return the names of the variables that a target takes; none for a goal that is no target of ours."""
    if goal not in TARGETS:
        return []
    target = TARGETS[goal]
    variants = [name for variant in target.variants.values() for name in variant.variables]
    return list(dict.fromkeys([*target.variables, *target.variants, *variants]))


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
    sys.argv = [target.module, *arguments_of(arguments[0], os.environ, attended=sys.stdin.isatty())]
    runpy.run_module(target.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run(main)
