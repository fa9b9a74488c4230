"""The difference of a metric between two arms with its standard error: of means, of ratios, adjusted."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .moments import ArmMoments, Matrix

Pair = tuple[ArrayLike, ArrayLike]
"""The control's and the treatment's."""


@dataclass(frozen=True)
class Difference:
    """Treatment minus control: the metric of each, the difference and its standard error.

    `kept`: the share of the variance that is left after the adjustment by covariates, 1 without any. `skewness`: of the
    difference, as of `skewness_of_difference`.
    """

    control: float
    treatment: float
    difference: float
    error: float
    kept: float = 1.0
    skewness: float = 0.0

    @property
    def relative(self) -> float | None:
        """The difference as a share of the control's metric; None where that is zero."""
        return self.difference / abs(self.control) if self.control else None


def mean_difference(control: ArmMoments, treatment: ArmMoments) -> Difference | None:
    """Of means of the first value, the others being covariates (CUPED); None below two units in an arm.

    With covariates that were measured before the experiment, and so cannot depend on the arm, each arm's mean is taken
    at the covariates' common mean: Deng, Xu, Kohavi and Walker, *Improving the sensitivity of online controlled
    experiments by utilizing pre-experiment data* (WSDM 2013). The slope is that within the arms, by all units.
    """
    return _adjusted(control, treatment, _mean_parts)


def ratio_difference(control: ArmMoments, treatment: ArmMoments) -> Difference | None:
    """Of ratios: the mean of the first value by that of the second; the others are covariates.

    By the delta method, as units and not rows are assigned: Deng, Knoblich and Lu, *Applying the delta method in metric
    analytics* (KDD 2018). None below two units in an arm or where a denominator is zero.
    """
    if not (control.count and treatment.count and control.means[1] and treatment.means[1]):
        return None
    return _adjusted(control, treatment, _ratio_parts)


def skewness_of_difference(cubes: Pair, squares: Pair, counts: Pair) -> Matrix:
    """How skewed the difference of two means is: 0 where the arms are even, whatever is spread how.

    From each arm's sums of third and second powers of differences from its mean, and its units, all of one shape (k,)
    or single numbers. Both arms are taken together, as they are alike where nothing differs: the smaller one by itself
    has not seen what is rare. NaN where nothing is spread. Beyond a quarter an interval of means is not what it says:
    the smaller arm misses the few that have most, its mean and its spread are both too small, and a difference is told
    where there is none.
    """
    n, m = (np.asarray(each, dtype=np.float64) for each in counts)
    cube = (np.asarray(cubes[0]) + np.asarray(cubes[1])) / (n + m)
    square = (np.asarray(squares[0]) + np.asarray(squares[1])) / (n + m)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Matrix = cube * (1 / m**2 - 1 / n**2) / (square * (1 / n + 1 / m)) ** 1.5
    return found


@dataclass(frozen=True)
class _Parts:
    """The metric of an arm, and of its linear form with the covariates the covariance (1 + k, 1 + k) and the sums of
    third powers (1 + k, 1 + k, 1 + k).
    """

    metric: float
    covariance: Matrix
    cubes: Matrix
    covariates: Matrix
    count: int


def _mean_parts(arm: ArmMoments) -> _Parts:
    return _Parts(arm.means[0], arm.covariance, np.array(arm.cubes), np.array(arm.means[1:]), arm.count)


def _ratio_parts(arm: ArmMoments) -> _Parts:
    """The ratio's linear form is (numerator - ratio · denominator) / mean denominator."""
    ratio = arm.means[0] / arm.means[1]
    forms = np.zeros((len(arm.means) - 1, len(arm.means)))
    forms[0, :2] = np.array([1.0, -ratio]) / arm.means[1]
    forms[1:, 2:] = np.eye(len(arm.means) - 2)
    cubes = np.einsum("ia,jb,kc,abc->ijk", forms, forms, forms, np.array(arm.cubes))
    return _Parts(ratio, forms @ arm.covariance @ forms.T, cubes, np.array(arm.means[2:]), arm.count)


def _adjusted(
    control: ArmMoments, treatment: ArmMoments, parts_of: Callable[[ArmMoments], "_Parts"]
) -> Difference | None:
    if min(control.count, treatment.count) < 2:
        return None
    one, two = (parts_of(arm) for arm in (control, treatment))
    slope = _slope(one, two)
    whole = _error(one, two, np.zeros_like(slope))
    error = _error(one, two, slope)
    shift = float(slope @ (two.covariates - one.covariates))
    kept = (error / whole) ** 2 if whole else 1.0
    return Difference(one.metric, two.metric, two.metric - one.metric - shift, error, kept, _skewness(one, two, slope))


def _slope(one: _Parts, two: _Parts) -> Matrix:
    """Of the metric on the covariates within the arms (k,); covariates that say the same share it."""
    pooled = one.covariance * (one.count - 1) + two.covariance * (two.count - 1)
    if pooled.shape[0] == 1:
        return np.zeros(0)
    spread = np.sqrt(np.diag(pooled)[1:])
    scale = np.where(spread > 0, spread, 1.0)
    found: Matrix = np.linalg.lstsq(pooled[1:, 1:] / np.outer(scale, scale), pooled[1:, 0] / scale, rcond=1e-10)[0]
    return found / scale


def _skewness(one: _Parts, two: _Parts, slope: Matrix) -> float:
    """Of the adjusted difference; 0 where nothing is spread."""
    weights = np.concatenate([[1.0], -slope])
    cubes = [float(np.einsum("i,j,k,ijk", weights, weights, weights, each.cubes)) for each in (one, two)]
    squares = [float(weights @ each.covariance @ weights) * (each.count - 1) for each in (one, two)]
    found = float(skewness_of_difference((cubes[0], cubes[1]), (squares[0], squares[1]), (one.count, two.count)))
    return found if math.isfinite(found) else 0.0


def _error(one: _Parts, two: _Parts, slope: Matrix) -> float:
    weights = np.concatenate([[1.0], -slope])
    return math.sqrt(sum(max(0.0, float(weights @ each.covariance @ weights)) / each.count for each in (one, two)))
