"""Does a converted model answer as the original does? Asked on real rows and on rows made to be hard."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import Signature, Task

Matrix = NDArray[np.float64]

PROBABILITY_FLOOR = 1e-6
"""Smaller probabilities are compared as if they were so large."""

_LEVELS = 100


def stress_rows(signature: Signature, matrix: Matrix, *, seed: int = 0, rows: int = 300) -> Matrix:
    """Rows made to be hard, all of which the signature lets in.

    Every column that may be missing so in turn, and all at once; every level; one ulp around values seen; far outliers;
    infinities where they are let in.
    """
    random = np.random.default_rng(seed)
    base = matrix[random.integers(0, len(matrix), rows)]
    fields = signature.fields
    holes = [at for at, field in enumerate(fields) if field.may_miss]
    single = [_changed(base, [at], np.nan) for at in holes]
    everything = [_changed(base, holes, np.nan)] if holes else []
    levels = [
        _changed(base, [at], float(code))
        for at, field in enumerate(fields)
        for code in range(min(len(field.categories), _LEVELS))
    ]
    ends = [_changed(base, [at], end) for at, f in enumerate(fields) if not f.finite for end in (np.inf, -np.inf)]
    numbers = np.array([field.kind == "number" for field in fields])
    largest = np.array([np.inf if field.largest is None else field.largest for field in fields])
    far = np.clip(base * 1e6, -largest, largest)
    moved = (np.nextafter(base, np.inf), np.nextafter(base, -np.inf), far)
    return np.concatenate([base, *single, *everything, *levels, *ends, *(np.where(numbers, m, base) for m in moved)])


def _changed(base: Matrix, places: Sequence[int], value: float) -> Matrix:
    """One row of the base with a value at these places."""
    row = base[:1].copy()
    row[0, list(places)] = value
    return row


def floor_of(task: Task, expected: Matrix, *, share: float = 1e-3) -> float:
    """Below which size a score's difference is no longer relative to the score itself.

    Of probabilities one in a million; of values a thousandth of their spread, or another `share`, for near zero they
    are what is left of larger terms that cancel.
    """
    if task != "regression":
        return PROBABILITY_FLOOR
    spread = float(np.std(expected)) if expected.size else 0.0
    return max(spread * share, 1e-12)


def same_classes(original: Matrix, converted: Matrix, task: Task, tolerance: float) -> bool:
    """Whether every row gets the same class from both.

    A row that the original itself puts within `tolerance` of the border is no evidence: forests of few trees score
    exactly one half there, and the order of a sum decides.
    """
    if task == "regression":
        return True
    if original.shape != converted.shape:
        return False
    if task == "binary":
        clear = np.abs(original[:, 0] - 0.5) > tolerance
        return bool(np.array_equal((original > 0.5)[clear], (converted > 0.5)[clear]))
    top = np.sort(original, axis=1)[:, -2:]
    clear = top[:, 1] - top[:, 0] > tolerance
    return bool(np.array_equal(original.argmax(axis=1)[clear], converted.argmax(axis=1)[clear]))


def describe(errors: Sequence[str]) -> str:
    """What was tried, one line each."""
    return "\n  ".join(errors) or "no runtime suits this kind of model"
