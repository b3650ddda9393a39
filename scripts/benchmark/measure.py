"""Timing tenants: one at a time, and in bursts."""

import statistics
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from scripts.tooling.aws import Clients
from scripts.tooling.waiting import wait_until
from scripts.verification.flow.tenants import new_item, write_all
from tenkacloud.tenants.lifecycle import FINAL

_BATCH: Final = 25  # items of BatchWriteItem


@dataclass(frozen=True)
class Summary:
    """Median, 95th percentile, minimum and maximum of some figures, in their unit."""

    median: float
    p95: float
    minimum: float
    maximum: float
    count: int

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Summary":
        """Return the spread of at least one figure."""
        ordered = sorted(figures)
        p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        return cls(statistics.median(ordered), p95, ordered[0], ordered[-1], len(ordered))


@dataclass(frozen=True)
class Chain:
    """A table whose PENDING tenants some chain completes."""

    name: str
    clients: Clients
    table_name: str

    def one(self, tier: str, seconds: float = 60) -> float:
        """Onboard one tenant; return the seconds from before the put to COMPLETED."""
        item = new_item(_new_id(), tier, "Bench")
        began = time.perf_counter()
        self.clients.dynamodb.put_item(TableName=self.table_name, Item=item)
        self._wait_for(item, seconds, poll=0.002)
        return time.perf_counter() - began

    def burst(self, count: int, tier: str, seconds: float = 900) -> float:
        """Onboard many at once; return the seconds from the first put until all have ended.

        It looks at one tenant at a time, in the order of the puts, so that looking costs next to nothing.
        """
        items = [new_item(_new_id(), tier, "Bench") for _ in range(count)]
        portions = [items[start : start + _BATCH] for start in range(0, count, _BATCH)]
        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._write, portions))
        for item in items:
            self._wait_for(item, seconds - (time.perf_counter() - began), poll=0.02)
        return time.perf_counter() - began

    def _write(self, items: list[dict[str, Any]]) -> None:
        write_all(self.clients, self.table_name, items)

    def _wait_for(self, item: dict[str, Any], seconds: float, poll: float) -> None:
        """Wait until a tenant is COMPLETED or FAILED.

        Raises:
            DeadlineError: it is neither in time.
        """
        what = f"{self.name}: tenant {item['id']['S']} to be COMPLETED"
        wait_until(what, lambda: self._is_final(item), seconds, poll=poll)

    def _is_final(self, item: dict[str, Any]) -> bool:
        found = self.clients.dynamodb.get_item(
            TableName=self.table_name,
            Key={"PK": item["PK"], "SK": item["SK"]},
            ConsistentRead=True,
            ProjectionExpression="provisioningStatus",
        )
        return found["Item"]["provisioningStatus"]["S"] in FINAL


def _new_id() -> str:
    return f"bench-{uuid.uuid4().hex[:20]}"
