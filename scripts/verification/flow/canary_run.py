"""Running the canary by hand: synchronously, with the answer of the one run."""

import json
from typing import Any

from botocore.exceptions import ClientError

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import CANARY, Deployment
from scripts.tooling.project import CommandError


def invoke(deployment: Deployment, clients: Clients) -> dict[str, Any]:
    """Run it once; return `completed` (0 or 1) and `onboarded` (whether it was requested again).

    Raises:
        CommandError: the run failed.
    """
    name = deployment.lambda_function_names[CANARY]
    try:
        answer = clients.lambda_.invoke(FunctionName=name, Payload=b"{}")
    except ClientError as error:
        raise CommandError(f"{name} can't be invoked: {error.response['Error']['Code']}") from error
    content: dict[str, Any] = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise CommandError(f"{name} failed: {content.get('errorType')}: {content.get('errorMessage')}")
    return content
