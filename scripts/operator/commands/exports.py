"""`tenkacloud exports …`."""

from pathlib import Path
from typing import Annotated, Final

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
_CHECKED: Final = (
    Column("exportId", "EXPORT", whole=True, max_width=32),
    Column("tenantId", "TENANT", max_width=26, whole=True),
    Column("outcome", "OUTCOME", Kind.STATE),
    Column("objects", "OBJECTS"),
    Column("items", "ITEMS"),
    Column("bytes", "BYTES"),
    Column("manifestSha256", "SHA-256 OF THE MANIFEST", wide=True),
    Column("problems", "PROBLEMS", whole=True),
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


@app.command()
def check(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="The folder of a fetched export, or its manifest."),
    ],
    manifest_sha256: Annotated[
        str | None,
        typer.Option("--manifest-sha256", metavar="HEX", help="What `exports list` says of the manifest."),
    ] = None,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Compare an export that was fetched with its manifest: sizes and SHA-256 of all files. Needs no AWS."""
    from scripts.verification.exports.check import check as check_export  # noqa: PLC0415

    run = Run.of(context, DEFAULT_ENVIRONMENT, output, json=json, headers=not no_headers)
    report = check_export(path, manifest_sha256)
    row = {
        "exportId": report.export_id or None,
        "tenantId": report.tenant_id or None,
        "outcome": "intact" if report.is_right else "damaged",
        "objects": report.objects,
        "items": report.items,
        "bytes": report.bytes,
        "manifestSha256": report.manifest_sha256 or None,
        "problems": report.problems,
        "moreProblems": report.more,
    }
    if run.printer.is_for_people:
        more = [f"and {report.more:,} more"] if report.more else []
        row["problems"] = "\n".join([*report.problems, *more])
    run.printer.print([row], _CHECKED, {"environment": None, "count": 1})
    return 0 if report.is_right else 1
