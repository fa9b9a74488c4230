"""Leaving an upstream alone that fails again and again."""

from modelyard.core import Clock


class Breaker:
    """Open after so many failures in a row; then one request a cooldown may try, until one succeeds.

    One event loop's.
    """

    __slots__ = ("_clock", "_cooldown", "_failed", "_most", "_next_trial")

    def __init__(self, clock: Clock, failures: int, cooldown_seconds: float) -> None:
        self._clock = clock
        self._most = failures
        self._cooldown = cooldown_seconds
        self._failed = 0
        self._next_trial = 0.0

    @property
    def open(self) -> bool:
        """Whether it has failed too often in a row."""
        return self._failed >= self._most

    def admits(self) -> bool:
        """Whether it may be asked now; while open, who is let in is the one that tries."""
        if not self.open:
            return True
        now = self._clock.monotonic()
        if now < self._next_trial:
            return False
        self._next_trial = now + self._cooldown
        return True

    def succeeded(self) -> None:
        """It answered."""
        self._failed = 0

    def failed(self) -> None:
        """It did not."""
        self._failed += 1
        if self._failed >= self._most:
            self._next_trial = self._clock.monotonic() + self._cooldown
