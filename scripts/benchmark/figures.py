"""The figures that have a limit, and what they say."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

#: Limits as multiples of the baseline.
TIMES_BASELINE: Final = {"single": 1.3, "burst": 1.5, "init": 1.5}
#: Moves, exports and purges beside a bare loop of the same calls; and for how long a tenant may not write,
#: beyond the time for requests in flight to end, in seconds.
TIMES_LOOP: Final = 1.25
READ_ONLY_MARGIN: Final = 3.0
#: Limits in calls for one tenant, in a burst.
CALLS: Final = {"DynamoDB write calls": 2.0, "S3 object puts": 1.0, "PutEvents calls": 1.2}
_SILOED: Final = "ENTERPRISE"
#: Those that a silo has: its calls to S3 are more than a prefix takes, and it comes alone.
_SILO_LIMITS: Final = frozenset({"DynamoDB write calls"})


@dataclass(frozen=True)
class Figure:
    """One measured value with its limit, in its unit; `baseline` is None where there is nothing like it."""

    name: str
    unit: str
    ours: float
    limit: float
    baseline: float | None = None

    @property
    def is_within(self) -> bool:
        """Whether the limit is held."""
        return self.ours <= self.limit

    @property
    def share(self) -> float:
        """How much of the limit is used: 1 is all of it."""
        return self.ours / self.limit

    @property
    def series(self) -> tuple[float, float, float]:
        """Ours, the baseline and the limit; of a figure that has a baseline."""
        return self.ours, self.unit_of_chart, self.limit

    @property
    def unit_of_chart(self) -> float:
        """The baseline, which is 1 in the chart, so that milliseconds and seconds stand side by side."""
        return self.baseline or 1.0

    def text(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value:.{0 if self.unit == 'ms' else 2}f} {self.unit}".rstrip()

    def __str__(self) -> str:
        """Return what it says, for people."""
        if self.baseline is None:
            return f"{self.text(self.ours)} (limit {self.text(self.limit)})"
        times = self.ours / self.baseline
        return (
            f"{self.text(self.ours)}, {times:.2f} times the baseline's {self.text(self.baseline)} "
            f"(limit {self.limit / self.baseline:g} times)"
        )


def figures_of(result: dict[str, Any]) -> list[Figure]:
    """Return all figures of a result, as `__main__` puts it together and JSON gives it back."""
    return [*_times(result), *_calls(result.get("counts", {})), *_data(result.get("data"))]


def calls_of_tenant(calls: dict[str, float]) -> dict[str, float]:
    """Return those calls of one tenant that have limits, by the names of the limits."""
    return {
        "DynamoDB write calls": sum(each for call, each in calls.items() if call.startswith("dynamodb:")),
        "S3 object puts": calls.get("s3:PUT", 0.0),
        "PutEvents calls": sum(each for call, each in calls.items() if call.startswith("events:")),
    }


def _times(result: dict[str, Any]) -> Iterator[Figure]:
    for tier, found in result.get("singles", {}).items():
        yield _compared(f"one {tier} tenant", "ms", found["ours"], found["baseline"], "single")
    for count, found in result.get("bursts", {}).items():
        if found["baseline"]:
            yield _compared(f"a burst of {count}", "s", found["ours"], found["baseline"], "burst")
    cold = result.get("cold", {})
    for service, found in cold.items():
        if service != "baseline":
            baseline = cold["baseline"]["seconds"]
            yield _compared(f"cold start of {service}", "ms", found["seconds"], baseline, "init")


def _data(data: dict[str, Any] | None) -> Iterator[Figure]:
    if data is None:
        return
    for work, found in data["works"].items():
        loop = found["baseline"]["median"]
        name = f"{work}, {data['objects']} objects"
        yield Figure(name, "s", found["ours"]["median"], loop * TIMES_LOOP, loop)
    for kind, found in data["readOnly"].items():
        limit = data["drainSeconds"] + READ_ONLY_MARGIN
        yield Figure(f"read-only, {kind}", "s", found["median"], limit)


def _compared(name: str, unit: str, ours: dict[str, float], baseline: dict[str, float], kind: str) -> Figure:
    """Return a figure of medians, which are measured in seconds."""
    each = 1000 if unit == "ms" else 1
    below = baseline["median"] * each
    return Figure(name, unit, ours["median"] * each, below * TIMES_BASELINE[kind], below)


def _calls(counts: dict[str, Any]) -> Iterator[Figure]:
    for tier, found in counts.items():
        for name in limits_of(tier):
            yield Figure(f"{name}, {tier}", "", calls_of_tenant(found["calls"])[name], CALLS[name])


def limits_of(tier: str) -> list[str]:
    """Return the names of the limits of a tenant's calls that a tier has."""
    return [name for name in CALLS if tier != _SILOED or name in _SILO_LIMITS]
