"""Distances of sorted samples equal scipy's, whatever the ties, sizes and types."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from modelyard.stats import (
    energy_sorted,
    ks_sorted,
    quantile_shifts,
    quantile_sorted,
    robust_scale,
    wasserstein_sorted,
)

values = st.lists(st.floats(-100, 100) | st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=80)


def ks(first: np.ndarray, second: np.ndarray) -> float:
    """The literal definition, at every value of either side."""
    return max(abs(float(np.mean(first <= each)) - float(np.mean(second <= each))) for each in [*first, *second])


@given(values, values)
@settings(max_examples=60)
def test_all_three_equal_scipys(first: list[float], second: list[float]) -> None:
    """Ties inside and between the samples, one row, unequal sizes."""
    a, b = np.sort(first), np.sort(second)
    assert ks_sorted(a, b) == pytest.approx(ks(a, b), abs=1e-12)
    assert wasserstein_sorted(a, b) == pytest.approx(scipy_stats.wasserstein_distance(a, b), abs=1e-9)
    assert energy_sorted(a, b) == pytest.approx(scipy_stats.energy_distance(a, b), abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.002, 0.1, 5.0])
@pytest.mark.parametrize("sizes", [(20_000, 20_000), (20_000, 7001), (300, 20_000)])
def test_thousands_of_rows_equal_scipys_too(sizes: tuple[int, int], shift: float) -> None:
    """Where most blocks are left out by their bound: also without a change, where few are."""
    random = np.random.default_rng(len(sizes))
    a, b = np.sort(random.normal(size=sizes[0])), np.sort(random.normal(shift, 1, sizes[1]))
    assert ks_sorted(a, b) == pytest.approx(scipy_stats.ks_2samp(a, b, method="asymp").statistic, abs=1e-12)
    assert wasserstein_sorted(a, b) == pytest.approx(scipy_stats.wasserstein_distance(a, b), rel=1e-9)


@pytest.mark.parametrize("decimals", [0, 2, 16])
@pytest.mark.parametrize("shift", [0.0, 0.003])
def test_every_block_that_may_hold_the_gap_is_opened(decimals: int, shift: float) -> None:
    """Blocks in blocks, with values that fill many of them, and with none that is there twice."""
    random = np.random.default_rng(decimals)
    a, b = (np.sort(random.normal(mean, 1, rows).round(decimals)) for mean, rows in ((0, 70_001), (shift, 65_536)))
    found = scipy_stats.ks_2samp(a, b, method="asymp").statistic
    assert ks_sorted(a, b) == pytest.approx(found, abs=1e-12)
    assert ks_sorted(b, a) == pytest.approx(found, abs=1e-12)


def test_a_gap_inside_one_block_is_found() -> None:
    """Half of the current rows share a value between two of the reference's looked-at places."""
    a = np.arange(10_000, dtype=np.float64)
    b = np.sort(np.concatenate([a[::2], np.full(5000, 5100.5)]))
    assert ks_sorted(a, b) == pytest.approx(scipy_stats.ks_2samp(a, b, method="asymp").statistic, abs=1e-12)


def test_integers_and_single_floats_are_numbers_like_others() -> None:
    """Without a copy to float64 beforehand; unsigned ones do not wrap around."""
    a, b = np.array([1, 2, 3], dtype=np.uint8), np.array([2, 250], dtype=np.uint8)
    assert wasserstein_sorted(a, b) == pytest.approx(scipy_stats.wasserstein_distance([1, 2, 3], [2, 250]))
    assert wasserstein_sorted(b, a) == wasserstein_sorted(a, b)
    single = np.sort(np.random.default_rng(0).normal(size=500).astype(np.float32))
    assert ks_sorted(single, single) == 0


def test_infinities_count_for_ks() -> None:
    """Three of four became infinite."""
    a, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, np.inf, np.inf, np.inf])
    assert ks_sorted(a, b) == pytest.approx(0.75)


def test_quantiles_are_values_that_occur() -> None:
    """As numpy's inverted distribution function has them."""
    sample = np.sort(np.random.default_rng(1).integers(0, 50, 999)).astype(np.float64)
    for share in (0.0, 0.05, 0.25, 0.5, 0.95, 1.0):
        assert quantile_sorted(sample, share) == np.quantile(sample, share, method="inverted_cdf")
    assert quantile_shifts(sample, sample + 3) == dict.fromkeys(("0.05", "0.25", "0.5", "0.75", "0.95"), 3.0)


def test_the_robust_scale_ignores_strays() -> None:
    """1 for a normal, with or without a stray of a million; None of a constant; something where the quartiles meet."""
    sample = np.sort(np.random.default_rng(2).normal(size=20_000))
    assert robust_scale(sample) == pytest.approx(1, abs=0.03)
    assert robust_scale(np.append(sample, 1e6)) == pytest.approx(1, abs=0.03)
    assert robust_scale(np.full(100, 3.0)) is None
    mostly = robust_scale(np.sort(np.concatenate([np.zeros(900), np.arange(100.0)])))
    assert mostly is not None
    assert math.isfinite(mostly)
    assert mostly > 0
