"""Two samples of levels as a table of counts: are they of one distribution?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class ChiSquare:
    """A chi-square test of homogeneity: `effect` is Cramér's V of the table in [0, 1], which rows do not inflate."""

    statistic: float
    degrees: int
    p_value: float
    effect: float


def two_sample_chi_square(reference: ArrayLike, current: ArrayLike) -> ChiSquare | None:
    """Pearson's test that two samples of levels (counts over the same levels, (n_levels,)) have one distribution.

    Both sides are samples: the expected counts are those of both together, so that a level which the reference never
    met costs what its rows are worth instead of everything. Without continuity correction. None where a side is empty
    or there are not two levels. Pearson, *On the probability that two independent distributions of frequency are really
    samples from the same population* (Biometrika 8, 1911). The p-value is for expected counts of about 5 and more, and
    falls with the number of rows however small the change: not a measure of drift.
    """
    table = np.array([np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)])
    table = table[:, table.sum(axis=0) > 0]
    sides, levels, total = table.sum(axis=1), table.sum(axis=0), float(table.sum())
    if table.shape[1] < 2 or (sides == 0).any():
        return None
    expected = np.outer(sides, levels) / total
    statistic = float(((table - expected) ** 2 / expected).sum())
    degrees = table.shape[1] - 1
    return ChiSquare(statistic, degrees, chi_square_tail(statistic, degrees), min(1.0, math.sqrt(statistic / total)))


def chi_square_tail(statistic: float, degrees: int) -> float:
    """The chance that a chi-square variable with so many degrees of freedom is at least `statistic`."""
    from scipy.special import chdtrc  # noqa: PLC0415 - scipy takes half a second, and few who import the room need it

    return float(chdtrc(degrees, statistic))
