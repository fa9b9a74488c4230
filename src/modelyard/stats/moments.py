"""Mean, spread and skew of a stream, merged part by part."""

from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Moments:
    """Count, mean, and the sums of squared and cubed differences from the mean, of finite values.

    Merging is exact but for rounding: Chan, Golub and LeVeque (*Updating formulae*, 1979) for the second moment, Pébay
    (Sandia report SAND2008-6212, 2008) for the third. Nothing cancels, however far from zero the values lie.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    cubes: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike) -> "Moments":
        """The moments of finite values (n,)."""
        array = np.asarray(values, dtype=np.float64)
        if not len(array):
            return cls()
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(array.mean())
            apart = array - mean
            squared = apart * apart
            return cls(len(array), mean, float(squared.sum()), float((squared * apart).sum()))

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both parts together."""
        if not self.count or not other.count:
            return other if not self.count else self
        count, gap = self.count + other.count, other.mean - self.mean
        a, b = self.count / count, other.count / count
        squares = self.squares + other.squares + gap * gap * a * other.count
        cubes = self.cubes + other.cubes + gap * gap * gap * a * b * (self.count - other.count)
        cubes += 3 * gap * (a * other.squares - b * self.squares)
        return Moments(count, self.mean + gap * b, squares, cubes)

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation, over n - 1; None below two values, or beyond what a float holds."""
        return _finite(sqrt(self.squares / (self.count - 1))) if self.count > 1 and isfinite(self.squares) else None

    @property
    def skew(self) -> float | None:
        """Fisher and Pearson's g1, the third moment over the 1.5th power of the second, both over n.

        None below two values and where all are equal. Positive: the long tail is on the right.
        """
        if self.count < 2 or not isfinite(self.squares) or self.squares <= 0:
            return None
        spread = (self.squares / self.count) ** 1.5
        return _finite(self.cubes / self.count / spread) if spread else None


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
