"""What a command has of the world besides AWS: the clock, the terminal, the user. Tests give their own."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Final

from tenkacloud.platform.clock import Clock, SystemClock

if TYPE_CHECKING:
    from scripts.operator.environment import Environment

#: Columns of a table that goes into a file or a pipe.
WIDTH_ELSEWHERE: Final = 160


def connect(name: str) -> "Environment":
    """Return a deployed environment. boto3 is loaded here, and not before.

    Raises:
        CommandError: it is unknown, not deployed, or its endpoint does not run.
    """
    from scripts.operator.environment import Environment  # noqa: PLC0415 - boto3 takes half a second

    return Environment.of(name)


@dataclass(frozen=True)
class Bounds:
    """How much one list of tenants reads, however many there are.

    `look`: records, about 5 MB and 100 calls. `count`: records that are read for the sake of the total alone.
    `keys`: keys that are counted, some 10 calls.
    """

    look: int = 10_000
    count: int = 2_000
    keys: int = 50_000


@dataclass(frozen=True)
class Session:
    """One run of the tool.

    `output_is_terminal` decides on table or TSV, local time or UTC; `input_is_terminal` on whether somebody
    can be asked. `width`: columns of a table; None: the terminal's own. `timezone`: None is the computer's.
    `sweep_patience`: how long `reconcile` waits for another sweep to end, in seconds. `bounds`: of lists.
    """

    connect: "Callable[[str], Environment]" = connect
    clock: Clock = field(default_factory=SystemClock)
    output_is_terminal: bool = False
    input_is_terminal: bool = False
    width: int | None = None
    timezone: tzinfo | None = None
    ask: Callable[[str], str] = input
    sweep_patience: float = 5.0
    bounds: Bounds = field(default_factory=Bounds)

    @classmethod
    def of_this_process(cls) -> "Session":
        """Return the session of who started this process."""
        terminal = sys.stdout.isatty()
        width = None if terminal else int(os.environ.get("COLUMNS") or WIDTH_ELSEWHERE)
        return cls(output_is_terminal=terminal, input_is_terminal=sys.stdin.isatty(), width=width)
