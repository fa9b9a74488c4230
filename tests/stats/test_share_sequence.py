"""A share that is looked at continuously: against an independent sum, and by how often it misses."""

import math

import numpy as np
import pytest
from scipy.stats import betabinom, binom

from modelyard.stats import rows_to, share_sequence, wilson


@pytest.mark.parametrize(("hits", "total"), [(0, 50), (3, 50), (50, 50), (400, 1000)])
def test_the_ends_are_where_the_mixture_refutes(hits: int, total: int) -> None:
    """scipy's beta-binomial over its binomial is 1 / alpha at every end that is inside (0, 1)."""
    for end in share_sequence(hits, total, alpha=0.05):
        if 0 < end < 1:
            ratio = betabinom(total, 0.5, 0.5).pmf(hits) / binom(total, end).pmf(hits)
            assert math.log(ratio) == pytest.approx(math.log(20), abs=1e-6)


def test_it_holds_the_truth_at_all_looks_together_where_an_interval_for_one_look_does_not() -> None:
    """2,000 series of 1,000 rows looked at after each: at most 5% ever lose the true share; Wilson's loses more."""
    rng = np.random.default_rng(0)
    share, rows = 0.1, 600
    hits = np.cumsum(rng.random((2000, rows)) < share, axis=1)
    ends: dict[tuple[int, int], bool] = {}
    naive: dict[tuple[int, int], bool] = {}
    lost = fooled = 0
    for series in hits:
        points = [(int(series[at - 1]), at) for at in range(20, rows + 1, 20)]
        for point in points:
            if point not in ends:
                low, high = share_sequence(*point)
                ends[point] = not low <= share <= high
                below, above = wilson(*point) or (0.0, 1.0)
                naive[point] = not below <= share <= above
        lost += any(ends[point] for point in points)
        fooled += any(naive[point] for point in points)
    assert lost / 2000 <= 0.05
    assert fooled / 2000 > 0.15


def test_no_row_says_nothing() -> None:
    """Any share is possible."""
    assert share_sequence(0, 0) == (0.0, 1.0)


def test_the_forecast_is_the_least_number_of_rows_that_tells() -> None:
    """With that many more the bound is outside, with one less it is not; at the bound itself no number would do."""
    more = rows_to(0, 100, 0.01)
    assert more is not None
    assert share_sequence(0, 100 + more)[1] <= 0.01
    assert share_sequence(0, 100 + more - 2)[1] > 0.01
    assert rows_to(0, 100 + more, 0.01) == 0
    assert rows_to(1, 100, 0.01) is None
    assert rows_to(0, 0, 0.01) == more + 100
