"""Does a converted model answer as the original does? Asked on real rows and on rows made to be hard."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import Signature, Task

Matrix = NDArray[np.float64]


def original_scores(model: Any, matrix: Matrix, task: Task) -> Matrix:
    """The original's answers in the shape a bundle gives: (n, 1) for binary and regression, (n, classes) else."""
    if task == "regression":
        return np.asarray(model.predict(matrix), dtype=np.float64).reshape(len(matrix), -1)
    scores: Matrix = np.asarray(model.predict_proba(matrix), dtype=np.float64)
    return scores[:, 1:] if task == "binary" else scores


def stress_rows(signature: Signature, matrix: Matrix, *, seed: int = 0, rows: int = 500) -> Matrix:
    """Rows made to be hard: every nullable column missing in turn, values one ulp around those seen, far outliers."""
    random = np.random.default_rng(seed)
    base = matrix[random.integers(0, len(matrix), rows)]
    missing = np.repeat(base[:1], len(signature.fields), axis=0)
    np.fill_diagonal(missing, np.nan)
    missing = missing[[field.nullable for field in signature.fields]]
    numbers = np.array([field.kind == "number" for field in signature.fields])
    moved = (np.nextafter(base, np.inf), np.nextafter(base, -np.inf), base * 1e6)
    return np.concatenate([base, missing, *(np.where(numbers, each, base) for each in moved)])


def worst_error(original: Matrix, converted: Matrix) -> float:
    """The largest relative difference of scores; infinite when shapes differ or an answer is not a number."""
    if original.shape != converted.shape or not np.isfinite(converted).all():
        return float("inf")
    return float(np.max(np.abs(original - converted) / np.maximum(np.abs(original), 1e-12)))


def same_classes(original: Matrix, converted: Matrix, task: Task, tolerance: float) -> bool:
    """Whether every row gets the same class from both.

    A binary row that the original itself puts within `tolerance` of the border is no evidence: forests of few trees
    score exactly one half there, and the order of a sum decides.
    """
    if task == "regression":
        return True
    if original.shape != converted.shape:
        return False
    if task == "binary":
        clear = np.abs(original - 0.5) > tolerance
        return bool(np.array_equal((original >= 0.5)[clear], (converted >= 0.5)[clear]))
    return bool(np.array_equal(original.argmax(axis=1), converted.argmax(axis=1)))


def describe(errors: Sequence[str]) -> str:
    """What was tried, one line each."""
    return "\n  ".join(errors) or "no runtime suits this kind of model"
