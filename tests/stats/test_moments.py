"""Moments merged part by part are those of the whole."""

import numpy as np
import pytest
from scipy import stats as oracle

from modelyard.stats import Moments

RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize("shift", [0.0, 1e9])
def test_merged_parts_give_what_scipy_gives_of_the_whole(shift: float) -> None:
    """Whatever the parts' sizes, and far from zero."""
    values = RANDOM.exponential(3, 5_000) + shift
    whole = Moments()
    for part in np.split(values, [0, 1, 40, 41, 3000]):
        whole = whole.merge(Moments.of(part))
    assert whole.count == 5_000
    assert whole.mean == pytest.approx(values.mean(), rel=1e-14)
    assert whole.deviation == pytest.approx(values.std(ddof=1), rel=1e-9)
    assert whole.skew == pytest.approx(oracle.skew(values), rel=1e-6)


def test_what_cannot_be_said_is_none() -> None:
    """No values, one value, equal values, values whose squares no float holds."""
    assert (Moments().deviation, Moments().skew) == (None, None)
    assert (Moments.of([3.0]).deviation, Moments.of([3.0]).skew) == (None, None)
    assert (Moments.of([3.0, 3.0]).deviation, Moments.of([3.0, 3.0]).skew) == (0.0, None)
    assert (Moments.of([1e300, -1e300]).deviation, Moments.of([1e300, -1e300]).skew) == (None, None)
