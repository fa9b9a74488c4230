"""Do two tables differ as a whole? What no column shows alone: relations between columns."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .classification import auc
from .intervals import Ends, auc_interval

Matrix = NDArray[np.float64]

_FOLDS = 5
_PRODUCTS = 24
_RIDGE = 0.02


@dataclass(frozen=True)
class DomainClassifier:
    """How well a classifier tells rows of one table from those of another, unseen: .5 not at all, 1 surely.

    `bound` is what an AUC of as many rows exceeds with chance `alpha` when nothing changed. `weights` (d,): the share
    of the separation that each column takes part in.
    """

    auc: float
    interval: Ends | None
    bound: float
    weights: NDArray[np.float64]


def domain_classifier(
    reference: ArrayLike, current: ArrayLike, *, alpha: float = 0.01, seed: int = 0
) -> DomainClassifier | None:
    """Tell rows (n, d) from rows (m, d), finite and scaled alike; None with fewer than 50 rows of a side, or d = 0.

    Fisher's discriminant with a ridge, on the columns, their squares and, of the first 24, their products, so that a
    changed correlation shows as a changed mean; scored on rows left out in turn (five folds). Lopez-Paz and Oquab,
    *Revisiting classifier two-sample tests* (ICLR 2017); its null deviation is Mann and Whitney's. Its threshold is an
    effect of the whole table: many small changes add up.
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    n, m = len(x), len(y)
    if min(n, m) < 50 or x.shape[1] == 0:
        return None
    rows, owners = _products(np.vstack([x, y]))
    labels = np.append(np.zeros(n), np.ones(m))
    folds = np.empty(n + m, dtype=np.int64)
    random = np.random.default_rng(seed)
    folds[:n], folds[n:] = random.permutation(n) % _FOLDS, random.permutation(m) % _FOLDS
    scores, used = np.empty(n + m), np.zeros(rows.shape[1])
    parts = [(rows[folds == fold], labels[folds == fold] - m / (n + m)) for fold in range(_FOLDS)]
    squares, slopes = [each.T @ each for each, _ in parts], [each.T @ told for each, told in parts]
    for fold, (left_out, _) in enumerate(parts):
        others = [at for at in range(_FOLDS) if at != fold]
        within, slope = sum(squares[at] for at in others), sum(slopes[at] for at in others)
        weights = np.linalg.solve(within / (n + m) + _RIDGE * np.eye(len(slope)), slope / (n + m))
        scores[folds == fold] = _ranked(left_out @ weights)
        used += np.abs(weights)
    area = auc(scores, labels)
    assert area is not None  # noqa: S101 - both sides have rows
    deviation = math.sqrt((n + m + 1) / (12 * n * m)) * 1.1  # folds share training rows: a little more than independent
    by_column = owners @ used
    return DomainClassifier(
        area,
        auc_interval(scores, labels, area),
        min(1.0, 0.5 + NormalDist().inv_cdf(1 - alpha) * deviation),
        by_column / max(float(by_column.sum()), 1e-12),
    )


def _products(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Columns, squares and products, standardised; and which column each is made of (d, k), products half each."""
    d = rows.shape[1]
    few = min(d, _PRODUCTS)
    i, j = np.triu_indices(few)
    made = np.hstack([rows, rows[:, i] * rows[:, j]])
    owners = np.zeros((d, made.shape[1]))
    owners[np.arange(d), np.arange(d)] = 1.0
    owners[i, d + np.arange(len(i))] += 0.5
    owners[j, d + np.arange(len(i))] += 0.5
    made -= made.mean(axis=0)
    spread = made.std(axis=0)
    kept = spread > 1e-9
    return made[:, kept] / spread[kept], owners[:, kept]


def _ranked(scores: Matrix) -> Matrix:
    """Ranks in (0, 1): scores of different folds are of different scales."""
    order = np.empty(len(scores))
    order[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    return (order + 0.5) / len(scores)


@dataclass(frozen=True)
class Reconstruction:
    """Mean squared error of rows rebuilt from the reference's main components.

    `reference` is of rows that the components were not made of; `effect` the change in standard deviations of a row's
    error there; `bound` what its size exceeds with chance `alpha` when nothing changed; `components` how many were
    kept.
    """

    reference: float
    current: float
    effect: float
    bound: float
    components: int


def pca_reconstruction(
    reference: ArrayLike, current: ArrayLike, *, variance: float = 0.65, alpha: float = 0.01
) -> Reconstruction | None:
    """Rebuild rows from the components that carry `variance` of the reference; None below 50 rows or two columns.

    Every second row of the reference makes the components, the others are rebuilt. It falls when columns move along
    the components and rises when they leave them: relations between columns changed. Blind to a change of the mean
    along a component. Jackson and Mudholkar, *Control procedures for residuals associated with principal component
    analysis* (Technometrics 21, 1979).
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if min(len(x), len(y)) < 50 or x.shape[1] < 2:
        return None
    made, held = x[::2], x[1::2]
    middle, spread = made.mean(axis=0), made.std(axis=0)
    kept = spread > 1e-9
    if kept.sum() < 2:
        return None
    scale = [(each[:, kept] - middle[kept]) / spread[kept] for each in (made, held, y)]
    strength, axes = np.linalg.eigh(scale[0].T @ scale[0])  # the weakest first
    shares = np.cumsum(strength[::-1]) / float(strength.sum())
    count = min(int(np.searchsorted(shares, variance)) + 1, len(strength) - 1)
    left_out = axes[:, : len(strength) - count]
    before, now = (((each @ left_out) ** 2).sum(axis=1) / len(strength) for each in scale[1:])
    deviation = float(before.std(ddof=1)) or 1e-12
    noise = math.sqrt(1 / len(before) + float(now.var(ddof=1)) / deviation**2 / len(now) + 1 / len(made))
    return Reconstruction(
        float(before.mean()),
        float(now.mean()),
        (float(now.mean()) - float(before.mean())) / deviation,
        NormalDist().inv_cdf(1 - alpha / 2) * noise,
        count,
    )


def rank_scores(reference: ArrayLike, current: ArrayLike) -> tuple[Matrix, Matrix]:
    """Columns (n, d), (m, d) as normal scores of the reference's ranks: no stray and no unit counts; NaN is 0.

    A value gets the normal quantile of its mid-rank among the reference's, at most ±3. van der Waerden (1952).
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    pairs = [_scores(x[:, at], y[:, at]) for at in range(x.shape[1])]
    if not pairs:
        return np.empty((len(x), 0)), np.empty((len(y), 0))
    return np.column_stack([first for first, _ in pairs]), np.column_stack([second for _, second in pairs])


def _scores(first: Matrix, second: Matrix) -> tuple[Matrix, Matrix]:
    from scipy.special import ndtri  # noqa: PLC0415 - scipy takes half a second, and few of the room need it

    known = np.sort(first[~np.isnan(first)])
    if not len(known):
        return np.zeros(len(first)), np.zeros(len(second))
    found = []
    for each in (first, second):
        middle = (np.searchsorted(known, each, "left") + np.searchsorted(known, each, "right")) / 2
        scores = np.clip(ndtri(np.clip(middle / len(known), 1e-3, 1 - 1e-3)), -3, 3)
        found.append(np.where(np.isnan(each), 0.0, scores))
    return found[0], found[1]
