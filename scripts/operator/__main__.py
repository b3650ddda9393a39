"""`python -m scripts.operator COMMAND [options] ENV`.

Results go to standard output, as a table or, with `--json`, as one JSON document; progress and errors go to
standard error. Exit codes: 0 all is well; 1 something is not (the output says what); 2 wrong arguments.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from scripts.operator import letters, replaying, tenants, verifying
from scripts.operator.environment import Environment, tenant_id_of
from scripts.operator.pace import Pace
from scripts.tooling import project
from scripts.tooling.project import LOCAL, CommandError, say
from scripts.verification.flow import reconciling
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.validation import Tier

_WIDTH: Final = 160
#: How long `reconcile` waits for another sweep to end, in seconds: those with nothing to do end within that.
_SWEEP_PATIENCE: Final = 5.0

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
    added.add_argument("--force", action="store_true", help="even if it would be rejected again")
    added.add_argument("--rate", type=_positive, default=10, help="at most so many a second (10)")

    added = command("discard", _discard, "remove dead-letter messages for good")
    added.add_argument("--service")
    which = added.add_mutually_exclusive_group(required=True)
    which.add_argument("--letter", help="the message of this id")
    which.add_argument("--reason", help="those whose reason holds this text")
    kept = added.add_mutually_exclusive_group(required=True)
    kept.add_argument(
        "--export", type=Path, metavar="FILE", help="append them there first, a line of JSON each"
    )
    kept.add_argument("--no-export", action="store_true", help="keep nothing of them")

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
    rows, known = tenants.page(environment, options.status, options.tier, options.limit, stuck=options.stuck)
    columns = ("id", "tier", "status", "provisioningStatus", "provisioningAttempt", "updatedAt")
    more = ("inFlightSeconds",) if options.stuck else ("failureReason",)
    _print(options, rows, (*columns, *more))
    counted = f"{len(rows)} of {known}"
    if options.json:
        say(counted)
    else:
        print(counted)
    return 0


def _tenant(environment: Environment, options: Options) -> int:
    truncated_repr = tenants.truncated_repr(environment, tenant_id_of(options.id))
    if options.json:
        print(json.dumps(truncated_repr, indent=2))
        return 0
    facts: list[dict[str, Any]] = [
        {"attribute": name, "value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in sorted(truncated_repr["tenant"].items())
    ]
    _print(options, facts, ("attribute", "value"))
    _print(options, truncated_repr["history"], ("at", "to", "attempt", "by", "reason", "correlationId"))
    return 0


def _retry(environment: Environment, options: Options) -> int:
    if options.all:
        outcomes = tenants.retry_all(environment, _pace(options))
    else:
        tenant_id = tenant_id_of(options.id)
        outcomes = {tenant_id: tenants.tried(environment, environment.record(tenant_id))}
    rows = [{"id": tenant_id, "outcome": outcome} for tenant_id, outcome in outcomes.items()]
    _print(options, rows, ("id", "outcome"))
    bad = {each: outcome for each, outcome in outcomes.items() if outcome not in ("retried", "asked for")}
    if options.all and bad:
        say(f"{len(bad)} of {len(outcomes)} were not retried:")
        for each, outcome in bad.items():
            say(f"{each}: {outcome}")
    return 1 if bad else 0


def _letters(environment: Environment, options: Options) -> int:
    found, others = letters.look(environment, options.service)
    if options.letter:
        wanted = [letter for letter in found if letter.id == options.letter]
        if not wanted:
            _tell_others(others)
            raise CommandError(f"there is no letter {options.letter}")
        truncated_repr = {**wanted[0].summary(), "attributes": wanted[0].attributes, "body": wanted[0].body}
        print(json.dumps(truncated_repr, indent=2))
        return 0
    _print(options, [letter.summary() for letter in found], _LETTER)
    return _tell_others(others)


_LETTER: Final = ("service", "id", "kind", "tenantId", "reason")


def _tell_others(others: dict[str, int]) -> int:
    """Say how many messages a command did not see; return the exit code for that."""
    for service, count in others.items():
        say(f"{service}: about {count} more: another reader holds them, try again in a minute")
    return 1 if others else 0


def _redrive(environment: Environment, options: Options) -> int:
    done = letters.redrive(
        environment, options.service, _pace(options), rejected=options.rejected, force=options.force
    )
    _print(options, done.rows, (*_LETTER, "outcome"))
    left = [row for row in done.rows if not row["outcome"].startswith("redriven")]
    wanted = [row for row in left if options.rejected or row["kind"] != "rejected"]
    return _tell_others(done.others) or (1 if wanted else 0)


def _discard(environment: Environment, options: Options) -> int:
    def wanted(letter: letters.Letter) -> bool:
        return letter.id == options.letter if options.letter else options.reason in letter.reason

    done = letters.discard(environment, options.service, wanted, options.export)
    _print(options, done.rows, (*_LETTER, "outcome"))
    if not done.rows:
        _tell_others(done.others)
        raise CommandError("there is no such dead-letter message")
    return _tell_others(done.others)


def _replay(environment: Environment, options: Options) -> int:
    start, end = replaying.moment(options.start), replaying.moment(options.end)
    visible = not options.json and sys.stderr.isatty()
    done = replaying.replay(environment, start, end, seconds=options.seconds, visible=visible)
    _print(options, [done], ("replay", "from", "to", "state"))
    return 0


def _verify(environment: Environment, options: Options) -> int:
    if options.all:
        items = tenants.everyone(environment)
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
    if options.repair and bad:
        bad = verifying.repair(environment, bad, options.stuck_after, say)
    if options.all:
        # After the repairs: what lies beside a record that was put right is found then, too.
        bad += _orphans(environment, options)
    left = [finding for finding in bad if finding.repair != verifying.REPAIRED]
    rows = [finding.as_json() for finding in bad]
    if options.json:
        print(json.dumps({"verified": found, "findings": rows}, indent=2))
    else:
        lines = [{**row, "problems": "\n".join(row["problems"])} for row in rows]
        repair = ("repair",) if options.repair else ()
        _print(options, lines, ("tenantId", "status", "problems", *repair))
        repaired = f", {len(bad) - len(left)} repaired" if options.repair else ""
        print(f"{found} tenants verified, {len(bad)} findings{repaired}")
    return 1 if left else 0


def _orphans(environment: Environment, options: Options) -> list[verifying.Finding]:
    """Return the resources that no record names. They are told of, and never touched."""
    untouched = "not repaired: resources are never deleted" if options.repair else None
    return [replace(finding, repair=untouched) for finding in verifying.orphans(environment)]


def _reconcile(environment: Environment, options: Options) -> int:
    sums = reconciling.sweep(environment.deployment, environment.clients, options.older_than, _SWEEP_PATIENCE)
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
