"""A tenant's problems: items of the tenants' table under the tenant's own partition key."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from problem_data.requests import Page, ProblemText
from tenkacloud.isolation.sessions import TenantSession
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.keys import Key

_SORT_KEY_PREFIX: Final = "PROBLEM#"
_ATTRIBUTES: Final = ("problemId", "title", "statement", "updatedAt")


def write(session: TenantSession, problem_id: str, text: ProblemText, now: datetime) -> dict[str, str]:
    """Write a problem, new or not, and return it."""
    problem = {
        "problemId": problem_id,
        "title": text.title,
        "statement": text.statement,
        "updatedAt": rfc3339(now),
    }
    session.dynamodb.put_item(
        TableName=session.table_name,
        Item={
            **_key(session, problem_id),
            "EntityType": {"S": "PROBLEM"},
            **{name: {"S": value} for name, value in problem.items()},
        },
    )
    return problem


def read(session: TenantSession, problem_id: str) -> dict[str, str] | None:
    """Return a problem, None if there is none."""
    answer = session.dynamodb.get_item(
        TableName=session.table_name, Key=_key(session, problem_id), ConsistentRead=True
    )
    return _plain(answer["Item"]) if "Item" in answer else None


def page(session: TenantSession, wanted: Page) -> tuple[list[dict[str, str]], str | None]:
    """Return some problems by id, without their statements, and the last id if there may be more."""
    arguments: dict[str, Any] = {}
    if wanted.after is not None:
        # Of the client's token only the id counts: the partition is always the session's own.
        arguments["ExclusiveStartKey"] = _key(session, wanted.after)
    answer = session.dynamodb.query(
        TableName=session.table_name,
        KeyConditionExpression="#pk = :pk AND begins_with(#sk, :prefix)",
        ProjectionExpression="#problemId, #title, #updatedAt",
        ExpressionAttributeNames={
            "#pk": "PK",
            "#sk": "SK",
            "#problemId": "problemId",
            "#title": "title",
            "#updatedAt": "updatedAt",
        },
        ExpressionAttributeValues={
            ":pk": {"S": session.partition_key},
            ":prefix": {"S": _SORT_KEY_PREFIX},
        },
        Limit=wanted.limit,
        ConsistentRead=True,
        **arguments,
    )
    problems = [_plain(item) for item in answer["Items"]]
    more = "LastEvaluatedKey" in answer and problems
    return problems, problems[-1]["problemId"] if more else None


def delete(session: TenantSession, problem_id: str) -> None:
    """Delete a problem, if it is there."""
    session.dynamodb.delete_item(TableName=session.table_name, Key=_key(session, problem_id))


def _key(session: TenantSession, problem_id: str) -> dict[str, Any]:
    return Key(session.partition_key, f"{_SORT_KEY_PREFIX}{problem_id}").attributes


def _plain(item: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(item[name]["S"]) for name in _ATTRIBUTES if name in item}
