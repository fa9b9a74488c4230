"""Levels of two samples, few or a hundred thousand: gathered so that rare ones do not drown what the others say."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .null import Statistic, upper_quantile

FEW = 128
"""So many levels in the reference at most stand each for itself, but for those of hardly any rows."""

_HARDLY = 5
_BUCKETS = 32
_CELLS = 512

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class NewLevels:
    """Levels that only the current sample has: their share there, and the share that was to be expected.

    `expected`: the chance that the next row of the reference's own distribution is of a level it has not met, by Good
    and Turing: the share of its rows whose level occurs once. Good, *The population frequencies of species and the
    estimation of population parameters* (Biometrika 40, 1953). Of a column of ever-new values it is 1.
    """

    share: float
    expected: float

    @property
    def excess(self) -> float:
        """How much more there is than expected."""
        return max(0.0, self.share - self.expected)


def new_levels(reference: Counts, current: Counts) -> NewLevels:
    """From counts over the levels of both (n_levels,)."""
    rows, now = float(reference.sum()), float(current.sum())
    once = float((reference == 1).sum())
    return NewLevels(float(current[reference == 0].sum()) / now if now else 0.0, once / rows if rows else 0.0)


@dataclass(frozen=True)
class GatheredLevels:
    """Two samples over the same cells: levels of rows enough by themselves, the others scattered over buckets.

    A level is kept when the reference has at least `limit` rows of it. Which bucket another falls into is drawn without
    a look at its counts, and levels that the reference never met fall there too, so that an unchanged tail stays
    unchanged. `cells` are what the null is drawn from: counts of the reference, and the bucket of each.
    """

    reference: Counts
    current: Counts
    limit: float
    cells: Counts
    buckets: NDArray[np.int64]

    @property
    def folded(self) -> bool:
        """Whether there are levels that do not stand for themselves."""
        return bool((self.cells < self.limit).any())

    def null_quantile(
        self, n_current: int, statistic: Statistic, *, alpha: float, rounds: int = 200, seed: int = 0
    ) -> float:
        """What `statistic` of the gathered counts exceeds with chance `alpha` when nothing changed.

        Both sides are drawn anew from the reference's shares and gathered anew, so that choosing levels by their own
        counts is part of it. Infinity without rows.
        """
        rows = int(self.cells.sum())
        if rows <= 0 or n_current <= 0:
            return math.inf
        random, shares = np.random.default_rng(seed), self.cells / self.cells.sum()
        first = random.multinomial(rows, shares, size=rounds).astype(np.float64)
        second = random.multinomial(n_current, shares, size=rounds).astype(np.float64)
        drawn = np.asarray(statistic(*_gather(first, second, self.limit, self.buckets)))
        return upper_quantile(drawn, alpha)


def gather_levels(reference: Counts, current: Counts, *, seed: int = 0) -> GatheredLevels:
    """Gather counts over the levels of both sides (n_levels,), in an order that does not depend on the counts."""
    known = reference > 0
    few = int(known.sum()) <= FEW
    limit = float(_HARDLY) if few else max(50.0, float(reference.sum()) / _CELLS)
    drawn = np.random.default_rng(seed).integers(0, _BUCKETS, len(reference))
    kept = reference >= limit
    alone = known & (reference >= (1 if few else limit / 2))
    cells = np.concatenate([_scattered(reference, drawn, ~alone), reference[alone]])
    return GatheredLevels(
        np.concatenate([_scattered(reference, drawn, ~kept), reference[kept]]),
        np.concatenate([_scattered(current, drawn, ~kept), current[kept]]),
        limit,
        cells,
        np.concatenate([np.arange(_BUCKETS), drawn[alone]]),
    )


def _scattered(counts: Counts, buckets: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Counts:
    return np.bincount(buckets[chosen], weights=counts[chosen], minlength=_BUCKETS).astype(np.float64)


def _gather(first: Counts, second: Counts, limit: float, buckets: NDArray[np.int64]) -> tuple[Counts, Counts]:
    """Draws (rounds, n_cells), the first cells being buckets: cells that `first` does not keep are added to theirs."""
    kept = first >= limit
    kept[:, :_BUCKETS] = False
    belongs = np.equal.outer(buckets, np.arange(_BUCKETS)).astype(np.float64)
    gathered = (
        np.hstack([np.where(kept, 0.0, each) @ belongs, np.where(kept, each, 0.0)[:, _BUCKETS:]])
        for each in (first, second)
    )
    return next(gathered), next(gathered)
