"""Realised performance of a window against the model's baseline."""

import math

from modelyard.stats import auc_deviation

from .records import Window
from .settings import MonitorSettings

_LOWER_IS_BETTER = frozenset({"brier", "log_loss"})


def decline(window: Window, settings: MonitorSettings) -> float | None:
    """How much worse the monitor's metric is than the baseline, positive when worse.

    None when nobody can say: the metric or its baseline is not there, or there are fewer than `min_labels` labels.
    0 for a decline within two standard errors of a metric on so many labels.
    """
    value, before = window.performance.get(settings.metric), window.baseline.get(settings.metric)
    if value is None or before is None or window.labels < settings.min_labels:
        return None
    worse = value - before if settings.metric in _LOWER_IS_BETTER else before - value
    noise = 2 * _deviation(settings.metric, value, window.labels)
    return 0.0 if 0 < worse <= noise else worse


def _deviation(metric: str, value: float, labels: int) -> float:
    """Standard error of a metric; of AUC with a quarter of positives, of the others as of a share, at most 1/2√n."""
    if metric == "auc":
        positives = max(1, labels // 4)
        return auc_deviation(value, positives, max(1, labels - positives))
    return 0.5 / math.sqrt(labels) if metric in _LOWER_IS_BETTER else math.sqrt(value * (1 - value) / labels)
