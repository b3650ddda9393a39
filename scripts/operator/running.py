"""What each command does first and last: choose the format, connect, confirm, follow."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from scripts.operator.output import Column, Format, Item, Printer
from scripts.operator.session import Session
from scripts.tooling.project import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.status import Status

    from scripts.operator.environment import Environment


@dataclass(frozen=True)
class Bar:
    """A progress bar. Of what nobody knows the end, it only shows that something goes on."""

    progress: "Progress"
    task: "TaskID"

    def show(self, text: str, done: int, total: int | None) -> None:
        """Show how far something is."""
        count = f"{done:,} of {total:,} objects" if total is not None else f"{done:,} objects"
        self.progress.update(
            self.task, description=text, completed=done, total=total, count=count if done or total else ""
        )


@dataclass(frozen=True)
class Run:
    """One command's run."""

    session: Session
    environment_name: str
    printer: Printer

    @classmethod
    def of(
        cls, context: typer.Context, env: str, output: Format | None, *, json: bool, headers: bool = True
    ) -> "Run":
        """Return the run of a command with the options that all have."""
        session: Session = context.obj
        default = Format.TABLE if session.output_is_terminal else Format.TSV
        chosen = Format.JSON if json else output or default
        return cls(session, env, Printer(session, chosen, headers))

    @cached_property
    def environment(self) -> "Environment":
        """The environment, connected when first used.

        Raises:
            CommandError: it can't be reached.
        """
        return self.session.connect(self.environment_name)

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.name

    def print(self, items: Sequence[Item], columns: Sequence[Column], **summary: Any) -> None:
        """Print results with their summary, which has the environment and the count of items, too."""
        self.printer.print(items, columns, {"environment": self.name, "count": len(items), **summary})

    def say(self, line: str) -> None:
        """Tell people something besides the results."""
        self.printer.say(line)

    def confirm(self, what: str, *, yes: bool) -> None:
        """Ask whether `what` shall be done in the environment; return only if so.

        Raises:
            UsageError: nobody can be asked, and `yes` was not given.
            typer.Exit: the answer is no: exit code 1.
        """
        if yes:
            return
        if not self.session.input_is_terminal:
            raise UsageError(
                f"this would {what} in {self.name}, and nobody is there to confirm it: "
                "give --yes, or look with --dry-run"
            )
        answer = self.session.ask(f"{what[0].upper()}{what[1:]} in environment {self.name}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            self.say("nothing was done")
            raise typer.Exit(1)

    def progress(self, text: str) -> "AbstractContextManager[Status | None]":
        """Return a spinner on standard error, where somebody sees it: `update(text)` changes what it says."""
        from rich.console import Console  # noqa: PLC0415

        if self.printer.is_for_people and sys.stderr.isatty():
            return Console(stderr=True).status(text)
        return nullcontext()

    @contextmanager
    def bar(self, text: str) -> "Iterator[Bar | None]":
        """Yield a bar on standard error, where somebody sees it; else None."""
        if not (self.printer.is_for_people and sys.stderr.isatty()):
            yield None
            return
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield Bar(progress, progress.add_task(text, total=None, count=""))

    def watch(self, look: Callable[[], bool], seconds: float) -> None:
        """Call `look`, which prints, again and again until it returns False or the user stops it."""
        goes_on = look()
        try:
            while goes_on:
                self.session.clock.sleep(seconds)
                goes_on = look()
        except KeyboardInterrupt:
            self.say("")  # the end that was meant: below the ^C that the terminal wrote


def planned(columns: Sequence[Column], *, dry_run: bool) -> list[Column]:
    """Return columns of outcomes; on a dry run their title says that nothing was done."""
    given = (replace(each, title="WOULD BE") if each.key == "outcome" else each for each in columns)
    return list(given if dry_run else columns)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 tenant`, `5,029 tenants`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
