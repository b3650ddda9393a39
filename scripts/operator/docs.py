"""The manual's tables of commands, from the program itself: `python -m scripts.operator.docs [--check]`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from scripts.operator.app import NAME
from scripts.operator.catalogue import Command, commands
from scripts.tooling.project import ROOT, CommandError, UsageError, run, say
from scripts.tooling.targets import TARGETS

#: In each file, by the name in its markers: `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
_FILES: Final = (ROOT / "docs" / "operations.md", ROOT / "README.md")
#: Options that all commands have: told once, in the text.
_COMMON: Final = ("ENV", "OUTPUT", "JSON", "NO_HEADERS")


def tables() -> Mapping[str, Callable[[], str]]:
    """Return what makes each table, by its name in the markers."""
    return {"commands": _commands, "options": _options}


def _commands() -> str:
    """Return a table of the commands, with the make target of each."""
    targets: dict[tuple[str, ...], str] = {}
    for name, target in TARGETS.items():
        targets.setdefault(target.constants, name)
        for variable, variant in target.variants.items():
            value = "…" if variable in variant.variables else "1"
            targets.setdefault(variant.constants, f"{name} {variable}={value}")
    rows = [
        f"| `{NAME} {command}` | {_make(targets.get(command.words))} | {command.help} |"
        for command in commands().values()
    ]
    return "\n".join(["| command | make | what it does |", "|---|---|---|", *rows])


def _make(target: str | None) -> str:
    return f"`make {target}`" if target else ""


def _options() -> str:
    """Return a table of each command's own options."""
    rows = [
        f"| `{command}` | {_option(command, name)} | {option.help} |"
        for command in commands().values()
        for name, option in command.options.items()
        if name not in _COMMON
    ]
    return "\n".join(["| command | option | what it says |", "|---|---|---|", *rows])


def _option(command: Command, name: str) -> str:
    option = command.options[name]
    if option.is_argument:
        return f"`{option.metavar}`"
    return f"`{option.name}`" if option.is_flag else f"`{option.name} {option.metavar or 'VALUE'}`"


def written(text: str) -> str:
    """Return a page with its tables made anew.

    Raises:
        CommandError: a marker has no end.
    """
    for name, make in tables().items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if begin not in text:
            continue
        if end not in text:
            raise CommandError(f"there is no {end}")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{make()}\n{end}{rest.partition(end)[2]}"
    return text


def stale(files: tuple[Path, ...] = _FILES) -> list[Path]:
    """Return the pages whose tables differ from the program."""
    return [path for path in files if written(path.read_text()) != path.read_text()]


def main(arguments: list[str]) -> int:
    """Write the tables, or with `--check` only say which are stale: exit code 1."""
    if arguments not in ([], ["--check"]):
        raise UsageError(__doc__ or "")
    found = stale()
    for path in found:
        if arguments:
            say(f"{path.relative_to(ROOT)} is stale: make docs")
        else:
            path.write_text(written(path.read_text()))
            say(f"written: {path.relative_to(ROOT)}")
    return 1 if found and arguments else 0


if __name__ == "__main__":
    run(main)
