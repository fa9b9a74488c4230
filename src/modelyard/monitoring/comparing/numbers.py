"""Numbers: two sorted samples, or two histograms between the reference's quantiles, to a verdict."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.stats import (
    QuantileHistogram,
    count_between,
    jensen_shannon,
    ks_binned,
    ks_null_quantile,
    ks_p_value,
    ks_sorted,
    null_quantile,
    psi,
    quantile_edges,
    quantile_shifts,
    quantile_sorted,
    robust_scale,
    share_null_quantile,
    upper_quantile,
    wasserstein_of_weights,
    wasserstein_sorted,
)

from .judging import Measured, decided, judged, sides
from .options import CompareOptions
from .records import ColumnDrift, Verdict

BINS = 10
"""Bins of PSI and Jensen-Shannon: deciles of the reference, as credit scorers have them."""

_DISTINCT = 256
_FENCE = 1.5

Values = NDArray[np.generic]


@dataclass(frozen=True)
class Sample:
    """One side of a column: sorted values without NaN, and how many are missing."""

    values: Values
    missing: int

    @property
    def rows(self) -> int:
        """All rows, missing ones too."""
        return len(self.values) + self.missing

    @property
    def finite(self) -> Values:
        """Without infinities, which stand at the ends."""
        if self.values.dtype.kind != "f":
            return self.values
        low, high = np.searchsorted(self.values, -np.inf, "right"), np.searchsorted(self.values, np.inf, "left")
        return self.values[low:high]


def sort_sample(values: NDArray[Any]) -> Sample:
    """A side; values (n,) of any real type, NaN being missing. They are sorted in place."""
    values.sort()
    if values.dtype.kind != "f":
        return Sample(values, 0)
    missing = len(values) - int(np.searchsorted(values, np.nan, side="left"))
    return Sample(values[: len(values) - missing], missing)


def judge_numbers(
    name: str, reference: Sample, current: Sample, options: CompareOptions, *, columns: int, **facts: Any
) -> ColumnDrift:
    """Judge sorted samples, exactly. `columns`: how many are judged together; `facts` are kept in the record."""
    a, b = reference.values, current.values
    missing = missing_of(reference.missing, reference.rows, current.missing, current.rows, options, columns)
    facts |= sides((reference.rows, current.rows), (reference.missing, current.missing))
    if not len(a) or not len(b):
        return without_values(name, "number", missing, facts)
    edges = quantile_edges(a, BINS)
    x, y = reference.finite, current.finite
    found = _Found(
        ks=ks_sorted(a, b),
        bins=(count_between(a, edges), count_between(b, edges)),
        distance=wasserstein_sorted(x, y) if len(x) and len(y) else None,
        scale=robust_scale(x) if len(x) else None,
        values=a,
        rows=(len(a), len(b)),
    )
    facts |= _description(x, y, found.scale) | _picture(edges, *found.bins)
    return _judged(name, found, missing, options, columns, facts)


def judge_histograms(
    name: str,
    reference: QuantileHistogram,
    current: QuantileHistogram,
    options: CompareOptions,
    *,
    columns: int,
    **facts: Any,
) -> ColumnDrift:
    """Judge two histograms of the same edges: for rows beyond number. KS may be too small by the record's `error`."""
    rows, gone = (reference.rows, current.rows), (reference.missing, current.missing)
    whole = rows[0] + gone[0], rows[1] + gone[1]
    missing = missing_of(gone[0], whole[0], gone[1], whole[1], options, columns)
    facts |= sides(whole, gone)
    if not all(rows):
        return without_values(name, "number", missing, facts)
    points = [*reference.means(), *current.means()]
    short = np.repeat(points[0], np.maximum(1, np.rint(points[1] * 10_000)).astype(np.int64))
    edges = quantile_edges(short, BINS)
    found = _Found(
        ks=ks_binned(reference.ordered, current.ordered),
        bins=(_regrouped(reference, edges), _regrouped(current, edges)),
        distance=wasserstein_of_weights(*points) if len(points[0]) and len(points[2]) else None,
        scale=robust_scale(short) if len(short) else None,
        values=short,
        rows=rows,
    )
    facts |= {
        "error": min(reference.ks_error, current.ks_error),
        "range_ref": _range(reference),
        "range_cur": _range(current),
    }
    return _judged(name, found, missing, options, columns, facts | _picture(edges, *found.bins))


@dataclass(frozen=True)
class _Found:
    """What the distances of two sides are made of, however they were counted.

    `bins`: counts of both between the reference's deciles; `distance` is Wasserstein's, None without finite values;
    `values` sorted ones of the reference, all or few; `rows` those of both sides that have a value.
    """

    ks: float
    bins: tuple[NDArray[Any], NDArray[Any]]
    distance: float | None
    scale: float | None
    values: Values
    rows: tuple[int, int]

    @property
    def effects(self) -> dict[str, float]:
        """What may decide, by method."""
        effects = {"ks": self.ks, "psi": psi(*self.bins), "js": jensen_shannon(*self.bins)}
        return effects | (
            {"wasserstein": self.distance / self.scale} if self.distance is not None and self.scale else {}
        )


def _judged(
    name: str, found: _Found, missing: Measured, options: CompareOptions, columns: int, facts: dict[str, Any]
) -> ColumnDrift:
    effects = found.effects
    methods = [each for each in options.deciding(numeric=True) if each in effects] or ["ks"]
    deciding = [
        Measured(each, effects[each], options.threshold_of(each), _null(each, found, options, columns))
        for each in methods
    ]
    return judged(
        name,
        "number",
        deciding,
        [missing],
        found.rows,
        p_value=ks_p_value(found.ks, *found.rows),
        psi=effects["psi"],
        ks=found.ks,
        js=effects["js"],
        wasserstein=_finite(found.distance),
        wasserstein_scaled=_finite(effects.get("wasserstein")),
        **facts,
    )


def _range(found: QuantileHistogram) -> tuple[float, float] | None:
    return (found.minimum, found.maximum) if found.counts.any() else None


def _regrouped(found: QuantileHistogram, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts of coarser bins: each fine bin goes where its mean lies."""
    there = found.counts > 0
    means = found.sums[there] / found.counts[there]
    counts = np.bincount(np.searchsorted(edges, means, "left"), found.counts[there], len(edges) + 1)
    counts[0] += found.below
    counts[-1] += found.above
    return counts.astype(np.float64)


def missing_of(
    gone_ref: int, rows_ref: int, gone_cur: int, rows_cur: int, options: CompareOptions, columns: int
) -> Measured:
    """The change of the missing share, which is the total variation of missing and there."""
    before, now = gone_ref / max(1, rows_ref), gone_cur / max(1, rows_cur)
    bound = share_null_quantile(rows_ref, rows_cur, options.alpha / columns / 3)
    told = f"missing {before:.1%} → {now:.1%}"
    return Measured("missing", abs(now - before), options.threshold_of("missing"), bound, told)


def without_values(name: str, kind: Any, missing: Measured, facts: dict[str, Any]) -> ColumnDrift:
    """The verdict where one side, or both, have no value: only the missing share can be compared."""
    both = facts["missing_ref"] == facts["missing_cur"] == 1.0
    unclear = "no value on either side" if both else "too few rows to compare, and no value on one side"
    verdict: Verdict = "fail" if missing.drifted else "inconclusive"
    reason = str(missing) if missing.drifted else unclear
    return ColumnDrift(name=name, kind=kind, verdict=verdict, reason=reason, **decided(missing), **facts)


def _null(method: str, found: _Found, options: CompareOptions, columns: int) -> float:
    """What chance alone exceeds, corrected over the columns and over what may decide on each."""
    alpha = options.alpha / columns / 3
    bins, now = found.bins[0], found.rows[1]
    rows = int(bins.sum())
    if method == "wasserstein":
        return _null_of_wasserstein(found.values, rows, now, alpha)
    if method == "ks":
        floor = share_null_quantile(rows, now, alpha)
        return max(floor, _null_of_ks(found.values, rows, now, alpha))
    return null_quantile(bins, now, psi if method == "psi" else jensen_shannon, alpha=alpha, rounds=200)


def _null_of_ks(values: Values, rows: int, n_current: int, alpha: float) -> float:
    """Kolmogorov's where values are many; of few different ones their own, which ties make smaller."""
    apart = np.flatnonzero(values[1:] != values[:-1]) if len(values) < 1_000_000 else np.arange(_DISTINCT)
    if len(apart) >= _DISTINCT:
        return ks_null_quantile(rows, n_current, alpha)
    counts = np.diff(np.concatenate([[0], apart + 1, [len(values)]])) * (rows / len(values))
    return null_quantile(np.rint(counts), n_current, ks_binned, alpha=alpha, rounds=200)


def _null_of_wasserstein(values: Values, rows: int, n_current: int, alpha: float, rounds: int = 200) -> float:
    """From 512 quantile bins of the reference, each at its mean: the scaled distance of two samples of them."""
    finite = values[np.isfinite(values)].astype(np.float64)
    scale = robust_scale(finite) if len(finite) else None
    if not scale:
        return math.inf
    ends = np.unique(np.linspace(0, len(finite), 513).astype(np.int64))
    sizes = np.diff(ends)
    means = np.add.reduceat(finite, ends[:-1]) / sizes
    random, shares = np.random.default_rng(0), sizes / sizes.sum()
    first, second = (random.multinomial(n, shares, size=rounds) / n for n in (rows, n_current))
    gaps = np.abs(np.cumsum(first - second, axis=1))[:, :-1]
    return upper_quantile(gaps @ np.diff(means) / scale, alpha)


def _description(x: Values, y: Values, scale: float | None) -> dict[str, Any]:
    """Ranges, what lies outside, and where the distribution moved."""
    if not len(x) or not len(y):
        return {}
    low, high = quantile_sorted(x, 0.25), quantile_sorted(x, 0.75)
    fences = low - _FENCE * (high - low), high + _FENCE * (high - low)
    ends = float(x[0]), float(x[-1])
    median = quantile_sorted(y, 0.5) - quantile_sorted(x, 0.5)
    return {
        "range_ref": ends,
        "range_cur": (float(y[0]), float(y[-1])),
        "outside": _beyond(y, ends),
        "beyond": (_beyond(x, fences), _beyond(y, fences)),
        "quantile_shift": quantile_shifts(x, y),
        "shift": _finite(median / scale) if scale else None,
    }


def _beyond(values: Values, ends: tuple[float, float]) -> float:
    inside = int(np.searchsorted(values, ends[1], "right") - np.searchsorted(values, ends[0], "left"))
    return 1 - inside / len(values)


def _picture(edges: NDArray[np.float64], r: NDArray[Any], c: NDArray[Any]) -> dict[str, Any]:
    """Shares by bin, for the page; a bin that is one value is named by it."""
    ends = [-math.inf, *edges.tolist(), math.inf]
    labels = [_bin(low, high) for low, high in pairwise(ends)]
    return {
        "labels": tuple(labels),
        "shares_ref": tuple((r / max(1, r.sum())).tolist()),
        "shares_cur": tuple((c / max(1, c.sum())).tolist()),
    }


def _bin(low: float, high: float) -> str:
    if math.isinf(low):
        return f"≤ {high:.4g}" if math.isfinite(high) else "all"
    if math.isinf(high):
        return f"> {low:.4g}"
    return f"{high:.4g}" if np.nextafter(low, np.inf) >= high else f"{low:.4g} to {high:.4g}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
