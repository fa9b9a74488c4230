"""The bound of growth: told of what grows, not of what does not, however much looks resemble one another."""

import numpy as np
import pytest

from .growth import at_most

SECONDS = np.arange(0.0, 3000.0, 15.0)
"""Fifty minutes, a look each quarter of one."""


def noise(seed: int, share: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Of a standard deviation of that share, each look like the one before (correlation 0.8), with spikes."""
    chance = np.random.default_rng(seed)
    found = np.zeros(len(SECONDS))
    for at in range(1, len(found)):
        found[at] = 0.8 * found[at - 1] + chance.normal(0, share * 0.6)
    return found + np.where(chance.random(len(found)) < 0.03, 0.5, 0.0)


def test_what_does_not_grow_is_seldom_said_to() -> None:
    """The true slope, none, is below the upper end in 97.5% of 400 series, give or take."""
    below = [at_most(SECONDS, 100 * (1 + noise(seed, 0.01))) > 0 for seed in range(400)]
    assert 0.95 < np.mean(below) < 0.995


def test_least_squares_over_all_looks_would_be_surer_than_it_may() -> None:
    """The same series, a line through every look of each: the true slope is outside far too often."""
    below = []
    for seed in range(400):
        sizes = 100 * (1 + np.minimum(noise(seed, 0.01), 0.1))
        (slope, _), covariance = np.polyfit(SECONDS, sizes, 1, cov=True)
        below.append(slope + 1.96 * covariance[0, 0] ** 0.5 > 0)
    assert np.mean(below) < 0.9


@pytest.mark.parametrize(("growth", "told"), [(0.0, False), (0.02, False), (0.1, True), (0.5, True)])
def test_growth_beyond_five_percent_is_told(growth: float, *, told: bool) -> None:
    """With half a percent of noise."""
    sizes = [100 * (1 + growth * SECONDS / 3600 + noise(seed, 0.005)) for seed in range(20)]
    assert {at_most(SECONDS, each) >= 0.05 for each in sizes} == {told}


def test_too_few_looks_have_no_bound() -> None:
    """Rather than one that means nothing."""
    with pytest.raises(ValueError, match="23 looks are too few: 24 at least"):
        at_most(range(23), [1.0] * 23)
