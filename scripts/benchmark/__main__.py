"""`make bench`: on an engine of its own, in one run; the report is `build/reports/benchmark.md`.

`--bursts 200,1000,5000` says which bursts; `--parts onboarding` or `--parts data` measures that alone. What
else the machine does changes every figure: the ratios, which compare runs that took turns, are what to look
at. The exit code is 0 whatever they are.
"""

import argparse
import dataclasses
import json
import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from scripts.benchmark import chart, cold, counting, moving, report
from scripts.benchmark.baseline import NAME, Baseline
from scripts.benchmark.figures import figures_of
from scripts.benchmark.measure import Chain, Summary
from scripts.local_aws.stack import Stack, running_stack
from scripts.tooling.build import build
from scripts.tooling.project import ZIPS, run, say
from scripts.tooling.reports import REPORTS
from scripts.tooling.waiting import wait_until
from scripts.verification.flow.tenants import Tenant, new_item, status_of
from tenkacloud.tenants.keys import METADATA
from tenkacloud.tenants.lifecycle import ProvisioningStatus

SINGLES: Final = 40  # tenants of each tier, one at a time
COUNTED: Final = 50  # tenants of each tier, for the calls
BASELINE_BURST_MAX: Final = 1000
TIERS: Final = ("FREE", "PRO", "ENTERPRISE")
ONBOARDING: Final = "onboarding"
DATA: Final = "data"
PARTS: Final = (ONBOARDING, DATA)


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description="Measure the flow beside a baseline, on a local engine.")
    parser.add_argument(
        "--bursts", type=_counts, default="200,1000,5000", help="tenants at once, separated by commas"
    )
    parser.add_argument(
        "--parts", type=_parts, default=",".join(PARTS), help=f"what to measure: {', '.join(PARTS)}"
    )
    parser.add_argument("--rounds", type=int, default=moving.ROUNDS, help="of moves, exports and purges")
    options = parser.parse_args(arguments)
    parts: list[str] = options.parts
    zips = build(ZIPS)
    result: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "zips": {name: path.stat().st_size for name, path in zips.items()},
    }
    if ONBOARDING in parts:
        say("cold starts")
        result["cold"] = cold.cold_starts(ZIPS)
    say("deploying to an engine of its own")
    with running_stack() as stack:
        if ONBOARDING in parts:
            result |= _onboarding(stack, options.bursts)
        if DATA in parts:
            result[DATA] = moving.run(stack, options.rounds)
    plain = json.loads(json.dumps(result, default=dataclasses.asdict))
    report.summary(plain, write(plain)).print(Console(highlight=False))
    return 0


def _onboarding(stack: Stack, bursts: list[int]) -> dict[str, Any]:
    Baseline(stack.deployment, stack.clients).deploy()
    ours = Chain("ours", stack.clients, stack.deployment.table_name)
    baseline = Chain("baseline", stack.clients, NAME)
    say("warming up")
    for chain in (ours, baseline):
        chain.burst(40, "FREE")
    say("one tenant at a time")
    singles = _singles(ours, baseline)
    burst_figures = _bursts(ours, baseline, bursts)
    say("counting calls")
    counts = {tier: _count(ours, stack, tier) for tier in ("FREE", "ENTERPRISE")}
    return {"singles": singles, "bursts": burst_figures, "counts": counts}


def write(result: dict[str, Any], folder: Path = REPORTS) -> list[Path]:
    """Write the report, its chart and the plain result; return the paths, the one for people first."""
    folder.mkdir(parents=True, exist_ok=True)
    as_text, as_chart, as_json = (folder / f"benchmark.{kind}" for kind in ("md", "svg", "json"))
    as_text.write_text(report.markdown(result, as_chart.name))
    as_chart.write_text(chart.svg(figures_of(result), "Ours, the baseline and the limit: times the baseline"))
    as_json.write_text(json.dumps(result, indent=2) + "\n")
    return [as_text, as_chart, as_json]


def _counts(text: str) -> list[int]:
    numbers = text.split(",")
    if not all(number.isascii() and number.isdigit() and int(number) for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list like 200,1000")
    return [int(number) for number in numbers]


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(PARTS)}")
    return names


def _singles(ours: Chain, baseline: Chain) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for tier in TIERS:
        taken: dict[str, list[float]] = {"ours": [], "baseline": []}
        for _ in range(SINGLES):  # in turns, so that noise falls on both
            taken["ours"].append(ours.one(tier))
            taken["baseline"].append(baseline.one(tier))
        figures[tier] = _compared(Summary.of(taken["ours"]), Summary.of(taken["baseline"]))
    return figures


def _bursts(ours: Chain, baseline: Chain, counts: list[int]) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for count in counts:
        say(f"a burst of {count}")
        rounds = 3 if count <= BASELINE_BURST_MAX else 1
        taken: dict[str, list[float]] = {"ours": [], "baseline": []}
        for _ in range(rounds):
            taken["ours"].append(ours.burst(count, "FREE"))
            if count <= BASELINE_BURST_MAX:
                taken["baseline"].append(baseline.burst(count, "FREE"))
        seconds = Summary.of(taken["ours"])
        below = Summary.of(taken["baseline"]) if taken["baseline"] else None
        figures[str(count)] = {
            **_compared(seconds, below),
            "perSecond": count / seconds.median,
            "secondsPerTenant": seconds.median / count,
        }
    return figures


def _compared(ours: Summary, baseline: Summary | None) -> dict[str, Any]:
    ratio = ours.median / baseline.median if baseline else None
    return {"ours": ours, "baseline": baseline, "ratio": ratio}


def _count(ours: Chain, stack: Stack, tier: str) -> dict[str, Any]:
    """Return calls, bytes, milliseconds and write units of one tenant of a tier, in a burst."""
    deployment, clients = stack.deployment, stack.clients
    with counting.counted(deployment, clients, stack.engine.endpoint) as counts:
        ours.burst(COUNTED, tier)
        counts.calls.clear()
        counts.sent.clear()
        began = time.time()
        ours.burst(COUNTED, tier)
    milliseconds = counting.lambda_milliseconds(deployment, clients, began) / COUNTED
    calls = {call: number / COUNTED for call, number in sorted(counts.calls.items())}
    last = Tenant(new_item(f"bench-units-{tier.lower()}", tier, "Bench"))
    last.write(deployment, clients)
    wait_until(
        f"tenant {last.id} to be COMPLETED",
        lambda: status_of(last.record(deployment, clients)) == ProvisioningStatus.COMPLETED,
        seconds=60,
    )
    items: Any = clients.dynamodb.query(
        TableName=deployment.table_name,
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": last.key["PK"]},
    )["Items"]
    record = [item for item in items if item["SK"]["S"] == METADATA]
    # The record is written twice, at the mark and at the end, and each line of history once. Of the indexes,
    # by-slug and by-status-tier are written once, and in-flight twice: in, and out again.
    units = counting.write_units([*items, *record], index_writes=4)
    return {
        "calls": calls,
        "bytesSent": sum(counts.sent.values()) / COUNTED,
        "lambdaMilliseconds": milliseconds,
        "writeUnits": units,
        "pricePerMillion": report.price(calls, units, milliseconds),
    }


if __name__ == "__main__":
    run(main)
