"""A function's log lines belong to the invocation that wrote them.

The engine reads what a function prints in a thread, and takes for the whole log what that thread has got once
5 ms brought nothing more. On a busy machine the rest, metrics among it, would only show with the next
invocation, or never.
"""

import array
import fcntl
import termios
import time
from collections.abc import Callable
from typing import IO, Any, Final

#: Seconds after which an invocation goes on without the rest of its log.
_LIMIT: Final = 2.0


def install(replace: Callable[..., None]) -> None:
    """Let an invocation wait for its log, as long as there is some."""
    replace(
        "ministack.core.lambda_runtime",
        "Worker._drain_stderr_bounded",
        "self first_line_wait idle_confirm hard_cap",
        whole,
    )


def whole(drain: Callable[..., str]) -> Callable[..., str]:
    """Return a drain of a worker's log that ends when nothing is left in the pipe."""

    def drained(worker: Any, *waits: float, **named_waits: float) -> str:
        ends = time.monotonic() + _LIMIT
        parts = [drain(worker, *waits, **named_waits)]
        while worker._proc and unread(worker._proc.stderr) and time.monotonic() < ends:
            parts.append(drain(worker, *waits, **named_waits))
        parts.append(worker._drain_stderr())  # what the thread took meanwhile; waits for nothing
        return "\n".join(part for part in parts if part)

    return drained


def unread(pipe: IO[str]) -> int:
    """Return how many bytes of a pipe nobody has read yet; 0 for one that is closed."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(pipe.fileno(), termios.FIONREAD, count)
    except (OSError, ValueError):
        return 0
    return count[0]
