"""Realised performance of a window against the model's baseline."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modelyard.stats import (
    auc_deviation,
    binary_intervals,
    binary_metrics,
    confusion_counts,
    multiclass_intervals,
    multiclass_metrics,
    probability_metrics,
    regression_intervals,
    regression_metrics,
)

from .records import Window
from .settings import MonitorSettings

_ERRORS = frozenset({"mae", "rmse", "median_absolute_error"})
LOWER_IS_BETTER = frozenset({"brier", "log_loss", *_ERRORS})

Floats = NDArray[np.float64]
Measured = tuple[dict[str, float], dict[str, tuple[float, float]]]
"""Metrics, and the 95% interval of each that has one."""


def realised(task: str, classes: Sequence[str], scores: Floats, labels: Floats) -> Measured:
    """Metrics of answers, `scores` (n, k), whose `labels` (n,) are known; NaN labels and scores are left out.

    Of two classes the second is the positive one.
    """
    known = ~np.isnan(labels) & ~np.isnan(scores).any(axis=1)
    s, y = scores[known], labels[known]
    if not len(y):
        return {}, {}
    if task == "binary" and len(classes) == 2:
        metrics = _with_f1(binary_metrics(s[:, 0], y))
        return metrics, binary_intervals(s[:, 0], y, metrics)
    if task == "regression":
        return regression_metrics(s[:, 0], y), regression_intervals(s[:, 0], y)
    if s.shape[1] != len(classes) or len(classes) < 2:
        return {}, {}
    confusion = confusion_counts(s.argmax(axis=1), y, len(classes))
    metrics = multiclass_metrics(confusion) | probability_metrics(s, y.astype(np.int64))
    return metrics, multiclass_intervals(confusion, s, y.astype(np.int64), metrics)


def _with_f1(metrics: dict[str, float]) -> dict[str, float]:
    """F1 too, where both that it is the harmonic mean of are known."""
    if "precision" not in metrics or "recall" not in metrics:
        return metrics
    precision, recall = metrics["precision"], metrics["recall"]
    return metrics | {"f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0}


def decline(window: Window, settings: MonitorSettings) -> float | None:
    """How much worse the monitor's metric is than the baseline, positive when worse.

    None when nobody can say: the metric or its baseline is not there, or there are fewer than `min_labels` labels.
    0 for a decline within two standard errors of a metric on so many labels. Errors in the label's unit (`mae`,
    `rmse`) are compared as shares of the baseline.
    """
    value, before = window.performance.get(settings.metric), window.baseline.get(settings.metric)
    if value is None or before is None or window.labels < settings.min_labels:
        return None
    worse = value - before if settings.metric in LOWER_IS_BETTER else before - value
    noise = 2 * _deviation(window, settings.metric, value)
    return 0.0 if 0 < worse <= noise else shortfall(settings.metric, value, before)


def shortfall(metric: str, value: float, before: float) -> float:
    """How much worse a value is than one before, positive when worse; errors in the label's unit as a share of it."""
    worse = value - before if metric in LOWER_IS_BETTER else before - value
    return worse / abs(before) if metric in _ERRORS and before else worse


def _deviation(window: Window, metric: str, value: float) -> float:
    """Standard error of a metric; of AUC with a quarter of positives, of the others as of a share, at most 1/2√n."""
    labels = window.labels
    if metric == "auc":
        positives = max(1, labels // 4)
        return auc_deviation(value, positives, max(1, labels - positives))
    if metric in _ERRORS or not 0 <= value <= 1:
        ends = window.intervals.get(metric, (value, value))
        return (ends[1] - ends[0]) / 4
    return 0.5 / math.sqrt(labels) if metric in LOWER_IS_BETTER else math.sqrt(value * (1 - value) / labels)
