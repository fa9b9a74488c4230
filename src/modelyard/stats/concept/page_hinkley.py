"""A cumulative sum that grows when the mean has risen."""

from .records import Signal

_MEANT_FOR = 0.09
"""The variance of errors at 10%."""


class PageHinkley:
    """Drift when the sum of differences from the mean, less `tolerance` each, is `threshold` above its lowest.

    Page, *Continuous inspection schemes* (Biometrika 41, 1954); Hinkley (1971). Rises below `tolerance` are meant to be
    left alone. It waits for `least` values. Of errors at 10% an unchanged stream of 10,000 alarms in fewer than one of
    twenty at the defaults, which see a rise to 20% within some 600 values; a larger threshold is surer and later. Where
    values vary more than such errors the threshold is as many times higher: so high does the sum climb by chance.
    """

    def __init__(self, *, tolerance: float = 0.02, threshold: float = 20.0, least: int = 30) -> None:
        self._tolerance, self._threshold, self._least = tolerance, threshold, least
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self._mean = self._squares = self._sum = self._lowest = 0.0

    def update(self, value: float) -> Signal:
        """Take in a loss in [0, 1]."""
        self.count += 1
        before = self._mean
        self._mean += (value - before) / self.count
        self._squares += (value - before) * (value - self._mean)
        self._sum += value - self._mean - self._tolerance
        self._lowest = min(self._lowest, self._sum)
        if self.count < self._least:
            return Signal.STABLE
        risen = self._sum - self._lowest
        enough = self._threshold * max(1.0, self._squares / self.count / _MEANT_FOR)
        if risen > enough:
            self._begin()
            return Signal.DRIFT
        return Signal.WARNING if risen > enough / 2 else Signal.STABLE
