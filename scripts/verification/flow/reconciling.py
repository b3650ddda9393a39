"""Calling the reconciler as an operator does: synchronously, with the answer of the one run.

The one place of these scripts that knows its name.

The function runs once at a time (reserved concurrency 1), so that two sweeps never resume the same tenants.
Each call is sent once, and waits longer than the function may run.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import CommandError, say
from scripts.tooling.waiting import DeadlineError, wait_until

SERVICE: Final = "reconciler"
REPAIRS_MAX: Final = 100  # tenants in one request, as the function takes them
#: How long a call waits for its turn, in seconds: a run with little to do ends within that.
SWEEP_PATIENCE: Final = 60.0
#: The same for repairs: longer than a whole sweep, since nobody would repeat part of the work by hand.
REPAIR_PATIENCE: Final = 330.0
_POLL_SECONDS: Final = 1.0
_BUSY: Final = "TooManyRequestsException"
_BUSY_ITSELF: Final = "ReservedFunctionConcurrentInvocationLimitExceeded"


def sweep(
    deployment: Deployment,
    clients: Clients,
    older_than: int | None = None,
    patience: float = SWEEP_PATIENCE,
) -> dict[str, int]:
    """Have stuck tenants resumed; return the counts `resumed`, `givenUp`, `left` and `errors`.

    `older_than`, in seconds, overrides the age from which an attempt counts as stuck. `patience`: seconds to
    wait for another run to end.

    Raises:
        CommandError: the run failed, gave no answer, or another one is under way.
    """
    request = {"action": "sweep", **({} if older_than is None else {"olderThanSeconds": older_than})}
    return _invoke(deployment, clients, request, patience)


def repair(
    deployment: Deployment,
    clients: Clients,
    tenant_ids: Sequence[str],
    patience: float = REPAIR_PATIENCE,
) -> dict[str, str]:
    """Have the resources of completed tenants put right; return `{tenantId: the function's answer}`.

    The answer is "asked" or "requested" where a repair was begun, else it says why not.

    Raises:
        CommandError: a run failed, gave no answer, or others are under way all the time.
    """
    answers: dict[str, str] = {}
    for start in range(0, len(tenant_ids), REPAIRS_MAX):
        portion = list(tenant_ids[start : start + REPAIRS_MAX])
        request = {"action": "repair", "tenantIds": portion}
        answers |= _invoke(deployment, clients, request, patience)
    return answers


def _invoke(
    deployment: Deployment, clients: Clients, request: Mapping[str, Any], patience: float
) -> dict[str, Any]:
    name = deployment.lambda_function_names[SERVICE]
    answer = _answer(clients, name, request, patience)
    content: dict[str, Any] = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise CommandError(f"{name} failed: {content.get('errorType')}: {content.get('errorMessage')}")
    return content


def _answer(clients: Clients, name: str, request: Mapping[str, Any], patience: float) -> Any:
    reason = ""

    def invoke() -> Any:
        nonlocal reason
        before, (answer, reason) = reason, _invoked(clients, name, request)
        if reason and not before:
            say("a sweep is under way: waiting for it to end")
        return answer

    try:
        return wait_until(name, invoke, patience, poll=_POLL_SECONDS)
    except DeadlineError as error:
        raise CommandError(_why_busy(name, reason)) from error


def _invoked(clients: Clients, name: str, request: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the answer, or why it takes no call now.

    Raises:
        CommandError: it can't be invoked, or does not answer.
    """
    try:
        return clients.lambda_once.invoke(FunctionName=name, Payload=json.dumps(request).encode()), ""
    except ClientError as error:
        if error.response["Error"]["Code"] != _BUSY:
            raise CommandError(f"{name} can't be invoked: {error.response['Error']['Code']}") from error
        # The account's own limit is another matter: nobody sweeps then.
        return None, str(error.response.get("Reason", _BUSY_ITSELF))
    except ReadTimeoutError as error:
        raise CommandError(f"{name} gave no answer in time; the run may go on: see its log group") from error
    except BotoCoreError as error:
        raise CommandError(f"{name} can't be invoked: {error}") from error


def _why_busy(name: str, reason: str) -> str:
    if reason == _BUSY_ITSELF:
        return f"{name} is busy: a sweep is under way; try again in a minute"
    return f"{name} can't be invoked now: the account's concurrent executions are used up ({reason})"
