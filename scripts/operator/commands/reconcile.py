"""`tenkacloud reconcile`."""

from typing import Annotated, Final

import typer

from scripts.operator.options import DEFAULT_ENVIRONMENT, DryRun, Env, Json, Output, Yes, duration
from scripts.operator.output import Column
from scripts.operator.running import Run, counted

_COLUMNS: Final = tuple(
    Column(key, title)
    for key, title in (
        ("resumed", "RETRIED"),
        ("givenUp", "FAILED"),
        ("left", "LEFT"),
        ("errors", "ERRORS"),
        ("due", "DUE"),
    )
)


def reconcile(
    context: typer.Context,
    older_than: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="Take attempts of this age for stuck; else the deployment's own deadline.",
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
) -> int:
    """Have stuck tenants retried now, as the schedule does each minute; one sweep at a time."""
    from scripts.operator import tenants  # noqa: PLC0415 - loads boto3
    from scripts.operator.commands.tenants import print_tenants  # noqa: PLC0415
    from scripts.verification.flow import reconciling  # noqa: PLC0415

    run = Run.of(context, env, output, json=json)
    if dry_run or (older_than is not None and not yes):
        deadline = run.environment.stuck_after_seconds if older_than is None else older_than
        now = run.session.clock.now()
        rows = [tenants.row_of(record, now) for record in run.environment.in_flight()]
        stuck = [row for row in rows if deadline is None or row["inFlightSeconds"] >= deadline]
        if dry_run:
            print_tenants(run, stuck, dryRun=True)
            run.say(f"{counted(len(stuck), 'tenant')} of {len(rows)} in flight would be retried")
            due = tenants.count_due(run.environment, now)
            run.say(f"{counted(due, 'tenant')} would be taken up of whom something is due")
            return 0
        if len(stuck) > 1:
            run.confirm(f"have {counted(len(stuck), 'tenant')} retried", yes=yes)
    deployment, clients = run.environment.deployment, run.environment.clients
    seconds = None if older_than is None else round(older_than)
    result = reconciling.sweep(deployment, clients, seconds, run.session.sweep_patience)
    run.print([dict(result)], _COLUMNS, dryRun=False)
    return 1 if result["errors"] else 0
