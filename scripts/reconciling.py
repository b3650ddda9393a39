"""Calling the reconciler as an operator does: synchronously, with the answer of the one run."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from scripts.aws import Clients
from scripts.deployment import RECONCILER, Deployment
from scripts.project import CommandError

REPAIRS_MAX: Final = 100  # tenants in one request, as the function takes them


def sweep(deployment: Deployment, clients: Clients, older_than: int | None = None) -> dict[str, int]:
    """Have stuck tenants resumed; return the counts `resumed`, `givenUp`, `left` and `errors`.

    `older_than`, in seconds, overrides the age from which an attempt counts as stuck.

    Raises:
        CommandError: the run failed.
    """
    request = {"action": "sweep", **({} if older_than is None else {"olderThanSeconds": older_than})}
    return _invoke(deployment, clients, request)


def repair(deployment: Deployment, clients: Clients, tenant_ids: Sequence[str]) -> dict[str, str]:
    """Have the resources of completed tenants put right; return `{tenantId: "asked" or why not}`.

    Raises:
        CommandError: the run failed.
    """
    answers: dict[str, str] = {}
    for start in range(0, len(tenant_ids), REPAIRS_MAX):
        portion = list(tenant_ids[start : start + REPAIRS_MAX])
        answers |= _invoke(deployment, clients, {"action": "repair", "tenantIds": portion})
    return answers


def _invoke(deployment: Deployment, clients: Clients, request: Mapping[str, Any]) -> dict[str, Any]:
    name = deployment.lambda_function_names[RECONCILER]
    try:
        answer = clients.lambda_.invoke(FunctionName=name, Payload=json.dumps(request).encode())
    except ClientError as error:
        raise CommandError(f"{name} can't be invoked: {error.response['Error']['Code']}") from error
    content: dict[str, Any] = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise CommandError(f"{name} failed: {content.get('errorType')}: {content.get('errorMessage')}")
    return content
