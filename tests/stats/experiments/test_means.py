"""Tests of values equal scipy's on a grid."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from modelyard.core import InvalidInput
from modelyard.stats.experiments import ArmMoments, Comparison, mann_whitney, student, welch

SIZES = ((2, 3), (5, 40), (30, 30), (400, 1_000))
Samples = tuple[np.ndarray, np.ndarray]


def samples(sizes: tuple[int, int], shift: float) -> Samples:
    """Normal and log-normal values."""
    random = np.random.default_rng([*sizes, int(shift * 10) + 10])
    return random.normal(3, 1, sizes[0]), random.lognormal(1, 0.5, sizes[1]) + shift


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.7])
def test_student_and_welch_are_scipys(sizes: tuple[int, int], shift: float) -> None:
    """Statistic, degrees of freedom, p-value and interval."""
    one, two = samples(sizes, shift)
    arms = ArmMoments.of(one[:, None]), ArmMoments.of(two[:, None])
    for ours, equal in ((student(*arms), True), (welch(*arms), False)):
        theirs = scipy_stats.ttest_ind(two, one, equal_var=equal)
        interval = theirs.confidence_interval(0.95)
        assert (ours.statistic, ours.freedom, ours.p_value) == pytest.approx(
            (theirs.statistic, theirs.df, theirs.pvalue), rel=1e-9
        )
        assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


@pytest.mark.parametrize("sizes", [*SIZES, (8, 300), (9, 9), (1, 5)])
@pytest.mark.parametrize("ties", [False, True])
def test_mann_whitney_is_scipys(sizes: tuple[int, int], ties: bool) -> None:
    """Exact for small samples without ties, normal with corrections otherwise."""
    one, two = samples(sizes, 0.3)
    if ties:
        one, two = np.round(one), np.round(two)
    ours, theirs = mann_whitney(one, two), scipy_stats.mannwhitneyu(two, one, method="auto")
    assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    assert ours.effect == pytest.approx(np.mean((two[:, None] > one) + 0.5 * (two[:, None] == one)))


def test_values_without_spread_say_what_they_can() -> None:
    """All alike: no difference; all alike but apart: a difference without doubt."""
    same, other = ArmMoments.of([[1.0], [1.0]]), ArmMoments.of([[2.0], [2.0]])
    assert (welch(same, same).p_value, welch(same, other).p_value, student(same, other).p_value) == (1.0, 0.0, 0.0)
    assert mann_whitney([1.0, 1.0], [1.0]).p_value == 1.0


def test_a_single_unit_is_refused() -> None:
    """It has no spread."""
    one = ArmMoments.of([[1.0]])
    tests: list[Comparison] = []
    with pytest.raises(InvalidInput, match="have no spread"):
        tests.append(welch(one, one))
    with pytest.raises(InvalidInput, match="no value"):
        tests.append(mann_whitney([], [1.0]))
