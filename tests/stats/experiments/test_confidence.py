"""The confidence sequence is the issue's formula; p-values, gates and forecasts agree with it."""

import math

import numpy as np
import pytest

from modelyard.stats.experiments import (
    always_valid_p,
    benjamini_hochberg,
    binary_lack,
    boundary,
    confidence_sequence,
    holm,
    mean_lack,
    skew_lack,
    units_to,
)


@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize("n", [100, 10_000, 500_000])
def test_the_interval_is_the_published_formula(alpha: float, n: int) -> None:
    """As in the paper, eq. 24 and 45: the half width by s, n and the planned end, written out."""
    error, planned = 0.3, 20_000
    rho = math.sqrt((-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / planned)
    s2, r2 = n * error**2, n * rho**2
    half = math.sqrt(s2 * 2 * (r2 + 1) / (n * rho) ** 2 * math.log(math.sqrt(r2 + 1) / alpha))
    assert confidence_sequence(1.5, error, n, alpha=alpha, planned=planned) == pytest.approx(
        (1.5 - half, 1.5 + half), rel=1e-12
    )


@pytest.mark.parametrize("z", [0.0, 1.0, 3.0, 3.2, 8.0])
def test_the_p_value_is_at_most_alpha_just_where_the_interval_excludes_zero(z: float) -> None:
    """And at the boundary it is alpha."""
    low, high = confidence_sequence(z, 1.0, 5_000, planned=5_000)
    assert (always_valid_p(z, 1.0, 5_000, planned=5_000) <= 0.05) is (not low <= 0 <= high)
    edge = float(boundary(5_000, planned=5_000))
    assert always_valid_p(edge, 1.0, 5_000, planned=5_000) == pytest.approx(0.05, rel=1e-9)


def test_it_is_narrowest_about_the_planned_end() -> None:
    """A plan for fewer or more units is wider there."""
    there = boundary(10_000, planned=10_000)
    assert there == pytest.approx(3.03, abs=0.01)
    assert all(boundary(10_000, planned=planned) > there for planned in (3_000, 40_000))


def test_without_error_there_is_no_doubt() -> None:
    """Nor a difference where none is."""
    assert always_valid_p(0.0, 0.0, 10) == 1
    assert always_valid_p(0.1, 0.0, 10) == 0


def test_gates_say_what_is_lacking() -> None:
    """20 of the rarer outcome; 1,000 units, 2,000 where the arms are very uneven; more where they are skewed."""
    assert [binary_lack(hits, 1_000) for hits in (0, 19, 20, 985)] == [20, 1, 0, 5]
    assert [mean_lack(units, 0.5) for units in (0, 999, 1_000)] == [1_000, 1, 0]
    assert [mean_lack(1_500, share) for share in (0.1, 0.09, 0.95)] == [0, 500, 500]
    assert [skew_lack(skewness, 1_000) for skewness in (0.25, -0.25, 0.5, -1.0)] == [0, 0, 3_000, 15_000]


@pytest.mark.parametrize("z", [0.5, 1.0, 2.5])
def test_the_forecast_is_when_the_interval_first_excludes_zero(z: float) -> None:
    """With one unit fewer it does not."""
    n, more = 4_000, units_to(z, 1.0, 4_000)
    assert more is not None
    lows = [confidence_sequence(z, math.sqrt(n / total), total)[0] for total in (n + more - 1, n + more)]
    assert lows[0] <= 0 < lows[1] + 1e-9
    assert units_to(9.0, 1.0, 4_000) == 0
    assert units_to(0.0, 1.0, 4_000) is None


def test_holm_and_benjamini_hochberg_are_those_of_their_papers() -> None:
    """Benjamini and Hochberg's own example, of which four are rejected at .05; Holm's three."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
         1.0]  # fmt: skip
    assert int((benjamini_hochberg(p) <= 0.05).sum()) == 4
    assert int((holm(p) <= 0.05).sum()) == 3
    from scipy.stats import false_discovery_control

    shuffled = np.random.default_rng(0).permutation(p)
    assert benjamini_hochberg(shuffled) == pytest.approx(false_discovery_control(shuffled), rel=1e-12)
    assert holm([0.01, 0.04, 0.03, 0.005, 0.2]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.2])  # statsmodels 0.15
    by_hand = [max(min(1.0, (15 - j) * p[j]) for j in range(i + 1)) for i in range(15)]
    assert holm(p) == pytest.approx(by_hand, rel=1e-12)
