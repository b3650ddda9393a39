"""`tenkacloud tenants …`."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scripts.operator.options import (
    DEFAULT_ENVIRONMENT,
    DryRun,
    Env,
    Interval,
    Json,
    NoHeaders,
    OlderThan,
    Output,
    Rate,
    Sort,
    Status,
    TenantIdArgument,
    Timeout,
    Yes,
    duration,
)
from scripts.operator.output import Column, Format, Kind
from scripts.operator.running import Run, counted, planned
from scripts.tooling.project import UsageError
from tenkacloud.tenants.lifecycle import FINAL, ProvisioningStatus
from tenkacloud.tenants.operations import PhaseState
from tenkacloud.tenants.validation import TenantStatus, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scripts.operator.environment import Record
    from scripts.operator.tenants import Page
    from scripts.operator.verifying import Finding

app = typer.Typer(
    help="List tenants, show, change or offboard one, try them again, compare them with what there is."
)


COLUMNS: Final = (
    Column("tenantId", "TENANT", max_width=26, whole=True),
    Column("name", "NAME", max_width=16),
    Column("slug", "SLUG", wide=True),
    Column("tier", "TIER", max_width=10),
    Column("provisioningStatus", "STATUS", Kind.STATE, max_width=12),
    Column("status", "ACCOUNT", Kind.STATE, wide=True),
    Column("operation", "OPERATION", wide=True),
    Column("provisioningAttempt", "ATTEMPT", wide=True),
    Column("ageSeconds", "AGE", Kind.AGE, max_width=7),
    Column("createdAt", "CREATED", Kind.TIME, wide=True),
    Column("updatedAt", "UPDATED", Kind.TIME, wide=True),
    Column("resources", "RESOURCES", wide=True),
    Column("failureReason", "REASON"),
)
#: In a narrow table: the one status that says most, and why, or what is under way.
_NARROW: Final = {
    "provisioningStatus": Column("state", "STATUS", Kind.STATE, max_width=18),
    "failureReason": Column("told", "REASON"),
}
_HISTORY: Final = (
    Column("at", "AT", Kind.TIME),
    Column("to", "STATUS", Kind.STATE),
    Column("state", "PHASE", Kind.STATE),
    Column("attempt", "ATTEMPT"),
    Column("by", "BY"),
    Column("correlationId", "CORRELATION ID", wide=True, whole=True),
    Column("reason", "REASON", whole=True),
)
_FACTS: Final = (
    Column("attribute", "ATTRIBUTE", max_width=40),
    Column("value", "VALUE", Kind.STATE, whole=True),
)
_OUTCOMES: Final = (
    Column("tenantId", "TENANT", max_width=30, whole=True),
    Column("outcome", "OUTCOME", Kind.STATE),
    Column("provisioningStatus", "NOW", Kind.STATE),
    Column("failureReason", "REASON", wide=True),
    Column("detail", "DETAIL", whole=True),
)
_FINDINGS: Final = (
    Column("tenantId", "TENANT", max_width=30, whole=True),
    Column("provisioningStatus", "STATUS", Kind.STATE),
    Column("repair", "REPAIR", Kind.STATE),
    Column("told", "PROBLEMS", whole=True),
)
_FINDINGS_FOR_PROGRAMS: Final = (
    *_FINDINGS[:3],
    Column("repairDetail", "DID"),
    Column("problems", "PROBLEMS"),
)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[TENANT_ID]...", help="Tenant ids.")]


@app.command("list")
def list_(
    context: typer.Context,
    status: Annotated[
        Status | None,
        typer.Option(
            case_sensitive=False,
            help="Only with this status; FAILED: also whose operation or deprovisioning failed.",
        ),
    ] = None,
    tier: Annotated[Tier | None, typer.Option(case_sensitive=False, help="Only of this tier.")] = None,
    stuck: Annotated[bool, typer.Option("--stuck", help="Only those in flight, the longest first.")] = False,
    name: Annotated[str | None, typer.Option(help="Only whose name has this text, in any case.")] = None,
    slug: Annotated[str | None, typer.Option(help="Only with this slug.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only whose failure reason has this text.")] = None,
    older_than: OlderThan = None,
    sort: Sort = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last part ended.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again until Ctrl-C.")] = False,
    interval: Interval = 2.0,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """List tenants, newest first; FAILED ones and those in flight, the oldest first."""
    from scripts.operator import tenants  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    filters = tenants.Filters(status, tier, stuck, name, slug, reason, older_than)
    last: list[Any] = []

    def look() -> bool:
        page = tenants.page(
            run.environment,
            filters,
            limit,
            run.session.clock.now(),
            cursor=cursor,
            sort=sort,
            bounds=run.session.bounds,
        )
        if watch and run.session.output_is_terminal:
            run.printer.console().clear()
        elif watch and last == [_without_ages(row) for row in page.rows]:
            return True  # into a file goes what is new
        last[:] = map(_without_ages, page.rows)
        print_tenants(run, page.rows, total=page.total, totalIsExact=page.exact, nextCursor=page.cursor)
        _say_how_many(run, page, sorted_=sort is not None)
        return watch

    run.watch(look, interval)
    return 0


def print_tenants(run: Run, rows: "Sequence[dict[str, Any]]", **summary: Any) -> None:
    """Print tenants as `tenants.row_of` has them."""
    if not run.printer.is_for_people:
        run.print(rows, COLUMNS, **summary)
        return
    from scripts.operator import operations  # noqa: PLC0415 - loads boto3

    told = [
        {
            **row,
            "state": state_of(row),
            "told": row.get("failureReason") or operations.told(row),
            "operation": operations.told(row),
        }
        for row in rows
    ]
    narrow = run.printer.format is Format.TABLE
    run.print(told, [_NARROW.get(each.key, each) if narrow else each for each in COLUMNS], **summary)


def state_of(row: dict[str, Any]) -> str:
    """Return the status of a tenant that says most: its own, unless that is ACTIVE or resources change."""
    provisioning, status = str(row.get("provisioningStatus") or ""), row.get("status")
    at_rest = provisioning in ("", ProvisioningStatus.COMPLETED, ProvisioningStatus.DEPROVISIONED)
    special = isinstance(status, str) and status != TenantStatus.ACTIVE
    return str(status) if special and at_rest else provisioning


def _say_how_many(run: Run, page: "Page", *, sorted_: bool) -> None:
    at_least = "" if page.exact else "at least "
    run.say(f"{len(page.rows):,} of {at_least}{page.total:,}")
    if not page.looked_at_all:
        what = "only these were sorted" if sorted_ else "the search goes on with --cursor"
        run.say(f"there are more than the {run.session.bounds.look:,} tenants that were looked at: {what}")
    if page.cursor:
        run.say(f"next: --cursor {page.cursor}")


@app.command()
def show(
    context: typer.Context,
    tenant_id: TenantIdArgument,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Follow the tenant until it is COMPLETED or FAILED.")
    ] = False,
    interval: Interval = 2.0,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
) -> int:
    """Show one tenant: what is under way, and its whole history. --watch ends with 1 if it is FAILED."""
    from scripts.operator import tenants  # noqa: PLC0415 - loads boto3
    from scripts.operator.environment import tenant_id_of  # noqa: PLC0415

    run = Run.of(context, env, output, json=json)
    valid_id = tenant_id_of(tenant_id)
    last: dict[str, Any] = {}

    def look() -> bool:
        tenant = tenants.with_history(run.environment, valid_id, run.session.clock.now())
        goes_on = watch and tenant.get("provisioningStatus") not in FINAL
        if _without_ages(tenant) != _without_ages(last):
            if last and run.session.output_is_terminal:
                run.printer.console().clear()
            _print_tenant(run, tenant)
        last.clear()
        last.update(tenant)
        return goes_on

    run.watch(look, interval)
    return 1 if watch and last.get("provisioningStatus") == ProvisioningStatus.FAILED else 0


def _without_ages(tenant: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tenant.items() if not name.endswith("Seconds")}


def _print_tenant(run: Run, tenant: dict[str, Any]) -> None:
    if not run.printer.is_for_people:
        run.print([tenant], [*COLUMNS, Column("history", "HISTORY")])
        return
    shown = {name: value for name, value in sorted(_without_ages(tenant).items()) if name != "history"}
    run.print(run.printer.facts(shown), _FACTS)
    if tenant["history"]:
        print()
    run.print(tenant["history"], _HISTORY)
    where = f"{tenant['tenantId']} --env {run.name}"
    state = (tenant.get("operation") or {}).get("state")
    if PhaseState.FAILED in (state, tenant.get("provisioningStatus")):
        run.say(f"when the cause is mended: tenkacloud tenants retry {where}")
    elif state is not None:
        run.say(f"to follow its operation: tenkacloud operations follow {where}")


@app.command()
def retry(
    context: typer.Context,
    tenant_ids: Ids = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every tenant that FAILED, or its operation did.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="With --all: only whose failure reason has this text.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also those whose record still breaks a rule.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until they are COMPLETED or FAILED, and say which.")
    ] = False,
    timeout: Timeout = "10m",  # type: ignore[assignment] # parsed like what the user types
    rate: Rate = 10.0,
    dry_run: DryRun = False,
    yes: Yes = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Have FAILED tenants tried again whose record is valid by now, and phases of operations that FAILED.

    PENDING ones are requested once more; COMPLETED ones only if their resources do not fit their tier.
    """
    from scripts.operator import retrying  # noqa: PLC0415 - loads boto3
    from scripts.operator.environment import plain  # noqa: PLC0415
    from scripts.operator.rate_limit import RateLimit  # noqa: PLC0415
    from scripts.operator.tenants import holds, why_failed  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    if reason is not None and not all_:
        raise UsageError("--reason goes with --all")
    items = list(_records(run, tenant_ids, all_=all_, only_failed=True))
    if reason is not None:
        items = [each for each in items if holds(why_failed(plain(each)), reason)]
    outcomes = [retrying.plan(item, force=force) for item in items]
    wanted = sum(outcome.is_under_way for outcome in outcomes)
    if not dry_run:
        if wanted > 1:
            run.confirm(f"retry {counted(wanted, 'tenant')}", yes=yes)
        clock, limit = run.session.clock, RateLimit(rate, run.session.clock)
        outcomes = []
        with run.progress("retrying") as progress:
            for outcome in retrying.retry_each(run.environment, items, clock, force=force, before=limit.wait):
                outcomes.append(outcome)
                if progress:
                    progress.update(f"retrying: {len(outcomes)} of {len(items)}")
        if wait:
            with run.progress("waiting") as progress:
                outcomes = retrying.wait(
                    run.environment,
                    outcomes,
                    clock,
                    timeout,
                    lambda left: (
                        progress.update(f"waiting for {counted(left, 'tenant')}") if progress else None
                    ),
                )
    columns = planned(_outcome_columns(run, wait=wait), dry_run=dry_run)
    run.print([outcome.as_item() for outcome in outcomes], columns, dryRun=dry_run)
    return _say_what_became(run, outcomes, dry_run=dry_run, waited=wait and not dry_run)


def _outcome_columns(run: Run, *, wait: bool) -> list[Column]:
    waited = ("provisioningStatus", "failureReason")
    people = run.printer.is_for_people
    return [column for column in _OUTCOMES if wait or not people or column.key not in waited]


def _say_what_became(run: Run, outcomes: "Sequence[Any]", *, dry_run: bool, waited: bool) -> int:
    begun = [outcome for outcome in outcomes if outcome.is_under_way]
    left = [outcome for outcome in outcomes if not outcome.is_under_way]
    would = "would be " if dry_run else ""
    run.say(f"{counted(len(begun), 'tenant')} {would}retried, {len(left)} not")
    for outcome in left if not run.printer.is_for_people else ():  # people have it in the table
        run.say(f"{outcome.tenant_id}: {outcome.action}: {outcome.detail}")
    well = (ProvisioningStatus.COMPLETED, ProvisioningStatus.DEPROVISIONING, ProvisioningStatus.DEPROVISIONED)
    bad = [outcome for outcome in begun if outcome.status not in well] if waited else []
    for outcome in bad:
        run.say(f"{outcome.tenant_id}: {outcome.status}" + (f": {outcome.reason}" if outcome.reason else ""))
    if begun and not dry_run and not waited:
        run.say(f"to follow them: tenkacloud tenants list --stuck --watch --env {run.name}")
    return 1 if left or bad else 0


def _records(
    run: Run, tenant_ids: "Sequence[str] | None", *, all_: bool, only_failed: bool = False
) -> "Iterator[Record]":
    """Return the records that ids, or --all, name."""
    from scripts.operator import tenants  # noqa: PLC0415 - loads boto3
    from scripts.operator.environment import tenant_id_of  # noqa: PLC0415

    if bool(tenant_ids) == all_:
        raise UsageError("say which: tenant ids, or --all")
    if all_:
        return run.environment.failed() if only_failed else tenants.everyone(run.environment)
    valid_ids = [tenant_id_of(each) for each in tenant_ids or ()]
    return iter([run.environment.record(each) for each in valid_ids])


StuckAfter = Annotated[
    float | None,
    typer.Option(
        "--stuck-after",
        parser=duration,
        metavar="DURATION",
        help="In flight for longer is a problem; else as the deployment has it.",
    ),
]


@app.command()
def verify(
    context: typer.Context,
    tenant_ids: Ids = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every tenant, and resources that no record names.")
    ] = False,
    stuck_after: StuckAfter = None,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Compare record, indexes, history, resources and policies; say what there is and what is wanted."""
    run = Run.of(context, env, output, json=json, headers=not no_headers)
    limit = _stuck_after(run, stuck_after)
    found, findings = _verified(run, _records(run, tenant_ids, all_=all_), limit)
    if all_:
        findings += _orphans(run, None)
    _print_findings(run, findings, verified=found)
    run.say(f"{counted(found, 'tenant')} verified, {counted(len(findings), 'finding')}")
    if findings:
        run.say(f"tenkacloud tenants repair … --env {run.name} puts COMPLETED tenants right")
    return 1 if findings else 0


@app.command()
def repair(
    context: typer.Context,
    tenant_ids: Ids = None,
    all_: Annotated[bool, typer.Option("--all", help="Every tenant that differs.")] = False,
    stuck_after: StuckAfter = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Verify, and have COMPLETED tenants put right that differ; say what was done, or why not."""
    from scripts.operator import verifying  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    limit = _stuck_after(run, stuck_after)
    found, findings = _verified(run, _records(run, tenant_ids, all_=all_), limit)
    count = len(verifying.repairable(findings))
    if findings and not dry_run:
        if count > 1:
            run.confirm(f"repair {counted(count, 'tenant')}", yes=yes)
        findings = verifying.repair(run.environment, findings, limit, run.session.clock, run.say)
    if all_:
        # After the repairs: what lies beside a record that was put right is found then, too.
        findings += _orphans(run, None if dry_run else verifying.NOT_REPAIRED)
    _print_findings(run, findings, verified=found, dryRun=dry_run)
    repaired = sum(finding.repair == verifying.REPAIRED for finding in findings)
    if dry_run:
        run.say(f"{counted(found, 'tenant')} verified, {counted(count, 'tenant')} would be repaired")
    else:
        run.say(
            f"{counted(found, 'tenant')} verified, {counted(len(findings), 'finding')}, {repaired} repaired"
        )
    return 1 if len(findings) > repaired else 0


def _stuck_after(run: Run, given: float | None) -> float | None:
    """Return after how many seconds a tenant counts as stuck; None, and it is said, if nobody knows."""
    if given is not None:
        return given
    deployed = run.environment.stuck_after_seconds
    if deployed is None:
        run.say("the deployment does not say when a tenant counts as stuck: that is not checked")
    return deployed


def _verified(run: Run, items: "Iterator[Record]", stuck_after: float | None) -> "tuple[int, list[Finding]]":
    """Return how many tenants were looked at, and what is wrong with some."""
    from scripts.operator import verifying  # noqa: PLC0415 - loads boto3

    found, bad = 0, list[verifying.Finding]()
    with run.progress("verifying") as progress:
        for finding in verifying.verify_all(run.environment, items, stuck_after, run.session.clock):
            found += 1
            if finding.problems:
                bad.append(finding)
            if progress:
                progress.update(f"verifying: {found:,} tenants, {len(bad)} with problems")
    return found, bad


def _orphans(run: Run, repair: str | None) -> "list[Finding]":
    """Return the resources that no record names. They are told of, and never touched."""
    from dataclasses import replace  # noqa: PLC0415

    from scripts.operator import verifying  # noqa: PLC0415 - loads boto3

    found: Iterable[Finding] = verifying.orphans(run.environment)
    did = "resources are never deleted" if repair else ""
    return [replace(finding, repair=repair, did=did) for finding in found]


def _print_findings(run: Run, findings: "Sequence[Finding]", **summary: Any) -> None:
    items = [finding.as_item() for finding in findings]
    if not run.printer.is_for_people:
        run.print(items, _FINDINGS_FOR_PROGRAMS, findings=len(items), **summary)
        return
    for item, finding in zip(items, findings, strict=True):
        did = [finding.did] if finding.did and finding.repair else []
        item["told"] = "\n".join([*map(str, finding.problems), *did])
    columns = [
        column for column in _FINDINGS if column.key != "repair" or any("repair" in item for item in items)
    ]
    run.print(items, columns, findings=len(items), **summary)
