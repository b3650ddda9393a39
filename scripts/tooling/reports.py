"""What a long check prints, and what it puts into files.

A command prints a summary of at most `LINES_MAX` lines: the verdict, what is wrong, figures with their
meaning, and where the rest is. The tables go into `build/reports/`, as text for people and as JSON for
programs.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.tooling.project import BUILD

REPORTS: Final = BUILD / "reports"
LINES_MAX: Final = 30
_WIDTH: Final = 200  # of a table in a file


@dataclass(frozen=True)
class Summary:
    """What came of a run.

    `figures` maps what was measured to its value and meaning. `advice` tells where to look next; it is the
    first to be left out where the lines do not suffice, and the exceptions are the next: all of them are in
    the files.
    """

    passed: bool
    verdict: str
    exceptions: Sequence[str] = ()
    figures: dict[str, str] = field(default_factory=dict)
    advice: Sequence[str] = ()
    files: Sequence[Path] = ()

    def lines(self) -> list[str]:
        """Return the summary, at most `LINES_MAX` lines, the verdict first."""
        width = max(map(len, self.figures), default=0)
        figures = [f"  {name:<{width}}  {value}" for name, value in self.figures.items()]
        files = [f"  report: {path}" for path in self.files]
        room = LINES_MAX - 1 - len(figures) - len(files)
        exceptions = _first([_line(f"✗ {problem}") for problem in self.exceptions], room)
        advice = _first([_line(f"  {line}") for line in self.advice], room - len(exceptions))
        mark = "✓ passed" if self.passed else "✗ failed"
        return [_line(f"{mark}: {self.verdict}"), *exceptions, *advice, *figures, *files]

    def print(self, console: Console) -> None:
        """Print it: red what is wrong, green a verdict that is not."""
        first, *rest = self.lines()
        console.print(Text(first, style="green" if self.passed else "red"), soft_wrap=True)
        for line in rest:
            console.print(Text(line, style="red" if line.startswith("✗") else ""), soft_wrap=True)


def _line(text: str) -> str:
    return " ".join(text.splitlines())


def _first(lines: list[str], room: int) -> list[str]:
    """Return as many lines as there is room for, with a last one that tells how many are left out."""
    if len(lines) <= room:
        return lines
    kept = max(0, room - 1)
    return [*lines[:kept], f"  … and {len(lines) - kept} more, in the report"][: max(0, room)]


def write(name: str, content: Any, parts: Iterable[Table | str], folder: Path = REPORTS) -> list[Path]:
    """Write tables and lines of text as `<name>.txt`, and the content as `<name>.json`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    as_text, as_json = folder / f"{name}.txt", folder / f"{name}.json"
    with as_text.open("w") as file:
        console = Console(file=file, width=_WIDTH, highlight=False)
        for part in parts:
            console.print(part, markup=False, soft_wrap=isinstance(part, str))
    as_json.write_text(json.dumps(content, indent=2) + "\n")
    return [as_text, as_json]
