"""What an experiment keeps of each arm: count, means and products of several values a unit, merged part by part."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]


class ArmMoments(msgspec.Struct, frozen=True):
    """Units, the mean of each of d values, and the sums of products of differences from the means (d, d).

    Merging is exact but for rounding: Chan, Golub and LeVeque, *Updating formulae* (1979), of products as of squares.
    Its size depends on d alone, so that a look costs the same after a week as after an hour.
    """

    count: int = 0
    means: tuple[float, ...] = ()
    products: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, values: ArrayLike) -> "ArmMoments":
        """Of finite values (units, d)."""
        rows = np.asarray(values, dtype=np.float64)
        if not len(rows):
            return cls()
        means = rows.mean(axis=0)
        apart = rows - means
        return cls._made(len(rows), means, apart.T @ apart)

    @classmethod
    def binary(cls, hits: int, total: int) -> "ArmMoments":
        """Of `total` units, each 0 or 1, of which `hits` are 1: what a sequential test keeps of a rate."""
        if not total:
            return cls()
        return cls(total, (hits / total,), ((hits * (total - hits) / total,),))

    @classmethod
    def _made(cls, count: int, means: Matrix, products: Matrix) -> "ArmMoments":
        return cls(count, tuple(means.tolist()), tuple(map(tuple, products.tolist())))

    def merge(self, other: "ArmMoments") -> "ArmMoments":
        """Of both parts together."""
        if not self.count or not other.count:
            return other if not self.count else self
        count = self.count + other.count
        one, two = np.array(self.means), np.array(other.means)
        gap = two - one
        products = np.array(self.products) + np.array(other.products)
        products += np.outer(gap, gap) * (self.count * other.count / count)
        return self._made(count, one + gap * (other.count / count), products)

    def only(self, places: Sequence[int]) -> "ArmMoments":
        """Of some of the values."""
        if not self.count:
            return self
        picked = np.array(self.products)[np.ix_(places, places)]
        return self._made(self.count, np.array(self.means)[list(places)], picked)

    @property
    def covariance(self) -> Matrix:
        """Of the values (d, d), over n - 1; NaN below two units."""
        if self.count < 2:
            return np.full((len(self.means), len(self.means)), np.nan)
        found: Matrix = np.array(self.products) / (self.count - 1)
        return found
