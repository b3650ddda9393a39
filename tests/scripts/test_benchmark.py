"""What the benchmark makes of its figures."""

import pytest

from scripts.benchmark import report
from scripts.benchmark.counting import Counts, write_units
from scripts.benchmark.measure import Summary


def test_a_spread_is_of_all_figures() -> None:
    assert Summary.of([3.0, 1.0, 2.0]) == Summary(median=2.0, p95=3.0, least=1.0, most=3.0, count=3)
    assert Summary.of([float(n) for n in range(1, 101)]).p95 == 95.0


def test_calls_are_counted_by_what_they_are() -> None:
    counts = Counts()
    counts.count("POST", "/", {"X-Amz-Target": "DynamoDB_20120810.TransactWriteItems"}, b"12345")
    counts.count("POST", "/", {"X-Amz-Target": "AWSEvents.PutEvents"}, b"1")
    counts.count("PUT", "/bucket/key", {}, b"")
    counts.count("PUT", "/bucket?policy=", {}, b"")
    assert dict(counts.calls) == {
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
