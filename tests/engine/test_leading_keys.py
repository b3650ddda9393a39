"""Partition keys that DynamoDB requests name, each function by itself."""

from typing import Any

import pytest

from scripts.local_aws.engine import leading_keys
from scripts.local_aws.engine.leading_keys import KeyedArn

PREFIX = "arn:aws:dynamodb:eu-west-1:123456789012:table/"
TABLE: dict[str, Any] = {
    "pk_name": "PK",
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "one",
            "KeySchema": [
                {"AttributeName": "G", "KeyType": "HASH"},
                {"AttributeName": "PK", "KeyType": "RANGE"},
            ],
        },
        {"IndexName": "two", "KeySchema": [{"AttributeName": n, "KeyType": "HASH"} for n in ("G", "H")]},
    ],
    "LocalSecondaryIndexes": [
        {"IndexName": "local", "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}]}
    ],
}


def table(arn: str) -> dict[str, Any] | None:
    return {f"{PREFIX}T": TABLE, f"{PREFIX}U": {"pk_name": "U"}}.get(arn)


def text(value: str) -> dict[str, str]:
    return {"S": value}


def named(request: dict[str, Any]) -> dict[str, list[str] | None]:
    """Return what is found, by what follows the prefix."""
    found = leading_keys.requested(request, PREFIX, table)
    return {arn.removeprefix(PREFIX): arn.leading_keys for arn in found}


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ({"TableName": "T", "Key": {"PK": text("a"), "SK": text("1")}}, {"T": ["a"]}),
        ({"TableName": f"{PREFIX}T", "Item": {"PK": {"N": "7"}}}, {"T": ["7"]}),
        # Whatever else a request says, all of it has to be the tenant's.
        ({"TableName": "T", "Key": {"PK": text("a")}, "Item": {"PK": text("b")}}, {"T": ["a", "b"]}),
        ({"TableName": "T", "Key": {"SK": text("a")}}, {"T": None}),
        ({"TableName": "unknown", "Key": {"PK": text("a")}}, {"unknown": None}),
        ({"TableName": "T"}, {"T": None}),
        ({}, {}),
        (
            {"RequestItems": {"T": {"Keys": [{"PK": text("a")}, {"PK": text("b")}, {"PK": text("a")}]}}},
            {"T": ["a", "b"]},
        ),
        (
            {
                "RequestItems": {
                    "T": [{"PutRequest": {"Item": {"PK": text("a")}}}],
                    "U": [{"DeleteRequest": {"Key": {"U": text("b")}}}],
                }
            },
            {"T": ["a"], "U": ["b"]},
        ),
        # One table by its name and by its ARN.
        (
            {
                "RequestItems": {
                    "T": {"Keys": [{"PK": text("a")}]},
                    f"{PREFIX}T": {"Keys": [{"PK": text("b")}]},
                }
            },
            {"T": ["a", "b"]},
        ),
        ({"RequestItems": {"T": {"Keys": [{"PK": text("a")}, {"SK": text("b")}]}}}, {"T": None}),
        # A name that belongs to another operation hides no table.
        (
            {"TableName": "U", "RequestItems": {"T": {"Keys": [{"PK": text("a")}]}}},
            {"U": None, "T": ["a"]},
        ),
        (
            {
                "TableName": "T",
                "IndexName": "one",
                "KeyConditionExpression": "G = :g",
                "ExpressionAttributeValues": {":g": text("a")},
            },
            {"T/index/one": ["a"]},
        ),
    ],
)
def test_the_keys_of_a_request_by_table(request_: dict[str, Any], found: dict[str, list[str] | None]) -> None:
    assert named(request_) == found


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("PK = :a", ["a"]),
        ("#pk=:a AND begins_with(SK, :b)", ["a"]),
        ("SK BETWEEN :b AND :c and (PK = :a)", ["a"]),
        ("begins_with(SK, :b) AND :a = #pk", ["a"]),
        ("PK = :a AND PK = :b", ["a", "b"]),
        ("PK = :a OR PK = :b", None),
        ("NOT PK = :a", None),
        ("PK >= :a", None),
        ("PK <> :a", None),
        ("begins_with(PK, :a)", None),
        ("size(PK) = :a", None),
        ("x.PK = :a", None),
        ("SK = :a", None),
        ("PK = :missing", None),
        ("PK = SK", None),
        ("", None),
    ],
)
def test_the_key_of_a_key_condition(expression: str, found: list[str] | None) -> None:
    values = {f":{name}": text(name) for name in "abc"}
    assert leading_keys.texts(leading_keys.of_expression(expression, "PK", {"#pk": "PK"}, values)) == found


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({"PK": {"ComparisonOperator": "EQ", "AttributeValueList": [text("a")]}}, ["a"]),
        ({"PK": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [text("a")]}}, None),
        ({"SK": {"ComparisonOperator": "EQ", "AttributeValueList": [text("a")]}}, None),
    ],
)
def test_the_key_of_key_conditions(conditions: dict[str, Any], found: list[str] | None) -> None:
    assert named({"TableName": "T", "KeyConditions": conditions}) == {"T": found}


@pytest.mark.parametrize(
    ("index", "name"), [(None, "PK"), ("one", "G"), ("local", "PK"), ("two", None), ("none", None)]
)
def test_the_partition_key_of_a_table_and_its_indexes(index: str | None, name: str | None) -> None:
    assert leading_keys.partition_key(TABLE, index) == name
    assert leading_keys.partition_key(None, index) is None


def test_each_part_of_a_transaction_is_an_action_with_its_own_key() -> None:
    key = {"PK": text("a")}
    parts = [
        {"Get": {"TableName": "T", "Key": key}},
        {"Put": {"TableName": "U", "Item": {"U": text("b")}}},
        {"Update": {"TableName": "T", "Key": key}},
        {"Delete": {"TableName": "T", "Key": {"SK": text("c")}}},
        {"ConditionCheck": {"TableName": f"{PREFIX}T", "Key": key}},
    ]
    found = leading_keys.of_transaction({"TransactItems": parts}, PREFIX, table)
    assert [(action, arn.removeprefix(PREFIX), arn.leading_keys) for action, arn in found] == [
        ("dynamodb:GetItem", "T", ["a"]),
        ("dynamodb:PutItem", "U", ["b"]),
        ("dynamodb:UpdateItem", "T", ["a"]),
        ("dynamodb:DeleteItem", "T", None),
        ("dynamodb:ConditionCheckItem", "T", ["a"]),
    ]


def parse(statement: str, parameters: Any) -> dict[str, Any]:
    """Parse as the engine does, by the statement's first word."""
    conditions = [("PK", "=", parameters[0])] if parameters else []
    parsed: dict[str, Any] = {"op": statement, "table": "T", "index": None, "conditions": conditions}
    if statement == "EXISTS":
        return {"op": "EXISTS", "table": "T", "select": {**parsed, "op": "SELECT"}}
    if statement == "INSERT":
        return {**parsed, "item": {"M": {"PK": parameters[0]}}}
    if statement == "bad":
        raise ValueError(statement)
    return parsed


def test_partiql_statements_are_actions_of_their_own() -> None:
    operations = ("SELECT", "EXISTS", "INSERT", "UPDATE", "DELETE", "bad")
    request = {"Statements": [{"Statement": each, "Parameters": [text("a")]} for each in operations]}
    found = leading_keys.of_statements("dynamodb:BatchExecuteStatement", request, PREFIX, table, parse)
    assert [(action, arn.leading_keys) for action, arn in found] == [
        ("dynamodb:PartiQLSelect", ["a"]),
        ("dynamodb:PartiQLSelect", ["a"]),
        ("dynamodb:PartiQLInsert", ["a"]),
        ("dynamodb:PartiQLUpdate", ["a"]),
        ("dynamodb:PartiQLDelete", ["a"]),
    ]
    one = {"Statement": "SELECT"}
    ((action, arn),) = leading_keys.of_statements("dynamodb:ExecuteStatement", one, PREFIX, table, parse)
    assert (action, arn.leading_keys) == ("dynamodb:PartiQLSelect", None)
    many = {"TransactStatements": [one]}
    assert (
        len(list(leading_keys.of_statements("dynamodb:ExecuteTransaction", many, PREFIX, table, parse))) == 1
    )


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ([("PK", "IN", [text("a"), text("b")])], ["a", "b"]),
        ([("SK", "=", text("a"))], None),
        ([("PK", "NOT:=", text("a"))], None),
        ([("PK", "begins_with", text("a"))], None),
        ([], None),
    ],
)
def test_the_key_of_a_statement(conditions: list[Any], found: list[str] | None) -> None:
    assert leading_keys.texts(leading_keys.of_parsed("SELECT", {"conditions": conditions}, "PK")) == found


def test_only_actions_that_have_the_condition_key_get_it() -> None:
    arn = KeyedArn(f"{PREFIX}T", ["a"])
    assert leading_keys.condition_key("dynamodb:Query", arn) == {"dynamodb:LeadingKeys": ["a"]}
    assert leading_keys.condition_key("dynamodb:Scan", arn) == {}
    assert leading_keys.condition_key("dynamodb:Query", f"{PREFIX}T") == {}
    assert leading_keys.condition_key("dynamodb:Query", KeyedArn(f"{PREFIX}T", None)) == {}
