"""Tests of counts equal scipy's on a grid; intervals equal published tables."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from modelyard.core import InvalidInput
from modelyard.stats.experiments import chi_square, fisher, g_test, newcombe, two_proportion_z

GRID = [
    (hits, totals)
    for totals in ((10, 12), (50, 50), (200, 1_800), (5_000, 5_000))
    for hits in ((1, 2), (3, 9), (totals[0] // 2, totals[1] // 3))
]
TABLES = [[[totals[0] - hits[0], hits[0]], [totals[1] - hits[1], hits[1]]] for hits, totals in GRID]


@pytest.mark.parametrize("table", [*TABLES, [[10, 20, 30], [6, 9, 17]], [[1, 0], [4, 9], [5, 5], [0, 7]]])
def test_chi_square_and_g_are_scipys(table: list[list[int]]) -> None:
    """Statistic, degrees of freedom and p-value, without Yates' correction."""
    for ours, kind in ((chi_square(table), 1.0), (g_test(table), 0.0)):  # the powers of Cressie and Read
        theirs = scipy_stats.chi2_contingency(table, correction=False, lambda_=kind)
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-12)
        assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
        assert ours.freedom == theirs.dof


@pytest.mark.parametrize("table", [*TABLES, [[8, 0], [5, 5]], [[0, 3], [7, 0]], [[0, 5], [0, 7]]])
def test_fisher_is_scipys(table: list[list[int]]) -> None:
    """The p-value, the conditional odds ratio, and its exact interval."""
    ours, theirs = fisher(table), scipy_stats.fisher_exact(np.array(table))
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    odds = scipy_stats.contingency.odds_ratio(table)
    interval = odds.confidence_interval(0.95)
    if not math.isnan(odds.statistic):
        assert (ours.effect, ours.low, ours.high) == pytest.approx(
            (odds.statistic, interval.low, interval.high), rel=1e-7
        )  # scipy solves these to about 1e-8


@pytest.mark.parametrize(("hits", "totals"), GRID)
def test_the_square_of_two_proportion_z_is_chi_square(hits: tuple[int, int], totals: tuple[int, int]) -> None:
    """And the sign is that of treatment minus control."""
    ours = two_proportion_z(hits, totals)
    table = [[total - hit, hit] for hit, total in zip(hits, totals, strict=True)]
    theirs = scipy_stats.chi2_contingency(table, correction=False)
    assert ours.statistic**2 == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.statistic * (hits[1] / totals[1] - hits[0] / totals[0]) >= 0


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((5, 56), (0, 29), -0.0381, 0.1926),
    ],
)
def test_newcombes_interval_is_that_of_his_table(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    """Statistics in Medicine 17 (1998), table II, method 10: the difference first minus second."""
    ours = newcombe((second[0], first[0]), (second[1], first[1]))
    assert ours == pytest.approx((low, high), abs=5e-5)


def test_counts_that_tell_nothing_are_refused() -> None:
    """With what to give instead."""
    for wrong in ([[1, 2]], [[1, -2], [3, 4]], [[0, 0], [3, 4]], [[1, 0], [4, 0]]):
        with pytest.raises(InvalidInput):
            chi_square(wrong)
    with pytest.raises(InvalidInput, match="2 by 3"):
        fisher(np.ones((2, 3)))
    with pytest.raises(InvalidInput, match="5 of 4 is no share"):
        two_proportion_z((5, 1), (4, 4))
