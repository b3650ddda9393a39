"""What the tests share."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from scripts.tooling.services import SERVICES
from scripts.tooling.waiting import DeadlineError, wait_until
from tenkacloud.events.contract import Event
from tenkacloud.events.registry import EVENTS
from tenkacloud.platform import settings
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import Clock, SystemClock
from tests.settings import ACCOUNT, ENVIRONMENT, FUNCTION_NAME, REGION

SAMPLES: Final = Path(__file__).parent / "events"
_T = TypeVar("_T")

# --- the functions, as tests run them without a stack -------------------------------------------------------

Function = Callable[[Any, Any], Any]


def bootstrap(service: str, clients: Clients, clock: Clock, **variables: str) -> Function:
    """Return a service's function, wired as at a cold start. `variables` differ from `ENVIRONMENT`."""
    module = SERVICES[service].load_bootstrap()
    given = settings.read(module.Settings, {**ENVIRONMENT, **variables})
    function: Function = module.bootstrap(given, clients, clock)
    return function


class _NoClients(Clients):
    """For a function that is wired and not invoked."""

    def _make(self, service: Any, **options: Any) -> Any:
        return None


@cache
def consumed_events(service: str) -> tuple[type[Event], ...]:
    """Return the events that a service consumes, as its consumer says it; none, if it consumes none."""
    function = bootstrap(service, _NoClients(), SystemClock())
    consumer = getattr(function, "__self__", function)
    return tuple(getattr(consumer, "events", ()))


@dataclass
class Context:
    """A Lambda context, as far as the functions and Powertools look at it."""

    function_name: str = FUNCTION_NAME
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION_NAME}"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"
    remaining: Callable[[], int] = lambda: 120_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining()


# --- events and time ----------------------------------------------------------------------------------------


def golden(name: str) -> Any:
    """Return a golden event of `tests/events/`, new for each call.

    The sample of an event between the planes is its detail: the envelope is made of what the event says of
    itself. Any other sample is whole.
    """
    sample = json.loads((SAMPLES / f"{name}.json").read_text())
    event = golden_event(name)
    return sample if event is None else envelope(event, sample)


def golden_event(name: str) -> type[Event] | None:
    """Return the event that a sample is of, by the words with which its name begins; None: it is of none."""
    found = [
        event
        for detail_type, event in EVENTS.items()
        if name.startswith(re.sub("(?<=[a-z])(?=[A-Z])", "_", detail_type).lower())
    ]
    return max(found, key=lambda event: len(event.DETAIL_TYPE), default=None)


def envelope(event: type[Event], detail: object) -> dict[str, Any]:
    """Return an event as EventBridge delivers it."""
    return {
        "version": "0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(detail))),
        "detail-type": event.DETAIL_TYPE,
        "source": event.SOURCE,
        "account": ACCOUNT,
        "time": "2026-01-02T03:04:06Z",
        "region": REGION,
        "resources": [],
        "detail": detail,
    }


def wait_for(what: str, condition: Callable[[], _T | None], seconds: float = 60) -> _T:
    """Return what a condition returns as soon as it is true; fail when the time is up."""
    try:
        return wait_until(what, condition, seconds, poll=0.05)
    except DeadlineError as error:
        raise AssertionError(str(error)) from None
