"""What the end-to-end tests take note of from the first one on."""

from collections import Counter
from typing import Any

import pytest

from tests.conftest import Stack


@pytest.fixture(scope="session", autouse=True)
def sweeps_by_hand(stack: Stack) -> Counter[str]:
    """How many sweeps, by function name, a test has invoked itself, and seen to end well."""
    ended: Counter[str] = Counter()

    def begins(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if b'"sweep"' in params["body"]:
            context["sweep_of"] = params["url_path"].split("/")[-2]

    def ends(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if "sweep_of" in context and not {"Error", "FunctionError"} & parsed.keys():
            ended[context["sweep_of"]] += 1

    events = stack.clients.lambda_once.meta.events
    events.register("before-call.lambda.Invoke", begins)
    events.register("after-call.lambda.Invoke", ends)
    return ended
