"""Planned sizes equal textbooks', statsmodels' and what simulation finds."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from modelyard.stats.experiments import boundary, power_of_means, power_of_sequence, power_of_shares, units_for


@pytest.mark.parametrize(
    ("effect", "n", "power"),
    [
        (0.5, 64.0, 0.8014595579222542),
        (0.2, 394.0, 0.8005931284024347),
        (0.8, 26.0, 0.8074866151465275),
        (0.3, 150.0, 0.7355674309302966),
    ],
)
def test_power_of_means_is_cohens(effect: float, n: float, power: float) -> None:
    """Cohen's table 2.3 (1988) asks 64, 394 (393) and 26 an arm for power .80; the digits are statsmodels 0.15's."""
    assert power_of_means(effect, (1.0, 1.0), (n, n)) == pytest.approx(power, rel=1e-9)


@pytest.mark.parametrize(
    ("rates", "n", "power"),
    [
        ((0.1, 0.12), (500, 500), 0.17259041374484177),
        ((0.1, 0.12), (2_000, 700), 0.32401564834592766),
        ((0.5, 0.45), (500, 500), 0.3531630248914165),
        ((0.5, 0.45), (2_000, 700), 0.6251392118889251),
        ((0.01, 0.02), (500, 500), 0.25526210027164786),
        ((0.01, 0.02), (2_000, 700), 0.528249781153707),
    ],
)
def test_power_of_shares_is_that_of_statsmodels(
    rates: tuple[float, float], n: tuple[float, float], power: float
) -> None:
    """`power_proportions_2indep` of version 0.15."""
    assert power_of_shares(*rates, n) == pytest.approx(power, rel=1e-9)


@pytest.mark.parametrize("rates", [(0.1, 0.12), (0.5, 0.45), (0.01, 0.02)])
@pytest.mark.parametrize("n", [(500.0, 500.0), (2_000.0, 700.0)])
def test_power_of_shares_is_the_normal_formula(rates: tuple[float, float], n: tuple[float, float]) -> None:
    """Fleiss' formula, with scipy's normal distribution."""
    p, q = rates
    mean = (p * n[0] + q * n[1]) / sum(n)
    none, own = np.sqrt(mean * (1 - mean) * (1 / n[0] + 1 / n[1])), np.sqrt(p * (1 - p) / n[0] + q * (1 - q) / n[1])
    z = scipy_stats.norm.ppf(0.975) * none
    expected = scipy_stats.norm.sf((z - (q - p)) / own) + scipy_stats.norm.cdf((-z - (q - p)) / own)
    assert power_of_shares(p, q, n) == pytest.approx(expected, rel=1e-9)


def test_the_size_for_a_power_is_the_smallest() -> None:
    """63.77 units an arm in the textbook: 64."""
    assert units_for(lambda n: power_of_means(0.5, (1, 1), (n, n)), 0.8) == 64
    assert units_for(lambda n: 0.1 if n < 10 else 0.9, 0.8) == 10
    assert units_for(lambda n: 0.1, 0.8) is None


def test_no_effect_has_the_power_alpha() -> None:
    """Of both tests; without any spread a difference is always told."""
    assert power_of_means(0.0, (1, 1), (50, 50)) == pytest.approx(0.05)
    assert power_of_shares(0.2, 0.2, (50, 50)) == pytest.approx(0.05)
    assert power_of_means(1.0, (0, 0), (50, 50)) == 1
    assert power_of_shares(0.0, 1.0, (50, 50)) == 1


def test_a_sequence_has_at_least_the_power_that_was_planned() -> None:
    """600 experiments of the planned size, looked at at 40 times: earlier looks add to the power at the last."""
    random, effect = np.random.default_rng(2), 0.2
    n = units_for(lambda n: power_of_sequence(effect, 2 / np.sqrt(n), n, planned=n), 0.8)
    assert n is not None
    looks = np.linspace(n / 40, n, 40).astype(int)
    drift = random.normal(0, 1, (600, n)).cumsum(axis=1)[:, looks - 1]
    z = (effect / 2 * looks + drift) / np.sqrt(looks)
    told = (np.abs(z) >= boundary(looks, planned=n)).any(axis=1).mean()
    assert 0.8 - 3 * np.sqrt(0.16 / 600) <= told <= 0.95
