"""Distances of vectors equal slow literal formulas, and seldom exceed their bound without a change."""

import numpy as np
import pytest

from modelyard.stats import centroid_shift, mmd, vector_energy


def pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """All distances, one by one."""
    return np.array([[np.linalg.norm(a - b) for b in second] for a in first])


def test_both_equal_their_literal_formulas() -> None:
    """Means over all pairs, a row with itself included."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 3)), random.normal(0.5, 1, (20, 3))
    between, first, second = pairs(x, y), pairs(x, x), pairs(y, y)
    energy = (2 * between.mean() - first.mean() - second.mean()) / (2 * between.mean())
    found = vector_energy(x, y)
    assert found is not None
    assert found.statistic == pytest.approx(energy)
    both = pairs(np.vstack([x, y]), np.vstack([x, y]))
    width = np.median(both[np.triu_indices(50, 1)])
    kernel = [np.exp(-(each**2) / (2 * width**2)).mean() for each in (first, second, between)]
    discrepancy = mmd(x, y)
    assert discrepancy is not None
    assert discrepancy.statistic == pytest.approx(kernel[0] + kernel[1] - 2 * kernel[2])


def test_a_shift_is_beyond_the_bound() -> None:
    """Of half a deviation in each of eight dimensions."""
    random = np.random.default_rng(1)
    x, y = random.normal(size=(300, 8)), random.normal(0.5, 1, (300, 8))
    for found in (vector_energy(x, y), mmd(x, y)):
        assert found is not None
        assert found.statistic > found.bound
        assert found.p_value < 0.02
    assert centroid_shift(x, y) == pytest.approx(0.5, abs=0.1)


def test_without_a_change_the_bound_is_seldom_passed() -> None:
    """30 pairs at a risk of one in twenty."""
    random, over = np.random.default_rng(2), 0
    for _ in range(30):
        found = vector_energy(random.normal(size=(100, 5)), random.normal(size=(80, 5)), alpha=0.05)
        assert found is not None
        over += found.statistic > found.bound
    assert over <= 1.5 + 3 * 1.2


def test_nothing_to_compare_is_none() -> None:
    """A single vector has no distance to its like; equal vectors have no spread."""
    one = np.ones((1, 3))
    assert vector_energy(one, np.ones((5, 3))) is None
    assert mmd(one, one) is None
    assert centroid_shift(np.ones((5, 3)), np.zeros((5, 3))) is None
    same = vector_energy(np.ones((5, 3)), np.ones((5, 3)))
    assert same is not None
    assert same.statistic == 0
