"""The one way to wait: for a condition, until a deadline, saying at its end what did not come."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from scripts.tooling.project import CommandError

_T = TypeVar("_T")

#: Seconds between two looks: a local call takes a few milliseconds, one to AWS some tens.
POLL: Final = 0.1


class DeadlineError(CommandError):
    """What was waited for did not come in time."""


def wait_until(
    what: str | Callable[[], str],
    condition: Callable[[], _T | None],
    seconds: float,
    *,
    poll: float = POLL,
) -> _T:
    """Return what a condition returns as soon as it is true.

    `what` names what is waited for; a function is asked when the time is up, and can say how far it got.
    The condition is asked at once, then every `poll` seconds, and a last time after the deadline, so that a
    machine that was busy elsewhere is not taken for a condition that does not hold.

    Raises:
        DeadlineError: it is not true within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        in_time = time.monotonic() < deadline
        result = condition()
        if result:
            return result
        if not in_time:
            said = what if isinstance(what, str) else what()
            raise DeadlineError(f"{said}: not within {seconds:g} s")
        time.sleep(poll)


def is_reached(condition: Callable[[], object], seconds: float, *, poll: float = POLL) -> bool:
    """Wait likewise; tell whether the condition came true in time, for those to whom either is an answer."""
    try:
        wait_until("", lambda: bool(condition()), seconds, poll=poll)
    except DeadlineError:
        return False
    return True
