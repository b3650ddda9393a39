"""`tenkacloud operations …`."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scripts.operator.options import (
    DEFAULT_ENVIRONMENT,
    Env,
    Interval,
    Json,
    NoHeaders,
    OperationState,
    Output,
    TenantIdArgument,
    Timeout,
)
from scripts.operator.output import Column, Kind
from scripts.operator.running import Run, counted
from tenkacloud.tenants.operations import OperationKind

if TYPE_CHECKING:
    from scripts.operator.following import Followed
    from tenkacloud.tenants.operations import Operation
    from tenkacloud.tenants.validation import TenantId

app = typer.Typer(help="What is under way of tenants: moves, exports, offboardings, and what is due later.")

_OPERATIONS: Final = (
    Column("tenantId", "TENANT", max_width=26, whole=True),
    Column("operationId", "OPERATION", whole=True, max_width=32, wide=True),
    Column("kind", "KIND", max_width=12),
    Column("phase", "PHASE", max_width=8),
    Column("state", "STATE", Kind.STATE),
    Column("attempt", "ATTEMPT", wide=True),
    Column("ageSeconds", "AGE", Kind.AGE, max_width=7),
    Column("dueAt", "DUE", Kind.TIME),
    Column("requestedAt", "REQUESTED", Kind.TIME, wide=True),
    Column("requestedBy", "BY", wide=True),
    Column("progress", "PROGRESS", wide=True),
    Column("failureReason", "REASON"),
)
_FOLLOWED: Final = (
    Column("tenantId", "TENANT", max_width=30, whole=True),
    Column("operationId", "OPERATION", whole=True, max_width=32, wide=True),
    Column("outcome", "OUTCOME", Kind.STATE),
    Column("status", "STATUS", Kind.STATE),
    Column("provisioningStatus", "PROVISIONING", Kind.STATE, wide=True),
    Column("tier", "TIER", max_width=10),
    Column("detail", "DETAIL", whole=True),
)
_FACTS: Final = (
    Column("attribute", "ATTRIBUTE", max_width=40),
    Column("value", "VALUE", Kind.STATE, whole=True),
)
_HISTORY: Final = (
    Column("at", "AT", Kind.TIME),
    Column("kind", "KIND"),
    Column("to", "PHASE"),
    Column("state", "STATE", Kind.STATE),
    Column("attempt", "ATTEMPT"),
    Column("by", "BY", wide=True),
    Column("reason", "REASON", whole=True),
)


@app.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[
        OperationKind | None, typer.Option(case_sensitive=False, help="Only operations of this kind.")
    ] = None,
    state: Annotated[
        OperationState | None, typer.Option(case_sensitive=False, help="Only in this state.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """List what is under way: what FAILED, what goes on, and what is due later, by the indexes."""
    from scripts.operator import operations  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    found = operations.everything(run.environment, operations.Filters(kind, state), run.session.clock.now())
    rows = list(islice(found, limit + 1))
    more = len(rows) > limit
    run.print(rows[:limit], _OPERATIONS, more=more)
    run.say(counted(len(rows[:limit]), "operation") + (", and there are more: --limit" if more else ""))
    return 0


@app.command()
def show(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
) -> int:
    """Show what is under way of one tenant, the places that it left, and the history of its operations."""
    from scripts.operator import operations  # noqa: PLC0415 - loads boto3
    from scripts.operator.environment import tenant_id_of  # noqa: PLC0415

    run = Run.of(context, env, output, json=json)
    valid_id = tenant_id_of(tenant_id)
    rows = operations.rows_of(run.environment.record(valid_id), run.session.clock.now())
    history = [line for line in run.environment.history(valid_id) if "operationId" in line]
    if not run.printer.is_for_people:
        run.print(rows, _OPERATIONS, history=history)
        return 0
    for row in rows:
        run.print(run.printer.facts(row), _FACTS)
        print()
    run.print(history, _HISTORY)
    if not rows:
        run.say(f"nothing is under way of {tenant_id}")
    elif any(row["state"] == OperationState.FAILED for row in rows):
        run.say(f"when the cause is mended: tenkacloud tenants retry {tenant_id} --env {run.name}")
    return 0


@app.command()
def follow(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    timeout: Timeout = "1h",  # type: ignore[assignment] # parsed like what the user types
    interval: Interval = 1.0,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Follow a tenant's operation until it has ended, and say what became of it: 1 if that is not well."""
    from scripts.operator.environment import tenant_id_of  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    return print_followed(run, followed(run, tenant_id_of(tenant_id), timeout, interval))


def followed(
    run: Run, tenant_id: "TenantId", timeout: float, interval: float, *, operation_id: str | None = None
) -> "Followed":
    """Follow an operation, with a bar where somebody sees it, else with a line for each step."""
    from scripts.operator import following  # noqa: PLC0415 - loads boto3

    last: list[Any] = []
    with run.bar(f"following {tenant_id}") as bar:

        def tell(operation: "Operation") -> None:
            done = operation.progress
            step = [operation.phase, operation.state, operation.attempt]
            if bar:
                bar.show(
                    f"{tenant_id}: {operation.kind} {operation.phase} {operation.state}",
                    done.objects if done else 0,
                    done.total_objects if done else None,
                )
            elif step != last:
                run.say(f"{tenant_id}: {operation.kind} {' '.join(map(str, step[:2]))}, attempt {step[2]}")
            last[:] = step

        return following.follow(
            run.environment,
            tenant_id,
            run.session.clock,
            seconds=timeout,
            interval=interval,
            tell=tell,
            operation_id=operation_id,
        )


def print_followed(run: Run, ended: "Followed") -> int:
    """Print what became of an operation; return the exit code."""
    from scripts.operator.environment import plain, tenant_id_in  # noqa: PLC0415 - loads boto3

    tenant = plain(ended.record)
    row = {
        "tenantId": tenant_id_in(ended.record),
        "operationId": ended.operation_id,
        "outcome": ended.ending.value,
        "status": tenant.get("status", "ACTIVE"),
        "provisioningStatus": tenant.get("provisioningStatus"),
        "tier": tenant.get("tier"),
        "detail": ended.detail,
    }
    run.print([row], _FOLLOWED, dryRun=False)
    return 0 if ended.is_well else 1
