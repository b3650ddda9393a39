"""`tenkacloud events …`."""

from datetime import datetime
from typing import Annotated, Final

import typer

from scripts.operator.options import (
    DEFAULT_ENVIRONMENT,
    DryRun,
    Env,
    Json,
    Output,
    Timeout,
    Yes,
    moment,
)
from scripts.operator.output import Column, Kind, age
from scripts.operator.running import Run
from scripts.tooling.project import UsageError

app = typer.Typer(help="The archive of the tenant bus.")

_COLUMNS: Final = (
    Column("replay", "REPLAY", whole=True, max_width=40),
    Column("from", "FROM", Kind.TIME),
    Column("to", "TO", Kind.TIME),
    Column("state", "STATE", Kind.STATE),
)


@app.callback()
def events() -> None:
    """Send archived events once more."""


@app.command()
def replay(
    context: typer.Context,
    start: Annotated[
        datetime, typer.Option("--from", parser=moment, metavar="TIME", help="RFC 3339, with a zone.")
    ],
    end: Annotated[
        datetime, typer.Option("--to", parser=moment, metavar="TIME", help="RFC 3339, with a zone.")
    ],
    timeout: Timeout = "1h",  # type: ignore[assignment] # parsed like what the user types
    dry_run: DryRun = False,
    yes: Yes = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
) -> int:
    """Send the events of a time range to the bus once more, and wait until that is done."""
    from scripts.operator import replaying  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json)
    if start >= end:
        raise UsageError("--from must be before --to")
    length = (end - start).total_seconds()
    what = f"replay all events of {age(length)}, from {start.isoformat()} to {end.isoformat()}"
    if dry_run:
        planned = {"replay": None, "from": start.isoformat(), "to": end.isoformat(), "state": "planned"}
        run.print([planned], _COLUMNS, dryRun=True)
        run.say(f"would {what}; how many these are, the archive does not say")
        return 0
    run.confirm(what, yes=yes)
    with run.progress("replaying") as progress:

        def tell(last: datetime) -> None:
            if progress:
                progress.update(f"replaying: {100 * (last - start).total_seconds() / length:.0f} %")

        done = replaying.replay(run.environment, start, end, run.session.clock, seconds=timeout, tell=tell)
    run.print([done], _COLUMNS, dryRun=False)
    return 0
