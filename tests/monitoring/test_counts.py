"""Columns are counted alike whether they are counted whole or by groups too."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.inference import Field, NumberProfile
from modelyard.monitoring.counts import ColumnCounter, ColumnCounts

PLAIN = NumberProfile("amount", (-1.0, 0.0, 2.5), (5, 5, 5, 5), 0, 0.5, 2.0)
CONSTANT = NumberProfile("amount", (7.0,), (20, 0), 0, 7.0, 0.0)
FIELD = Field("amount", "number", minimum=-3.0, maximum=3.0)
VALUES = st.one_of(st.sampled_from([-1.0, 0.0, 2.5, 7.0, None, np.inf, -np.inf]), st.floats(-10, 10))


@pytest.mark.parametrize("profile", [PLAIN, CONSTANT], ids=["plain", "constant"])
@given(parts=st.lists(st.lists(VALUES, max_size=20), max_size=4))
def test_sorting_counts_what_looking_for_each_bin_counts(
    profile: NumberProfile, parts: list[list[float | None]]
) -> None:
    """Bins, missing and outside are equal, and the same as by the definition; mean and deviation to rounding."""
    whole, grouped = ColumnCounter(profile, FIELD), ColumnCounter(profile, FIELD, groupings=1)
    for values in parts:
        whole.add(pa.array(values, pa.float64()))
        grouped.add(pa.array(values, pa.float64()), [np.zeros(len(values), np.int64)])
    first, second = whole.whole(), grouped.whole()
    assert plain(first) == plain(second)
    assert (first.mean, first.deviation) == pytest.approx((second.mean, second.deviation), abs=1e-6)
    known = [each for part in parts for each in part if each is not None]
    edges = (np.nextafter(7.0, 0.0), 7.0) if profile is CONSTANT else PLAIN.edges
    bins = [sum(value > edge for edge in edges) for value in known]
    assert first.bins == tuple(map(bins.count, range(len(edges) + 1)))
    assert first.missing == sum(each is None for part in parts for each in part)
    assert first.outside == sum(abs(value) > 3 for value in known)


def test_what_is_no_number_is_counted_apart() -> None:
    """Mixed values come packed: texts are mistyped, neither missing nor in a bin."""
    counter = ColumnCounter(PLAIN, FIELD)
    counter.add([1.0, "many", None, 9.0])
    found = counter.whole()
    assert (found.bins, found.missing, found.mistyped, found.outside) == ((0, 0, 1, 1), 1, 1, 1)


def plain(counts: ColumnCounts) -> tuple[object, ...]:
    """What is counted exactly."""
    return counts.bins, counts.missing, counts.mistyped, counts.outside
