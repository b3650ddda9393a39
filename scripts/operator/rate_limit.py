"""How fast work is sent, and how long somebody waits for it."""

from datetime import timedelta

from tenkacloud.platform.clock import Clock


class RateLimit:
    """Lets at most so many pass in a second. Only what is sent asks: looking and skipping cost nothing."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._interval = timedelta(seconds=1 / per_second)
        self._clock = clock
        self._next = clock.now()

    def wait(self) -> None:
        """Return when the next one may be sent."""
        now = self._clock.now()
        if now < self._next:
            self._clock.sleep((self._next - now).total_seconds())
        self._next = max(self._next, now) + self._interval
