"""A detector of a risen mean with a bound that holds for any distribution in [0, 1]."""

import math

from .records import Signal


class Hddm:
    """HDDM_A: drift when the mean so far exceeds the mean up to the best cut by more than Hoeffding's bound allows.

    Frías-Blanco, del Campo-Ávila, Ramos-Jiménez, Morales-Bueno, Ortiz-Díaz and Caballero-Mota (IEEE Transactions on
    Knowledge and Data Engineering 27, 2015), one-sided. The cut is where mean plus bound was least, and it is
    looked at after every value: over 10,000 unchanged errors an alarm is hundreds of times as likely as `drift`, the
    more so the nearer their rate is to a half. At the default fewer than one stream in twenty alarms at any rate.
    """

    def __init__(self, *, warning: float = 0.0005, drift: float = 0.00005) -> None:
        self._logs = {Signal.WARNING: math.log(1 / warning), Signal.DRIFT: math.log(1 / drift)}
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self._sum = 0.0
        self._cut, self._cut_sum, self._least = 0, 0.0, math.inf

    def update(self, value: float) -> Signal:
        """Take in a loss in [0, 1]."""
        self.count += 1
        self._sum += value
        reach = self._sum / self.count + math.sqrt(self._logs[Signal.DRIFT] / (2 * self.count))
        if reach <= self._least:
            self._cut, self._cut_sum, self._least = self.count, self._sum, reach
        if self._risen(Signal.DRIFT):
            self._begin()
            return Signal.DRIFT
        return Signal.WARNING if self._risen(Signal.WARNING) else Signal.STABLE

    def _risen(self, signal: Signal) -> bool:
        after = self.count - self._cut
        if after <= 0:
            return False
        apart = (self._sum - self._cut_sum) / after - self._cut_sum / self._cut
        return apart > math.sqrt(self._logs[signal] / 2 * (1 / self._cut + 1 / after))
