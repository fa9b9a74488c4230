"""Distances equal independent sources, are finite on empty bins, and never see what is not there."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from modelyard.stats import ks_binned, ks_two_sample, psi, total_variation

counts = st.integers(2, 12).flatmap(
    lambda bins: st.tuples(
        st.lists(st.integers(0, 500), min_size=bins, max_size=bins),
        st.lists(st.integers(0, 500), min_size=bins, max_size=bins),
    )
)
samples = st.lists(st.floats(-100, 100) | st.sampled_from([0.0, 1.0]), min_size=2, max_size=60)


@given(counts)
def test_psi_is_the_symmetric_divergence_of_smoothed_shares(pair: tuple[list[int], list[int]]) -> None:
    """It equals KL(r, c) + KL(c, r) of scipy, is symmetric, and is finite however many bins are empty."""
    r, c = (np.array(side) + 0.5 for side in pair)
    expected = float(scipy_stats.entropy(r, c) + scipy_stats.entropy(c, r))
    assert psi(*pair) == pytest.approx(expected, abs=1e-12)
    assert psi(*pair) == pytest.approx(psi(pair[1], pair[0]), abs=1e-12)
    assert math.isfinite(psi(*pair))
    assert psi(*pair) >= 0


@given(counts)
def test_total_variation_is_the_largest_change_of_any_events_probability(pair: tuple[list[int], list[int]]) -> None:
    """The gain over all levels whose share grew, found by looking at each level."""
    if not sum(pair[0]) or not sum(pair[1]):
        return
    grown = sum(max(0.0, c / sum(pair[1]) - r / sum(pair[0])) for r, c in zip(*pair, strict=True))
    assert total_variation(*pair) == pytest.approx(grown, abs=1e-12)


@given(samples, samples)
def test_the_two_sample_statistic_equals_scipys(first: list[float], second: list[float]) -> None:
    """Ties included."""
    expected = scipy_stats.ks_2samp(first, second, method="asymp").statistic
    assert ks_two_sample(first, second) == pytest.approx(expected, abs=1e-12)


@given(samples, samples, st.lists(st.floats(-100, 100), min_size=1, max_size=8, unique=True))
def test_the_binned_statistic_is_a_lower_bound_with_a_known_error(
    first: list[float], second: list[float], edges: list[float]
) -> None:
    """It never exceeds the exact one, and misses at most the largest share of one bin."""
    cuts = np.sort(edges)
    binned = [np.bincount(np.searchsorted(cuts, each), minlength=len(cuts) + 1) for each in (first, second)]
    coarse, exact = ks_binned(*binned), ks_two_sample(first, second)
    largest = max(float(np.max(each / each.sum())) for each in binned)
    assert coarse <= exact + 1e-12
    assert exact <= coarse + largest + 1e-12


def test_many_pairs_are_compared_at_once() -> None:
    """Leading axes are pairs: resampling needs it."""
    random = np.random.default_rng(0)
    first, second = random.integers(0, 50, (2, 7, 5))
    for statistic in (psi, ks_binned, total_variation):
        together = np.asarray(statistic(first, second))
        apart = [statistic(a, b) for a, b in zip(first, second, strict=True)]
        assert together == pytest.approx(np.array(apart))


def test_one_empty_bin_does_not_decide() -> None:
    """A bin that one side never met costs little, where replacing zero by the smallest float would give over 100."""
    assert psi([500, 500, 0], [500, 499, 1]) < 0.01
    assert psi([1, 0], [0, 1]) == pytest.approx(math.log(3))


def test_proportional_counts_are_no_distance_for_shares() -> None:
    """Total variation and KS compare shares, not sizes."""
    assert ks_binned([10, 20, 30], [100, 200, 300]) == pytest.approx(0)
    assert total_variation([10, 20, 30], [100, 200, 300]) == pytest.approx(0)
