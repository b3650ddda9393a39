"""What the benchmark makes of its figures."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from scripts.benchmark import report
from scripts.benchmark.__main__ import write
from scripts.benchmark.chart import SERIES
from scripts.benchmark.counting import Counts, write_units
from scripts.benchmark.figures import figures_of
from scripts.benchmark.measure import Summary
from scripts.tooling.reports import LINES_MAX


def test_a_spread_is_of_all_figures() -> None:
    assert Summary.of([3.0, 1.0, 2.0]) == Summary(median=2.0, p95=3.0, minimum=1.0, maximum=3.0, count=3)
    assert Summary.of([float(n) for n in range(1, 101)]).p95 == 95.0


def test_calls_are_counted_by_what_they_are() -> None:
    counts = Counts()
    counts.count("POST", "/", {"X-Amz-Target": "DynamoDB_20120810.TransactWriteItems"}, b"12345")
    counts.count("POST", "/", {"X-Amz-Target": "AWSEvents.PutEvents"}, b"1")
    counts.count("PUT", "/bucket/key", {}, b"")
    counts.count("PUT", "/bucket?policy=", {}, b"")
    counts.count("PUT", "/bucket/key", {"x-amz-copy-source": "other/key"}, b"")
    counts.count("POST", "/bucket?delete", {}, b"<Delete/>")
    counts.count("POST", "/", {}, b"Action=AssumeRole&Version=2011-06-15")
    counts.count("POST", "/", {"X-Amz-Target": "AmazonSQS.SendMessage"}, b"")
    assert dict(counts.calls) == {
        "s3:COPY": 1,
        "s3:POST ?delete": 1,
        "sqs:SendMessage": 1,
        "sts:AssumeRole": 1,
        "dynamodb:TransactWriteItems": 1,
        "events:PutEvents": 1,
        "s3:PUT": 1,
        "s3:PUT ?policy": 1,
    }
    assert counts.sent["dynamodb:TransactWriteItems"] == 5


def test_write_units_are_two_for_each_kilobyte_begun() -> None:
    small, large = {"a": {"S": "x"}}, {"a": {"S": "x" * 1500}}
    assert write_units([small, large], index_writes=3) == 2 + 4 + 3


def test_the_price_is_the_sum_of_its_parts() -> None:
    calls = {"s3:PUT": 1.0, "s3:GET": 1.0, "dynamodb:TransactWriteItems": 1.1}
    parts = report.price(calls, write_units=12, milliseconds=100)
    assert parts["DynamoDB"] == pytest.approx(7.5)
    assert parts["S3"] == pytest.approx(5.4)
    assert parts["all"] == pytest.approx(sum(parts.values()) - parts["all"])


def spread(median: float) -> dict[str, float]:
    return {"median": median, "p95": median * 1.2, "minimum": median, "maximum": median * 2, "count": 9}


def compared(ours: float, baseline: float) -> dict[str, Any]:
    return {"ours": spread(ours), "baseline": spread(baseline), "ratio": ours / baseline}


def result(single: float = 0.04) -> dict[str, Any]:
    """What a run gives, whose baseline takes 40 ms for one tenant."""
    counts: dict[str, Any] = {
        "calls": {"dynamodb:TransactWriteItems": 1.5, "events:PutEvents": 1.1, "s3:PUT": 1.0},
        "bytesSent": 4000.0,
        "lambdaMilliseconds": 20.0,
        "writeUnits": 12,
        "pricePerMillion": {"DynamoDB": 7.5, "all": 12.5},
    }
    burst = {"perSecond": 100.0, "secondsPerTenant": 0.01}
    return {
        "at": "2026-01-31T09:00:00+00:00",
        "machine": "2 cores",
        "singles": {tier: compared(single, 0.04) for tier in ("FREE", "PRO", "ENTERPRISE")},
        "bursts": {
            "200": {**compared(2.2, 2.0), **burst},
            "5000": {"ours": spread(50.0), "baseline": None, "ratio": None, **burst},
        },
        "cold": {
            name: {"seconds": spread(seconds), "megabytes": 60.0}
            for name, seconds in (("baseline", 0.3), ("one", 0.33), ("two", 0.4))
        },
        "counts": {"FREE": counts, "ENTERPRISE": {**counts, "calls": {**counts["calls"], "s3:PUT": 1.5}}},
        "zips": {"one": 100_000, "two": 200_000},
    }


def test_the_summary_is_short_and_begins_with_the_verdict() -> None:
    lines = report.summary(result(), [Path("benchmark.md")]).lines()
    assert len(lines) <= LINES_MAX
    assert lines[0].startswith(
        "✓ passed: all 10 limits held; closest to its own is cold start of two: 400 ms"
    )
    assert any(
        "one FREE tenant" in line and "40 ms, 1.00 times the baseline's 40 ms" in line for line in lines
    )
    assert any("cold start of two" in line for line in lines)


def test_a_limit_that_is_missed_is_the_conclusion() -> None:
    lines = report.summary(result(single=0.06), []).lines()
    assert lines[0].startswith("✗ failed: 3 of 10 limits missed, most of all by one FREE tenant: 60 ms")
    missed = [line for line in lines if line.startswith("✗ one ")]
    assert len(missed) == 3
    assert "(limit 1.3 times)" in missed[0]


def test_the_report_begins_with_its_conclusion(tmp_path: Path) -> None:
    as_text, as_chart, as_json = write(result(), tmp_path)
    title, _, conclusion, *rest = as_text.read_text().splitlines()
    assert title == "# Benchmark"
    assert conclusion.startswith("**All 10 limits held; closest to its own is ")
    assert any(f"]({as_chart.name})" in line for line in rest)
    assert any("not run" in line for line in rest)
    assert as_json.is_file()


def test_the_chart_shows_ours_the_baseline_and_the_limit_of_each_figure(tmp_path: Path) -> None:
    _, as_chart, _ = write(result(), tmp_path)
    root = ET.fromstring(as_chart.read_text())  # noqa: S314 - written right above
    svg = "{http://www.w3.org/2000/svg}"
    compared_figures = [figure for figure in figures_of(result()) if figure.baseline is not None]
    widths = {
        series: [float(bar.attrib["width"]) for bar in root.iter(f"{svg}rect") if bar.get("class") == series]
        for series in SERIES
    }
    assert {series: len(bars) for series, bars in widths.items()} == dict.fromkeys(
        SERIES, len(compared_figures)
    )
    for ours, baseline, limit, figure in zip(*widths.values(), compared_figures, strict=True):
        assert figure.baseline is not None
        assert ours / baseline == pytest.approx(figure.ours / figure.baseline, rel=0.01)
        assert limit / baseline == pytest.approx(figure.limit / figure.baseline, rel=0.01)
    texts = [text.text for text in root.iter(f"{svg}text")]
    assert {*SERIES, "one FREE tenant", "cold start of two"} <= set(texts)


def with_data(mover: float = 11.0) -> dict[str, Any]:
    """What a run gives that moved objects, too: the loop takes 10 s."""
    works = {"mover": mover, "exporter": 10.5, "purger": 10.0}
    counted = {
        "objects": 1000,
        "calls": {
            "s3:COPY": 1000,
            "s3:GET ?list-type": 2,
            "s3:GET": 1000,
            "s3:POST ?delete": 1,
            "events:PutEvents": 5,
            "sqs:SendMessage": 10,
            "sts:AssumeRole": 2,
        },
        "lambdaMilliseconds": 3000.0,
        "memoryGb": 1.0,
    }
    data = {
        "objects": 5000,
        "works": {
            work: {**compared(seconds, 10.0), "perSecond": 5000 / seconds} for work, seconds in works.items()
        },
        "readOnly": {"idle": spread(4.0), "steady": spread(5.5)},
        "drainSeconds": 3.0,
        "counts": {"move": counted},
    }
    return {**result(), "data": data}


def test_moves_have_limits_beside_the_loop_and_beyond_the_drain() -> None:
    found = {figure.name: figure for figure in figures_of(with_data())}
    assert found["mover, 5000 objects"].limit == pytest.approx(12.5)
    assert found["read-only, steady"].limit == pytest.approx(6.0)
    assert all(figure.is_within for figure in found.values())
    (missed,) = [figure for figure in figures_of(with_data(mover=13.0)) if not figure.is_within]
    assert missed.name == "mover, 5000 objects"


def test_an_object_costs_what_its_calls_cost() -> None:
    counted = with_data()["data"]["counts"]["move"]
    parts = report.price_of_data(counted, memory_gb=1.0)
    assert parts["S3"] == pytest.approx(5.0 + 0.4 + 2 * 5.0 / 1000)
    assert parts["EventBridge"] == pytest.approx(5 * 1.0 / 1000)
    assert parts["SQS"] == pytest.approx(10 * 0.4 / 1000)
    assert parts["Lambda"] == pytest.approx(3 * 13.3334e-6 * 1000)
    assert parts["all"] == pytest.approx(sum(parts.values()) - parts["all"])


@pytest.mark.parametrize("alone", [True, False])
def test_the_report_tells_of_moves(tmp_path: Path, alone: bool) -> None:
    found = with_data()
    if alone:
        found = {name: found[name] for name in ("at", "machine", "zips", "data")}
    as_text, *_ = write(found, tmp_path)
    text = as_text.read_text()
    assert "| mover | 11.0 (11.0 to 22.0) | 455 |" in text
    assert "| steady | 5.5 (5.5 to 11.0) | 5.50 (within 6) |" in text
    assert "s3:COPY 1.0000" in text
    lines = report.summary(found, [as_text]).lines()
    assert len(lines) <= LINES_MAX
    assert any(line.startswith("  price, move") for line in lines)
