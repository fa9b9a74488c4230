"""Orders and places are those of NumPy, however far the numbers are apart."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.features.join.sorting import counted_below, different, stable_order

LEAST, GREATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
numbers = st.lists(
    st.one_of(st.integers(-5, 5), st.sampled_from([LEAST, LEAST + 1, GREATEST]), st.integers(LEAST, GREATEST)),
    min_size=1, max_size=40,
).map(lambda values: np.array(values, np.int64))  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(numbers)
def test_the_order_is_a_stable_argsort(values: np.ndarray) -> None:
    """Equal values keep theirs."""
    assert stable_order(values).tolist() == np.argsort(values, kind="stable").tolist()
    assert different(values).tolist() == sorted(set(values.tolist()))


@settings(max_examples=200, deadline=None)
@given(numbers, numbers)
def test_places_are_those_of_a_binary_search(known: np.ndarray, needles: np.ndarray) -> None:
    """Ascending needles or not."""
    known.sort()
    assert counted_below(known, needles).tolist() == np.searchsorted(known, needles, side="right").tolist()


def test_needles_beyond_one_block_are_found() -> None:
    """The blocks are put together in order."""
    random = np.random.default_rng(0)
    known, needles = np.sort(random.integers(0, 10**6, 5000)), random.integers(-10, 10**6 + 10, 300_000)
    assert np.array_equal(counted_below(known, needles), np.searchsorted(known, needles, side="right"))
    assert len(stable_order(np.empty(0, np.int64))) == 0
