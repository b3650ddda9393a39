"""Taking a permission away for a while, to see what happens. Local only: the callers see to that."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scripts.tooling.aws import Clients


def statements(clients: Clients, role: str) -> list[dict[str, Any]]:
    """Return the statements of a function's role, which has one policy."""
    _, policy = _policy(clients, role)
    return list(policy["Statement"])


@contextmanager
def without_statement(clients: Clients, role: str, sid: str) -> Iterator[None]:
    """Take one statement out of a role's policy; put the whole policy back, whatever happens.

    Raises:
        ValueError: the role has no such statement.
    """
    name, whole = _policy(clients, role)
    rest = [statement for statement in whole["Statement"] if statement["Sid"] != sid]
    if len(rest) != len(whole["Statement"]) - 1:
        raise ValueError(f"{role} has no statement {sid}")
    _put(clients, role, name, {**whole, "Statement": rest})
    try:
        yield
    finally:
        _put(clients, role, name, whole)


def _policy(clients: Clients, role: str) -> tuple[str, dict[str, Any]]:
    (name,) = clients.iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: Any = clients.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return name, document


def _put(clients: Clients, role: str, name: str, policy: dict[str, Any]) -> None:
    clients.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
