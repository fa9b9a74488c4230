"""Cohen's kappa is that of others, its interval keeps its promise, and what cannot be known is NaN."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from modelyard.stats import cohen_kappa

LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=60)


def told(cells: dict[tuple[str, str], int]) -> tuple[list[str], list[str]]:
    """The labels of two, from a table of how often which two came together."""
    pairs = [pair for pair, count in cells.items() for _ in range(count)]
    return [one for one, _ in pairs], [other for _, other in pairs]


@settings(max_examples=200, deadline=None)
@given(LABELS)
def test_kappa_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    """To 1e-9, whatever is labelled; the same from either side; and inside its own interval, which is in [-1, 1]."""
    one, other = [each for each, _ in pairs], [each for _, each in pairs]
    found = cohen_kappa(one, other)
    if len({*one, *other}) == 1:
        assert math.isnan(found.value)
        return
    assert found.value == pytest.approx(cohen_kappa_score(one, other), abs=1e-9)
    assert found.value == pytest.approx(cohen_kappa(other, one).value, abs=1e-12)
    assert found.error == pytest.approx(cohen_kappa(other, one).error, abs=1e-12)
    assert -1 <= found.lower <= found.value + 1e-12
    assert found.value - 1e-12 <= found.upper <= 1


@settings(max_examples=50, deadline=None)
@given(LABELS)
def test_names_and_order_do_not_matter(pairs: list[tuple[str, str]]) -> None:
    """Other names for the same labels, and the same things in another order: the same agreement."""
    one, other = [each for each, _ in pairs], [each for _, each in pairs]
    renamed = cohen_kappa([f"<{each}>" for each in reversed(one)], [f"<{each}>" for each in reversed(other)])
    found = cohen_kappa(one, other)
    assert (renamed.value, renamed.error) == pytest.approx((found.value, found.error), abs=1e-12, nan_ok=True)


def test_the_standard_error_is_that_of_the_bootstrap() -> None:
    """Things drawn anew 3,000 times: their kappas spread as the formula says."""
    one, other = told({("p", "p"): 95, ("p", "f"): 20, ("f", "p"): 25, ("f", "f"): 60})
    first, second = np.array(one), np.array(other)
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(3000):
        at = random.integers(0, len(first), len(first))
        drawn.append(cohen_kappa(first[at].tolist(), second[at].tolist()).value)
    assert cohen_kappa(one, other).error == pytest.approx(np.std(drawn), rel=0.05)


def test_the_interval_holds_what_is_true_as_often_as_promised() -> None:
    """Of 600 samples of 60 things with a kappa of .6 it holds that in some 95 of 100."""
    random, held = np.random.default_rng(1), 0
    for _ in range(600):
        one = random.random(60) < 0.5
        other = np.where(random.random(60) < 0.8, one, ~one)  # agree on .8, .5 by chance: kappa .6
        found = cohen_kappa(one.astype(str).tolist(), other.astype(str).tolist())
        held += found.lower <= 0.6 <= found.upper
    assert held >= 555


def test_agreeing_on_everything_is_no_certainty() -> None:
    """The formula's error is 0 there; the interval still knows how few things there were."""
    few, many = (cohen_kappa(["p", "f"] * n, ["p", "f"] * n) for n in (3, 100))
    assert (few.value, few.error, few.upper) == (1, 0, 1)
    assert few.lower < 0.4
    assert many.lower > 0.95


def test_what_tells_nothing_is_nan() -> None:
    """Nothing at all, and the same one label from both; of one who never wavers there is no agreement beyond chance."""
    for one, other in (([], []), (["p"] * 9, ["p"] * 9)):
        found = cohen_kappa(one, other)
        assert all(math.isnan(each) for each in (found.value, found.lower, found.upper, found.error))
        assert found.n == len(one)
    assert cohen_kappa(["p"] * 4, ["p", "f", "p", "f"]).value == 0
    with pytest.raises(ValueError, match="not of the same things"):
        cohen_kappa(["p"], [])
