"""How much one column tells of another. Without anything to tell (a constant, fewer than three rows): None."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .ranks import mid_ranks


def pearson(first: ArrayLike, second: ArrayLike) -> float | None:
    """Pearson's correlation of finite values (n,), in [-1, 1]: how well a straight line fits. Outliers rule it."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(a) < 3:
        return None
    a, b = _scaled(a), _scaled(b)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(a @ b / lengths, -1, 1)) if lengths > 0 else None


def spearman(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation (1904), in [-1, 1]: Pearson's of the mid-ranks; 1 for any rising relation."""
    return pearson(mid_ranks(first), mid_ranks(second))


def cramers_v(first: ArrayLike, second: ArrayLike) -> float | None:
    """Cramér's V between two columns of level codes 0, 1, … (n,), in [0, 1], corrected for its bias.

    Bergsma, *A bias-correction for Cramér's V and Tschuprow's T* (J. Korean Stat. Soc. 42, 2013): without it, columns
    of many levels look associated by chance alone.
    """
    table = _crossed(np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64))
    n, (rows, columns) = table.sum(), table.shape
    if n < 3 or rows < 2 or columns < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    squared = float(((table - expected) ** 2 / expected).sum() / n)
    corrected = max(0.0, squared - (rows - 1) * (columns - 1) / (n - 1))
    sides = rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)
    most = min(sides) - 1
    return float(min(1.0, np.sqrt(corrected / most))) if most > 0 else None


def correlation_ratio(levels: ArrayLike, values: ArrayLike) -> float | None:
    """Fisher's correlation ratio η (1925), in [0, 1]: the root of the share of a number's variance between the levels.

    `levels`: codes 0, 1, … (n,); `values`: finite numbers (n,). Levels of one row each tell everything by
    construction: ask it of columns with few levels.
    """
    codes, numbers = np.asarray(levels, dtype=np.int64), np.asarray(values, dtype=np.float64)
    if len(codes) < 3:
        return None
    numbers = _scaled(numbers)
    counts = np.bincount(codes)
    sums = np.bincount(codes, weights=numbers)
    there = counts > 0
    between, whole = float((sums[there] ** 2 / counts[there]).sum()), float(numbers @ numbers)
    return float(np.sqrt(min(1.0, between / whole))) if whole > 0 and there.sum() > 1 else None


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences from the mean, the greatest of them 1: so that squaring neither overflows nor vanishes.

    All zero where the values differ by no more than their own rounding.
    """
    greatest = float(np.abs(values).max())
    if greatest == 0:
        return values
    values = values / greatest
    apart = values - values.mean()
    most = float(np.abs(apart).max())
    return apart / most if most > 1e-15 else np.zeros_like(values)


def _crossed(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts by level of both, without levels that are not there."""
    _, a = np.unique(first, return_inverse=True)
    _, b = np.unique(second, return_inverse=True)
    shape = (int(a.max(initial=-1)) + 1, int(b.max(initial=-1)) + 1)
    table = np.bincount(a * shape[1] + b, minlength=shape[0] * shape[1])
    return table.reshape(shape).astype(np.float64)
