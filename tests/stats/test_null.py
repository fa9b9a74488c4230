"""Null quantiles keep their promise: without a change, the bound is passed at most as often as allowed."""

import math
import time

import numpy as np
import pytest

from modelyard.stats import Statistic, ks_binned, null_quantile, total_variation

UNEVEN = np.random.default_rng(3).multinomial(40_000, np.random.default_rng(4).dirichlet(np.full(100, 0.7)))


@pytest.mark.parametrize("columns", [1, 20])
@pytest.mark.parametrize("rows", [30, 300, 7000])
@pytest.mark.parametrize(
    ("statistic", "reference"),
    [(ks_binned, np.full(20, 4000)), (total_variation, UNEVEN), (total_variation, np.array([100, 50, 20]))],
    ids=["twenty bins", "a hundred levels", "three levels, few rows"],
)
def test_false_alarms_are_at_most_nominal(statistic: Statistic, reference: np.ndarray, rows: int, columns: int) -> None:
    """20,000 windows without a change, at most alpha / columns of them beyond the bound (and three deviations)."""
    alpha, trials = 0.01, 20_000
    bound = null_quantile(reference, rows, statistic, alpha=alpha, columns=columns, rounds=200)
    random, shares = np.random.default_rng(11), reference / reference.sum()
    first = random.multinomial(reference.sum(), shares, size=trials)
    second = random.multinomial(rows, shares, size=trials)
    level = alpha / columns
    assert np.mean(np.asarray(statistic(first, second)) > bound) <= level + 3 * math.sqrt(level / trials)


def test_it_is_near_kolmogorovs_own_quantile() -> None:
    """With many bins and rows it approaches the textbook value, so that it is no empty promise of huge bounds."""
    rows, alpha = 5000, 0.01
    textbook = math.sqrt(-math.log(alpha / 2) / 2) * math.sqrt(2 / rows)
    bound = null_quantile(np.full(200, rows // 200), rows, ks_binned, alpha=alpha, rounds=400)
    assert bound == pytest.approx(textbook, rel=0.15)


def test_more_columns_and_fewer_rows_ask_for_more() -> None:
    """The bound grows with what chance can do."""
    reference = np.full(20, 500)
    by_columns = [null_quantile(reference, 1000, ks_binned, columns=each) for each in (1, 10, 100)]
    by_rows = [null_quantile(reference, each, ks_binned) for each in (50, 500, 5000)]
    assert by_columns == sorted(by_columns)
    assert by_rows == sorted(by_rows, reverse=True)


def test_without_rows_nothing_can_be_shown() -> None:
    """No effect is beyond infinity."""
    assert null_quantile([5, 5], 0, ks_binned) == math.inf
    assert null_quantile([0, 0], 100, ks_binned) == math.inf


def test_the_same_seed_gives_the_same_bound() -> None:
    """A window judged again gets the same verdict."""
    assert null_quantile(UNEVEN, 700, total_variation) == null_quantile(UNEVEN, 700, total_variation)


def test_twenty_columns_cost_little() -> None:
    """200 rounds of 20 bins take a few milliseconds a column."""
    began = time.process_time()
    for column in range(20):
        null_quantile(np.full(20, 4000 + column), 7000, ks_binned, columns=20, rounds=200)
    assert time.process_time() - began < 0.5
