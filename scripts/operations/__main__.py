"""`python -m scripts.operations COMMAND [options] ENV`.

Results go to standard output, as a table or, with `--json`, as one JSON document; progress and errors go to
standard error. Exit codes: 0 all is well; 1 something is not (the output says what); 2 wrong arguments.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from scripts import project, reconciling
from scripts.operations import letters, replaying, tenants, verifying
from scripts.operations.environment import Environment, first, tenant_id_of
from scripts.operations.pace import Pace
from scripts.project import LOCAL, CommandError
from tenkacloud.fields import TenantStatus, Tier
from tenkacloud.lifecycle import ProvisioningStatus

_WIDTH: Final = 160
_REPAIR_SECONDS: Final = 60.0

Options = argparse.Namespace


def main(arguments: list[str]) -> int:
    """Run a command; return the exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[Environment, Options], int] = options.run
    return run(Environment.of(options.environment), options)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON document")
    common.add_argument("environment", metavar="ENV", nargs="?", default=LOCAL)
    parser = argparse.ArgumentParser(prog="operations", description="What operators do with tenants.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Environment, Options], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[common], help=text, description=text)
        added.set_defaults(run=run)
        return added

    added = command("tenants", _tenants, "list tenants")
    added.add_argument("--status", type=ProvisioningStatus, choices=list(ProvisioningStatus))
    added.add_argument("--tier", type=Tier, choices=list(Tier))
    added.add_argument("--stuck", action="store_true", help="those in flight, the longest first")
    added.add_argument("--limit", type=_positive, default=50, help="at most so many (50)")

    added = command("tenant", _tenant, "show one tenant with its whole history")
    added.add_argument("--id", required=True)

    added = command("retry", _retry, "try one FAILED tenant again, or all")
    _one_or_all(added)
    added.add_argument("--rate", type=_positive, default=10, help="at most so many a second (10)")

    added = command("letters", _letters, "list what lies in the dead-letter queues, or show one whole")
    added.add_argument("--service")
    added.add_argument("--letter", help="show the letter of this id")

    added = command("redrive", _redrive, "bring back what lies in the dead-letter queues")
    added.add_argument("--service")
    added.add_argument("--rejected", action="store_true", help="also what broke the contract")
    added.add_argument("--rate", type=_positive, default=10, help="at most so many a second (10)")

    added = command("replay", _replay, "send the events of a time range to the bus once more")
    added.add_argument("--from", dest="start", type=_moment, required=True, help="RFC 3339")
    added.add_argument("--to", dest="end", type=_moment, required=True, help="RFC 3339")
    added.add_argument("--seconds", type=_positive, default=3600, help="wait at most so long (3600)")

    added = command("verify", _verify, "compare record, resources and policies of one tenant, or of all")
    _one_or_all(added)
    added.add_argument("--repair", action="store_true", help="have what differs put right")
    added.add_argument("--stuck-after", type=_positive, default=900, help="seconds (900)")

    added = command("reconcile", _reconcile, "have stuck tenants resumed now")
    added.add_argument("--older-than", type=_seconds, help="seconds; the function's own deadline otherwise")
    return parser


def _one_or_all(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--id")
    which.add_argument("--all", action="store_true")


def _positive(text: str) -> int:
    number = _seconds(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _moment(text: str) -> str:
    try:
        replaying.moment(text)
    except CommandError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("error: ")) from None
    return text


def _seconds(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _tenants(environment: Environment, options: Options) -> int:
    found = tenants.listed(environment, options.status, options.tier, stuck=options.stuck)
    rows = list(first(options.limit, found))
    columns = ("id", "tier", "status", "provisioningStatus", "provisioningAttempt", "updatedAt")
    more = ("inFlightSeconds",) if options.stuck else ("failureReason",)
    _print(options, rows, (*columns, *more))
    return 0


def _tenant(environment: Environment, options: Options) -> int:
    shown = tenants.shown(environment, tenant_id_of(options.id))
    if options.json:
        print(json.dumps(shown, indent=2))
        return 0
    facts: list[dict[str, Any]] = [
        {"attribute": name, "value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in sorted(shown["tenant"].items())
    ]
    _print(options, facts, ("attribute", "value"))
    _print(options, shown["history"], ("at", "to", "attempt", "by", "reason", "correlationId"))
    return 0


def _retry(environment: Environment, options: Options) -> int:
    if options.all:
        outcomes = tenants.retry_all(environment, _pace(options))
    else:
        tenant_id = tenant_id_of(options.id)
        outcomes = {tenant_id: tenants.retry(environment, environment.record(tenant_id))}
    rows = [{"id": tenant_id, "outcome": outcome} for tenant_id, outcome in outcomes.items()]
    _print(options, rows, ("id", "outcome"))
    return 0 if all(outcome in ("retried", "asked for") for outcome in outcomes.values()) else 1


def _letters(environment: Environment, options: Options) -> int:
    found = letters.look(environment, options.service)
    if options.letter:
        wanted = [letter for letter in found if letter.id == options.letter]
        if not wanted:
            raise CommandError(f"there is no letter {options.letter}")
        print(json.dumps({**wanted[0].summary(), "body": wanted[0].body}, indent=2))
        return 0
    _print(options, [letter.summary() for letter in found], _LETTER)
    return 0


_LETTER: Final = ("service", "id", "kind", "tenantId", "reason")


def _redrive(environment: Environment, options: Options) -> int:
    done = letters.redrive(environment, options.service, _pace(options), rejected=options.rejected)
    _print(options, done, (*_LETTER, "outcome"))
    left = [row for row in done if not row["outcome"].startswith("redriven") and row["kind"] != "rejected"]
    return 1 if left else 0


def _replay(environment: Environment, options: Options) -> int:
    start, end = replaying.moment(options.start), replaying.moment(options.end)
    visible = not options.json and sys.stderr.isatty()
    done = replaying.replay(environment, start, end, seconds=options.seconds, visible=visible)
    _print(options, [done], ("replay", "from", "to", "state"))
    return 0


def _verify(environment: Environment, options: Options) -> int:
    if options.all:
        items = environment.by_tier(Tier, TenantStatus)
    else:
        items = iter([environment.record(tenant_id_of(options.id))])
    console = Console(stderr=True)
    found, bad = 0, []
    with console.status("verifying") if not options.json else nullcontext() as status:
        for finding in verifying.verify_all(environment, items, options.stuck_after):
            found += 1
            if finding.problems:
                bad.append(finding)
            if status:
                status.update(f"verifying: {found} tenants, {len(bad)} with problems")
    if options.repair:
        bad = _repaired(environment, bad, options)
    rows = [finding.as_json() for finding in bad]
    if options.json:
        print(json.dumps({"verified": found, "findings": rows}, indent=2))
    else:
        lines = [{**row, "problems": "\n".join(row["problems"])} for row in rows]
        _print(options, lines, ("tenantId", "status", "problems"))
        print(f"{found} verified, {len(bad)} with problems")
    return 1 if bad else 0


def _repaired(
    environment: Environment, bad: list[verifying.Finding], options: Options
) -> list[verifying.Finding]:
    """Have completed tenants put right; return what is still wrong when the time is up."""
    broken = {finding.tenant_id: finding for finding in bad}
    ids = [finding.tenant_id for finding in bad if finding.status == ProvisioningStatus.COMPLETED]
    answers = reconciling.repair(environment.deployment, environment.clients, ids)
    asked = [tenant_id for tenant_id, answer in answers.items() if answer == "asked"]
    deadline = time.monotonic() + _REPAIR_SECONDS
    while asked and time.monotonic() < deadline:
        time.sleep(0.5)
        for tenant_id in asked:
            item = environment.record(tenant_id_of(tenant_id))
            broken[tenant_id] = verifying.verify(environment, item, options.stuck_after)
        asked = [tenant_id for tenant_id in asked if broken[tenant_id].problems]
    return [finding for finding in broken.values() if finding.problems]


def _reconcile(environment: Environment, options: Options) -> int:
    sums = reconciling.sweep(environment.deployment, environment.clients, options.older_than)
    _print(options, [dict(sums)], ("resumed", "givenUp", "left", "errors"))
    return 1 if sums["errors"] else 0


def _pace(options: Options) -> Pace:
    return Pace(options.rate, visible=not options.json)


def _print(options: Options, rows: list[dict[str, Any]], columns: Iterable[str]) -> None:
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if row.get(column) is None else str(row[column]) for column in columns))
    Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH).print(table)


if __name__ == "__main__":
    project.run(main)
