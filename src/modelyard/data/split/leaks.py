"""The leak check: a feature that alone tells the label too well was probably not known at prediction time."""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Judgement, Scalar, Verdict
from modelyard.stats import auc

THRESHOLD = 0.8
"""A single honest feature of a real problem rarely reaches this AUC alone."""

ALPHA = 0.01
"""Chance, over all features of a table together, that one is called a leak when none knows the label."""


def check_leaks(
    columns: Mapping[str, Sequence[Scalar]], labels: Sequence[int | None], *, threshold: float = THRESHOLD
) -> Judgement:
    """Judge each feature by the AUC it reaches alone, in either direction; missing values count as information.

    `columns`: feature values by name, each (n_rows,); `labels` (n_rows,) of 0 and 1, rows without a label are left
    out. Categories are scored by the label's mean per level on the other half of the rows, so that rare levels prove
    nothing. Where the rows are so few that chance alone reaches the threshold, an AUC above it is inconclusive unless
    it is beyond chance too (null deviation of Mann and Whitney's U, corrected over the features). Not a proof of
    innocence: a leak spread over several features goes unseen.
    """
    known = [row for row, label in enumerate(labels) if label is not None]
    y = np.array([labels[row] for row in known], dtype=np.float64)
    areas = {name: _lone_auc([values[row] for row in known], y) for name, values in columns.items()}
    if not areas or all(area is None for area in areas.values()):
        return Judgement(Verdict.INCONCLUSIVE, ("There are no two classes to tell apart.",))
    suspects = {name: area for name, area in areas.items() if area is not None and area >= threshold}
    chance = _reached_by_chance(y, len(columns))
    leaks = tuple(
        f"Feature '{name}' alone tells the label with AUC {area:.2f} (threshold {threshold:g}): is it known at "
        f"prediction time? Remove it, or declare when it becomes available."
        for name, area in suspects.items()
        if area > chance
    )
    if leaks or not suspects:
        return Judgement(Verdict.FAIL if leaks else Verdict.PASS, leaks, {"lone_auc": areas})
    reason = f"{len(y)} rows cannot show whether {', '.join(suspects)} tells the label: chance alone can reach the AUC."
    return Judgement(Verdict.INCONCLUSIVE, (reason,), {"lone_auc": areas})


def _reached_by_chance(y: NDArray[np.float64], columns: int) -> float:
    """The AUC that features which know nothing stay below; each is tried with its missing values at either end."""
    positives = int(y.sum())
    deviation = sqrt((len(y) + 1) / (12 * positives * (len(y) - positives)))
    return 0.5 + NormalDist().inv_cdf(1 - ALPHA / (4 * columns)) * deviation


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
