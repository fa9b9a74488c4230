"""How far from the truth a metric of some rows may be: intervals that hold it at a given level.

Rows must be independent: of several rows of one customer, or of one day, the intervals are too narrow.
"""

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .multiclass import multiclass_metrics
from .ranks import mid_ranks

Ends = tuple[float, float]
"""The lower and upper end of an interval."""

LEVEL = 0.95
_ROUNDS = 500
_CELLS = 10_000


def wilson(hits: float, total: float, *, level: float = LEVEL) -> Ends | None:
    """Of a share `hits / total`, in [0, 1]: Wilson's score interval; None of no rows.

    Wilson, Journal of the American Statistical Association 22 (1927); recommended for any number of rows by Brown, Cai
    and DasGupta, Statistical Science 16 (2001).
    """
    if total <= 0:
        return None
    z = _z(level)
    share, shrink = hits / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (0.0 if hits == 0 else max(0.0, middle - half)), (1.0 if hits == total else min(1.0, middle + half))


def at_most(hits: int, total: int, *, level: float = LEVEL) -> float:
    """The largest share with which no more than `hits` of `total` are to be expected: a bound with this confidence.

    Clopper and Pearson, Biometrika 26 (1934), one-sided: exact, and 1 where there was nothing to count.
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - scipy takes half a second, and few of the room need it

    return 1.0 if hits >= total else float(betaincinv(hits + 1, total - hits, level))


def share_difference(hits: float, total: float, others: float, rest: float, *, level: float = LEVEL) -> Ends:
    """Of the difference of two shares, `hits / total - others / rest`, of independent rows; both totals above 0.

    Newcombe's hybrid score interval, method 10: Statistics in Medicine 17 (1998), 873-890.
    """
    first, second = wilson(hits, total, level=level), wilson(others, rest, level=level)
    if first is None or second is None:
        raise ValueError("a share needs rows")
    one, other = hits / total, others / rest
    below = math.hypot(one - first[0], second[1] - other)
    above = math.hypot(first[1] - one, other - second[0])
    return one - other - below, one - other + above


def mean_interval(values: ArrayLike, *, level: float = LEVEL) -> Ends | None:
    """Of the mean of `values` (n,) by their deviation; None of fewer than two. Not for few rows with a long tail."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        return None
    half = _z(level) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return float(x.mean()) - half, float(x.mean()) + half


def auc_parts(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.float64] | None:
    """What each row adds to an AUC's error (n,): the sum of their squares is its variance.

    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988); from ranks as in Sun and Xu, IEEE Signal Processing Letters
    21 (2014).
    Of several AUCs of the same rows the parts add up, so that the error of their mean is known as well. None with fewer
    than two rows of a class.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    positives, negatives = int(y.sum()), int((~y).sum())
    if min(positives, negatives) < 2:
        return None
    ranks, parts = mid_ranks(s), np.empty(len(s))
    above = (ranks[y] - mid_ranks(s[y])) / negatives
    below = 1 - (ranks[~y] - mid_ranks(s[~y])) / positives
    parts[y] = (above - above.mean()) / math.sqrt(positives * (positives - 1))
    parts[~y] = (below - below.mean()) / math.sqrt(negatives * (negatives - 1))
    return parts


def logit_interval(value: float, deviation: float, *, level: float = LEVEL) -> Ends | None:
    """Of a value in (0, 1) with a standard error, on the scale of its log odds, so that it stays inside (0, 1).

    Pepe, *The Statistical Evaluation of Medical Tests* (2003), 5.2. None where there is no error to scale: at 0, at 1.
    """
    if not 0 < value < 1 or deviation <= 0:
        return None
    odds, half = math.log(value / (1 - value)), _z(level) * deviation / (value * (1 - value))
    return 1 / (1 + math.exp(min(700.0, half - odds))), 1 / (1 + math.exp(max(-700.0, -half - odds)))


def average_precision_interval(value: float, positives: int, *, level: float = LEVEL) -> Ends | None:
    """Of an average precision, by the number of positives alone: Boyd, Eng and Page, ECML PKDD 2013, eq. 13."""
    if positives == 0 or not 0 < value < 1:
        return None
    return logit_interval(value, math.sqrt(value * (1 - value) / positives), level=level)


def f1_interval(hits: int, false_alarms: int, missed: int, *, level: float = LEVEL) -> Ends | None:
    """Of an F1: it rises with the share of hits among hits, false alarms and misses, F / (2 - F), whose Wilson interval
    it takes. That share: Hand, Christen and Kirielle, Machine Learning 110 (2021).
    """
    ends = wilson(hits, hits + false_alarms + missed, level=level)
    return None if ends is None else (2 * ends[0] / (1 + ends[0]), 2 * ends[1] / (1 + ends[1]))


def r2_interval(predicted: ArrayLike, actual: ArrayLike, *, level: float = LEVEL) -> Ends | None:
    """Of R², by the influence of each row on a ratio of two means (the delta method); None where labels are all alike.

    van der Vaart, *Asymptotic Statistics* (1998), chapter 3. The upper end is at most 1.
    """
    p, y = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if len(y) < 3 or y.var() == 0:
        return None
    missed, spread = (p - y) ** 2, (y - y.mean()) ** 2
    lost, whole = float(missed.mean()), float(spread.mean())
    influence = -(missed - lost) / whole + lost * (spread - whole) / whole**2
    half = _z(level) * float(influence.std(ddof=1)) / math.sqrt(len(y))
    return 1 - lost / whole - half, min(1.0, 1 - lost / whole + half)


def confusion_intervals(confusion: NDArray[np.int64], *, level: float = LEVEL, seed: int = 0) -> dict[str, Ends]:
    """Of `multiclass_metrics`, by drawing the counts anew 500 times: the bootstrap of rows, for these depend on counts.

    Efron, Annals of Statistics 7 (1979). Percentiles, which for few rows are too narrow. Empty without rows, and for
    more than 100 classes.
    """
    total = int(confusion.sum())
    if total == 0 or confusion.size > _CELLS:
        return {}
    shares = confusion.ravel() / total
    drawn = np.random.default_rng(seed).multinomial(total, shares, size=_ROUNDS)
    found = [multiclass_metrics(each.reshape(confusion.shape)) for each in drawn]
    return {name: _percentiles([each[name] for each in found], level) for name in found[0]}


def _percentiles(values: list[float], level: float) -> Ends:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def auc_interval(scores: ArrayLike, labels: ArrayLike, area: float, *, level: float = LEVEL) -> Ends | None:
    """Of an AUC, by `auc_parts` on the scale of log odds; None with fewer than two rows of a class, and of 0 and 1."""
    parts = auc_parts(scores, labels)
    return None if parts is None else logit_interval(area, math.sqrt(float(np.sum(parts**2))), level=level)


def binary_intervals(
    scores: ArrayLike, labels: ArrayLike, metrics: Mapping[str, float], *, level: float = LEVEL
) -> dict[str, Ends]:
    """Of `binary_metrics`, `f1` and `average_precision`, as far as `metrics` has them and the rows allow.

    Shares have Wilson's interval, mean losses one by their deviation; a calibration error has none: it is biased
    upwards by as much as chance moves its bins.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    said = s > 0.5
    hits, false_alarms, missed = int((said & y).sum()), int((said & ~y).sum()), int((~said & y).sum())
    clipped = np.clip(s, 1e-15, 1 - 1e-15)
    found = {
        "accuracy": wilson(int((said == y).sum()), len(y), level=level),
        "precision": wilson(hits, hits + false_alarms, level=level),
        "recall": wilson(hits, hits + missed, level=level),
        "f1": f1_interval(hits, false_alarms, missed, level=level),
        "brier": _bounded(mean_interval((s - y) ** 2, level=level), 1.0),
        "log_loss": _bounded(mean_interval(-np.where(y, np.log(clipped), np.log1p(-clipped)), level=level)),
    }
    if "auc" in metrics:
        found["auc"] = auc_interval(s, y, metrics["auc"], level=level)
    if "average_precision" in metrics:
        found["average_precision"] = average_precision_interval(
            metrics["average_precision"], hits + missed, level=level
        )
    return {name: ends for name, ends in found.items() if ends is not None and name in metrics}


def multiclass_intervals(
    confusion: NDArray[np.int64],
    probabilities: NDArray[np.float64] | None,
    labels: ArrayLike,
    metrics: Mapping[str, float],
    *,
    level: float = LEVEL,
) -> dict[str, Ends]:
    """Of `multiclass_metrics` and `probability_metrics`, as far as `metrics` has them and the rows allow."""
    y = np.asarray(labels, dtype=np.int64)
    found: dict[str, Ends | None] = dict(confusion_intervals(confusion, level=level))
    found["accuracy"] = wilson(int(np.trace(confusion)), int(confusion.sum()), level=level)
    if probabilities is not None and len(y):
        losses = -np.log(np.clip(probabilities[np.arange(len(y)), y], 1e-15, 1.0))
        found["log_loss"] = _bounded(mean_interval(losses, level=level))
        parts = [auc_parts(column, y == code) for code, column in enumerate(probabilities.T)]
        if "auc" in metrics and (known := [each for each in parts if each is not None]) and len(known) == len(parts):
            mean = np.sum(known, axis=0) / len(parts)
            found["auc"] = logit_interval(metrics["auc"], math.sqrt(float(np.sum(mean**2))), level=level)
    return {name: ends for name, ends in found.items() if ends is not None and name in metrics}


def regression_intervals(predicted: ArrayLike, actual: ArrayLike, *, level: float = LEVEL) -> dict[str, Ends]:
    """Of `regression_metrics`: mean errors by their deviation, `rmse` by that of the squares, `r2` by `r2_interval`.

    The median's lies between two of the ordered errors: Conover, *Practical Nonparametric Statistics* (1999), 3.2.
    """
    p, y = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    squares = _bounded(mean_interval((p - y) ** 2, level=level))
    found = {
        "mae": _bounded(mean_interval(np.abs(p - y), level=level)),
        "bias": mean_interval(p - y, level=level),
        "median_absolute_error": _median_interval(np.abs(p - y), level),
        "rmse": None if squares is None else (math.sqrt(squares[0]), math.sqrt(squares[1])),
        "r2": r2_interval(p, y, level=level),
    }
    return {name: ends for name, ends in found.items() if ends is not None}


def _median_interval(values: NDArray[np.float64], level: float) -> Ends | None:
    reach, count = _z(level) * math.sqrt(len(values)) / 2, len(values)
    low, high = math.floor(count / 2 - reach) - 1, math.ceil(count / 2 + reach)
    if low < 0 or high >= count:
        return None
    ordered = np.sort(values)
    return float(ordered[low]), float(ordered[high])


def _bounded(ends: Ends | None, highest: float = math.inf) -> Ends | None:
    return None if ends is None else (max(0.0, ends[0]), min(highest, ends[1]))


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
