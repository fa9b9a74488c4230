"""What of the history a model learns from."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from modelyard.core import InvalidInput
from modelyard.data import WEIGHT, training_window

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
DAYS = (0, 1, 10, 30, 60)


def history() -> pa.Table:
    """A row at noon so many days ago each, one without a time, and one of tomorrow."""
    at = [*(NOON - timedelta(days=each) for each in DAYS), None, NOON + timedelta(days=1)]
    return pa.table({"at": pa.array(at, pa.timestamp("us", tz="UTC")), "row": range(len(at))})


def test_without_a_window_all_rows_are_taken_as_they_are() -> None:
    """None and nothing are the same."""
    assert training_window(history(), "at", NOON, None) == history()
    assert training_window(history(), "at", NOON, {}) == history()


def test_a_sliding_window_takes_the_newest() -> None:
    """The first instant belongs to it; a row without a time does not."""
    assert training_window(history(), "at", NOON, {"length": "30d"})["row"].to_pylist() == [0, 1, 2, 3, 6]
    assert training_window(history(), "at", NOON, {"length": "1h"})["row"].to_pylist() == [0, 6]


def test_a_weighted_window_halves_with_each_half_life() -> None:
    """A row of later weighs as one of now."""
    found = training_window(history(), "at", NOON, {"half_life": "30d"})
    assert found["row"].to_pylist() == [0, 1, 2, 3, 4, 6]
    expected = [1.0, 2 ** (-1 / 30), 2 ** (-1 / 3), 0.5, 0.25, 1.0]
    assert np.allclose(found[WEIGHT].to_numpy(), expected)


def test_both_together_weigh_what_is_taken() -> None:
    """Rows beyond the length weigh nothing."""
    found = training_window(history(), "at", NOON, {"half_life": "10d", "length": "10d"})
    assert found[WEIGHT].to_pylist() == [1.0, pytest.approx(2**-0.1), 0.5, 1.0]


@pytest.mark.parametrize(
    ("window", "match"),
    [
        ({"lenght": "30d"}, "Did you mean 'length'"),
        ({"length": "30"}, "is no duration"),
        ({"half_life": "1d"}, "has a column 'sample_weight' already"),
    ],
)
def test_what_is_no_window_is_refused(window: dict[str, str], match: str) -> None:
    """With what there is."""
    table = history().append_column(WEIGHT, pa.array([1.0] * len(history())))
    with pytest.raises(InvalidInput, match=match):
        training_window(table, "at", NOON, window)
