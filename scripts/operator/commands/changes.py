"""`tenkacloud tenants suspend`, `offboard` and the like: what changes one tenant after its onboarding."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scripts.operator.options import (
    DEFAULT_ENVIRONMENT,
    DryRun,
    Env,
    Interval,
    Json,
    NoHeaders,
    Output,
    TenantIdArgument,
    Timeout,
)
from scripts.operator.output import Column, Kind
from scripts.operator.running import Run, planned
from scripts.tooling.project import CommandError, UsageError
from tenkacloud.tenants.validation import Tier

if TYPE_CHECKING:
    from datetime import datetime

    from scripts.operator.changing import Decide
    from scripts.operator.environment import Record
    from tenkacloud.tenants.record import Tenant
    from tenkacloud.tenants.transitions.transition import Transition

_CHANGES: Final = (
    Column("tenantId", "TENANT", max_width=30, whole=True),
    Column("outcome", "OUTCOME", Kind.STATE),
    Column("status", "STATUS", Kind.STATE),
    Column("provisioningStatus", "PROVISIONING", Kind.STATE, wide=True),
    Column("tier", "TIER", max_width=10),
    Column("operationId", "OPERATION", whole=True, max_width=32, wide=True),
    Column("detail", "DETAIL", whole=True),
)
_FACTS: Final = (Column("attribute", "ATTRIBUTE", max_width=40), Column("value", "VALUE", whole=True))

#: A part of `tenkacloud tenants`.
app = typer.Typer()

Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end, and say what became of it.")]


@app.command()
def suspend(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why: kept on the record and in the history.")],
    dry_run: DryRun = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Deny a tenant: requests that begin from now on fail. Nothing is deleted."""
    from tenkacloud.tenants.transitions import status  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    if not reason.strip():
        raise UsageError("--reason says why")
    return _change(
        run,
        tenant_id,
        lambda tenant, now, by: status.suspend(tenant, reason, now, by),
        "suspended",
        dry_run=dry_run,
    )


@app.command()
def reactivate(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    dry_run: DryRun = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Let a suspended tenant use the platform again."""
    from tenkacloud.tenants.transitions import status  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    return _change(run, tenant_id, status.reactivate, "reactivated", dry_run=dry_run)


@app.command("change-tier")
def change_tier(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    tier: Annotated[
        Tier, typer.Argument(metavar="TIER", case_sensitive=False, help="FREE, PRO or ENTERPRISE.")
    ],
    wait: Wait = False,
    timeout: Timeout = "1h",  # type: ignore[assignment] # parsed like what the user types
    interval: Interval = 1.0,
    dry_run: DryRun = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Give a tenant another tier: FREE and PRO at once; to and from ENTERPRISE its objects move first."""
    from scripts.operator import changing  # noqa: PLC0415 - loads boto3
    from tenkacloud.tenants.transitions import tier as transitions  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    operation_id = changing.new_id()

    return _change(
        run,
        tenant_id,
        lambda tenant, now, by: transitions.change_tier(tenant, tier, operation_id, now, by),
        "changed",
        dry_run=dry_run,
        follow=(timeout, interval) if wait else None,
    )


@app.command()
def export(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    wait: Wait = False,
    timeout: Timeout = "1h",  # type: ignore[assignment] # parsed like what the user types
    interval: Interval = 1.0,
    dry_run: DryRun = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Export a tenant's objects and items to the exports bucket, with a manifest; it expires there."""
    from scripts.operator import changing  # noqa: PLC0415 - loads boto3
    from tenkacloud.tenants.transitions import operation  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    operation_id = changing.new_id()
    return _change(
        run,
        tenant_id,
        lambda tenant, now, by: operation.request_export(
            tenant, operation_id, changing.export_expires(run.environment, now), now, by
        ),
        "begun",
        dry_run=dry_run,
        follow=(timeout, interval) if wait else None,
    )


@app.command()
def offboard(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    confirm: Annotated[
        str | None,
        typer.Option(
            "--confirm", metavar="TENANT_ID", help="The tenant's id once more: all it has is deleted."
        ),
    ] = None,
    retention_days: Annotated[
        int | None,
        typer.Option("--retention-days", min=0, help="So long it can be restored; else as deployed."),
    ] = None,
    export_first: Annotated[
        bool, typer.Option("--export", help="Export its data before the purge, and verify that.")
    ] = False,
    wait: Wait = False,
    timeout: Timeout = "1h",  # type: ignore[assignment] # parsed like what the user types
    interval: Interval = 1.0,
    dry_run: DryRun = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Deny a tenant at once, and delete all it has when its retention is over. Its id is never used again."""
    from scripts.operator import changing  # noqa: PLC0415 - loads boto3
    from tenkacloud.tenants.transitions import offboarding  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    if not dry_run:
        _confirm(run, tenant_id, confirm, tenant_id)
    operation_id = changing.new_id()

    def decide(tenant: "Tenant", now: "datetime", by: str) -> "Transition":
        until = changing.retain_until(run.environment, retention_days, now)
        return offboarding.offboard(tenant, until, operation_id, now, by, export=export_first)

    return _change(
        run,
        tenant_id,
        decide,
        "begun",
        dry_run=dry_run,
        follow=(timeout, interval) if wait else None,
    )


def _confirm(run: Run, tenant_id: str, confirm: str | None, what: str) -> None:
    """Return only if the user named the tenant twice. `what` is deleted then.

    Raises:
        UsageError: another id was named, or none and nobody can be asked.
    """
    if confirm is None:
        if not run.session.input_is_terminal:
            raise UsageError(f"this deletes {what} for good: give --confirm {tenant_id}")
        question = f"This deletes {what} for good, in environment {run.name}. Type the tenant's id to go on: "
        confirm = run.session.ask(question).strip()
    if confirm != tenant_id:
        raise UsageError(f"--confirm is not {tenant_id}: nothing was done")


@app.command()
def restore(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    dry_run: DryRun = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Take an offboarding back, until its purge begins: the tenant is then SUSPENDED, with all it had."""
    from tenkacloud.tenants.transitions import offboarding  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    return _change(run, tenant_id, offboarding.restore, "restored", dry_run=dry_run)


@app.command()
def cancel(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    wait: Wait = False,
    timeout: Timeout = "1h",  # type: ignore[assignment] # parsed like what the user types
    interval: Interval = 1.0,
    dry_run: DryRun = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Give up a move before its switch: writes are possible again at once, and what was copied is removed."""
    from tenkacloud.tenants.transitions import tier as transitions  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    return _change(
        run,
        tenant_id,
        transitions.cancel,
        "cancelled",
        dry_run=dry_run,
        follow=(timeout, interval) if wait else None,
    )


@app.command()
def retire(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    confirm: Annotated[
        str | None,
        typer.Option(
            "--confirm", metavar="TENANT_ID", help="The tenant's id once more: whatever is there is deleted."
        ),
    ] = None,
    dry_run: DryRun = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Have a place emptied and removed that a move left and that was kept, whatever is in it by now."""
    from tenkacloud.tenants.transitions import tier as transitions  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    if not dry_run:
        _confirm(run, tenant_id, confirm, f"whatever is in the place that {tenant_id} has left")
    return _change(run, tenant_id, transitions.release_leftover, "released", dry_run=dry_run)


@app.command()
def certificate(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
) -> int:
    """Print the certificate of a tenant's deletion: what was deleted and checked, and what remains."""
    from scripts.operator.environment import tenant_id_of  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json)
    valid_id = tenant_id_of(tenant_id)
    found = run.environment.certificate(valid_id)
    if found is None:
        row = _row(run.environment.record(valid_id))
        raise CommandError(
            f"there is no certificate of {tenant_id}: it is {row['status']}, {row['provisioningStatus']}; "
            "only a tenant that was offboarded to the end has one"
        )
    if run.printer.is_for_people:
        run.print(run.printer.facts(found), _FACTS)
    else:
        run.print([found], [Column(name, name) for name in sorted(found)])
    return 0


def _change(
    run: Run,
    tenant_id: str,
    decide: "Decide",
    outcome: str,
    *,
    dry_run: bool,
    follow: tuple[float, float] | None = None,
) -> int:
    """Make a change, and print what the tenant then is; return the exit code.

    `follow`: the timeout and the interval with which to follow what then is under way.
    """
    from scripts.operator import changing  # noqa: PLC0415 - loads boto3
    from scripts.operator.environment import tenant_id_of  # noqa: PLC0415

    valid_id = tenant_id_of(tenant_id)
    before, after = changing.change(run.environment, valid_id, decide, run.session.clock, dry_run=dry_run)
    row = {**_row(after), "outcome": outcome}
    columns = planned(_CHANGES, dry_run=dry_run)
    if dry_run:
        run.print([{**row, "detail": "it can be done"}], columns, dryRun=True)
        return 0
    under_way = row["operationId"] is not None
    if under_way and follow is not None:
        from scripts.operator.commands.operations import followed, print_followed  # noqa: PLC0415

        ended = followed(run, valid_id, *follow, operation_id=row["operationId"])
        return print_followed(run, ended)
    run.print([{**row, "detail": _told(before, after)}], columns, dryRun=False)
    if under_way:
        run.say(f"to follow it: tenkacloud operations follow {tenant_id} --env {run.name}")
    return 0


def _row(record: "Record") -> dict[str, Any]:
    from scripts.operator.environment import plain, tenant_id_in  # noqa: PLC0415 - loads boto3
    from scripts.operator.tenants import operation_of  # noqa: PLC0415

    tenant = plain(record)
    return {
        "tenantId": tenant_id_in(record),
        "status": tenant.get("status", "ACTIVE"),
        "provisioningStatus": tenant.get("provisioningStatus"),
        "tier": tenant.get("tier"),
        "operationId": operation_of(tenant).get("id"),
        "operation": operation_of(tenant) or None,
    }


def _told(before: "Record", after: "Record") -> str:
    """Say what a change did, by the record before it and after it."""
    from scripts.operator.environment import plain  # noqa: PLC0415 - loads boto3
    from scripts.operator.operations import released, told  # noqa: PLC0415

    old, new = plain(before), plain(after)
    changed = [
        f"{old.get(name, 'ACTIVE')} → {new.get(name, 'ACTIVE')}"
        for name in ("status", "tier")
        if old.get(name) != new.get(name)
    ]
    return "; ".join(filter(None, [*changed, *released(old, new), told(new)]))
