"""`tenkacloud exports …`."""

from typing import Final

import typer

from scripts.operator.options import DEFAULT_ENVIRONMENT, Env, Json, NoHeaders, Output, TenantIdArgument
from scripts.operator.output import Column, Kind
from scripts.operator.running import Run, counted

app = typer.Typer(help="Exports of tenants: list them, and check one that was fetched.")

_EXPORTS: Final = (
    Column("exportId", "EXPORT", whole=True, max_width=32),
    Column("completedAt", "COMPLETED", Kind.TIME),
    Column("expiresAt", "EXPIRES", Kind.TIME),
    Column("objects", "OBJECTS"),
    Column("items", "ITEMS"),
    Column("bytes", "BYTES"),
    Column("requestedBy", "BY", wide=True),
    Column("manifestSha256", "SHA-256 OF THE MANIFEST", wide=True),
    Column("location", "LOCATION", whole=True),
)


@app.command("list")
def list_(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """List a tenant's exports: where each is, and until when."""
    from scripts.operator.environment import tenant_id_of  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    valid_id = tenant_id_of(tenant_id)
    run.environment.record(valid_id)
    rows = list(run.environment.exports(valid_id))
    run.print(rows, _EXPORTS)
    run.say(counted(len(rows), "export"))
    return 0
