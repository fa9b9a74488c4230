"""The leak check: a feature that alone tells the label too well was probably not known at prediction time."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Judgement, Scalar, Verdict
from modelyard.stats import auc

THRESHOLD = 0.8
"""A single honest feature of a real problem rarely reaches this AUC alone."""


def check_leaks(
    columns: Mapping[str, Sequence[Scalar]], labels: Sequence[int], *, threshold: float = THRESHOLD
) -> Judgement:
    """Judge each feature by the AUC it reaches alone, in either direction; missing values count as information.

    `columns`: feature values by name, each (n_rows,); `labels` (n_rows,) of 0 and 1. Categories are scored by the
    label's mean per level on the other half of the rows, so that rare levels prove nothing. Not a proof of innocence:
    a leak spread over several features goes unseen.
    """
    y = np.asarray(labels, dtype=np.float64)
    areas = {name: _lone_auc(values, y) for name, values in columns.items()}
    if not areas or all(area is None for area in areas.values()):
        return Judgement(Verdict.INCONCLUSIVE, ("There are no two classes to tell apart.",))
    reasons = tuple(
        f"Feature '{name}' alone tells the label with AUC {area:.2f} (threshold {threshold:g}): is it known at "
        f"prediction time? Remove it, or declare when it becomes available."
        for name, area in areas.items()
        if area is not None and area >= threshold
    )
    return Judgement(Verdict.FAIL if reasons else Verdict.PASS, reasons, {"lone_auc": areas})


def _lone_auc(values: Sequence[Scalar], y: NDArray[np.float64]) -> float | None:
    if any(isinstance(value, str) for value in values):
        area = _categorical_auc(values, y)
    else:
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        area = _numeric_auc(numbers, y)
    return None if area is None else max(area, 1 - area)


def _numeric_auc(numbers: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    """Missing values stand where their own label rate puts them: all below or all above, whichever tells more."""
    missing = np.isnan(numbers)
    if missing.all():
        return None
    low, high = numbers[~missing].min() - 1, numbers[~missing].max() + 1
    areas = [auc(np.where(missing, end, numbers), y) for end in (low, high)]
    return max((area for area in areas if area is not None), key=lambda area: abs(area - 0.5), default=None)


def _categorical_auc(values: Sequence[Scalar], y: NDArray[np.float64]) -> float | None:
    _, codes = np.unique([str(value) for value in values], return_inverse=True)
    scores = np.empty(len(y))
    half = np.arange(len(y)) % 2 == 0
    for part in (half, ~half):
        other = ~part
        totals = np.bincount(codes[other], minlength=codes.max() + 1)
        positives = np.bincount(codes[other], weights=y[other], minlength=codes.max() + 1)
        rate = (positives + y.mean()) / (totals + 1)
        scores[part] = rate[codes[part]]
    return auc(scores, y)
