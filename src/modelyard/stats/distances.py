"""Distances between two samples given as counts over the same bins or levels. All are finite on empty bins."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .sorted_samples import ks_sorted

Counts = NDArray[np.float64]


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Population stability index, sum of (c - r) ln(c / r) over bins, in nats; 0 for equal shares, no upper bound.

    `reference`, `current`: counts, shape (n_bins,). Half a count is added to every bin of both sides (Jeffreys' prior),
    so that an empty bin is small instead of infinite. Siddiqi, *Credit Risk Scorecards* (2006). Not for samples of a
    few dozen rows: its null value is about (bins - 1)(1/n + 1/m).
    """
    r = np.asarray(reference, dtype=np.float64) + 0.5
    c = np.asarray(current, dtype=np.float64) + 0.5
    r, c = r / r.sum(axis=-1, keepdims=True), c / c.sum(axis=-1, keepdims=True)
    return _plain(np.sum((c - r) * np.log(c / r), axis=-1))


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Jensen-Shannon distance of two distributions over the same bins: the root of the divergence in bits, in [0, 1].

    Counts, shape (n_bins,). Empty bins cost a bounded amount, without smoothing. Lin, *Divergence measures based on the
    Shannon entropy* (IEEE Transactions on Information Theory 37, 1991); a metric by Endres and Schindelin (2003). It
    knows no order of bins: a move to the next bin and one to the last are the same.
    """
    r, c = _shares(reference), _shares(current)
    middle = (r + c) / 2
    halves = _entropy(middle) - (_entropy(r) + _entropy(c)) / 2
    return _plain(np.sqrt(np.clip(halves, 0.0, 1.0)))


def _entropy(shares: Counts) -> Any:
    """In bits; 0·log 0 is 0."""
    return -np.sum(shares * np.log2(np.where(shares > 0, shares, 1.0)), axis=-1)


def ks_binned(reference: ArrayLike, current: ArrayLike) -> float:
    """Kolmogorov-Smirnov statistic at the bin edges: the largest gap between the two cumulative shares, in [0, 1].

    Counts in the order of the bins, shape (n_bins,). A lower bound of the exact statistic, off by at most the largest
    share that falls into one bin.
    """
    r, c = _shares(reference), _shares(current)
    gaps = np.abs(np.cumsum(r, axis=-1) - np.cumsum(c, axis=-1))
    return _plain(np.minimum(np.max(gaps, axis=-1), 1.0))  # sums of shares may end an ulp above 1


def total_variation(reference: ArrayLike, current: ArrayLike) -> float:
    """Half the summed absolute difference of shares, in [0, 1]: the largest change of any event's probability."""
    return _plain(np.minimum(0.5 * np.sum(np.abs(_shares(reference) - _shares(current)), axis=-1), 1.0))


def ks_two_sample(first: ArrayLike, second: ArrayLike) -> float:
    """The exact two-sample Kolmogorov-Smirnov statistic of two samples of finite values, in [0, 1]."""
    return ks_sorted(np.sort(np.asarray(first, dtype=np.float64)), np.sort(np.asarray(second, dtype=np.float64)))


def _shares(counts: ArrayLike) -> Counts:
    array = np.asarray(counts, dtype=np.float64)
    shares: Counts = array / np.maximum(array.sum(axis=-1, keepdims=True), 1.0)
    return shares


def _plain(value: Any) -> float:
    """A float for one pair of samples; the array itself when the caller compares many pairs along leading axes."""
    return float(value) if np.ndim(value) == 0 else value
