"""Making several AWS calls that do not depend on each other."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

#: More at a time than one silo bucket needs would only open more connections.
_THREADS_MAX: Final = 5

Call = Callable[[], None]


def side_by_side(calls: Sequence[Call]) -> list[BaseException | None]:
    """Make the calls at the same time; return the error of each, None for success, once all have ended.

    No thread outlives the function: Lambda would freeze it in the middle of a call.
    """
    with ThreadPoolExecutor(_THREADS_MAX) as pool:
        return [future.exception() for future in [pool.submit(call) for call in calls]]


def one_by_one(calls: Sequence[Call]) -> list[BaseException | None]:
    """Make the calls in their order, all of them; return the error of each, None for success."""
    return [_error_of(call) for call in calls]


def _error_of(call: Call) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - returned, for the caller to raise
        return error
    return None
