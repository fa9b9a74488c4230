"""A window that forgets what the newest values contradict."""

import math
from itertools import accumulate

from .records import Signal

_PER_SIZE = 5


class Adwin:
    """The adaptive window: drift when two parts of it have means further apart than chance allows.

    Bifet and Gavaldà, *Learning from time-changing data with adaptive windowing* (SDM 2007): buckets of 1, 2, 4, …
    values, five of each size, so that memory grows with the logarithm of the window; cut wherever the means differ by
    more than the paper's bound at confidence `delta`. Sees rises and falls, abrupt and slow. Looked at every `every`
    values, once there are `least` on each side.
    """

    def __init__(self, *, delta: float = 0.002, every: int = 32, least: int = 10) -> None:
        self._delta, self._every, self._least = delta, every, least
        self.count = 0
        self._total = self._squares = 0.0
        self._seen = 0
        self._buckets: list[tuple[int, float, float]] = []  # oldest first: size, sum, sum of squares
        self._sizes = [0]  # how many buckets of 1, 2, 4, … values there are

    @property
    def mean(self) -> float:
        """Of the window."""
        return self._total / self.count if self.count else 0.0

    def update(self, value: float) -> Signal:
        """Take in a loss in [0, 1]."""
        self._seen += 1
        self.count += 1
        self._total += value
        self._squares += value * value
        self._buckets.append((1, value, value * value))
        self._sizes[0] += 1
        self._compress()
        if self._seen % self._every:
            return Signal.STABLE
        before, shrunk = self.mean, False
        while self._cut_somewhere():
            shrunk = True
            self._forget_oldest()
        return Signal.DRIFT if shrunk and self.mean != before else Signal.STABLE

    def _compress(self) -> None:
        """Join the two oldest buckets of a size when there are more than five of it; sizes fall towards the end."""
        power, first = 0, len(self._buckets) - self._sizes[0]
        while self._sizes[power] > _PER_SIZE:
            one, other = self._buckets[first], self._buckets[first + 1]
            self._buckets[first : first + 2] = [(one[0] + other[0], one[1] + other[1], one[2] + other[2])]
            self._sizes[power] -= 2
            power += 1
            if power == len(self._sizes):
                self._sizes.append(0)
            self._sizes[power] += 1
            first -= self._sizes[power] - 1

    def _cut_somewhere(self) -> bool:
        variance = max(0.0, self._squares / self.count - self.mean**2)
        log = math.log(2 * math.log(max(self.count, 3)) / self._delta)
        sizes = accumulate(each[0] for each in self._buckets)
        sums = accumulate(each[1] for each in self._buckets)
        return any(self._apart(n, total, variance, log) for n, total in zip(sizes, sums, strict=True))

    def _apart(self, n: int, total: float, variance: float, log: float) -> bool:
        m = self.count - n
        if min(n, m) < self._least:
            return False
        share = 1 / n + 1 / m
        bound = math.sqrt(2 * share * variance * log) + 2 / 3 * share * log
        return abs(total / n - (self._total - total) / m) > bound

    def _forget_oldest(self) -> None:
        size, total, squares = self._buckets.pop(0)
        self._sizes[size.bit_length() - 1] -= 1
        while len(self._sizes) > 1 and not self._sizes[-1]:
            self._sizes.pop()
        self.count -= size
        self._total -= total
        self._squares -= squares
