"""Reading the tenant table: by the sparse index, and by keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.record import (
    CLOCK_SKEW,
    IN_FLIGHT,
    IN_FLIGHT_SINCE,
    READ_ATTRIBUTES,
    Item,
    Key,
    in_flight_since,
    read,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGE: Final = 100  # keys that BatchGetItem takes


@dataclass(frozen=True)
class InFlight:
    """An entry of the index: a tenant, and since when it is in flight (RFC 3339 UTC)."""

    key: Key
    since: str


@dataclass(frozen=True)
class TenantReader:
    """The tenant table, read only."""

    client: "DynamoDBClient"
    table_name: str

    def in_flight(self, now: datetime) -> Iterator[list[InFlight]]:
        """Yield the tenants in flight, the longest first, in pages. The table itself is not read.

        First those whose index key is later than any honest one: sorted by it they would be the last, for
        ever, whatever is behind them.

        Raises:
            botocore.exceptions.ClientError: worth a retry.
        """
        latest = {":latest": {"S": rfc3339(now + CLOCK_SKEW)}}
        yield from self._query(now, f"GSI3PK = :in_flight AND {IN_FLIGHT_SINCE} > :latest", latest)
        yield from self._query(now, f"GSI3PK = :in_flight AND {IN_FLIGHT_SINCE} <= :latest", latest)

    def _query(self, now: datetime, condition: str, values: dict[str, Any]) -> Iterator[list[InFlight]]:
        start: dict[str, Any] = {}
        while True:
            page = self.client.query(
                TableName=self.table_name,
                IndexName="in-flight",
                KeyConditionExpression=condition,
                ExpressionAttributeValues={":in_flight": {"S": IN_FLIGHT}, **values},
                Limit=PAGE,
                **start,
            )
            if page["Items"]:
                yield [_entry(item, now) for item in page["Items"]]
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def records(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Return up to 100 records as they are now, without those that are missing or that AWS put off.

        Raises:
            botocore.exceptions.ClientError: worth a retry.
        """
        if not keys:
            return {}
        names = {f"#{number}": name for number, name in enumerate(("PK", "SK", *READ_ATTRIBUTES))}
        found = self.client.batch_get_item(
            RequestItems={
                self.table_name: {
                    "Keys": [{"PK": {"S": key.pk}, "SK": {"S": key.sk}} for key in keys],
                    "ConsistentRead": True,
                    "ProjectionExpression": ", ".join(names),
                    "ExpressionAttributeNames": names,
                }
            }
        )
        items: list[Any] = found["Responses"][self.table_name]
        return {Key(item["PK"]["S"], item["SK"]["S"]): read(item) for item in items}


def _entry(item: Any, now: datetime) -> InFlight:
    return InFlight(Key(item["PK"]["S"], item["SK"]["S"]), in_flight_since(item[IN_FLIGHT_SINCE]["S"], now))
