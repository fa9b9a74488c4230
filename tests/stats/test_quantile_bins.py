"""Histograms between quantiles add up, keep their error's promise, and let no stray widen a bin."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from modelyard.stats import (
    QuantileHistogram,
    count_between,
    ks_binned,
    ks_sorted,
    quantile_edges,
    wasserstein_of_weights,
)

numbers = st.lists(st.sampled_from([0.0, 1.0, 5.0]) | st.floats(-1e6, 1e6), min_size=1, max_size=60)


@given(numbers, st.integers(2, 12))
def test_counts_are_those_of_a_literal_count(values: list[float], bins: int) -> None:
    """lower < value <= upper; every value is in one bin; edges rise."""
    ordered = np.sort(values)
    edges = quantile_edges(ordered, bins)
    ends = [-np.inf, *edges.tolist(), np.inf]
    expected = [sum(low < each <= high for each in values) for low, high in pairwise(ends)]
    assert count_between(ordered, edges).tolist() == expected
    assert (np.diff(edges) > 0).all()


def test_bins_hold_equal_shares() -> None:
    """Of a continuous sample, to a row."""
    ordered = np.sort(np.random.default_rng(0).gamma(2.0, size=10_000))
    assert set(count_between(ordered, quantile_edges(ordered, 10)).tolist()) == {1000}


def test_a_stray_of_a_million_changes_no_bin() -> None:
    """With bins of equal width between the extremes all other rows would be in one."""
    ordered = np.sort(np.random.default_rng(1).normal(size=10_000))
    edges, stray = quantile_edges(ordered, 10), quantile_edges(np.append(ordered, 1e6), 10)
    assert stray == pytest.approx(edges, abs=0.01)
    width = np.histogram(np.append(ordered, 1e6), 10)[0]
    assert width[0] == 10_000  # the wrong answer


def test_a_common_value_has_a_bin_of_its_own() -> None:
    """What moves from just above 0 to below it is seen."""
    ordered = np.sort(np.concatenate([np.zeros(800), np.linspace(1, 2, 200)]))
    edges = quantile_edges(ordered, 10)
    assert count_between(np.array([-1.0, 0.0, 1.5]), edges).tolist().count(1) == 3
    constant = quantile_edges(np.full(50, 3.0), 10)
    assert count_between(np.array([2.0, 3.0, 3.0, 4.0]), constant).tolist() == [1, 2, 1]


@given(numbers, numbers, numbers)
def test_parts_merge_in_any_order_to_the_whole(first: list[float], second: list[float], third: list[float]) -> None:
    """Missing and infinite values too."""
    edges = quantile_edges(np.sort(first), 6)
    parts = [QuantileHistogram.empty(edges).add(np.array([*each, np.nan, np.inf])) for each in (first, second, third)]
    whole = QuantileHistogram.empty(edges).add(np.array([*first, *second, *third, *[np.nan] * 3, *[np.inf] * 3]))
    for a, b, c in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        merged = parts[a].merge(parts[b]).merge(parts[c])
        assert merged.counts.tolist() == whole.counts.tolist()
        assert merged.sums == pytest.approx(whole.sums, rel=1e-9, abs=1e-6)
        assert (merged.missing, merged.above, merged.minimum) == (3, 3, whole.minimum)


def test_histograms_of_other_edges_are_not_added() -> None:
    """Their bins mean something else."""
    with pytest.raises(ValueError, match="different edges"):
        QuantileHistogram.empty(np.array([1.0])).merge(QuantileHistogram.empty(np.array([2.0])))


@pytest.mark.parametrize("kind", ["normal", "half zeros", "new atom", "lumps"])
def test_ks_at_the_edges_errs_by_no_more_than_it_says(kind: str) -> None:
    """Also where a value that the reference never had is half of the current rows."""
    random = np.random.default_rng(3)
    a, b = np.sort(random.normal(size=40_000)), random.normal(0.1, 1, 30_000)
    if kind == "half zeros":
        a = np.sort(np.where(random.random(40_000) < 0.5, 0, a))
    if kind == "new atom":
        b[:15_000] = 0.12345
    if kind == "lumps":
        a, b = np.sort(np.round(a, 1)), np.round(b, 1)
    edges = quantile_edges(a, 512)
    sides = [QuantileHistogram.empty(edges).add(each) for each in (a, b)]
    exact, coarse = ks_sorted(a, np.sort(b)), ks_binned(sides[0].ordered, sides[1].ordered)
    assert coarse <= exact + 1e-12
    assert exact <= coarse + min(each.ks_error for each in sides) + 1e-12
    assert min(each.ks_error for each in sides) < 0.005


def test_the_distance_of_means_is_near_the_exact_one() -> None:
    """Also in the tail, where the last bin has no end."""
    random = np.random.default_rng(4)
    a, b = np.sort(random.standard_t(3, 40_000)), np.sort(random.standard_t(3, 40_000) * 1.3)
    edges = quantile_edges(a, 512)
    points = [part for each in (a, b) for part in QuantileHistogram.empty(edges).add(each).means()]
    expected = scipy_stats.wasserstein_distance(a, b)
    assert wasserstein_of_weights(*points) == pytest.approx(expected, rel=0.02)
    assert wasserstein_of_weights(*points) == pytest.approx(
        scipy_stats.wasserstein_distance(points[0], points[2], points[1], points[3])
    )


def test_a_sketch_of_35_columns_is_small() -> None:
    """512 bins each: what a record of counts takes, as JSON, under 100 KB."""
    import json

    ordered = np.sort(np.random.default_rng(5).normal(size=50_000))
    edges = quantile_edges(ordered, 512)
    counts = QuantileHistogram.empty(edges).add(np.random.default_rng(6).normal(size=100_000)).counts
    assert 35 * len(json.dumps(counts.tolist(), separators=(",", ":"))) <= 100_000
