"""Distances of two samples from their sorted values, exact, without merging them.

Sorting is all the work there is: what follows looks at few of the sorted values, or at each once.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sorted = NDArray[np.generic]
"""Ascending numbers without NaN (n,), of any real type."""

_STRIDES = (1024, 32, 1)
_CHUNK = 1 << 18


def ks_sorted(first: Sorted, second: Sorted) -> float:
    """The exact two-sample Kolmogorov-Smirnov statistic in [0, 1]; ties and infinities are values like others.

    The gap is known at every 1,024th value of `first`; between two of them it is bounded, and only where the bound
    beats the greatest gap so far is every 32nd value looked at, and then in the same way all. Smirnov, *Table for
    estimating the goodness of fit* (Annals of Mathematical Statistics 19, 1948). It weighs the middle of a
    distribution, and hardly sees the tails. Neither sample may be empty.
    """
    places = np.unique(np.append(np.arange(0, len(first), _STRIDES[0]), len(first) - 1))
    best, blocks = _looked_at(first, second, places[None, :])
    for stride, wider in zip(_STRIDES[1:], _STRIDES, strict=False):
        best, blocks = _looked_into(first, second, blocks, best, np.arange(0, wider + 1, stride))
    return min(best, 1.0)


@dataclass(frozen=True)
class _Blocks:
    """Ranges of places of `first` whose ends are known, (k,), and the greatest gap that may be inside of each."""

    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    most: NDArray[np.float64]

    def beyond(self, best: float) -> "_Blocks":
        """Those that may hold a greater gap, the greatest first."""
        open_ = np.flatnonzero((self.most > best) & (self.end - self.begin > 1))
        return self.at(open_[np.argsort(-self.most[open_])])

    def at(self, chosen: Any) -> "_Blocks":
        return _Blocks(self.begin[chosen], self.end[chosen], self.most[chosen])


def _looked_into(
    first: Sorted, second: Sorted, blocks: _Blocks, best: float, steps: NDArray[np.int64]
) -> tuple[float, _Blocks]:
    """The greatest gap at these steps of all blocks that may hold a greater one, and the blocks between the steps."""
    found, blocks = [], blocks.beyond(best)
    size = _CHUNK // len(steps)
    for at in range(0, len(blocks.begin), size):
        chosen = blocks.at(slice(at, at + size)).beyond(best)
        places = np.minimum(chosen.begin[:, None] + steps, chosen.end[:, None])
        greatest, parts = _looked_at(first, second, places)
        best = max(best, greatest)
        found.append(parts.beyond(best))
    joined = (np.concatenate([getattr(each, name) for each in found] or [[]]) for name in ("begin", "end", "most"))
    return best, _Blocks(*joined)


def _looked_at(first: Sorted, second: Sorted, places: NDArray[np.int64]) -> tuple[float, _Blocks]:
    """The greatest gap at these places (rows, k), each row ascending, and the blocks between neighbours of a row."""
    n, m = len(first), len(second)
    above, below, left, right = _gaps(first, second, places)
    begin, end = places[:, :-1], places[:, 1:]
    most = np.maximum(end / n - right[:, :-1] / m, left[:, 1:] / m - (begin + 1) / n)
    greatest = max(float(above.max(initial=0)), float(below.max(initial=0)))
    return greatest, _Blocks(begin.ravel(), end.ravel(), most.ravel())


def _gaps(
    first: Sorted, second: Sorted, at: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """How far `first` is ahead just after its values at these places, and behind just before; and ranks in `second`.

    Among equal values the last is furthest ahead and the first furthest behind, so that ties need no care.
    """
    values = first[at]
    left, right = np.searchsorted(second, values, side="left"), np.searchsorted(second, values, side="right")
    n, m = len(first), len(second)
    return (at + 1) / n - right / m, left / m - at / n, left, right


def wasserstein_sorted(first: Sorted, second: Sorted) -> float:
    """The Wasserstein-1 (earth mover's) distance of two samples of finite values, in their unit.

    The mean distance of equal quantiles: Vallender, *Calculation of the Wasserstein distance between probability
    distributions on the line* (Theory of Probability 18, 1974). One value far off moves it as far as it is off, over
    the number of rows: where strays may be, look at KS. Neither sample may be empty.
    """
    if len(first) == len(second):
        return _mean_distance(first, second)
    return _mean_distance_of_quantiles(first, second)


def _mean_distance(first: Sorted, second: Sorted) -> float:
    parts = []
    for begin in range(0, len(first), _CHUNK):
        apart = np.subtract(first[begin : begin + _CHUNK], second[begin : begin + _CHUNK], dtype=np.float64)
        parts.append(float(np.abs(apart, out=apart).sum()))
    return math.fsum(parts) / len(first)


def _mean_distance_of_quantiles(first: Sorted, second: Sorted) -> float:
    """Steps of both quantile functions in units of 1/(n·m): whole numbers, so that no step is lost to rounding."""
    n, m = len(first), len(second)
    parts = []
    for begin in range(0, n, _CHUNK):
        end = min(begin + _CHUNK, n)
        own = np.arange(begin + 1, end + 1, dtype=np.int64) * m
        other = np.arange(begin * m // n + 1, end * m // n + 1, dtype=np.int64) * n
        steps = np.sort(np.concatenate([own, other]), kind="stable")
        width = np.diff(steps, prepend=begin * m)
        apart = np.subtract(first[(steps - 1) // m], second[(steps - 1) // n], dtype=np.float64)
        parts.append(float(np.abs(apart) @ width))
    return math.fsum(parts) / n / m


def energy_sorted(first: Sorted, second: Sorted) -> float:
    """The energy distance: the root of twice the integral of the squared gap of cumulative shares, of finite values.

    In the root of the values' unit; as scipy's `energy_distance`. Székely and Rizzo, *Energy statistics* (Journal of
    Statistical Planning and Inference 143, 2013). Like Wasserstein's it follows strays. Neither sample may be empty.
    """
    both = np.sort(np.concatenate([first, second]), kind="stable").astype(np.float64)
    ranks = (np.searchsorted(each, both[:-1], side="right") / len(each) for each in (first, second))
    gap = next(ranks) - next(ranks)
    return math.sqrt(2 * float(gap**2 @ np.diff(both)))


def quantile_shifts(
    first: Sorted, second: Sorted, shares: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
) -> dict[str, float]:
    """By share, how far the quantile of `second` lies from that of `first`, in their unit: where a distribution moved.

    Quantiles are values that occur (Hyndman and Fan's type 1, 1996). Of few rows the outer ones are mostly chance.
    """
    return {f"{share:g}": quantile_sorted(second, share) - quantile_sorted(first, share) for share in shares}


def quantile_sorted(values: Sorted, share: float) -> float:
    """The least value that at least this share of the sample does not exceed; `values` must not be empty."""
    place = math.ceil(round(share * len(values), 9)) - 1
    return float(values[min(max(place, 0), len(values) - 1)])


def robust_scale(values: Sorted) -> float | None:
    """A spread that strays do not move: the interquartile range over 1.349, which is a normal's standard deviation.

    Where the quartiles are equal, the standard deviation of what lies between the 1st and 99th percentile; None where
    those are equal too. Huber, *Robust Statistics* (1981), 5.1.
    """
    spread = (quantile_sorted(values, 0.75) - quantile_sorted(values, 0.25)) / 1.349
    if spread > 0:
        return spread if math.isfinite(spread) else None
    low, high = quantile_sorted(values, 0.01), quantile_sorted(values, 0.99)
    if not (low < high and math.isfinite(high - low)):
        return None
    inner = values[np.searchsorted(values, low, "left") : np.searchsorted(values, high, "right")]
    return float(np.std(inner.astype(np.float64))) or None
