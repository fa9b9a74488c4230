"""Tests of values at a fixed horizon: Student's, Welch's and Mann-Whitney's. The first sample is the control."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.core import InvalidInput
from modelyard.stats.intervals import auc_interval
from modelyard.stats.ranks import mid_ranks

from .comparison import LEVEL, Comparison
from .differences import Difference
from .moments import ArmMoments

Floats = NDArray[np.float64]
_EXACT = 8
"""Mann-Whitney's chances are counted out when no value repeats and a sample is no larger."""


def student(control: ArmMoments, treatment: ArmMoments, *, level: float = LEVEL) -> Comparison:
    """Of two means by the pooled variance (Student, Biometrika 6, 1908). Where spreads differ: `welch`."""
    _enough(control, treatment)
    freedom = control.count + treatment.count - 2
    pooled = (control.products[0][0] + treatment.products[0][0]) / freedom
    error = math.sqrt(pooled * (1 / control.count + 1 / treatment.count))
    return t_comparison("Student", treatment.means[0] - control.means[0], error, freedom, level=level)


def welch(control: ArmMoments, treatment: ArmMoments, *, level: float = LEVEL) -> Comparison:
    """Of two means by their own variances (Welch, Biometrika 34, 1947). Heavy tails want thousands of units an arm."""
    _enough(control, treatment)
    parts = [arm.products[0][0] / (arm.count - 1) / arm.count for arm in (control, treatment)]
    error = math.sqrt(sum(parts))
    below = sum(part**2 / (arm.count - 1) for part, arm in zip(parts, (control, treatment), strict=True))
    freedom = sum(parts) ** 2 / below if below else float(control.count + treatment.count - 2)
    return t_comparison("Welch", treatment.means[0] - control.means[0], error, freedom, level=level)


def t_comparison(test: str, difference: float, error: float, freedom: float, *, level: float = LEVEL) -> Comparison:
    """Of a difference by its standard error, with so many degrees of freedom."""
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 - heavy

    reach = error * float(stdtrit(freedom, (1 + level) / 2))
    if error > 0:
        t = difference / error
        p_value = 2 * float(stdtr(freedom, -abs(t)))
    else:
        t = math.copysign(math.inf, difference) if difference else 0.0
        p_value = 0.0 if difference else 1.0
    low, high = difference - reach, difference + reach
    return Comparison(test, t, p_value, "difference of means", difference, low, high, freedom)


def z_comparison(test: str, found: Difference, *, level: float = LEVEL) -> Comparison:
    """Of a difference by its standard error alone: ratios by the delta method, means adjusted by covariates."""
    reach = found.error * NormalDist().inv_cdf((1 + level) / 2)
    z = found.difference / found.error if found.error else math.copysign(math.inf, found.difference)
    z = 0.0 if found.difference == 0 else z
    low, high = found.difference - reach, found.difference + reach
    return Comparison(test, z, math.erfc(abs(z) / math.sqrt(2)), "difference", found.difference, low, high)


def mann_whitney(control: ArrayLike, treatment: ArrayLike, *, level: float = LEVEL) -> Comparison:
    """Whether one of two samples tends to be greater, by ranks (Mann and Whitney, Ann. Math. Stat. 18, 1947).

    The statistic is the treatment's U; the effect U / (n·m), the chance that a value of the treatment is greater than
    one of the control, ties counting half, with DeLong's interval on the scale of log odds. Exact where a sample has at
    most 8 values and none repeats, else normal with corrections for ties and continuity. It does not compare means.
    """
    one, two = np.asarray(control, dtype=np.float64), np.asarray(treatment, dtype=np.float64)
    if min(len(one), len(two)) == 0:
        raise InvalidInput("An arm has no value.", code="BAD_COUNTS", remedy="Give values of both arms.")
    values = np.concatenate([one, two])
    u = float(mid_ranks(values)[len(one) :].sum() - len(two) * (len(two) + 1) / 2)
    _, ties = np.unique(values, return_counts=True)
    exact = min(len(one), len(two)) <= _EXACT and int(ties.max()) == 1
    p_value = _exact_p(u, len(one), len(two)) if exact else _normal_p(u, len(one), len(two), ties)
    area = u / (len(one) * len(two))
    labels = np.repeat([False, True], [len(one), len(two)])
    low, high = auc_interval(values, labels, area, level=level) or (None, None)
    return Comparison("Mann-Whitney", u, p_value, "chance of superiority", area, low, high)


def _normal_p(u: float, n: int, m: int, ties: NDArray[np.int64]) -> float:
    total, repeated = n + m, ties.astype(np.float64)
    lost = float((repeated**3 - repeated).sum()) / (total * (total - 1)) if total > 1 else 0.0
    spread = math.sqrt(n * m / 12 * (total + 1 - lost))
    away = max(u, n * m - u) - n * m / 2 - 0.5
    return min(1.0, math.erfc(away / spread / math.sqrt(2))) if spread else 1.0


def _exact_p(u: float, n: int, m: int) -> float:
    """Twice the chance of a U at least so far up, over all orders of n and m values."""
    ways = _ways(n, m)
    farther = max(u, n * m - u)
    return min(1.0, 2 * float(ways[round(farther) :].sum() / ways.sum()))


def _ways(n: int, m: int) -> Floats:
    """How many orders give each U (n·m + 1,): the coefficients of the Gaussian binomial."""
    small, large = min(n, m), max(n, m)
    ways = np.zeros(n * m + 1)
    ways[0] = 1.0
    for each in range(1, small + 1):
        up, down = large + each, each
        if up < len(ways):
            ways[up:] -= ways[:-up].copy()
        for place in range(down, len(ways)):
            ways[place] += ways[place - down]
    return ways


def _enough(control: ArmMoments, treatment: ArmMoments) -> None:
    if min(control.count, treatment.count) < 2:
        raise InvalidInput(
            f"Arms of {control.count} and {treatment.count} units have no spread to judge by.",
            code="BAD_COUNTS",
            remedy="Give at least two units of each arm.",
        )
