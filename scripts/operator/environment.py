"""The environment that a command works on, and how it reads tenants: by keys and indexes, never by a scan."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import CommandError, UsageError
from scripts.tooling.terraform import Terraform
from tenkacloud.errors import InvalidFieldError
from tenkacloud.platform.clock import SystemClock
from tenkacloud.tenants.keys import (
    FAILED_PARTITION,
    HISTORY_PREFIX,
    IN_FLIGHT_PARTITION,
    METADATA,
    TENANT_PREFIX,
)
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.validation import TenantId, parse_tenant_id

PAGE: Final = 100  # keys that BatchGetItem takes


@dataclass(frozen=True)
class Environment:
    """A deployed environment and its clients."""

    deployment: Deployment
    clients: Clients

    @classmethod
    def of(cls, name: str) -> "Environment":
        """Return an environment by its name.

        Raises:
            CommandError: it is not deployed, or unknown.
        """
        deployment = Deployment.of(Terraform.of(name))
        return cls(deployment, Clients(name, deployment.region))

    def store(self, writer: str) -> TenantRepository:
        """Return the repository through which `writer` changes records."""
        return TenantRepository(self.clients.dynamodb, self.deployment.table_name, writer, SystemClock())

    def record(self, tenant_id: TenantId) -> dict[str, Any]:
        """Return a tenant's record in DynamoDB's JSON.

        Raises:
            CommandError: there is none.
        """
        key: Any = {"PK": {"S": f"{TENANT_PREFIX}{tenant_id}"}, "SK": {"S": METADATA}}
        found = self.clients.dynamodb.get_item(
            TableName=self.deployment.table_name, Key=key, ConsistentRead=True
        )
        if not found.get("Item"):
            raise CommandError(f"there is no tenant {tenant_id} in {self.deployment.table_name}")
        return dict(found["Item"])

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

    def in_flight(self) -> Iterator[dict[str, Any]]:
        """Yield the records of those in flight, the longest first."""
        return self._indexed("in-flight", "GSI3PK", IN_FLIGHT_PARTITION)

    def failed(self) -> Iterator[dict[str, Any]]:
        """Yield the records of those that FAILED, the oldest failure first."""
        return self._indexed("failed", "GSI4PK", FAILED_PARTITION)

    def by_tier(self, tiers: Iterable[str], statuses: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield the records of tiers that were once asked for, newest first within each."""
        for status in statuses:
            for tier in tiers:
                yield from self._indexed(
                    "by-status-tier", "GSI2PK", f"STATUS#{status}#TIER#{tier}", newest_first=True
                )

    def _indexed(
        self, index: str, attribute: str, value: str, *, newest_first: bool = False
    ) -> Iterator[dict[str, Any]]:
        pages = self.clients.dynamodb.get_paginator("query").paginate(
            TableName=self.deployment.table_name,
            IndexName=index,
            KeyConditionExpression="#partition = :value",
            ExpressionAttributeNames={"#partition": attribute},
            ExpressionAttributeValues={":value": {"S": value}},
            ScanIndexForward=not newest_first,
            PaginationConfig={"PageSize": PAGE},
        )
        for page in pages:
            yield from self.records([{"PK": item["PK"], "SK": item["SK"]} for item in page["Items"]])

    def records(self, keys: list[Any]) -> Iterator[dict[str, Any]]:
        """Yield records by their keys, in that order, without those that are missing."""
        table = self.deployment.table_name
        wanted, found = list(keys), dict[str, dict[str, Any]]()
        while wanted:
            answer: Any = self.clients.dynamodb.batch_get_item(
                RequestItems={table: {"Keys": wanted[:PAGE], "ConsistentRead": True}}
            )
            put_off = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            wanted = [*put_off, *wanted[PAGE:]]
            found |= {item["PK"]["S"]: dict(item) for item in answer["Responses"][table]}
        yield from (found[key["PK"]["S"]] for key in keys if key["PK"]["S"] in found)


def tenant_id_of(text: str) -> TenantId:
    """Return a tenant id that a user typed.

    Raises:
        UsageError: it is none.
    """
    try:
        return parse_tenant_id("ID", text)
    except InvalidFieldError as error:
        raise UsageError(str(error)) from error


def plain(item: dict[str, Any], hidden: Iterable[str] = ()) -> dict[str, Any]:
    """Return an item as plain values: numbers as int, index keys and `hidden` left out."""
    return {
        name: _value(value)
        for name, value in item.items()
        if name not in hidden and not name.startswith("GSI")
    }


def _value(attribute: dict[str, Any]) -> Any:
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


def first(limit: int | None, items: Iterator[Any]) -> Iterator[Any]:
    """Yield at most so many."""
    return items if limit is None else islice(items, limit)
