"""Chi-square of two samples equals scipy's, and treats the reference as the sample it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from modelyard.stats import chi_square_tail, two_sample_chi_square

counts = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=2, max_size=9)


@given(counts)
@settings(max_examples=50)
def test_it_equals_scipys_contingency_table(pairs: list[tuple[int, int]]) -> None:
    """Statistic, degrees of freedom and p-value; levels that neither side has are no levels."""
    r, c = np.array(pairs).T
    there = (r + c) > 0
    found = two_sample_chi_square(r, c)
    if there.sum() < 2 or not r.sum() or not c.sum():
        assert found is None
        return
    expected = scipy_stats.chi2_contingency(np.array([r[there], c[there]]), correction=False)
    assert found is not None
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert found.degrees == expected.dof
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.effect == pytest.approx(scipy_stats.contingency.association([r[there], c[there]], "cramer"), abs=1e-9)


def test_one_row_of_a_new_level_is_next_to_nothing() -> None:
    """Against the reference's shares as if they were exact, its expected count is 0 and the p-value 0."""
    found = two_sample_chi_square([500, 500, 0], [500, 499, 1])
    assert found is not None
    assert found.p_value > 0.5


def test_the_tail_is_scipys() -> None:
    """At a textbook value."""
    assert chi_square_tail(3.841458820694124, 1) == pytest.approx(0.05)
