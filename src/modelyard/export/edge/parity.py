"""Whether narrower weights answer as the model did: its golden rows, and the rows of its reference."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import MISSING_CODE, NumberProfile, ReferenceProfile, Signature, Task, codes_of

LABELS_EQUAL = 0.999
"""This share of rows at least must be answered with the same class."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Parity:
    """How the answers of two graphs differ.

    `labels_equal`: share of rows with the same class, None for regression. `score_error`: the largest difference of
    scores, as a probability; for regression in standard deviations of the answers before.
    """

    rows: int
    labels_equal: float | None
    score_error: float

    def within(self, tolerance: float) -> bool:
        """Whether labels are as good as all equal and no score is further off."""
        return self.score_error <= tolerance and (self.labels_equal is None or self.labels_equal >= LABELS_EQUAL)


def scale_of(task: Task, scores: Matrix) -> float:
    """What an error of scores (n, k) is measured in: 1 for probabilities, the standard deviation of other answers."""
    spread = float(scores.std()) if task == "regression" and scores.size else 1.0
    return spread or 1.0


def parity(task: Task, before: Matrix, after: Matrix) -> Parity:
    """How scores (n, k) differ; the error is infinite where an answer is no number."""
    if before.shape != after.shape or not np.isfinite(after).all():
        return Parity(len(before), None if task == "regression" else 0.0, float("inf"))
    error = float(np.abs(before - after).max(initial=0.0)) / scale_of(task, before)
    if task == "regression":
        return Parity(len(before), None, error)
    return Parity(len(before), float((_classes(task, before) == _classes(task, after)).mean()), error)


def reference_rows(profile: ReferenceProfile, signature: Signature, golden: Matrix) -> Matrix:
    """Encoded rows (n, n_fields) for the sample that a reference profile keeps: numbers are the middles of their bins.

    Columns that are not sampled are those of golden rows, in turn. Empty without a sample, and with tensors or text.
    """
    if profile.sample is None or signature.has_tensors or not len(golden):
        return golden[:0]
    sample, columns = profile.sample, {each.name: each for each in profile.columns}
    codes = codes_of(sample)
    rows = golden[np.arange(len(codes)) % len(golden)].copy()
    for at, field in enumerate(signature.fields):
        if field.name not in sample.columns:
            continue
        found, column = codes[:, sample.columns.index(field.name)], columns[field.name]
        middles = (
            _middles(column) if isinstance(column, NumberProfile) else np.arange(len(field.categories), dtype=float)
        )
        there = found < min(len(middles), MISSING_CODE)
        known = middles[np.where(there, found, 0)] if len(middles) else rows[:, at]
        rows[:, at] = np.where(there, known, np.nan if field.may_miss else rows[:, at])
    return rows


def _middles(column: NumberProfile) -> Matrix:
    """A value for each bin: its middle, and the edge itself for the two without an end."""
    edges = np.array(column.edges)
    if not len(edges):
        return edges
    return np.concatenate([edges[:1], (edges[:-1] + edges[1:]) / 2, edges[-1:]])


def _classes(task: Task, scores: Matrix) -> NDArray[Any]:
    chosen: NDArray[Any] = scores[:, 0] > 0.5 if task == "binary" else scores.argmax(axis=1)
    return chosen
