"""Closed forms of what chance does equal scipy's, and keep their promise."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from modelyard.stats import ks_null_quantile, ks_p_value, ks_sorted, share_null_quantile


@pytest.mark.parametrize(("n", "m", "statistic"), [(200, 150, 0.12), (5000, 4000, 0.03), (100_000, 3000, 0.02)])
def test_the_p_value_is_near_scipys(n: int, m: int, statistic: float) -> None:
    """Of the distribution for finite rows."""
    expected = scipy_stats.kstwo.sf(statistic, round(n * m / (n + m)))
    assert ks_p_value(statistic, n, m) == pytest.approx(expected, rel=0.06)


def test_the_quantile_undoes_the_p_value() -> None:
    """One is the inverse of the other."""
    for alpha in (0.05, 0.01, 1e-5):
        assert ks_p_value(ks_null_quantile(700, 900, alpha), 700, 900) == pytest.approx(alpha, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(30, 40), (500, 200), (1500, 1500)])
def test_no_more_samples_than_promised_exceed_the_quantile(n: int, m: int) -> None:
    """1,000 pairs of samples without a change, at a risk of one in twenty (and three deviations)."""
    bound, random = ks_null_quantile(n, m, 0.05), np.random.default_rng(7)
    over = sum(ks_sorted(np.sort(random.normal(size=n)), np.sort(random.normal(size=m))) > bound for _ in range(1000))
    assert over / 1000 <= 0.05 + 3 * math.sqrt(0.05 / 1000)


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_shares_seldom_differ_by_more_than_their_quantile(share: float) -> None:
    """20,000 pairs; at a half it is sharp, elsewhere safe."""
    bound, random = share_null_quantile(400, 300, 0.01), np.random.default_rng(8)
    apart = np.abs(random.binomial(400, share, 20_000) / 400 - random.binomial(300, share, 20_000) / 300)
    assert float((apart > bound).mean()) <= 0.01 + 3 * math.sqrt(0.01 / 20_000)


def test_without_rows_nothing_can_be_shown() -> None:
    """Infinity."""
    assert ks_null_quantile(0, 5, 0.01) == share_null_quantile(5, 0, 0.01) == math.inf
