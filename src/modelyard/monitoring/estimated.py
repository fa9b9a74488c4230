"""Performance before labels are known, from the answers of earlier windows whose labels are."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from modelyard.stats import estimate_binary

from .records import Estimated

Calibration = tuple[tuple[float, float, int], ...]
"""(least score, share of positives, rows) between quantiles of the scores."""

_BINS, _ROWS, _NOW, _ROUNDS = 20, 20_000, 5_000, 60

Floats = NDArray[np.float64]


def calibration_of(scores: Floats, labels: Floats) -> Calibration:
    """What labelled answers say of scores (n,) with `labels` (n,) of 0 and 1, NaN where unknown; small to keep."""
    known = ~np.isnan(labels) & ~np.isnan(scores)
    s, y = scores[known], labels[known]
    if not len(s):
        return ()
    quantiles = np.quantile(s, np.linspace(0, 1, _BINS + 1)[1:-1])
    edges = np.unique([*quantiles, 0.5])  # no bin holds answers of both classes
    bins = np.searchsorted(edges, s, side="left")
    rows = np.bincount(bins, minlength=len(edges) + 1)
    hits, least = np.bincount(bins, weights=y, minlength=len(rows)), np.full(len(rows), np.inf)
    np.minimum.at(least, bins, s)
    return tuple((float(low), float(b / n), int(n)) for low, b, n in zip(least, hits, rows, strict=True) if n)


def estimated(known: Sequence[Calibration], scores: Floats) -> dict[str, Estimated]:
    """The metrics of a binary classifier's unlabelled scores (m,), by what earlier labelled answers say of scores.

    Confidence-based performance estimation; see `stats.estimate_binary` for what it is blind to. Of at most 5,000
    scores, evenly from all, so that the interval is never narrower than they allow. Empty with fewer than 50 labels.
    """
    told = [each for part in known for each in part]
    total = sum(rows for *_, rows in told)
    now = scores[~np.isnan(scores)]
    if total < 50 or not len(now):
        return {}
    share = min(1.0, _ROWS / total)
    reference, labels = [], []
    for score, positive, count in told:
        rows = max(1, round(count * share))
        hits = round(positive * rows)
        reference.append(np.full(rows, score))
        labels.append(np.repeat([1.0, 0.0], [hits, rows - hits]))
    if len(now) > _NOW:
        now = now[np.linspace(0, len(now) - 1, _NOW).astype(np.int64)]
    found = estimate_binary(np.concatenate(reference), np.concatenate(labels), now, rounds=_ROUNDS)
    return {name: Estimated(each.value, each.lower, each.upper, "CBPE") for name, each in found.items()}


def contradicted(
    estimates: Mapping[str, Estimated], intervals: Mapping[str, tuple[float, float]]
) -> dict[str, Estimated]:
    """The estimates, marked where realised performance, known to lie in an interval, lies elsewhere."""
    return {
        name: Estimated(each.value, each.lower, each.upper, each.method, _apart(each, intervals.get(name)))
        for name, each in estimates.items()
    }


def _apart(estimate: Estimated, ends: tuple[float, float] | None) -> bool:
    return ends is not None and (ends[0] > estimate.upper or ends[1] < estimate.lower)
