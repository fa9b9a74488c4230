"""What a detector says after each value."""

from enum import StrEnum
from typing import Protocol


class Signal(StrEnum):
    """What a detector makes of the stream so far."""

    STABLE = "stable"
    WARNING = "warning"
    DRIFT = "drift"


class Detector(Protocol):
    """Reads a stream one value a time, in memory that does not grow with it. One writer at a time.

    After `DRIFT` it has forgotten what came before and begins anew. `count` is how many values it remembers.
    """

    count: int

    def update(self, value: float) -> Signal:
        """Take a value in: an error in {0, 1}, or of `Adwin`, `Hddm` and `PageHinkley` a loss in [0, 1]."""
        ...
