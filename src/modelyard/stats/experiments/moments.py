"""What an experiment keeps of each arm: count, means and products of several values a unit, merged part by part."""

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]


class ArmMoments(msgspec.Struct, frozen=True):
    """Units, the mean of each of d values, and the sums of products of differences from the means: of two (d, d), and
    of three (d, d, d), which say how skewed they are.

    Merging is exact but for rounding: Chan, Golub and LeVeque, *Updating formulae* (1979), of products as of squares;
    Pébay, *Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments*
    (2008). Its size depends on d alone, so that a look costs the same after a week as after an hour.
    """

    count: int = 0
    means: tuple[float, ...] = ()
    products: tuple[tuple[float, ...], ...] = ()
    cubes: tuple[tuple[tuple[float, ...], ...], ...] = ()

    @classmethod
    def of(cls, values: ArrayLike) -> "ArmMoments":
        """Of finite values (units, d)."""
        rows = np.asarray(values, dtype=np.float64)
        if not len(rows):
            return cls()
        means = rows.mean(axis=0)
        apart = rows - means
        cubes = np.einsum("ni,nj,nk->ijk", apart, apart, apart)
        return cls._made(len(rows), means, apart.T @ apart, cubes)

    @classmethod
    def binary(cls, hits: int, total: int) -> "ArmMoments":
        """Of `total` units, each 0 or 1, of which `hits` are 1: what a sequential test keeps of a rate."""
        if not total:
            return cls()
        rate, square = hits / total, hits * (total - hits) / total
        return cls(total, (rate,), ((square,),), (((square * (1 - 2 * rate),),),))

    @classmethod
    def _made(cls, count: int, means: Matrix, products: Matrix, cubes: Matrix) -> "ArmMoments":
        nested = tuple(tuple(map(tuple, each)) for each in cubes.tolist())
        return cls(count, tuple(means.tolist()), tuple(map(tuple, products.tolist())), nested)

    def merge(self, other: "ArmMoments") -> "ArmMoments":
        """Of both parts together."""
        if not self.count or not other.count:
            return other if not self.count else self
        count = self.count + other.count
        one, two = np.array(self.means), np.array(other.means)
        gap = two - one
        products = np.array(self.products) + np.array(other.products)
        products += np.outer(gap, gap) * (self.count * other.count / count)
        mean = one + gap * (other.count / count)
        return self._made(count, mean, products, self._cubes_about(mean) + other._cubes_about(mean))

    @property
    def covariance(self) -> Matrix:
        """Of the values (d, d), over n - 1; NaN below two units."""
        if self.count < 2:
            return np.full((len(self.means), len(self.means)), np.nan)
        found: Matrix = np.array(self.products) / (self.count - 1)
        return found

    def _cubes_about(self, point: Matrix) -> Matrix:
        """The sums of products of three differences from a point (d, d, d)."""
        by = np.array(self.means) - point
        paired = np.multiply.outer(by, np.array(self.products))
        turned = paired + paired.transpose(1, 0, 2) + paired.transpose(1, 2, 0)
        found: Matrix = np.array(self.cubes) + turned + self.count * np.multiply.outer(np.outer(by, by), by)
        return found
