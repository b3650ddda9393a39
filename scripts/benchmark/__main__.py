"""`make bench`: on an engine of its own, in one run; writes `build/bench/bench.json` and `bench.md`.

`--bursts 200,1000,5000` says which bursts. What else the machine does changes every figure: the ratios, which
compare runs that took turns, are what to look at.
"""

import argparse
import dataclasses
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from scripts.benchmark import cold, counting, report
from scripts.benchmark.floor import TABLE, Floor
from scripts.benchmark.measure import Chain, Summary
from scripts.local_aws.engine.process import Engine, free_port
from scripts.tooling.aws import Clients
from scripts.tooling.build import build
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import BUILD, LOCAL, ZIPS, CommandError, run, say
from scripts.tooling.terraform import Terraform
from scripts.verification.flow.tenants import new_item

SINGLES: Final = 40  # tenants of each tier, one at a time
COUNTED: Final = 50  # tenants of each tier, for the calls
FLOOR_BURST_MAX: Final = 1000
TIERS: Final = ("FREE", "PRO", "ENTERPRISE")
TARGET: Final = BUILD / "bench"


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description="Measure the flow beside bare handlers, on a local engine.")
    parser.add_argument(
        "--bursts", type=_counts, default="200,1000,5000", help="tenants at once, separated by commas"
    )
    options = parser.parse_args(arguments)
    bursts: list[int] = options.bursts
    zips = build(ZIPS)
    say("cold starts")
    starts = cold.cold_starts(ZIPS)
    with _stack() as (engine, deployment, clients):
        Floor(deployment, clients).deploy()
        ours = Chain("ours", clients, deployment.table_name)
        floor = Chain("floor", clients, TABLE)
        say("warming up")
        for chain in (ours, floor):
            chain.burst(40, "FREE")
        say("one tenant at a time")
        singles = _singles(ours, floor)
        burst_figures = _bursts(ours, floor, bursts)
        say("counting calls")
        counts = {tier: _count(ours, deployment, clients, engine, tier) for tier in ("FREE", "ENTERPRISE")}
    result = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "singles": singles,
        "bursts": burst_figures,
        "cold": starts,
        "counts": counts,
        "zips": {name: path.stat().st_size for name, path in zips.items()},
    }
    TARGET.mkdir(parents=True, exist_ok=True)
    plain = json.loads(json.dumps(result, default=dataclasses.asdict))
    (TARGET / "bench.json").write_text(json.dumps(plain, indent=2) + "\n")
    text = report.markdown(plain)
    (TARGET / "bench.md").write_text(text)
    print(text)
    say(f"written to {TARGET}")
    return 0


def _counts(text: str) -> list[int]:
    numbers = text.split(",")
    if not all(number.isascii() and number.isdigit() and int(number) for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is no list like 200,1000")
    return [int(number) for number in numbers]


@contextmanager
def _stack() -> Iterator[tuple[Engine, Deployment, Clients]]:
    engine = Engine(free_port())
    engine.start()
    try:
        os.environ["AWS_ENDPOINT_URL"] = engine.endpoint.url
        with tempfile.TemporaryDirectory() as folder:
            say("deploying to an engine of its own")
            terraform = Terraform(
                LOCAL,
                variables={"aws_endpoint_url": engine.endpoint.url},
                data_dir=Path(folder) / "data",
                state=Path(folder) / "terraform.tfstate",
            )
            terraform.init()
            terraform.apply()
            deployment = Deployment.of(terraform)
            yield engine, deployment, Clients(LOCAL, deployment.region)
    finally:
        engine.stop()


def _singles(ours: Chain, floor: Chain) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for tier in TIERS:
        taken: dict[str, list[float]] = {"ours": [], "floor": []}
        for _ in range(SINGLES):  # in turns, so that noise falls on both
            taken["ours"].append(ours.one(tier))
            taken["floor"].append(floor.one(tier))
        figures[tier] = _compared(Summary.of(taken["ours"]), Summary.of(taken["floor"]))
    return figures


def _bursts(ours: Chain, floor: Chain, counts: list[int]) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for count in counts:
        say(f"a burst of {count}")
        rounds = 3 if count <= FLOOR_BURST_MAX else 1
        taken: dict[str, list[float]] = {"ours": [], "floor": []}
        for _ in range(rounds):
            taken["ours"].append(ours.burst(count, "FREE"))
            if count <= FLOOR_BURST_MAX:
                taken["floor"].append(floor.burst(count, "FREE"))
        seconds = Summary.of(taken["ours"])
        below = Summary.of(taken["floor"]) if taken["floor"] else None
        figures[str(count)] = {
            **_compared(seconds, below),
            "perSecond": count / seconds.median,
            "secondsPerTenant": seconds.median / count,
        }
    return figures


def _compared(ours: Summary, floor: Summary | None) -> dict[str, Any]:
    if floor is None:
        return {"ours": ours, "floor": None, "ratio": None}
    return {"ours": ours, "floor": floor, "ratio": ours.median / floor.median}


def _count(
    ours: Chain, deployment: Deployment, clients: Clients, engine: Engine, tier: str
) -> dict[str, Any]:
    """Return calls, bytes, milliseconds and write units of one tenant of a tier, in a burst."""
    with counting.counted(deployment, clients, engine.endpoint) as counts:
        ours.burst(COUNTED, tier)
        counts.calls.clear()
        counts.sent.clear()
        began = time.time()
        ours.burst(COUNTED, tier)
    milliseconds = counting.lambda_milliseconds(deployment, clients, began) / COUNTED
    calls = {call: number / COUNTED for call, number in sorted(counts.calls.items())}
    last = new_item(f"bench-units-{tier.lower()}", tier, "Bench")
    clients.dynamodb.put_item(TableName=deployment.table_name, Item=last)
    _wait(lambda: _status(clients, deployment, last) == "COMPLETED")
    items: Any = clients.dynamodb.query(
        TableName=deployment.table_name,
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": last["PK"]},
    )["Items"]
    record = [item for item in items if item["SK"]["S"] == "METADATA"]
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


def _status(clients: Clients, deployment: Deployment, item: dict[str, Any]) -> str:
    found = clients.dynamodb.get_item(
        TableName=deployment.table_name, Key={"PK": item["PK"], "SK": item["SK"]}, ConsistentRead=True
    )
    return str(found["Item"]["provisioningStatus"]["S"])


def _wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CommandError(f"a tenant did not settle within {seconds:.0f} s")
        time.sleep(0.05)


if __name__ == "__main__":
    run(main)
