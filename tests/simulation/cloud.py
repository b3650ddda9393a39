"""The state of the simulated AWS, emptied for each seed, with a stream to watch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.settings import DATA_BUCKET, DATA_TABLE, EXPORTS_BUCKET, TABLE
from tests.simulation.aws.dynamodb import DynamoDB, Table
from tests.simulation.aws.iam import Sts
from tests.simulation.aws.logs import Logs
from tests.simulation.aws.s3 import S3, Bucket, new_bucket

#: The buckets of the environment: all others are tenants'.
SHARED_BUCKETS: Final = (DATA_BUCKET, EXPORTS_BUCKET)


def _long_ago() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class State:
    """The clients of the simulated AWS. Calls through these are never disturbed."""

    clock: Callable[[], datetime] = _long_ago  # another in each run
    dynamodb: DynamoDB = field(default_factory=DynamoDB)
    logs: Logs = field(default_factory=Logs)

    def __post_init__(self) -> None:
        self.s3 = S3(self._now)
        self.sts = Sts(self._now)

    def _now(self) -> datetime:
        return self.clock()

    def create_tables(self, definition: dict[str, Any]) -> None:
        """Create the tenant table as its layout defines it, and the table of the tenants' data."""
        self.dynamodb.create(definition)
        self.dynamodb.tables[DATA_TABLE] = Table(DATA_TABLE)

    def clear(self, page: int) -> None:
        """Empty it. `page`: how many entries a listing of tenants' data then answers with, at most."""
        for table in self.dynamodb.tables.values():
            table.clear()
        self.dynamodb.tables[DATA_TABLE].page = page
        self.logs.groups.clear()
        self.sts.sessions.clear()
        self.s3.page, self.s3.numbers = page, 0
        self.s3.buckets = {name: new_bucket(name) for name in SHARED_BUCKETS}
        for bucket in self.s3.buckets.values():
            bucket.versioning = "Enabled"

    def stream(self, start: int) -> list[dict[str, Any]]:
        """Return the stream's records from a position."""
        return self.table.stream[start:]

    def items(self) -> list[dict[str, Any]]:
        """Return all items of the tenant table."""
        return self.table.all()

    def data_items(self, pk: str) -> dict[str, dict[str, Any]]:
        """Return a tenant's own items, by their sort keys."""
        return self.dynamodb.tables[DATA_TABLE].items.get(pk, {})

    def data_of(self, pk: str) -> list[str]:
        """Return what there is of a tenant's data: versions, markers and items, but for our own markers."""
        tenant_id = pk.partition("#")[2]
        found = [key for key in self.data.versions if key.startswith(f"tenants/{tenant_id}/")]
        for name in self.buckets():
            if self.s3.buckets[name].tags.get("tenantId") == tenant_id:
                found += self.s3.buckets[name].versions
        return [key for key in found if not key.rpartition("/")[2].startswith(".")] + sorted(
            self.data_items(pk)
        )

    def buckets(self) -> list[str]:
        """Return the names of the silo buckets."""
        return [name for name in self.s3.buckets if name not in SHARED_BUCKETS]

    def bucket(self, name: str) -> Bucket | None:
        """Return a bucket, None if there is none."""
        return self.s3.buckets.get(name)

    @property
    def data(self) -> Bucket:
        """The data bucket."""
        return self.s3.buckets[DATA_BUCKET]

    @property
    def exports(self) -> Bucket:
        """The bucket of exports."""
        return self.s3.buckets[EXPORTS_BUCKET]

    def pool(self) -> set[str]:
        """Return the keys of the data bucket's objects."""
        return set(self.data.objects())

    def record(self, pk: str) -> dict[str, Any]:
        """Return a tenant's record, empty if there is none."""
        return self.table.items.get(pk, {}).get("METADATA", {})

    @property
    def table(self) -> Table:
        """The tenant table."""
        return self.dynamodb.tables[TABLE]
