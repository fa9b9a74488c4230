"""The shape of numbers: quantiles, a histogram that strays do not flatten, outliers."""

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import NumberProfile

from .records import Histogram, Outliers

SHOWN = ("0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99")
"""Shares of the rows whose quantiles are given."""

BINS = 30
FINE = 200
"""Bins of equal share in which a distribution is kept, for later comparison."""

FENCE = 1.5
"""Tukey, *Exploratory Data Analysis* (1977): outside lies what is 1.5 interquartile ranges beyond a quartile."""

_REACH = 3.0
"""Tukey's outer fences: beyond so many interquartile ranges a value is not in the picture."""

Values = NDArray[np.float64]


def quantiles(values: Values) -> dict[str, float]:
    """By linear interpolation between the sorted finite values (Hyndman and Fan's type 7, 1996)."""
    if not len(values):
        return {}
    found = np.quantile(values, [float(each) for each in SHOWN])
    return dict(zip(SHOWN, found.tolist(), strict=True))


def histogram(values: Values) -> Histogram | None:
    """At most `BINS` bins over the bulk of finite values; None without any.

    The bulk ends at the outer fences, or at the extreme values where these are nearer. Where the quartiles are equal,
    the 1st and 99th percentile take their place. Few whole numbers get a bin each.
    """
    if not len(values):
        return None
    edges = _whole_edges(values)
    if edges is None:
        edges = np.linspace(*_bulk(values), BINS + 1)
    counts, _ = np.histogram(values, edges)
    below, above = int((values < edges[0]).sum()), int((values > edges[-1]).sum())
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()), below, above)


def outliers(values: Values) -> Outliers | None:
    """Values outside Tukey's inner fences; None below 10 values, or where half of them are equal."""
    if len(values) < 10:
        return None
    first, third = np.quantile(values, [0.25, 0.75])
    if not third > first:
        return None
    low, high = float(first - FENCE * (third - first)), float(third + FENCE * (third - first))
    return Outliers(low, high, int(((values < low) | (values > high)).sum()))


def distribution(name: str, values: Values, missing: int) -> NumberProfile:
    """Counts between at most `FINE` - 1 quantiles that are values themselves: whole, where there are few values."""
    shares = np.linspace(0, 1, FINE + 1)[1:-1]
    edges = np.unique(np.quantile(values, shares, method="inverted_cdf")) if len(values) else np.empty(0)
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return NumberProfile(name, tuple(edges.tolist()), tuple(counts.tolist()), missing)


def _bulk(values: Values) -> tuple[float, float]:
    first, third = np.quantile(values, [0.25, 0.75])
    if third > first:
        reach = _REACH * (third - first)
        low, high = max(values.min(), first - reach), min(values.max(), third + reach)
    else:
        low, high = np.quantile(values, [0.01, 0.99])
    if high > low and np.diff(np.linspace(low, high, BINS + 1)).min() > 0:
        return float(low), float(high)
    apart = max(0.5, abs(float(low)) * 1e-3)
    return float(low) - apart, float(low) + apart


def _whole_edges(values: Values) -> Values | None:
    """Edges around each whole number, where all values of the bulk are whole and not too many."""
    low, high = _bulk(values)
    low, high = np.ceil(low), np.floor(high)
    if not (1 <= high - low < BINS and max(abs(low), abs(high)) < 2**50):
        return None
    inside = values[(values >= low) & (values <= high)]
    return np.arange(low, high + 2) - 0.5 if (inside == np.rint(inside)).all() else None
