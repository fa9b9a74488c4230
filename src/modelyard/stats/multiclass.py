"""How well predicted classes, and their probabilities, meet the true ones."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .classification import auc


def confusion_counts(predicted: ArrayLike, labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    """How often each class (row) was taken for each (column): (classes, classes). Both (n,), codes from 0."""
    p, y = np.asarray(predicted, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    return np.bincount(y * classes + p, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def multiclass_metrics(confusion: NDArray[np.int64]) -> dict[str, float]:
    """`accuracy`, and the plain means over classes of `precision`, `recall` and F1 (`f1`), from confusion counts.

    A class that was never predicted has precision 0, one that never occurred recall 0; classes that are in neither do
    not count. Means over classes weigh a rare class like a common one. Empty without rows.
    """
    total = int(confusion.sum())
    if total == 0:
        return {}
    hits, said, true = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    present = (said + true) > 0
    precision = (hits / np.maximum(said, 1))[present]
    recall = (hits / np.maximum(true, 1))[present]
    f1 = (2 * hits / np.maximum(said + true, 1))[present]
    return {
        "accuracy": float(hits.sum() / total),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float(f1.mean()),
    }


def probability_metrics(probabilities: NDArray[np.float64], labels: ArrayLike) -> dict[str, float]:
    """`log_loss`, and `auc`: the mean over classes of one class against the rest, when every class occurs.

    `probabilities` (n, classes), rows summing to 1; `labels` (n,) codes from 0.
    """
    y = np.asarray(labels, dtype=np.int64)
    if len(y) == 0:
        return {}
    metrics = {"log_loss": float(-np.mean(np.log(np.clip(probabilities[np.arange(len(y)), y], 1e-15, 1.0))))}
    areas = [auc(column, y == code) for code, column in enumerate(probabilities.T)]
    known = [area for area in areas if area is not None]
    return metrics | ({"auc": float(np.mean(known))} if len(known) == len(areas) else {})
