"""Several metrics tested at once: p-values adjusted for how many there are."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values (k,): whoever rejects those up to alpha errs in any with a chance of at most alpha.

    Holm, Scandinavian Journal of Statistics 6 (1979). However the tests depend on each other; never weaker than
    Bonferroni's.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    return _back(stepped, order)


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values (k,): of those rejected up to alpha, at most a share of alpha is expected to be wrong.

    Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995). For independent or positively
    dependent tests. For many metrics to explore, not for a decision that one wrong metric would spoil.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    raised = p[order] * len(p) / np.arange(1, len(p) + 1)
    return _back(np.minimum.accumulate(raised[::-1])[::-1], order)


def _back(ordered: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    adjusted = np.empty_like(ordered)
    adjusted[order] = np.minimum(ordered, 1.0)
    return adjusted
