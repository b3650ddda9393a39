"""The commands and their options, read from the program itself: for make's targets and the manual."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import typer

from scripts.operator.app import app


@dataclass(frozen=True)
class Option:
    """An option (`--older-than`), or an argument by position. `metavar`: how its value is named in help."""

    name: str
    is_flag: bool
    is_argument: bool
    metavar: str
    help: str


@dataclass(frozen=True)
class Command:
    """A command, by the words that call it, and the first line of its help."""

    words: tuple[str, ...]
    help: str
    options: Mapping[str, Option]

    def __str__(self) -> str:
        return " ".join(self.words)


@cache
def commands() -> Mapping[tuple[str, ...], Command]:
    """Return every command by its words: group by group, then those that are in none."""
    found = sorted(_below((), typer.main.get_command(app)), key=lambda command: len(command.words) == 1)
    return {command.words: command for command in found}


def _below(words: tuple[str, ...], found: Any) -> Iterator[Command]:
    groups: Mapping[str, Any] = getattr(found, "commands", {})
    for name, each in groups.items():
        yield from _below((*words, name), each)
    if not groups:
        text = (found.help or "").strip().split("\n\n")[0]
        options = {
            _variable(option): option for option in map(_option, found.params) if option.name != "--help"
        }
        yield Command(words, " ".join(text.split()), options)


def _option(parameter: Any) -> Option:
    is_argument = parameter.param_type_name == "argument"
    long = next((each for each in parameter.opts if each.startswith("--")), parameter.name)
    return Option(
        name=parameter.name if is_argument else long,
        is_flag=bool(getattr(parameter, "is_flag", False)),
        is_argument=is_argument,
        metavar=parameter.metavar or "",
        help=parameter.help or "",
    )


def _variable(option: Option) -> str:
    """Return the name of make's variable of an option."""
    return option.name.removeprefix("--").replace("-", "_").upper()


def options_of(words: tuple[str, ...]) -> Mapping[str, Option]:
    """Return the options of a command by make's names of them: `--older-than` is OLDER_THAN.

    Raises:
        KeyError: there is no such command.
    """
    return commands()[words].options
