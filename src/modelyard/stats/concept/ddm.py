"""Detectors of a rising error rate, of errors in {0, 1}."""

import math

from .records import Signal


class Ddm:
    """The drift detection method: drift when the rate is `drift` deviations above the lowest one seen.

    Gama, Medas, Castillo and Rodrigues, *Learning with drift detection* (SBIA 2004). Quick on abrupt changes, blind to
    slow ones and to falling rates. The paper's limits of 2 and 3 deviations are looked at after every value, so that an
    unchanged stream of 10,000 errors at 10% alarms in about one of four; 4.5, the default, in fewer than one in
    twenty. It waits for `least` values and ten errors, since the lowest of few is mostly chance.
    """

    def __init__(self, *, warning: float = 3.0, drift: float = 4.5, least: int = 100) -> None:
        self._warning, self._drift, self._least = warning, drift, least
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self._errors = 0.0
        self._lowest, self._at = math.inf, (0.0, 0.0)

    def update(self, value: float) -> Signal:
        """Take in an error, 0 or 1."""
        self.count += 1
        self._errors += value
        if self.count < self._least or self._errors < 10:
            return Signal.STABLE
        rate = self._errors / self.count
        deviation = math.sqrt(rate * (1 - rate) / self.count)
        if rate + deviation <= self._lowest:
            self._lowest, self._at = rate + deviation, (rate, deviation)
        lowest, spread = self._at
        if rate + deviation > lowest + self._drift * spread:
            self._begin()
            return Signal.DRIFT
        return Signal.WARNING if rate + deviation > lowest + self._warning * spread else Signal.STABLE


class Eddm:
    """The early drift detection method: drift when errors come closer together than they did.

    Baena-García, del Campo-Ávila, Fidalgo, Bifet, Gavaldà and Morales-Bueno (IWKDDS 2006): the mean distance of errors
    plus two deviations, over its greatest so far, below `drift`. Sees slow changes early, and alarms on unchanged
    streams far more often than the others: for a hint beside one of them, not for an alert.
    """

    def __init__(self, *, warning: float = 0.95, drift: float = 0.9, least: int = 30) -> None:
        self._warning, self._drift, self._least = warning, drift, least
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self._errors, self._last = 0, 0
        self._mean = self._squares = self._greatest = 0.0

    def update(self, value: float) -> Signal:
        """Take in an error, 0 or 1."""
        self.count += 1
        if value < 0.5:
            return Signal.STABLE
        distance, self._last = self.count - self._last, self.count
        self._errors += 1
        step = distance - self._mean
        self._mean += step / self._errors
        self._squares += step * (distance - self._mean)
        reach = self._mean + 2 * math.sqrt(self._squares / self._errors)
        if self._errors < self._least:
            return Signal.STABLE
        self._greatest = max(self._greatest, reach)
        ratio = reach / self._greatest if self._greatest > 0 else 1.0
        if ratio < self._drift:
            self._begin()
            return Signal.DRIFT
        return Signal.WARNING if ratio < self._warning else Signal.STABLE
