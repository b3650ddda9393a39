"""What the benchmark found: its conclusion, a summary, and Markdown; and a million onboardings at list price."""

from pathlib import Path
from typing import Any, Final

from scripts.benchmark.figures import (
    CALLS,
    READ_ONLY_MARGIN,
    TIMES_BASELINE,
    TIMES_LOOP,
    Figure,
    calls_of_tenant,
    figures_of,
    limits_of,
)
from scripts.tooling import reports

#: US dollars, us-east-1, arm64, on demand; to be checked against AWS's price pages before they are relied on.
#: DynamoDB write request units; S3 PUT, COPY, POST, LIST and GET requests (DELETE is free); EventBridge custom
#: events (each of our events is below the 64 KB that count as one); SQS requests; Lambda requests and
#: GB-seconds (256 MB).
PRICES: Final = {
    "write unit": 0.625e-6,
    "s3 PUT": 5e-6,
    "s3 GET": 0.4e-6,
    "event": 1e-6,
    "sqs": 0.4e-6,
    "invocation": 0.2e-6,
    "GB second": 13.3334e-6,
}
_MEMORY_GB: Final = 0.25
_EVENTS: Final = 2  # of one tenant: the request, and its result
_INVOCATIONS: Final = 3


def price(calls: dict[str, float], write_units: int, milliseconds: float) -> dict[str, float]:
    """Return US dollars per million onboardings, by service and in all. Logs and traces are not in it."""
    reads = sum(number for call, number in calls.items() if call.startswith("s3:GET"))
    puts = sum(number for call, number in calls.items() if call.startswith("s3:") and "GET" not in call)
    million = 1_000_000
    parts = {
        "DynamoDB": write_units * PRICES["write unit"] * million,
        "S3": (puts * PRICES["s3 PUT"] + reads * PRICES["s3 GET"]) * million,
        "EventBridge": _EVENTS * PRICES["event"] * million,
        "Lambda": (
            _INVOCATIONS * PRICES["invocation"] + milliseconds / 1000 * _MEMORY_GB * PRICES["GB second"]
        )
        * million,
    }
    return {**parts, "all": sum(parts.values())}


def price_of_data(counted: dict[str, Any], memory_gb: float) -> dict[str, float]:
    """Return US dollars per million objects of what was counted for fewer, by service and in all.

    Calls that a move makes once, whatever it moves, are in it as if it made them for each so many: so it is an
    upper bound. DynamoDB's part is the control plane's, which does not grow with the objects: not in it.
    """
    per_million = 1_000_000 / counted["objects"]
    parts = {"S3": 0.0, "EventBridge": 0.0, "SQS": 0.0}
    for call, number in counted["calls"].items():
        service, _, operation = call.partition(":")
        if service == "s3":
            parts["S3"] += number * PRICES[_kind_of_s3(operation)] if _kind_of_s3(operation) else 0.0
        elif service == "events":
            parts["EventBridge"] += number * PRICES["event"]
        elif service == "sqs":
            parts["SQS"] += number * PRICES["sqs"]
    parts["Lambda"] = counted["lambdaMilliseconds"] / 1000 * memory_gb * PRICES["GB second"]
    priced = {name: dollars * per_million for name, dollars in parts.items()}
    return {**priced, "all": sum(priced.values())}


def _kind_of_s3(operation: str) -> str:
    """Return the price of a call as `counting` names it; empty: it is free."""
    method, _, query = operation.partition(" ?")
    if method == "DELETE" or query == "delete":
        return ""
    is_list = query in ("list-type", "versions", "uploads")
    return "s3 GET" if method in ("GET", "HEAD") and not is_list else "s3 PUT"


def conclusion(figures: list[Figure]) -> str:
    """Return in one line whether the limits are held, and which figure is closest to its own, or beyond it.

    Closest of those that are compared with the baseline: of calls, a limit can be just what is needed.
    """
    missed = [figure for figure in figures if not figure.is_within]
    worst = max(missed or [each for each in figures if each.baseline], key=lambda figure: figure.share)
    said = f"{worst.name}: {worst}"
    if missed:
        return f"{len(missed)} of {len(figures)} limits missed, most of all by {said}"
    return f"all {len(figures)} limits held; closest to its own is {said}"


def summary(result: dict[str, Any], files: list[Path]) -> reports.Summary:
    """Return the summary; `files` hold the rest."""
    found = figures_of(result)
    times = [figure for figure in found if figure.baseline is not None]
    cold = [figure for figure in times if figure.name.startswith("cold start")]
    lines = {figure.name: str(figure) for figure in times if figure not in cold}
    lines |= {figure.name: str(figure) for figure in found if figure.name.startswith("read-only")}
    lines |= {
        f"throughput, {count} at once": f"{burst['perSecond']:.0f} tenants a second"
        for count, burst in result.get("bursts", {}).items()
    }
    if cold:
        slowest = max(cold, key=lambda figure: figure.share)
        lines[slowest.name] = f"{slowest}; the slowest of {len(cold)}"
    for work, price_of in _prices_of_data(result).items():
        lines[f"price, {work}"] = f"US$ {price_of['all']:.2f} for a million objects, at list price"
    for tier, counts in result.get("counts", {}).items():
        calls = ", ".join(f"{value:.2f} {name}" for name, value in calls_of_tenant(counts["calls"]).items())
        lines[f"calls, {tier}"] = f"{calls} for each tenant"
        lines[f"price, {tier}"] = f"US$ {counts['pricePerMillion']['all']:.2f} for a million, at list price"
    return reports.Summary(
        passed=all(figure.is_within for figure in found),
        verdict=conclusion(found),
        exceptions=[f"{figure.name}: {figure}" for figure in found if not figure.is_within],
        figures={**lines, "machine": result["machine"]},
        files=files,
    )


def markdown(result: dict[str, Any], chart: str) -> str:
    """Return the whole report, the conclusion first. `chart` is the name of the SVG file beside it."""
    found = figures_of(result)
    said = conclusion(found)
    missed = [f"- missed: {figure.name}: {figure}" for figure in found if not figure.is_within]
    parts = [
        f"# Benchmark\n\n**{said[0].upper()}{said[1:]}.**\n",
        *([*missed, ""] if missed else []),
        f"![Ours, the baseline and the limit, in multiples of the baseline]({chart})\n",
        f"{result['at']}, {result['machine']}. Times are medians (minimum to maximum). The baseline is the same chain",
        "in a few lines of boto3, run in turns with ours.\n",
        *(_singles(result["singles"]) if "singles" in result else []),
        *(_bursts(result["bursts"]) if "bursts" in result else []),
        *(_cold(result["cold"], result["zips"]) if "cold" in result else []),
        *(_counts(result["counts"]) if "counts" in result else []),
        *(_data(result) if "data" in result else []),
    ]
    return "\n".join(parts) + "\n"


def _verdict(value: float, target: float) -> str:
    return f"{value:.2f} ({'within' if value <= target else 'MISSES'} {target:g})"


def _spread(spread: dict[str, float], unit: float = 1000, digits: int = 0) -> str:
    return f"{spread['median'] * unit:.{digits}f} ({spread['minimum'] * unit:.{digits}f} to {spread['maximum'] * unit:.{digits}f})"


def _prices_of_data(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    counts = result.get("data", {}).get("counts", {})
    return {work: price_of_data(counted, counted["memoryGb"]) for work, counted in counts.items()}


def _data(result: dict[str, Any]) -> list[str]:
    data = result["data"]
    rows = [
        f"| {work} | {_spread(found['ours'], 1, 1)} | {found['perSecond']:.0f} "
        f"| {_spread(found['baseline'], 1, 1)} | {_verdict(found['ratio'], TIMES_LOOP)} |"
        for work, found in data["works"].items()
    ]
    read_only = [
        f"| {kind} | {_spread(found, 1, 1)} | {_verdict(found['median'], data['drainSeconds'] + READ_ONLY_MARGIN)} |"
        for kind, found in data["readOnly"].items()
    ]
    prices = _prices_of_data(result)
    costs = [
        f"| {work} | {_each(counted)} | {', '.join(f'{part} {dollars:.2f}' for part, dollars in prices[work].items())} |"
        for work, counted in data["counts"].items()
    ]
    return [
        f"## Moves, exports and purges of {data['objects']} objects: s\n",
        "The loop makes the same calls with as many threads, as a function of the same engine, in turns with ours.\n",
        "| what | ours | objects/s | the loop | ratio |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"## For how long a move keeps a tenant from writing: s, of which {data['drainSeconds']:g} are the drain\n",
        "| writes meanwhile | read-only | of the limit |",
        "|---|---|---|",
        *read_only,
        "",
        "## What an object costs\n",
        "| what | calls for each object | US$ per million, list price |",
        "|---|---|---|",
        *costs,
        "",
    ]


def _each(counted: dict[str, Any]) -> str:
    each = {call: number / counted["objects"] for call, number in counted["calls"].items()}
    return ", ".join(f"{call} {number:.4f}" for call, number in each.items())


def _singles(singles: dict[str, Any]) -> list[str]:
    rows = [
        f"| {tier} | {_spread(found['ours'])} | {found['ours']['p95'] * 1000:.0f} | {_spread(found['baseline'])} "
        f"| {_verdict(found['ratio'], TIMES_BASELINE['single'])} |"
        for tier, found in singles.items()
    ]
    return [
        "## One tenant, warm: put to COMPLETED, ms\n",
        "| tier | ours, p50 | ours, p95 | baseline, p50 | ratio |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _bursts(bursts: dict[str, Any]) -> list[str]:
    rows = []
    for count, found in bursts.items():
        baseline = _spread(found["baseline"], 1, 1) if found["baseline"] else "not run"
        ratio = _verdict(found["ratio"], TIMES_BASELINE["burst"]) if found["ratio"] else ""
        rows.append(
            f"| {count} | {_spread(found['ours'], 1, 1)} | {found['perSecond']:.0f} "
            f"| {found['secondsPerTenant'] * 1000:.1f} | {baseline} | {ratio} |"
        )
    counts = ", ".join(bursts)
    each = ", ".join(f"{found['secondsPerTenant'] * 1000:.1f}" for found in bursts.values())
    maximum = max((found["secondsPerTenant"] * 1000 for found in bursts.values()), default=0)
    return [
        "## Bursts of FREE tenants: first put to all COMPLETED, s\n",
        "| tenants | ours | tenants/s | ms per tenant | baseline | ratio |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "```mermaid",
        "xychart-beta",
        '    title "ms per tenant, by size of burst"',
        f"    x-axis [{counts}]",
        f'    y-axis "ms" 0 --> {maximum * 1.2:.0f}',
        f"    bar [{each}]",
        "```\n",
    ]


def _cold(cold: dict[str, Any], zips: dict[str, int]) -> list[str]:
    baseline = cold["baseline"]["seconds"]["median"]
    rows = [
        f"| {name} | {_spread(found['seconds'])} "
        f"| {'' if name == 'baseline' else _verdict(found['seconds']['median'] / baseline, TIMES_BASELINE['init'])} "
        f"| {found['megabytes']:.0f} | {zips[name] / 1024 if name in zips else 0:.0f} |"
        for name, found in cold.items()
    ]
    return [
        "## Cold start: import and init, ms\n",
        "| handler | init | ratio to baseline | peak memory, MB | zip, kB |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _counts(counts: dict[str, Any]) -> list[str]:
    lines = ["## What one tenant costs, in a burst\n"]
    for tier, found in counts.items():
        calls = found["calls"]
        price_of = found["pricePerMillion"]
        limited = limits_of(tier)
        lines += [
            f"### {tier}\n",
            "| what | each tenant |",
            "|---|---|",
            *(
                f"| {name} | {_verdict(value, CALLS[name]) if name in limited else f'{value:.2f}'} |"
                for name, value in calls_of_tenant(calls).items()
            ),
            f"| all calls | {', '.join(f'{call} {number:.2f}' for call, number in calls.items())} |",
            f"| bytes of the requests | {found['bytesSent']:.0f} |",
            f"| DynamoDB write units | {found['writeUnits']} |",
            f"| Lambda, ms | {found['lambdaMilliseconds']:.1f} |",
            f"| US$ per million, list price | {', '.join(f'{part} {dollars:.2f}' for part, dollars in price_of.items())} |",
            "",
        ]
    return lines
