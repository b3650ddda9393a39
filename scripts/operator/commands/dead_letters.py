"""`tenkacloud dead-letters …`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scripts.operator.options import (
    DEFAULT_ENVIRONMENT,
    DryRun,
    Env,
    Json,
    MessageKind,
    NoHeaders,
    OlderThan,
    Output,
    Rate,
    Service,
    Yes,
)
from scripts.operator.output import Column, Format, Kind
from scripts.operator.running import Run, counted, planned
from scripts.tooling.project import CommandError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.operator.dead_letters import Found, Outcome, Selection

app = typer.Typer(help="What lies in the dead-letter queues: list it, bring it back, remove it.")


_GROUPS: Final = (
    Column("service", "SERVICE"),
    Column("kind", "KIND"),
    Column("count", "COUNT"),
    Column("oldestAgeSeconds", "OLDEST", Kind.AGE),
    Column("reason", "REASON"),
)
_MESSAGES: Final = (
    Column("service", "SERVICE"),
    Column("messageId", "MESSAGE", whole=True, max_width=36),
    Column("kind", "KIND"),
    Column("tenantId", "TENANT", whole=True, max_width=26),
    Column("operationId", "OPERATION", whole=True, max_width=32, wide=True),
    Column("ageSeconds", "AGE", Kind.AGE),
    Column("sentAt", "SENT", Kind.TIME, wide=True),
    Column("reason", "REASON"),
)
_OUTCOMES: Final = (
    Column("service", "SERVICE", wide=True),
    Column("messageId", "MESSAGE", whole=True, max_width=36),
    Column("tenantId", "TENANT", whole=True, max_width=20),
    Column("kind", "KIND", wide=True),
    Column("reason", "REASON", wide=True),
    Column("outcome", "OUTCOME", Kind.STATE),
    Column("detail", "DETAIL", whole=True),
)

Reason = Annotated[str | None, typer.Option("--reason", help="Only whose reason has this text, in any case.")]
KindOption = Annotated[
    MessageKind | None, typer.Option("--kind", case_sensitive=False, help="Only this kind.")
]
MessageId = Annotated[str | None, typer.Option("--message", help="Only the message with this id.")]


def _selection(
    service: str | None,
    *,
    kind: MessageKind | None = None,
    message: str | None = None,
    reason: str | None = None,
    older_than: float | None = None,
) -> "Selection":
    from scripts.operator.dead_letters import Selection  # noqa: PLC0415 - loads boto3

    return Selection(service, kind, message, reason, older_than)


@app.command("list")
def list_(
    context: typer.Context,
    service: Service = None,
    kind: KindOption = None,
    reason: Reason = None,
    older_than: OlderThan = None,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """List what lies there, and leave it there: a table by reason, else (-o wide, json, tsv) by message."""
    from scripts.operator import dead_letters  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    selection = _selection(service, kind=kind, reason=reason, older_than=older_than)
    found = dead_letters.look(run.environment, selection, run.session.clock)
    now = run.session.clock.now()
    groups = dead_letters.grouped(found.messages, now)
    items = [message.as_item(now) for message in found.messages]
    if run.printer.format is Format.TABLE:
        run.print(groups, _GROUPS)
        if groups:
            run.say(
                f"{counted(len(items), 'message')}; each of them: -o wide; one whole: dead-letters show ID"
            )
    else:
        run.print(items, _MESSAGES, groups=groups, notRead=found.others)
    if not items and not found.others:
        run.say(f"there are no dead-letter messages in {run.name}")
    return _say_others(run, found.others)


def _say_others(run: Run, others: dict[str, int]) -> int:
    """Say how many messages a command did not see; return the exit code for that."""
    for service, count in others.items():
        run.say(f"{service}: about {count} more: another reader holds them, try again in a minute")
    return 1 if others else 0


@app.command()
def show(
    context: typer.Context,
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="The message's id.")],
    service: Service = None,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
) -> int:
    """Show one message whole, and leave it there."""
    from scripts.operator import dead_letters  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json)
    found = dead_letters.look(run.environment, _selection(service, message=message_id), run.session.clock)
    if not found.messages:
        _say_others(run, found.others)
        raise CommandError(
            f"there is no message {message_id}: tenkacloud dead-letters list -o wide has the ids"
        )
    whole = found.messages[0].whole(run.session.clock.now())
    if run.printer.is_for_people:
        facts = [
            {"attribute": name, "value": value if isinstance(value, str) else _pretty(value)}
            for name, value in whole.items()
        ]
        run.print(facts, (Column("attribute", "ATTRIBUTE"), Column("value", "VALUE", whole=True)))
    else:
        run.print([whole], [*_MESSAGES, Column("attributes", "ATTRIBUTES"), Column("body", "BODY")])
    return 0


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@app.command()
def redrive(
    context: typer.Context,
    service: Service = None,
    kind: KindOption = None,
    message: MessageId = None,
    reason: Reason = None,
    older_than: OlderThan = None,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Also what was rejected, if it would no longer be.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Even what would be rejected again.")] = False,
    rate: Rate = 10.0,
    dry_run: DryRun = False,
    yes: Yes = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Bring messages back to their functions. Can be stopped and repeated at any time."""
    from scripts.operator import dead_letters  # noqa: PLC0415 - loads boto3
    from scripts.operator.rate_limit import RateLimit  # noqa: PLC0415

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    selection = _selection(service, kind=kind, message=message, reason=reason, older_than=older_than)
    clock, only, others = run.session.clock, None, {}
    outcomes: list[Outcome] = []
    if dry_run or not yes:
        found = dead_letters.look(run.environment, selection, clock)
        others = found.others
        outcomes = dead_letters.plan_redrive(
            run.environment, found.messages, clock, rejected=rejected, force=force
        )
        wanted = sum(outcome.outcome == dead_letters.REDRIVEN for outcome in outcomes)
        if not dry_run and wanted > 1:
            run.confirm(f"redrive {counted(wanted, 'dead-letter message')}", yes=yes)
        only = frozenset(outcome.message.id for outcome in outcomes)
    if not dry_run:
        steps = dead_letters.redrive(
            run.environment,
            selection,
            clock,
            only=only,
            rejected=rejected,
            force=force,
            before=RateLimit(rate, clock).wait,
        )
        outcomes, others = _followed(run, "redriving", steps)
    now = clock.now()
    columns = planned(_OUTCOMES, dry_run=dry_run)
    run.print([each.as_item(now) for each in outcomes], columns, dryRun=dry_run, notRead=others)
    left = [each for each in outcomes if each.outcome == dead_letters.LEFT]
    would = "would be " if dry_run else ""
    run.say(f"{counted(len(outcomes) - len(left), 'message')} {would}redriven, {len(left)} left")
    bad = [each for each in left if rejected or each.message.kind is not MessageKind.REJECTED]
    return _say_others(run, others) or (1 if bad else 0)


def _followed(
    run: Run, what: str, steps: "Iterator[Outcome | Found]"
) -> "tuple[list[Outcome], dict[str, int]]":
    """Carry out what is done about each message; return what became of them, and how many were not read."""
    from scripts.operator.dead_letters import Found  # noqa: PLC0415 - loads boto3

    outcomes: list[Outcome] = []
    others: dict[str, int] = {}
    with run.progress(what) as progress:
        for step in steps:
            if isinstance(step, Found):
                others, total = step.others, len(step.messages)
                continue
            outcomes.append(step)
            if progress:
                progress.update(f"{what}: {len(outcomes)} of {total}")
    return outcomes, others


@app.command()
def discard(
    context: typer.Context,
    service: Service = None,
    message: MessageId = None,
    reason: Reason = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append them there first, a line of JSON each.")
    ] = None,
    no_export: Annotated[bool, typer.Option("--no-export", help="Keep nothing of them.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    env: Env = DEFAULT_ENVIRONMENT,
    output: Output = None,
    json: Json = False,
    no_headers: NoHeaders = False,
) -> int:
    """Remove messages for good that can only fail again: one, or all with a reason."""
    from scripts.operator import dead_letters  # noqa: PLC0415 - loads boto3

    run = Run.of(context, env, output, json=json, headers=not no_headers)
    if bool(message) == bool(reason):
        raise UsageError("say which messages: --message ID, or --reason TEXT")
    if not dry_run and (export is not None) == no_export:
        raise UsageError("say what to keep of them: --export FILE, or --no-export")
    selection, clock = _selection(service, message=message, reason=reason), run.session.clock
    only, others = None, {}
    outcomes: list[Outcome] = []
    if dry_run or not yes:
        found = dead_letters.look(run.environment, selection, clock)
        others = found.others
        outcomes = [dead_letters.Outcome(each, dead_letters.DISCARDED) for each in found.messages]
        if not dry_run and len(outcomes) > 1:
            run.confirm(f"discard {counted(len(outcomes), 'dead-letter message')} for good", yes=yes)
        only = frozenset(each.message.id for each in outcomes)
    if not dry_run:
        steps = dead_letters.discard(run.environment, selection, clock, only=only, export=export)
        outcomes, others = _followed(run, "discarding", steps)
    if not outcomes:
        _say_others(run, others)
        raise CommandError(
            "there is no such dead-letter message: tenkacloud dead-letters list -o wide has all"
        )
    now = clock.now()
    columns = planned(_OUTCOMES, dry_run=dry_run)
    run.print([each.as_item(now) for each in outcomes], columns, dryRun=dry_run, notRead=others)
    run.say(f"{counted(len(outcomes), 'message')} {'would be ' if dry_run else ''}discarded")
    return _say_others(run, others)
