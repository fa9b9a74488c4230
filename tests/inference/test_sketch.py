"""Live histograms count every value where the profile would have counted it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modelyard.inference import CategoryProfile, NumberProfile, ReferenceProfile, Sketch

EDGES = (-2.5, 0.0, 0.5, 7.0)
PROFILE = ReferenceProfile(
    0,
    (
        NumberProfile("amount", EDGES, (0,) * 5, 0),
        CategoryProfile("country", ("de", "fr", "it"), (0, 0, 0), 0, 0),
        NumberProfile("none", (), (0,), 0),
    ),
)
VALUES = st.one_of(st.sampled_from([*EDGES, np.nan, np.inf, -np.inf, -0.0]), st.floats(-10, 10))
ROWS = st.lists(st.tuples(VALUES, st.sampled_from([0.0, 1.0, 2.0, np.nan]), VALUES), max_size=30)


@given(ROWS, st.integers(0, 30))
def test_each_value_is_counted_in_its_bin_whatever_comes_together(rows: list[tuple[float, ...]], cut: int) -> None:
    """Ties at edges belong below, infinities to the outer bins, NaN apart; in one call or in two."""
    matrix = np.array(rows, dtype=np.float64).reshape(len(rows), 3)
    sketch = Sketch(PROFILE)
    sketch.update(matrix[:cut])
    sketch.update(matrix[cut:])
    assert sketch.rows == len(rows)
    expected = {
        "amount": [5 if np.isnan(value) else sum(value > edge for edge in EDGES) for value in matrix[:, 0]],
        "country": [3 if np.isnan(code) else int(code) for code in matrix[:, 1]],
        "none": [int(np.isnan(value)) for value in matrix[:, 2]],
    }
    widths = {"amount": 6, "country": 4, "none": 2}
    counted = {name: tuple(map(found.count, range(widths[name]))) for name, found in expected.items()}
    assert sketch.take() == counted
    assert sketch.take() == {name: (0,) * width for name, width in widths.items()}
