"""Numbers enter a model as they were written, or not at all."""

import numpy as np
import pytest

from modelyard.core import Scalar
from modelyard.inference import Encoder, Field, InvalidRow, Signature

NUMBERS = Encoder(Signature((Field("a", "number"), Field("b", "number", nullable=False))))


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63 + 1, 10**400])
def test_a_whole_number_that_would_lose_digits_is_refused(value: int) -> None:
    """Alone and among rows that are fine: nothing is rounded silently."""
    with pytest.raises(InvalidRow, match=r"Field 'a' of row 1 is \d|Field 'a' of row 1 is -\d"):
        NUMBERS([(1.0, 2.0), (value, 1.0)])


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**60, 1e300, -0.0, 5])
def test_a_number_that_is_exact_is_taken(value: float) -> None:
    """Also a large one, when float64 holds it."""
    assert NUMBERS([(value, 1.0)]).matrix[0, 0] == value


@pytest.mark.parametrize("odd", [True, "1", float("inf")])
def test_rows_taken_together_are_judged_one_by_one(odd: Scalar) -> None:
    """What numpy would cast is refused, and the row is named; missing values become NaN where they may be."""
    with pytest.raises(InvalidRow, match="row 2"):
        NUMBERS([(1.0, 2.0), (None, 3), (odd, 1.0)])
    matrix = NUMBERS([(1.0, 2.0), (None, 3), (float("nan"), 1)]).matrix
    assert np.isnan(matrix[1:, 0]).all()
    with pytest.raises(InvalidRow, match="row 1"):
        NUMBERS([(1.0, 2.0), (1.0, None)])
