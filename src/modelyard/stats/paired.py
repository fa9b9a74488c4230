"""How much better one model is than another on the same rows: an interval of the difference.

Two models make most of their mistakes on the same rows, so that their difference is known far better than either value.
Rows must be independent, and neither model may have learned from them.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .classification import auc
from .intervals import LEVEL, auc_parts, mean_interval

PAIRED = ("auc", "accuracy", "brier", "log_loss")
"""The metrics of two classes whose difference has an interval here."""


@dataclass(frozen=True)
class PairedDifference:
    """A metric of `candidate` and `champion` on `rows` of their own; positive differences are better, of losses too."""

    candidate: float
    champion: float
    difference: float
    lower: float
    upper: float
    rows: int


def paired_difference(
    metric: str, candidate: ArrayLike, champion: ArrayLike, labels: ArrayLike, *, level: float = LEVEL
) -> PairedDifference | None:
    """The difference of a metric for two models' scores (n,) of the class 1, and `labels` (n,) of 0 and 1.

    Of an AUC by the correlated components of DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988); of the others,
    which are means over rows, by the deviation of the rows' differences. Normal: not for fewer than some thirty rows of
    a class. None where chance cannot be told: fewer than two rows, of an AUC fewer than two of a class. ValueError for
    other metrics and for NaN.
    """
    if metric not in PAIRED:
        raise ValueError(f"{metric} is none of {', '.join(PAIRED)}")
    one, other = np.asarray(candidate, dtype=np.float64), np.asarray(champion, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    if np.isnan(one).any() or np.isnan(other).any() or np.isnan(y).any():
        raise ValueError("scores and labels must be numbers")
    if metric == "auc":
        return _of_areas(one, other, y > 0.5, level)
    better = _losses(metric, other, y) - _losses(metric, one, y)
    ends = mean_interval(better, level=level)
    if ends is None:
        return None
    first, second = (float(_losses(metric, each, y).mean()) for each in (one, other))
    if metric == "accuracy":
        first, second = 1 - first, 1 - second
    return PairedDifference(first, second, float(better.mean()), *ends, len(y))


def _of_areas(
    one: NDArray[np.float64], other: NDArray[np.float64], y: NDArray[np.bool_], level: float
) -> PairedDifference | None:
    parts, others = auc_parts(one, y), auc_parts(other, y)
    first, second = auc(one, y), auc(other, y)
    if parts is None or others is None or first is None or second is None:
        return None
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(float(np.sum((parts - others) ** 2)))
    return PairedDifference(first, second, first - second, first - second - half, first - second + half, len(y))


def _losses(metric: str, scores: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each row costs (n,)."""
    if metric == "accuracy":
        return np.asarray((scores > 0.5) != (y > 0.5), dtype=np.float64)
    if metric == "brier":
        return np.asarray((scores - y) ** 2)
    clipped = np.clip(scores, 1e-15, 1 - 1e-15)
    return np.asarray(-np.where(y > 0.5, np.log(clipped), np.log1p(-clipped)))
