"""What the benchmark found, as Markdown, and what a million onboardings cost at list price."""

from typing import Any, Final

#: US dollars, us-east-1, arm64, on demand; to be checked against AWS's price pages before they are relied on.
#: DynamoDB write request units; S3 PUT, COPY, POST, LIST and GET requests; EventBridge custom events (each of
#: our events is below the 64 KB that count as one); Lambda requests and GB-seconds (256 MB).
PRICES: Final = {
    "write unit": 0.625e-6,
    "s3 PUT": 5e-6,
    "s3 GET": 0.4e-6,
    "event": 1e-6,
    "invocation": 0.2e-6,
    "GB second": 13.3334e-6,
}
_MEMORY_GB: Final = 0.25
_EVENTS: Final = 2  # of one tenant: asked for, and its result
_INVOCATIONS: Final = 3
TARGETS: Final = {"single": 1.3, "burst": 1.5, "init": 1.5, "dynamodb": 2.0, "put": 1.0, "events": 1.2}


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


def markdown(result: dict[str, Any]) -> str:
    """Return the tables and a plot."""
    parts = [
        f"# Benchmark\n\n{result['at']}, {result['machine']}. Times are medians (least to most).\n",
        *_singles(result["singles"]),
        *_bursts(result["bursts"]),
        *_cold(result["cold"], result["zips"]),
        *_counts(result["counts"]),
    ]
    return "\n".join(parts) + "\n"


def _verdict(value: float, target: float) -> str:
    return f"{value:.2f} ({'within' if value <= target else 'MISSES'} {target:g})"


def _spread(spread: dict[str, float], unit: float = 1000, digits: int = 0) -> str:
    return f"{spread['median'] * unit:.{digits}f} ({spread['least'] * unit:.{digits}f} to {spread['most'] * unit:.{digits}f})"


def _singles(singles: dict[str, Any]) -> list[str]:
    rows = [
        f"| {tier} | {_spread(found['ours'])} | {found['ours']['p95'] * 1000:.0f} | {_spread(found['floor'])} "
        f"| {_verdict(found['ratio'], TARGETS['single'])} |"
        for tier, found in singles.items()
    ]
    return [
        "## One tenant, warm: put to COMPLETED, ms\n",
        "| tier | ours, p50 | ours, p95 | floor, p50 | ratio |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _bursts(bursts: dict[str, Any]) -> list[str]:
    rows = []
    for count, found in bursts.items():
        floor = _spread(found["floor"], 1, 1) if found["floor"] else "not run"
        ratio = _verdict(found["ratio"], TARGETS["burst"]) if found["ratio"] else ""
        rows.append(
            f"| {count} | {_spread(found['ours'], 1, 1)} | {found['perSecond']:.0f} "
            f"| {found['secondsPerTenant'] * 1000:.1f} | {floor} | {ratio} |"
        )
    counts = ", ".join(bursts)
    each = ", ".join(f"{found['secondsPerTenant'] * 1000:.1f}" for found in bursts.values())
    most = max((found["secondsPerTenant"] * 1000 for found in bursts.values()), default=0)
    return [
        "## Bursts of FREE tenants: first put to all COMPLETED, s\n",
        "| tenants | ours | tenants/s | ms per tenant | floor | ratio |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "```mermaid",
        "xychart-beta",
        '    title "ms per tenant, by size of burst"',
        f"    x-axis [{counts}]",
        f'    y-axis "ms" 0 --> {most * 1.2:.0f}',
        f"    bar [{each}]",
        "```\n",
    ]


def _cold(cold: dict[str, Any], zips: dict[str, int]) -> list[str]:
    bare = cold["bare"]["seconds"]["median"]
    rows = [
        f"| {name} | {_spread(found['seconds'])} "
        f"| {'' if name == 'bare' else _verdict(found['seconds']['median'] / bare, TARGETS['init'])} "
        f"| {found['megabytes']:.0f} | {zips[name] / 1024 if name in zips else 0:.0f} |"
        for name, found in cold.items()
    ]
    return [
        "## Cold start: import and init, ms\n",
        "| handler | init | ratio to bare | peak memory, MB | zip, kB |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _counts(counts: dict[str, Any]) -> list[str]:
    lines = ["## What one tenant costs, in a burst\n"]
    for tier, found in counts.items():
        calls = found["calls"]
        writes = sum(number for call, number in calls.items() if call.startswith("dynamodb:"))
        events = sum(number for call, number in calls.items() if call.startswith("events:"))
        puts = calls.get("s3:PUT", 0.0)
        price_of = found["pricePerMillion"]
        pooled = tier != "ENTERPRISE"
        lines += [
            f"### {tier}\n",
            "| what | each tenant |",
            "|---|---|",
            f"| DynamoDB write calls | {_verdict(writes, TARGETS['dynamodb'])} |",
            f"| S3 object puts | {_verdict(puts, TARGETS['put']) if pooled else f'{puts:.2f}'} |",
            f"| PutEvents calls | {_verdict(events, TARGETS['events']) if pooled else f'{events:.2f}'} |",
            f"| all calls | {', '.join(f'{call} {number:.2f}' for call, number in calls.items())} |",
            f"| bytes of the requests | {found['bytesSent']:.0f} |",
            f"| DynamoDB write units | {found['writeUnits']} |",
            f"| Lambda, ms | {found['lambdaMilliseconds']:.1f} |",
            f"| US$ per million, list price | {', '.join(f'{part} {dollars:.2f}' for part, dollars in price_of.items())} |",
            "",
        ]
    return lines
