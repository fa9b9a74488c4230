"""Two samples of vectors, as embeddings are: how far apart, and how far chance would put them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .null import upper_quantile

Matrix = NDArray[np.float64]
OfMeans = Callable[[float, float, float], float]
"""From the mean over pairs between the samples, within the first, within the second."""

MOST = 1_000
"""So many vectors of each side are looked at: distances grow with their square."""


@dataclass(frozen=True)
class VectorDistance:
    """A distance of two samples of vectors with its null: what chance alone exceeds with chance `alpha`."""

    statistic: float
    bound: float
    p_value: float


def vector_energy(
    reference: ArrayLike, current: ArrayLike, *, alpha: float = 0.01, rounds: int = 100, seed: int = 0
) -> VectorDistance | None:
    """The energy coefficient of two samples of finite vectors (n, d) and (m, d), in [0, 1]; None below two of a side.

    The share of the mean distance between the samples that is not within them: (2E|X-Y| - E|X-X'| - E|Y-Y'|) / 2E|X-Y|,
    zero only for equal distributions. Székely and Rizzo, *Energy statistics* (2013). Its null is of permutations of the
    rows. Of at most 1,000 vectors a side, drawn evenly. In many dimensions of noise a move in one of them is small
    beside the distances: reduce the dimensions first.
    """
    random = np.random.default_rng(seed)
    x, y = (_drawn(each, random) for each in (reference, current))
    if min(len(x), len(y)) < 2:
        return None
    return _permuted(_distances(np.vstack([x, y])), len(x), _energy, alpha, rounds, random)


def mmd(
    reference: ArrayLike, current: ArrayLike, *, alpha: float = 0.01, rounds: int = 100, seed: int = 0
) -> VectorDistance | None:
    """The squared maximum mean discrepancy with a Gaussian kernel as wide as the median distance; None as above.

    Gretton, Borgwardt, Rasch, Schölkopf and Smola, *A kernel two-sample test* (JMLR 13, 2012), the biased estimate,
    which is never negative. Its size says little by itself: read it beside its bound. Scale the columns first.
    """
    random = np.random.default_rng(seed)
    x, y = (_drawn(each, random) for each in (reference, current))
    if min(len(x), len(y)) < 2:
        return None
    apart = _distances(np.vstack([x, y]))
    width = float(np.median(apart[np.triu_indices(len(apart), 1)])) or 1.0
    return _permuted(np.exp(-(apart**2) / (2 * width**2)), len(x), _discrepancy, alpha, rounds, random)


def _drawn(values: ArrayLike, random: np.random.Generator) -> Matrix:
    rows = np.asarray(values, dtype=np.float64)
    return rows if len(rows) <= MOST else rows[np.sort(random.choice(len(rows), MOST, replace=False))]


def _distances(rows: Matrix) -> Matrix:
    """Euclidean, (n, n)."""
    rows = rows - rows.mean(axis=0)
    squares = np.einsum("ij,ij->i", rows, rows)
    found: Matrix = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * rows @ rows.T, 0.0))
    np.fill_diagonal(found, 0.0)
    return found


def _energy(between: float, first: float, second: float) -> float:
    return max(0.0, (2 * between - first - second) / (2 * between)) if between > 0 else 0.0


def _discrepancy(between: float, first: float, second: float) -> float:
    return max(0.0, first + second - 2 * between)


def _permuted(
    pairs: Matrix, n: int, statistic: OfMeans, alpha: float, rounds: int, random: np.random.Generator
) -> VectorDistance:
    """The statistic of the first n rows against the others, and of as many sets of n drawn rows."""
    total = len(pairs)
    sides = np.zeros((rounds + 1, total))
    sides[0, :n] = 1
    for row in sides[1:]:
        row[random.choice(total, n, replace=False)] = 1
    inside = np.einsum("ri,ri->r", sides @ pairs, sides)
    rows = sides @ pairs.sum(axis=1)
    between, whole = rows - inside, float(pairs.sum())
    m = total - n
    found = [
        statistic(b / (n * m), i / n**2, (whole - i - 2 * b) / m**2)
        for b, i in zip(between.tolist(), inside.tolist(), strict=True)
    ]
    least = (1 + sum(each >= found[0] for each in found[1:])) / (rounds + 1)
    return VectorDistance(found[0], upper_quantile(found[1:], alpha), least)


def centroid_shift(reference: ArrayLike, current: ArrayLike) -> float | None:
    """How far the mean moved, over the root mean squared distance of the reference from its own.

    None where that is 0 or a side is empty. In the units of spread that a shift of a number has; blind to all but
    means.
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if not len(x) or not len(y):
        return None
    spread = math.sqrt(float(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean()))
    return float(np.linalg.norm(y.mean(axis=0) - x.mean(axis=0))) / spread if spread > 0 else None
