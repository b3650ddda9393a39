"""`dynamodb:LeadingKeys`, and PartiQL's actions: what a request says about partition keys.

AWS: DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control"
(specifying-conditions), "IAM security policies with PartiQL for DynamoDB" (ql-iam), and the Service
Authorization Reference of DynamoDB.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

Function = Callable[..., Any]
Replace = Callable[[str, str, str, Callable[[Function], Function]], None]
Json = Mapping[Any, Any]
#: Finds a table's record in the engine by its ARN.
Tables = Callable[[str], Json | None]

KEY: Final = "dynamodb:LeadingKeys"
#: Actions with this key (Service Authorization Reference). Scan has none.
_ACTIONS: Final = frozenset(
    f"dynamodb:{name}"
    for name in (
        "BatchGetItem",
        "BatchWriteItem",
        "ConditionCheckItem",
        "DeleteItem",
        "GetItem",
        "PartiQLDelete",
        "PartiQLInsert",
        "PartiQLSelect",
        "PartiQLUpdate",
        "PutItem",
        "Query",
        "UpdateItem",
    )
)
_TRANSACTIONS: Final = frozenset({"dynamodb:TransactWriteItems", "dynamodb:TransactGetItems"})
_STATEMENTS: Final = {
    "dynamodb:ExecuteStatement": None,
    "dynamodb:BatchExecuteStatement": "Statements",
    "dynamodb:ExecuteTransaction": "TransactStatements",
}
_PARTIQL_ACTIONS: Final = {
    "SELECT": "dynamodb:PartiQLSelect",
    "EXISTS": "dynamodb:PartiQLSelect",
    "INSERT": "dynamodb:PartiQLInsert",
    "UPDATE": "dynamodb:PartiQLUpdate",
    "DELETE": "dynamodb:PartiQLDelete",
}
_TABLE: Final = re.compile(r"arn:[^:]+:dynamodb:([^:]+):(\d{12}):table/([^/]+)")
_TOKEN: Final = re.compile(r"[#:]?[\w.#-]+|<=|>=|<>|[=<>(),]")


class KeyedArn(str):
    """The ARN of a table or index, with the partition keys that the request names in it.

    The engine hands the ARNs of a request from its parsing to its check: the keys go with them.
    """

    __slots__ = ("leading_keys",)

    leading_keys: list[str] | None

    def __new__(cls, arn: str, leading_keys: list[str] | None) -> "KeyedArn":
        """Make one; `leading_keys` is None where they can't be told."""
        keyed = super().__new__(cls, arn)
        keyed.leading_keys = leading_keys
        return keyed


def install(replace: Replace) -> None:
    """Patch what the engine reads of DynamoDB's requests, and its check."""
    dynamodb = importlib.import_module("ministack.services.dynamodb")

    def table(arn: str) -> Json | None:
        named = _TABLE.match(arn)
        found: Json | None = dynamodb._tables.get_scoped(named[2], named[1], named[3]) if named else None
        return found

    def resource_arns(_: Function) -> Function:
        return lambda body, region, account_id: requested(_json(body), _prefix(region, account_id), table)

    def transaction_checks(_: Function) -> Function:
        def checks(iam_action: str, body: bytes, region: str, account_id: str) -> list[tuple[str, KeyedArn]]:
            prefix = _prefix(region, account_id)
            if iam_action in _TRANSACTIONS:
                return list(of_transaction(_json(body), prefix, table))
            if iam_action in _STATEMENTS:
                return list(of_statements(iam_action, _json(body), prefix, table, dynamodb._parse_partiql))
            return []

        return checks

    def enforce(original: Function) -> Function:
        def check(
            access_key_id: str,
            iam_action: str,
            service: str,
            region: str,
            resource_arn: str = "*",
            service_context: dict[str, Any] | None = None,
        ) -> Any:
            context = {**(service_context or {}), **condition_key(iam_action, resource_arn)}
            return original(access_key_id, iam_action, service, region, resource_arn, context)

        return check

    actions = "ministack.core.iam_actions"
    replace(actions, "dynamodb_resource_arns", "body region account_id", resource_arns)
    replace(actions, "dynamodb_transaction_checks", "iam_action body region account_id", transaction_checks)
    replace(
        "ministack.core.iam_evaluator",
        "enforce",
        "access_key_id iam_action service region resource_arn service_context",
        enforce,
    )
    replace(
        "ministack.services.dynamodb", "_parse_partiql", "statement parameters", lambda original: original
    )


def condition_key(action: str, resource: str) -> dict[str, Any]:
    """Return `dynamodb:LeadingKeys` for an action on a table, empty if the request does not have it."""
    if isinstance(resource, KeyedArn) and resource.leading_keys and action in _ACTIONS:
        return {KEY: resource.leading_keys}
    return {}


def requested(request: Json, prefix: str, table: Tables) -> list[KeyedArn]:
    """Return the tables and indexes that a request is about, each with the partition keys it names there.

    `prefix` is what the ARNs of tables begin with.
    """
    found: dict[str, list[Any]] = {}
    if name := request.get("TableName"):
        arn = _arn(str(name), prefix)
        index = request.get("IndexName")
        keys = partition_key(table(arn), index)
        found[f"{arn}/index/{index}" if index else arn] = of_request(request, keys)
    for name, entry in _mapping(request.get("RequestItems")).items():
        arn = _arn(str(name), prefix)
        # A table can be named twice, by its name and its ARN.
        found.setdefault(arn, []).extend(of_batch(entry, partition_key(table(arn), None)))
    return [KeyedArn(arn, texts(values)) for arn, values in found.items()]


def of_transaction(request: Json, prefix: str, table: Tables) -> Iterator[tuple[str, KeyedArn]]:
    """Yield the action, table and key of each part: IAM checks these, and not the transaction."""
    for item in request.get("TransactItems") or []:
        for member, part in _mapping(item).items():
            if name := _mapping(part).get("TableName"):
                arn = _arn(str(name), prefix)
                action = "ConditionCheckItem" if member == "ConditionCheck" else f"{member}Item"
                keys = texts(of_request(part, partition_key(table(arn), None)))
                yield f"dynamodb:{action}", KeyedArn(arn, keys)


def of_statements(
    action: str, request: Json, prefix: str, table: Tables, parse: Callable[[str, Any], Json]
) -> Iterator[tuple[str, KeyedArn]]:
    """Yield the action, table or index, and key of each PartiQL statement (ql-iam).

    One that can't be parsed is left out: the engine refuses to run it, too.
    """
    member = _STATEMENTS[action]
    for statement in [request] if member is None else request.get(member) or []:
        try:
            parsed = parse(statement.get("Statement", ""), statement.get("Parameters", []))
        except (ValueError, AttributeError, TypeError):
            continue
        select = _mapping(parsed.get("select")) or parsed  # EXISTS holds one
        arn, index = _arn(str(parsed["table"]), prefix), select.get("index")
        keys = texts(of_parsed(parsed["op"], select, partition_key(table(arn), index)))
        yield _PARTIQL_ACTIONS[parsed["op"]], KeyedArn(f"{arn}/index/{index}" if index else arn, keys)


def partition_key(table: Json | None, index: Any) -> str | None:
    """Return the name of the partition key of a table's record, or of one of its indexes.

    None for what is not there, and for an index whose partition key has several attributes.
    """
    if table is None:
        return None
    if not index:
        return str(table["pk_name"])
    indexes = [*(table.get("GlobalSecondaryIndexes") or []), *(table.get("LocalSecondaryIndexes") or [])]
    names = [
        str(key["AttributeName"])
        for entry in indexes
        if entry["IndexName"] == index
        for key in entry["KeySchema"]
        if key["KeyType"] == "HASH"
    ]
    return names[0] if len(names) == 1 else None


def of_request(request: Json, name: str | None) -> list[Any]:
    """Return the attribute values of the partition key that a call on one table names.

    None among them stands for an item without it. All members that could hold one are read, whatever the
    operation: what the operation itself reads is among them.
    """
    found = [_mapping(request[member]).get(name) for member in ("Key", "Item") if request.get(member)]
    if expression := request.get("KeyConditionExpression"):
        found += of_expression(
            str(expression),
            name,
            _mapping(request.get("ExpressionAttributeNames")),
            _mapping(request.get("ExpressionAttributeValues")),
        )
    if conditions := request.get("KeyConditions"):
        condition = _mapping(_mapping(conditions).get(name))
        values = condition.get("AttributeValueList") or [None]
        found += values if condition.get("ComparisonOperator") == "EQ" else [None]
    return found


def of_batch(entry: Any, name: str | None) -> list[Any]:
    """Return the values of the partition key in a table's part of BatchGetItem or BatchWriteItem."""
    if isinstance(entry, list):
        writes = [write for each in entry for write in _mapping(each).values()]
        return [(_mapping(write.get("Item")) or _mapping(write.get("Key"))).get(name) for write in writes]
    return [_mapping(key).get(name) for key in _mapping(entry).get("Keys") or []]


def of_expression(expression: str, name: str | None, names: Json, values: Json) -> list[Any]:
    """Return the values that a key condition expression has the partition key equal; `[None]` if none."""
    tokens = _TOKEN.findall(expression)
    if {"OR", "NOT"} & {token.upper() for token in tokens}:
        return [None]
    found = []
    for left, operator, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
        for attribute, value in ((left, right), (right, left)):
            if operator == "=" and names.get(attribute, attribute) == name and value.startswith(":"):
                found.append(values.get(value))
    return found or [None]


def of_parsed(operation: str, statement: Json, name: str | None) -> list[Any]:
    """Return the values that a parsed PartiQL statement has the partition key equal; `[None]` if none."""
    if operation == "INSERT":
        item = _mapping(statement.get("item"))
        return [_mapping(item.get("M", item)).get(name)]
    found: list[Any] = []
    for attribute, operator, value in statement.get("conditions") or []:
        if attribute == name and operator in {"=", "IN"}:
            found += value if operator == "IN" else [value]
    return found or [None]


def texts(values: Iterable[Any]) -> list[str] | None:
    """Return attribute values (`{"S": "a"}`) as texts, each once; None if none can be told."""
    found: dict[str, None] = {}
    for value in values:
        if not isinstance(value, Mapping) or len(value) != 1:
            return None
        found[str(next(iter(value.values())))] = None
    return list(found) or None


def _prefix(region: str, account: str) -> str:
    return f"arn:aws:dynamodb:{region}:{account}:table/"


def _arn(table: str, prefix: str) -> str:
    """Return a table's ARN; a request can name it by that, too."""
    return table if table.startswith("arn:") else prefix + table


def _json(body: bytes) -> Json:
    try:
        return _mapping(json.loads(body or b"{}"))
    except ValueError:
        return {}


def _mapping(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}
