"""How results are printed: a table for people, JSON, CSV and TSV for programs.

Results go to standard output, all else to standard error. JSON is one document:
`{"items": […], "summary": {…}}`. On a terminal, times are local and ages are rounded; elsewhere times are
RFC 3339 in UTC, and ages are seconds.
"""

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.operator.session import WIDTH_ELSEWHERE, Session

if TYPE_CHECKING:
    from rich.console import OverflowMethod

Item = Mapping[str, Any]
_STYLES: Final = {
    **dict.fromkeys(
        (
            "COMPLETED",
            "ACTIVE",
            "repaired",
            "retried",
            "requested",
            "redriven",
            "suspended",
            "reactivated",
            "changed",
            "begun",
            "restored",
            "cancelled",
            "released",
            "completed",
            "deleted",
            "intact",
        ),
        "green",
    ),
    **dict.fromkeys(
        (
            "FAILED",
            "DEPROVISION_FAILED",
            "DELETED",
            "error",
            "failed",
            "not repaired",
            "NO RECORD",
            "damaged",
        ),
        "red",
    ),
    **dict.fromkeys(
        (
            "PENDING",
            "SUSPENDED",
            "OFFBOARDING",
            "REQUESTED",
            "WAITING",
            "KEPT",
            "skipped",
            "left",
            "waiting",
            "under way",
        ),
        "yellow",
    ),
    **dict.fromkeys(("PROVISIONING", "DEPROVISIONING", "RUNNING"), "cyan"),
    "DEPROVISIONED": "dim",
}
#: How the names of times end.
_TIMES: Final = ("At", "At1", "At2", "Until", "After", "notBefore")
_GAP: Final = 2
_LAST_MIN: Final = 20  # the last column takes what is left, but not less
_TEXT_MIN: Final = 8
_ROUND_FROM: Final = 10  # of a unit: then the smaller one says nothing
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    CSV = "csv"
    TSV = "tsv"


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    STATE = "state"  # in colour
    AGE = "age"  # seconds
    TIME = "time"  # RFC 3339


@dataclass(frozen=True)
class Column:
    """A column: the item's key, its title, and how wide it gets at most in a narrow table.

    `wide` ones are left out of `table`. One that is `whole` is folded, not cut: ids are there to be copied.
    """

    key: str
    title: str
    kind: Kind = Kind.TEXT
    max_width: int = 24
    wide: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Printer:
    """Prints in one format. `headers`: whether CSV and TSV begin with the columns' names."""

    session: Session
    format: Format
    headers: bool = True

    @property
    def is_for_people(self) -> bool:
        """Whether a table is printed."""
        return self.format in (Format.TABLE, Format.WIDE)

    def print(self, items: Sequence[Item], columns: Sequence[Column], summary: Item) -> None:
        """Print results. `summary` is part of JSON only: say what people need of it."""
        match self.format:
            case Format.JSON:
                print(json.dumps({"items": items, "summary": summary}, indent=2, ensure_ascii=False))
            case Format.CSV:
                print(self._csv(items, columns), end="")
            case Format.TSV:
                lines = [[column.key for column in columns]] if self.headers else []
                lines += [[_escaped(item.get(column.key)) for column in columns] for item in items]
                for line in lines:
                    print("\t".join(line))
            case _ if items:
                self._print_table(items, columns)

    def say(self, line: str) -> None:
        """Tell people something besides the results."""
        print(line, file=sys.stderr, flush=True)

    def console(self) -> Console:
        """Return a console on standard output."""
        terminal = self.session.output_is_terminal
        width = self.session.width or (None if terminal else WIDTH_ELSEWHERE)
        return Console(highlight=False, width=width, force_terminal=terminal, soft_wrap=False)

    def _print_table(self, items: Sequence[Item], columns: Sequence[Column]) -> None:
        """Print a table as wide as the terminal; a wide one is as wide as what it holds."""
        console = self.console()
        wide = self.format is Format.WIDE
        chosen = [column for column in columns if wide or not column.wide]
        cells = [[self._cell(column, item.get(column.key)) for column in chosen] for item in items]
        widths = _natural_widths(chosen, cells)
        gaps = _GAP * (len(chosen) - 1)
        if wide:  # the terminal breaks the lines itself, so that they can be copied whole
            console.width = max(console.width, sum(widths) + gaps)
        else:
            widths = _fitted(widths, chosen, console.width - gaps)
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
        for column, width in zip(chosen, widths, strict=True):
            overflow: OverflowMethod = "fold" if column.whole else "ellipsis"
            table.add_column(column.title, width=width, no_wrap=not column.whole, overflow=overflow)
        for row in cells:
            styled = zip(chosen, row, strict=True)
            table.add_row(*(Text(text, style=_style(column, text)) for column, text in styled))
        with console.capture() as printed:
            console.print(table)
        for line in printed.get().splitlines():
            print(line.rstrip())

    def _cell(self, column: Column, value: Any) -> str:
        if value is None:
            return ""
        if column.kind is Kind.AGE:
            return age(value)
        if column.kind is Kind.TIME:
            return self.time(str(value))
        return _visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    def time(self, value: str) -> str:
        """Return a time as people read it: local on a terminal, as it is elsewhere."""
        if not self.session.output_is_terminal:
            return _visible(value)
        try:
            moment = datetime.fromisoformat(value).astimezone(self.session.timezone)
        except (ValueError, OverflowError):
            return _visible(value)
        return moment.strftime("%Y-%m-%d %H:%M:%S")

    def facts(self, value: Item) -> list[dict[str, str]]:
        """Return a document as rows for people, an `attribute` and its `value` each."""
        return [
            {"attribute": name, "value": self.time(text) if name.endswith(_TIMES) else text}
            for name, text in facts(value)
        ]

    def _csv(self, items: Sequence[Item], columns: Sequence[Column]) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self.headers:
            writer.writerow([column.key for column in columns])
        writer.writerows([[_for_programs(item.get(column.key)) for column in columns] for item in items])
        return text.getvalue()


def _natural_widths(columns: Sequence[Column], cells: list[list[str]]) -> list[int]:
    """Return how wide each column is with all that it holds."""
    texts = [[column.title, *(row[number] for row in cells)] for number, column in enumerate(columns)]
    return [max(cell_len(line) for text in each for line in text.split("\n")) for each in texts]


def _fitted(natural: Sequence[int], columns: Sequence[Column], width: int) -> list[int]:
    """Return widths that fit: the last column takes what is left, and texts give way to it."""
    widths = [min(found, column.max_width) for found, column in zip(natural, columns, strict=True)]
    last = min(natural[-1], _LAST_MIN)
    texts = [number for number, column in enumerate(columns[:-1]) if column.kind is Kind.TEXT]
    while sum(widths[:-1]) + last > width:
        widest = max(texts, key=lambda number: widths[number], default=None)
        if widest is None or widths[widest] <= _TEXT_MIN:
            break
        widths[widest] -= 1
    return [*widths[:-1], max(last, min(natural[-1], width - sum(widths[:-1])))]


def _style(column: Column, text: str) -> str:
    return _STYLES.get(text, "") if column.kind is Kind.STATE else ""


def _for_programs(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _escaped(value: Any) -> str:
    """Return a value for a line of TSV: backslash, tab and line ends escaped, as PostgreSQL does."""
    text = _for_programs(value)
    escapes = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
    for character, escaped in escapes:
        text = text.replace(character, escaped)
    return text


def facts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield a document as lines for people: its names (`evidence.items`, `places[0].s3Prefix`) and values."""
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from facts(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from facts(each, f"{name}[{number}]")
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _visible(text: str) -> str:
    """Return a text in which no character moves the cursor or changes colours: records hold anything."""
    return "".join(each if each == "\n" or each.isprintable() else ascii(each)[1:-1] for each in text)


def age(seconds: float) -> str:
    """Return a duration in its largest unit, with the next one while that says something: 45s, 3h5m, 12d."""
    left = round(seconds)
    for (unit, size), (minor_unit, minor_size) in pairwise(_UNITS):
        if left >= size:
            whole, rest = divmod(left, size)
            minor = rest // minor_size
            return (
                f"{whole}{unit}" if whole >= _ROUND_FROM or not minor else f"{whole}{unit}{minor}{minor_unit}"
            )
    return f"{left}s"
