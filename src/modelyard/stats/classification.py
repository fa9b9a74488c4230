"""How well scores tell two classes apart."""

import math

import numpy as np
from numpy.typing import ArrayLike

from .ranks import mid_ranks


def auc(scores: ArrayLike, labels: ArrayLike) -> float | None:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half; in [0, 1].

    `scores` (n,), `labels` (n,) of 0 and 1. None when a class is absent. Mann-Whitney's U by mid-ranks.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    positives, negatives = int(y.sum()), int((~y).sum())
    if positives == 0 or negatives == 0:
        return None
    ranks = mid_ranks(s)[y].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def auc_deviation(area: float, positives: int, negatives: int) -> float:
    """Standard error of an AUC by Hanley and McNeil (Radiology 143, 1982); needs both classes."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    return math.sqrt(max(spread, 0.0) / (positives * negatives))


def binary_metrics(scores: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """accuracy, precision and recall at threshold .5, Brier score, log loss (scores clipped at 1e-15) and AUC.

    At exactly .5 the first class is said, as scikit-learn's classifiers and served bundles do: a gate judges the
    answers that callers will get. A metric that the data cannot give (AUC without both classes, precision without
    positives predicted) is left out.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    if len(s) == 0:
        return {}
    said = s > 0.5
    hits = int((said & y).sum())
    clipped = np.clip(s, 1e-15, 1 - 1e-15)
    metrics = {
        "accuracy": float((said == y).mean()),
        "brier": float(np.mean((s - y) ** 2)),
        "log_loss": float(-np.mean(np.where(y, np.log(clipped), np.log1p(-clipped)))),
    }
    if said.any():
        metrics["precision"] = hits / int(said.sum())
    if y.any():
        metrics["recall"] = hits / int(y.sum())
    if (area := auc(s, y)) is not None:
        metrics["auc"] = area
    return metrics
