"""How fast long work goes, and what the user sees of it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

_T = TypeVar("_T")


@dataclass(frozen=True)
class Pace:
    """`per_second`: at most so many. `visible`: with a progress bar, on standard error."""

    per_second: float
    visible: bool

    def over(self, what: str, items: Sequence[_T]) -> Iterator[_T]:
        """Yield items, not faster than allowed."""
        began = time.monotonic()
        with Progress(console=Console(stderr=True), disable=not self.visible) as progress:
            task = progress.add_task(what, total=len(items))
            for number, item in enumerate(items):
                time.sleep(max(0.0, began + number / self.per_second - time.monotonic()))
                yield item
                progress.advance(task)
