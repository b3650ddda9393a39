"""The environment that a command works on, and every read of tenants: by key and index, never by a scan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scripts.tooling.aws import Clients, Endpoint
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import LOCAL, CommandError, UsageError
from scripts.tooling.terraform import Terraform
from scripts.verification.flow import reconciling
from tenkacloud.errors import InvalidFieldError
from tenkacloud.platform.clock import Clock, SystemClock
from tenkacloud.tenants.keys import (
    BY_SLUG,
    BY_STATUS_TIER,
    CERTIFICATE,
    DUE,
    DUE_PARTITION,
    FAILED,
    FAILED_PARTITION,
    IN_FLIGHT,
    IN_FLIGHT_PARTITION,
    TENANT_PREFIX,
    Index,
    Key,
    slug_partition,
    status_tier_partition,
)
from tenkacloud.tenants.repository import PAGE_MAX, TenantRepository, cursor_after
from tenkacloud.tenants.transitions.operation import EXPORT_PREFIX
from tenkacloud.tenants.validation import Slug, TenantId, TenantStatus, Tier, parse_tenant_id

_KEYS_IN_A_PAGE: Final = 10_000  # DynamoDB ends a page of keys at 1 MB

Record = dict[str, Any]  # in DynamoDB's JSON


@dataclass(frozen=True)
class Partition:
    """One partition of an index."""

    index: Index
    value: str
    newest_first: bool = False

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Tell whether a record is in this partition."""
        return bool(record.get(self.index.partition) == {"S": self.value})

    def cursor_after(self, record: Record) -> str:
        """Return the cursor with which a list goes on after a record of this partition."""
        return cursor_after(self.index, record)


IN_FLIGHT_TENANTS: Final = Partition(IN_FLIGHT, IN_FLIGHT_PARTITION)
FAILED_TENANTS: Final = Partition(FAILED, FAILED_PARTITION)
DUE_TENANTS: Final = Partition(DUE, DUE_PARTITION)


def status_and_tier(status: TenantStatus | None, tier: Tier | None) -> Partition:
    """Return the partition of the tenants of one status and tier, newest first; None: not a valid one."""
    return Partition(BY_STATUS_TIER, status_tier_partition(status, tier), newest_first=True)


def with_slug(slug: Slug) -> Partition:
    """Return the partition of the tenants with a slug, newest first."""
    return Partition(BY_SLUG, slug_partition(slug), newest_first=True)


@dataclass(frozen=True)
class Environment:
    """A deployed environment and its clients. `long_poll_seconds`: of the reading of a dead-letter queue."""

    deployment: Deployment
    clients: Clients
    long_poll_seconds: int = 1

    @classmethod
    def of(cls, name: str) -> "Environment":
        """Return an environment by its name.

        Raises:
            CommandError: it is not deployed, or unknown, or the local endpoint does not run.
        """
        deployment = Deployment.of(Terraform.of(name))
        if name == LOCAL:
            require_running(Endpoint.configured())
        return cls(deployment, Clients(name, deployment.region))

    @property
    def name(self) -> str:
        """How the user calls it."""
        return self.deployment.environment

    @property
    def stuck_after_seconds(self) -> int | None:
        """After how long in flight a tenant counts as stuck; None: the outputs do not say."""
        found = self.deployment.settings.get(reconciling.SERVICE, {}).get("stuck_after_seconds")
        return None if found is None else int(found)

    def repository(self, writer: str = "operator", clock: Clock | None = None) -> TenantRepository:
        """Return the repository through which `writer` reads and changes records."""
        return TenantRepository(
            self.clients.dynamodb, self.deployment.table_name, writer, clock or SystemClock()
        )

    def record(self, tenant_id: TenantId) -> Record:
        """Return a tenant's record.

        Raises:
            CommandError: there is none.
        """
        found = self.find(tenant_id)
        if found is None:
            raise CommandError(
                f"there is no tenant {tenant_id} in {self.name}: `tenkacloud tenants list --env {self.name}` "
                "lists them"
            )
        return found

    def find(self, tenant_id: TenantId) -> Record | None:
        """Return a tenant's record, None if there is none."""
        return next(self.records([Key.of(tenant_id)]), None)

    def history(self, tenant_id: TenantId) -> list[dict[str, Any]]:
        """Return a tenant's entries of history, oldest first, as plain values."""
        return list(self.repository().history(Key.of(tenant_id)))

    def certificate(self, tenant_id: TenantId) -> dict[str, Any] | None:
        """Return the certificate of a tenant's deletion as plain values; None if there is none."""
        key = Key(Key.of(tenant_id).pk, CERTIFICATE)
        answer: Any = self.clients.dynamodb.get_item(
            TableName=self.deployment.table_name, Key=key.attributes, ConsistentRead=True
        )
        found = answer.get("Item")
        return None if found is None else plain(found, hidden=("PK", "SK", "EntityType"))

    def exports(self, tenant_id: TenantId) -> Iterator[dict[str, Any]]:
        """Yield what is kept of a tenant's exports as plain values, until they expire."""
        pages = self.clients.dynamodb.get_paginator("query").paginate(
            TableName=self.deployment.table_name,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues={":pk": {"S": Key.of(tenant_id).pk}, ":sk": {"S": EXPORT_PREFIX}},
            ConsistentRead=True,
        )
        for page in pages:
            for item in page["Items"]:
                yield plain(item, hidden=("PK", "SK", "EntityType"))

    def in_flight(self) -> Iterator[Record]:
        """Yield the records of those in flight, the longest first."""
        return self.records_of(IN_FLIGHT_TENANTS)

    def failed(self) -> Iterator[Record]:
        """Yield the records of those that FAILED, the oldest failure first."""
        return self.records_of(FAILED_TENANTS)

    def records_of(self, partition: Partition, cursor: str | None = None) -> Iterator[Record]:
        """Yield the records of a partition, page by page. `cursor`: of the record after which to begin.

        Raises:
            UsageError: the cursor is not one of this partition.
        """
        for keys in self._pages(partition, PAGE_MAX, cursor):
            yield from self.records(keys)

    def keys_of(self, partition: Partition) -> Iterator[Key]:
        """Yield the keys of the records of a partition, in pages of 1 MB: no record is read."""
        for keys in self._pages(partition, _KEYS_IN_A_PAGE, None):
            yield from keys

    def _pages(self, partition: Partition, limit: int, cursor: str | None) -> Iterator[Sequence[Key]]:
        repository = self.repository()
        while True:
            try:
                page = repository.read_page(
                    partition.index,
                    partition.value,
                    newest_first=partition.newest_first,
                    limit=limit,
                    cursor=cursor,
                )
            except InvalidFieldError as error:
                raise UsageError(str(error)) from error
            yield page.keys
            cursor = page.cursor
            if cursor is None:
                return

    def records(self, keys: Sequence[Key]) -> Iterator[Record]:
        """Yield records by their keys, in that order, without those that are missing.

        Whole, and in DynamoDB's JSON: an operator sees attributes that our code does not know, too.
        """
        table = self.deployment.table_name
        wanted, found = [key.attributes for key in keys], dict[str, Record]()
        while wanted:
            answer: Any = self.clients.dynamodb.batch_get_item(
                RequestItems={table: {"Keys": wanted[:PAGE_MAX], "ConsistentRead": True}}
            )
            put_off = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            wanted = [*put_off, *wanted[PAGE_MAX:]]
            found |= {item["PK"]["S"]: dict(item) for item in answer["Responses"][table]}
        yield from (found[key.pk] for key in keys if key.pk in found)


def require_running(endpoint: Endpoint) -> None:
    """Return if something listens at the local endpoint.

    Raises:
        CommandError: nothing does: the engine was stopped.
    """
    if not endpoint.is_open():
        raise CommandError(f"the local engine is not running ({endpoint.url}): `make deploy-local` starts it")


def tenant_id_in(record: Mapping[str, Any]) -> str:
    """Return the id that a record's key names: maybe not a valid one."""
    return str(record["PK"]["S"]).removeprefix(TENANT_PREFIX)


def tenant_id_of(text: str) -> TenantId:
    """Return a tenant id that a user typed.

    Raises:
        UsageError: it is not a valid one.
    """
    try:
        return parse_tenant_id("ID", text)
    except InvalidFieldError as error:
        raise UsageError(str(error)) from error


def plain(item: Mapping[str, Any], hidden: Iterable[str] = ()) -> dict[str, Any]:
    """Return an item as plain values: numbers as int, index keys and `hidden` left out."""
    return {
        name: _value(value)
        for name, value in item.items()
        if name not in hidden and not name.startswith("GSI")
    }


def _value(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return int(value) if value.lstrip("-").isdigit() else float(value)
        case "M":
            return {name: _value(each) for name, each in value.items()}
        case "L":
            return [_value(each) for each in value]
        case "NULL":
            return None
        case _:
            return value if isinstance(value, str | bool) else str(value)
