"""Associations agree with scipy, and are None where there is nothing to tell."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy import stats as oracle

from modelyard.stats import correlation_ratio, cramers_v, mid_ranks, pearson, spearman

Measure = Callable[[ArrayLike, ArrayLike], float | None]
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(1e6, 1, 500)
Y = (X - 1e6) ** 3 + RANDOM.normal(0, 1, 500)
LEVELS = RANDOM.integers(0, 4, 500)


def noisy(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same levels, half of them drawn anew."""
    return np.where(RANDOM.random(len(levels)) < 0.5, levels, RANDOM.integers(0, 4, len(levels)))


def test_correlations_of_numbers_are_those_of_scipy() -> None:
    """Far from zero, with ties, and with values near the end of a float's range."""
    for a, b in ((X, Y), (np.round(X), np.round(Y)), (X, -X), (X * 1e300, Y)):
        expected = oracle.pearsonr(a / np.abs(a).max(), b)[0]
        assert pearson(a, b) == pytest.approx(expected, abs=1e-9)
        assert spearman(a, b) == pytest.approx(oracle.spearmanr(a, b)[0], abs=1e-12)


def test_ranks_share_what_is_tied() -> None:
    """As scipy's average method."""
    values = RANDOM.integers(0, 9, 200)
    np.testing.assert_allclose(mid_ranks(values), oracle.rankdata(values))


def test_cramers_v_is_bergsmas() -> None:
    """From scipy's chi-squared statistic, corrected by hand; 1 for equal columns, about 0 for unrelated ones."""
    other = noisy(LEVELS)
    table = np.array([[((a == LEVELS) & (other == b)).sum() for b in range(4)] for a in range(4)])
    squared = oracle.chi2_contingency(table, correction=False).statistic / 500
    expected = np.sqrt((squared - 9 / 499) / (3 - 9 / 499))
    assert cramers_v(LEVELS, other) == pytest.approx(expected)
    assert cramers_v(LEVELS, LEVELS) == pytest.approx(1)
    assert cramers_v(LEVELS, RANDOM.integers(0, 4, 500)) == pytest.approx(0, abs=0.12)


def test_the_correlation_ratio_is_the_root_of_what_an_analysis_of_variance_explains() -> None:
    """Against scipy's F statistic."""
    values = LEVELS * 2.0 + RANDOM.normal(0, 1, 500)
    f = oracle.f_oneway(*(values[level == LEVELS] for level in range(4))).statistic
    assert correlation_ratio(LEVELS, values) == pytest.approx(np.sqrt(3 * f / (3 * f + 496)))
    assert correlation_ratio(LEVELS, LEVELS * 1.0) == pytest.approx(1)


@pytest.mark.parametrize("measure", [pearson, spearman, cramers_v, correlation_ratio])
def test_nothing_to_tell_is_none(measure: Measure) -> None:
    """A constant on either side, two rows, none."""
    assert measure([1] * 9, range(9)) is None or measure is correlation_ratio
    assert measure(range(9), [0.1 if measure in (pearson, spearman, correlation_ratio) else 1] * 9) is None
    assert measure([1, 2], [1, 2]) is None
    assert measure([], []) is None
    assert correlation_ratio([1] * 9, range(9)) is None
