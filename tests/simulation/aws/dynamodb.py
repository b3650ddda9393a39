"""DynamoDB: tables with indexes, conditions, transactions and a stream."""

# ruff: noqa: N803 - arguments have boto3's names

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation.aws import expressions
from tests.simulation.aws.errors import EXCEPTIONS, error

PARTITION: Final = "PK"
SORT: Final = "SK"
_FAILED: Final = "ConditionalCheckFailed"


@dataclass
class Table:
    """A table. Items are never changed in place, so that images of them stay as they were.

    `indexes`: by name, the attributes that are its keys. `page`: items that a query answers with, at most.
    """

    name: str
    indexes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    page: int = 1_000_000
    items: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    stream: list[dict[str, Any]] = field(default_factory=list)

    def get(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an item."""
        return self.items.get(key[PARTITION]["S"], {}).get(key[SORT]["S"])

    def put(self, key: Mapping[str, Any], new: dict[str, Any] | None) -> None:
        """Write an item, None to delete it. What changes nothing is no record of the stream."""
        pk, sk = key[PARTITION]["S"], key[SORT]["S"]
        old = self.items.get(pk, {}).get(sk)
        if old == new:
            return
        if new is None:
            del self.items[pk][sk]
        else:
            self.items.setdefault(pk, {})[sk] = new
        images = {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image}
        self.stream.append(
            {
                "eventName": "REMOVE" if new is None else "MODIFY" if old else "INSERT",
                "eventSource": "aws:dynamodb",
                "dynamodb": {
                    "Keys": {PARTITION: {"S": pk}, SORT: {"S": sk}},
                    "SequenceNumber": f"{len(self.stream) + 1:021}",
                    **images,
                },
            }
        )

    def all(self) -> list[dict[str, Any]]:
        """Return all items."""
        return [item for partition in self.items.values() for item in partition.values()]

    def clear(self) -> None:
        """Empty the table and its stream."""
        self.items.clear()
        self.stream.clear()


@dataclass
class DynamoDB:
    """A client of DynamoDB."""

    tables: dict[str, Table] = field(default_factory=dict)
    exceptions: Any = EXCEPTIONS

    def create(self, definition: Mapping[str, Any]) -> Table:
        """Create a table as CreateTable's arguments define it."""
        indexes = {
            index["IndexName"]: (
                index["KeySchema"][0]["AttributeName"],
                index["KeySchema"][1]["AttributeName"],
            )
            for index in definition.get("GlobalSecondaryIndexes", ())
        }
        table = Table(definition["TableName"], indexes)
        self.tables[table.name] = table
        return table

    # --- single items ---------------------------------------------------------------------------------------

    def get_item(self, *, TableName: str, Key: Any, **options: Any) -> dict[str, Any]:
        """GetItem."""
        found = self._table(TableName, "GetItem").get(Key)
        return {} if found is None else {"Item": _projected(found, options)}

    def put_item(self, *, TableName: str, Item: Any, **options: Any) -> dict[str, Any]:
        """PutItem."""
        return self._write("PutItem", {"TableName": TableName, "Item": Item, **options})

    def update_item(self, **arguments: Any) -> dict[str, Any]:
        """UpdateItem."""
        return self._write("UpdateItem", arguments)

    def delete_item(self, **arguments: Any) -> dict[str, Any]:
        """DeleteItem."""
        return self._write("DeleteItem", arguments)

    def _write(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        table = self._table(arguments["TableName"], operation)
        key = _key_of(arguments)
        old = table.get(key)
        if not _holds(old, arguments):
            item: dict[str, Any] = (
                {"Item": old} if old and "ReturnValuesOnConditionCheckFailure" in arguments else {}
            )
            raise error("ConditionalCheckFailedException", operation, **item)
        new = _changed(table, old, arguments, operation)
        table.put(key, new)
        match arguments.get("ReturnValues"):
            case "ALL_OLD" if old:
                return {"Attributes": old}
            case "ALL_NEW":
                return {"Attributes": new}
        return {}

    # --- several items --------------------------------------------------------------------------------------

    def batch_get_item(self, *, RequestItems: Any) -> dict[str, Any]:
        """BatchGetItem, of which nothing is put off."""
        return {
            "Responses": {
                name: [
                    _projected(item, request)
                    for key in request["Keys"]
                    if (item := self._table(name, "BatchGetItem").get(key)) is not None
                ]
                for name, request in RequestItems.items()
            },
            "UnprocessedKeys": {},
        }

    def batch_write_item(self, *, RequestItems: Any) -> dict[str, Any]:
        """BatchWriteItem, of which nothing is put off."""
        for name, requests in RequestItems.items():
            for request in requests:
                ((kind, arguments),) = request.items()
                self._write("BatchWriteItem", {"TableName": name, **arguments, kind: True})
        return {"UnprocessedItems": {}}

    def transact_write_items(self, *, TransactItems: Any, **_: Any) -> dict[str, Any]:
        """TransactWriteItems: all or nothing."""
        operation = "TransactWriteItems"
        writes = [next(iter(each.items())) for each in TransactItems]
        keys = [(write["TableName"], str(_key_of(write))) for _, write in writes]
        if len(set(keys)) < len(keys):
            raise error("ValidationException", operation, "several operations on one item")
        reasons: list[dict[str, Any]] = []
        for _, write in writes:
            old = self._table(write["TableName"], operation).get(_key_of(write))
            if _holds(old, write):
                reasons.append({"Code": "None"})
            else:
                found: dict[str, Any] = (
                    {"Item": old} if old and "ReturnValuesOnConditionCheckFailure" in write else {}
                )
                reasons.append({"Code": _FAILED, **found})
        if any(reason["Code"] != "None" for reason in reasons):
            raise error("TransactionCanceledException", operation, CancellationReasons=reasons)
        changes = []
        for kind, write in writes:
            if kind != "ConditionCheck":
                table = self._table(write["TableName"], operation)
                key = _key_of(write)
                changes.append((table, key, _changed(table, table.get(key), write, operation)))
        for table, key, new in changes:
            table.put(key, new)
        return {}

    def query(self, *, TableName: str, **options: Any) -> dict[str, Any]:
        """Query, of the table or of an index of keys."""
        table = self._table(TableName, "Query")
        index = options.get("IndexName")
        partition, sort = table.indexes[index] if index else (PARTITION, SORT)
        wanted = partition_of(options)
        names, values = (
            options.get("ExpressionAttributeNames", {}),
            options.get("ExpressionAttributeValues", {}),
        )
        text = options.get("KeyConditionExpression")
        matches = expressions.condition(text) if text else None
        of_partition = table.all() if index else table.items.get(wanted, {}).values()
        found = [
            item
            for item in of_partition
            if sort in item
            and item.get(partition) == {"S": wanted}
            and (matches is None or matches(item, names, values))
        ]
        key_names = tuple(dict.fromkeys((partition, sort, PARTITION, SORT)))
        ahead = options.get("ScanIndexForward", True)

        def rank(item: Mapping[str, Any]) -> tuple[bytes, ...]:
            return tuple(item[name]["S"].encode() for name in (sort, PARTITION, SORT))

        found.sort(key=rank, reverse=not ahead)
        if start := options.get("ExclusiveStartKey"):
            after = rank(start)
            found = [item for item in found if (rank(item) > after if ahead else rank(item) < after)]
        size = min(options.get("Limit") or table.page, table.page)
        page, rest = found[:size], found[size:]
        last = (
            {"LastEvaluatedKey": {name: page[-1][name] for name in key_names}}
            if page and (rest or len(page) == options.get("Limit"))
            else {}
        )
        scanned = len(page)
        if "FilterExpression" in options:
            passes = expressions.condition(options["FilterExpression"])
            page = [item for item in page if passes(item, names, values)]
        answer: dict[str, Any] = {"Count": len(page), "ScannedCount": scanned, **last}
        if options.get("Select") == "COUNT":
            return answer
        if index:
            page = [{name: item[name] for name in key_names} for item in page]
        return {"Items": [_projected(item, options) for item in page], **answer}

    def _table(self, name: str, operation: str) -> Table:
        if name not in self.tables:
            raise error("ResourceNotFoundException", operation, name)
        return self.tables[name]


def partition_of(query: Mapping[str, Any]) -> str:
    """Return the partition that a query is of: what its key condition begins with, in both of their forms."""
    if "KeyConditions" in query:
        (of_partition,) = query["KeyConditions"].values()
        return str(of_partition["AttributeValueList"][0]["S"])
    name = query["KeyConditionExpression"].split(" AND ")[0].split("=")[1].strip()
    return str(query["ExpressionAttributeValues"][name]["S"])


def _key_of(write: Mapping[str, Any]) -> Mapping[str, Any]:
    key: Mapping[str, Any] = write.get("Key") or write["Item"]
    return key


def _holds(item: Mapping[str, Any] | None, write: Mapping[str, Any]) -> bool:
    text = write.get("ConditionExpression")
    if text is None:
        return True
    return expressions.condition(text)(
        item or {}, write.get("ExpressionAttributeNames", {}), write.get("ExpressionAttributeValues", {})
    )


def _changed(
    table: Table, old: Mapping[str, Any] | None, write: Mapping[str, Any], operation: str
) -> dict[str, Any] | None:
    """Return an item as a write makes it, None: it is deleted."""
    if "Item" in write:
        new = dict(write["Item"])
    elif "UpdateExpression" in write:
        try:
            new = expressions.updated(
                old or dict(write["Key"]),
                write["UpdateExpression"],
                write.get("ExpressionAttributeNames", {}),
                write.get("ExpressionAttributeValues", {}),
            )
        except LookupError as failure:
            raise error("ValidationException", operation, str(failure)) from None
    else:
        return None
    for names in table.indexes.values():
        for name in names:
            if name in new and not new[name].get("S"):
                raise error("ValidationException", operation, f"the key {name} is no string")
    return new


def _projected(item: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    text = options.get("ProjectionExpression")
    if text is None:
        return item
    names: Mapping[str, str] = options.get("ExpressionAttributeNames", {})
    paths = [expressions.resolved(path, names) for path in expressions.projection(text)]
    if any(len(path) > 1 for path in paths):
        raise ValueError(f"a projection of what is inside: {text}")
    return {str(path[0]): item[str(path[0])] for path in paths if path[0] in item}
