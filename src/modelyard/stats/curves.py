"""Curves of a classifier of two classes by its threshold, and how far its scores are probabilities."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RocCurve:
    """By falling threshold (k,): the share of negatives and of positives that score at least so much.

    The first point is (0, 0), at an infinite threshold; the last is (1, 1). Corners only: points on a straight line
    between their neighbours are left out.
    """

    false_positive_rate: Floats
    true_positive_rate: Floats
    threshold: Floats


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """By falling threshold (k,): of those that score at least so much, how many are positive; and of the positives,
    how many score so much.
    """

    precision: Floats
    recall: Floats
    threshold: Floats

    @property
    def average(self) -> float:
        """Average precision: the sum of precision times what recall grew by. Not the trapezoid, which flatters."""
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.precision))


@dataclass(frozen=True)
class Calibration:
    """Scores in bins of equal width, the empty ones left out (b,): how many, their mean, and the share of positives."""

    lower: Floats
    counts: NDArray[np.int64]
    mean_score: Floats
    share_positive: Floats

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]: mean gap of score and share, by counts (Naeini et al., AAAI 2015)."""
        gaps = np.abs(self.mean_score - self.share_positive)
        return float(np.sum(gaps * self.counts) / self.counts.sum())


def roc_curve(scores: ArrayLike, labels: ArrayLike) -> RocCurve | None:
    """The receiver operating characteristic; None when a class is absent.

    `scores` (n,) finite, `labels` (n,) of 0 and 1. Fawcett, Pattern Recognition Letters 27 (2006).
    """
    threshold, hits, false_alarms = _by_threshold(scores, labels)
    if len(hits) == 0 or hits[-1] == 0 or false_alarms[-1] == 0:
        return None
    x, y = np.append(0.0, false_alarms / false_alarms[-1]), np.append(0.0, hits / hits[-1])
    corner = _corners(np.append(0, false_alarms), np.append(0, hits))
    return RocCurve(x[corner], y[corner], np.append(np.inf, threshold)[corner])


def precision_recall_curve(scores: ArrayLike, labels: ArrayLike) -> PrecisionRecallCurve | None:
    """Precision against recall; None without positives. `scores` (n,) finite, `labels` (n,) of 0 and 1."""
    threshold, hits, false_alarms = _by_threshold(scores, labels)
    if len(hits) == 0 or hits[-1] == 0:
        return None
    return PrecisionRecallCurve(hits / (hits + false_alarms), hits / hits[-1], threshold)


def calibration(scores: ArrayLike, labels: ArrayLike, *, bins: int = 10) -> Calibration:
    """Reliability of scores in [0, 1] against `labels` (n,) of 0 and 1, in `bins` of equal width.

    A bin holds its upper edge, and the first one 0 as well. DeGroot and Fienberg, The Statistician 32 (1983). With few
    rows a bin's share is mostly chance: look at the counts.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    edges = np.linspace(0, 1, bins + 1)
    places = np.searchsorted(edges[1:-1], s)
    counts = np.bincount(places, minlength=bins)
    kept = counts > 0
    means = np.bincount(places, weights=s, minlength=bins)[kept] / counts[kept]
    shares = np.bincount(places, weights=y, minlength=bins)[kept] / counts[kept]
    return Calibration(edges[:-1][kept], counts[kept].astype(np.int64), means, shares)


def _by_threshold(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """The different scores, falling, with how many positives and negatives score at least so much (k,)."""
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    order = np.argsort(-s, kind="stable")
    s, y = s[order], y[order]
    last = np.append(np.flatnonzero(np.diff(s)), len(s) - 1) if len(s) else np.empty(0, dtype=np.int64)
    hits = np.cumsum(y)[last]
    return s[last], hits, last + 1 - hits


def _corners(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which points of a path are its ends or bend it. Counts, so that it is exact."""
    dx, dy = np.diff(x), np.diff(y)
    bends = dx[:-1] * dy[1:] != dx[1:] * dy[:-1]
    return np.concatenate([[True], bends, [True]])
