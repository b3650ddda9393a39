"""The environment that a command works on, and every read of tenants: by keys and indexes, never by a scan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scripts.tooling.aws import Clients, Endpoint
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import LOCAL, CommandError, UsageError
from scripts.tooling.terraform import Terraform
from tenkacloud.errors import InvalidFieldError
from tenkacloud.tenants.record import FAILED, HISTORY_PREFIX, IN_FLIGHT, METADATA, TENANT_PREFIX
from tenkacloud.tenants.repository import TenantStore
from tenkacloud.tenants.validation import TenantId, parse_tenant_id

PAGE: Final = 100  # keys that BatchGetItem takes

Record = dict[str, Any]  # in DynamoDB's JSON


@dataclass(frozen=True)
class Partition:
    """One partition of an index; `prefix` is how the index's key attributes begin."""

    index: str
    prefix: str
    value: str
    newest_first: bool = False

    @property
    def attribute(self) -> str:
        """The attribute that holds the partition's key."""
        return f"{self.prefix}PK"

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Tell whether a record is in this partition."""
        return bool(record.get(self.attribute) == {"S": self.value})


IN_FLIGHT_TENANTS: Final = Partition("in-flight", "GSI3", IN_FLIGHT)
FAILED_TENANTS: Final = Partition("failed", "GSI4", FAILED)


def status_and_tier(status: str, tier: str) -> Partition:
    """Return the partition of the tenants of one status and tier, newest first."""
    return Partition("by-status-tier", "GSI2", f"STATUS#{status}#TIER#{tier}", newest_first=True)


def slug(value: str) -> Partition:
    """Return the partition of the tenants with a slug."""
    return Partition("by-slug", "GSI1", f"SLUG#{value}")


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
            endpoint = Endpoint.configured()
            if not endpoint.is_open():
                raise CommandError(
                    f"the local engine is not running ({endpoint.url}): `make deploy-local` starts it"
                )
        return cls(deployment, Clients(name, deployment.region))

    @property
    def name(self) -> str:
        """How the user calls it."""
        return self.deployment.environment

    @property
    def stuck_after_seconds(self) -> int | None:
        """After how long in flight the reconciler takes a tenant for stuck; None if the deployment is silent."""
        settings: Any = getattr(self.deployment, "settings", None) or {}
        found = settings.get("stuck_after_seconds")
        return None if found is None else int(found)

    def store(self, writer: str) -> TenantStore:
        """Return the store through which `writer` changes records."""
        return TenantStore(self.clients.dynamodb, self.deployment.table_name, writer)

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
        found = self.clients.dynamodb.get_item(
            TableName=self.deployment.table_name, Key=key_of(tenant_id), ConsistentRead=True
        )
        return dict(found["Item"]) if found.get("Item") else None

    def history(self, tenant_id: TenantId) -> list[dict[str, Any]]:
        """Return a tenant's lines of history, oldest first, as plain values."""
        pages = self.clients.dynamodb.get_paginator("query").paginate(
            TableName=self.deployment.table_name,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :history)",
            ExpressionAttributeValues={
                ":pk": {"S": f"{TENANT_PREFIX}{tenant_id}"},
                ":history": {"S": HISTORY_PREFIX},
            },
            ConsistentRead=True,
        )
        return [plain(item, hidden=("PK", "SK", "EntityType")) for page in pages for item in page["Items"]]

    def in_flight(self) -> Iterator[Record]:
        """Yield the records of those in flight, the longest first."""
        return (record for _, record in self.entries(IN_FLIGHT_TENANTS))

    def failed(self) -> Iterator[Record]:
        """Yield the records of those that FAILED, the oldest failure first."""
        return (record for _, record in self.entries(FAILED_TENANTS))

    def entries(
        self, partition: Partition, after: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[dict[str, Any], Record]]:
        """Yield the entries of an index: the keys of each, from which a later read goes on, and its record.

        `after`: the keys of the entry after which to begin.
        """
        start: Any = after
        while True:
            page = self._query(partition, start, Limit=PAGE)
            by_pk = {item["PK"]["S"]: item for item in page["Items"]}
            keys = [{"PK": item["PK"], "SK": item["SK"]} for item in page["Items"]]
            for record in self.records(keys):
                yield by_pk[record["PK"]["S"]], record
            start = page.get("LastEvaluatedKey")
            if not start:
                return

    def partition_keys(self, partition: Partition) -> Iterator[str]:
        """Yield the partition keys of the records in an index, in pages of 1 MB: no record is read."""
        start: Any = None
        while True:
            page = self._query(partition, start, ProjectionExpression="PK")
            yield from (item["PK"]["S"] for item in page["Items"])
            start = page.get("LastEvaluatedKey")
            if not start:
                return

    def _query(self, partition: Partition, start: Any, **more: Any) -> Any:
        from_there = {"ExclusiveStartKey": start} if start else {}
        return self.clients.dynamodb.query(
            TableName=self.deployment.table_name,
            IndexName=partition.index,
            KeyConditionExpression="#partition = :value",
            ExpressionAttributeNames={"#partition": partition.attribute},
            ExpressionAttributeValues={":value": {"S": partition.value}},
            ScanIndexForward=not partition.newest_first,
            **from_there,
            **more,
        )

    def records(self, keys: Sequence[Any]) -> Iterator[Record]:
        """Yield records by their keys, in that order, without those that are missing."""
        table = self.deployment.table_name
        wanted, found = list(keys), dict[str, Record]()
        while wanted:
            answer: Any = self.clients.dynamodb.batch_get_item(
                RequestItems={table: {"Keys": wanted[:PAGE], "ConsistentRead": True}}
            )
            put_off = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            wanted = [*put_off, *wanted[PAGE:]]
            found |= {item["PK"]["S"]: dict(item) for item in answer["Responses"][table]}
        yield from (found[key["PK"]["S"]] for key in keys if key["PK"]["S"] in found)


def key_of(tenant_id: str) -> Any:
    """Return the primary key of a tenant's record, in DynamoDB's JSON."""
    return {"PK": {"S": f"{TENANT_PREFIX}{tenant_id}"}, "SK": {"S": METADATA}}


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
