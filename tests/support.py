"""What the tests share."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from scripts.tooling.waiting import DeadlineError, wait_until

EVENTS = Path(__file__).parent / "events"
_T = TypeVar("_T")


@dataclass
class Context:
    """A Lambda context, as far as the handlers and Powertools look at it."""

    function_name: str = "tenkacloud-test-function"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-test-function"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


def golden(name: str) -> Any:
    """Return a golden event of `tests/events/`, new for each call."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def wait_for(what: str, condition: Callable[[], _T | None], seconds: float = 60) -> _T:
    """Return what a condition returns as soon as it is true; fail when the time is up."""
    try:
        return wait_until(what, condition, seconds, poll=0.05)
    except DeadlineError as error:
        raise AssertionError(str(error)) from None
