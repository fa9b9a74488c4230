"""Adjusted differences equal regressions, ratios equal the delta method written out, parts equal the whole."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from modelyard.stats.experiments import ArmMoments, mean_difference, ratio_difference

RANDOM = np.random.default_rng(4)


def arms(n: int = 900, m: int = 700) -> tuple[np.ndarray, np.ndarray]:
    """Two arms of a metric and two covariates, of very different scales."""
    x = [RANDOM.normal([5, 1e6], [1, 2e5], (size, 2)) for size in (n, m)]
    y = [2 * each[:, 0] + 3e-6 * each[:, 1] + RANDOM.normal(0, 1, len(each)) for each in x]
    return np.column_stack([y[0], x[0]]), np.column_stack([y[1] + 0.2, x[1]])


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_merged_parts_are_the_whole(cuts: list[int]) -> None:
    """However the units are dealt out, empty parts among them; numpy gives the covariance."""
    rows = np.random.default_rng(1).normal(1e6, 1, (61, 3))
    merged = ArmMoments()
    for part in np.split(rows, sorted(cuts)):
        merged = merged.merge(ArmMoments.of(part))
    assert merged.count == 61
    assert merged.means == pytest.approx(rows.mean(axis=0), rel=1e-12)
    assert np.allclose(merged.covariance, np.cov(rows.T), rtol=1e-9, atol=1e-8)
    assert np.allclose(merged.cubes, ArmMoments.of(rows).cubes, rtol=1e-6, atol=1e-6)
    assert msgspec.json.decode(msgspec.json.encode(merged), type=ArmMoments) == merged


def test_without_covariates_it_is_the_plain_difference() -> None:
    """With Welch's standard error."""
    one, two = arms()
    found = mean_difference(ArmMoments.of(one[:, :1]), ArmMoments.of(two[:, :1]))
    assert found is not None
    error = np.sqrt(one[:, 0].var(ddof=1) / len(one) + two[:, 0].var(ddof=1) / len(two))
    assert (found.difference, found.error) == pytest.approx((two[:, 0].mean() - one[:, 0].mean(), error), rel=1e-12)
    assert found.kept == 1


def test_with_covariates_it_is_the_coefficient_of_a_regression() -> None:
    """Of the metric on the arm and the covariates: the same slope, within the arms, by all units."""
    one, two = arms()
    found = mean_difference(ArmMoments.of(one), ArmMoments.of(two))
    both = np.vstack([one, two])
    treated = np.repeat([0.0, 1.0], [len(one), len(two)])
    design = np.column_stack([np.ones(len(both)), treated, both[:, 1], both[:, 2] / 1e6])
    coefficients = np.linalg.lstsq(design, both[:, 0], rcond=None)[0]
    assert found is not None
    assert found.difference == pytest.approx(coefficients[1], rel=1e-9)
    residual = both[:, 0] - both[:, 1:] @ np.array([coefficients[2], coefficients[3] / 1e6])
    parts = residual[: len(one)], residual[len(one) :]
    assert found.error == pytest.approx(np.sqrt(sum(each.var(ddof=1) / len(each) for each in parts)), rel=1e-9)
    assert found.kept < 0.3


def test_a_covariate_that_says_nothing_changes_nothing() -> None:
    """A constant, and one that is there twice."""
    one, two = (np.column_stack([each, np.ones(len(each)), each[:, 1]]) for each in arms())
    plain = mean_difference(ArmMoments.of(one[:, :3]), ArmMoments.of(two[:, :3]))
    more = mean_difference(ArmMoments.of(one), ArmMoments.of(two))
    assert plain is not None
    assert more is not None
    assert (more.difference, more.error) == pytest.approx((plain.difference, plain.error), rel=1e-6)


def test_a_ratio_has_the_error_of_the_delta_method() -> None:
    """Written out with numpy's covariance: var(R) = (var(y) - 2 R cov(y, d) + R² var(d)) / (n·mean(d)²)."""
    made = []
    for size, rate in ((800, 0.3), (900, 0.33)):
        views = RANDOM.integers(1, 20, size).astype(float)
        made.append(np.column_stack([RANDOM.binomial(views.astype(int), rate), views]))
    found = ratio_difference(*(ArmMoments.of(each) for each in made))
    ratios = [each[:, 0].sum() / each[:, 1].sum() for each in made]
    variance = 0.0
    for each, ratio in zip(made, ratios, strict=True):
        c = np.cov(each.T)
        variance += (c[0, 0] - 2 * ratio * c[0, 1] + ratio**2 * c[1, 1]) / (len(each) * each[:, 1].mean() ** 2)
    assert found is not None
    assert (found.difference, found.error) == pytest.approx((ratios[1] - ratios[0], np.sqrt(variance)), rel=1e-9)


def test_rows_of_one_unit_count_as_one() -> None:
    """Where a unit's rows are alike, the delta method's error is wider than that of rows taken for themselves."""
    rates = RANDOM.beta(2, 5, 2_000)
    arm = ArmMoments.of(np.column_stack([RANDOM.binomial(20, rates), np.full(2_000, 20.0)]))
    found = ratio_difference(arm, arm)
    share = arm.means[0] / 20
    assert found is not None
    assert found.error > 1.8 * np.sqrt(2 * share * (1 - share) / 40_000)


def test_too_little_is_none() -> None:
    """One unit, no unit, no denominator."""
    one, two = ArmMoments.of([[1.0, 0.0]]), ArmMoments.of([[1.0, 0.0], [2.0, 0.0]])
    assert mean_difference(one, two) is None
    assert mean_difference(ArmMoments(), two) is None
    assert ratio_difference(two, two) is None


def test_binary_moments_are_those_of_zeros_and_ones() -> None:
    """From two counts."""
    one, other = ArmMoments.binary(3, 10), ArmMoments.of([[1.0]] * 3 + [[0.0]] * 7)
    assert (one.count, one.means, one.products) == (other.count, other.means, other.products)
    assert np.allclose(one.cubes, other.cubes, rtol=1e-12)
    assert ArmMoments.binary(0, 0) == ArmMoments()


def test_the_skewness_is_that_of_the_difference() -> None:
    """As simulated: 20,000 differences of exponential arms of 40 and 400; none where the arms are even."""
    drawn = np.random.default_rng(8)
    one, two = drawn.standard_exponential((20_000, 400)), drawn.standard_exponential((20_000, 40))
    simulated = scipy_stats.skew(two.mean(axis=1) - one.mean(axis=1))
    found = [
        mean_difference(ArmMoments.of(a[:, None]), ArmMoments.of(b[:, None])) for a, b in zip(one, two, strict=True)
    ]
    assert np.mean([each.skewness for each in found if each is not None]) == pytest.approx(simulated, rel=0.1)
    even = mean_difference(ArmMoments.of(one[0][:, None]), ArmMoments.of(one[1][:, None]))
    assert even is not None
    assert even.skewness == 0


def test_the_skewness_of_an_adjusted_ratio_is_that_of_its_linear_form() -> None:
    """Written out: numerator less ratio times denominator less slope times covariate, unit by unit."""
    drawn = np.random.default_rng(9)
    made = []
    for size in (900, 300):
        before, views = drawn.gamma(2, 3, size), drawn.integers(1, 9, size).astype(float)
        made.append(np.column_stack([before * views + drawn.standard_exponential(size) ** 2, views, before]))
    arms_of = [ArmMoments.of(each[:100]).merge(ArmMoments.of(each[100:])) for each in made]
    found = ratio_difference(arms_of[0], arms_of[1])
    forms = [(each[:, 0] - each[:, 0].sum() / each[:, 1].sum() * each[:, 1]) / each[:, 1].mean() for each in made]
    centred = [each[:, 2] - each[:, 2].mean() for each in made]
    slope = sum(x @ y for x, y in zip(centred, forms, strict=True)) / sum(x @ x for x in centred)
    rest = [y - slope * x for x, y in zip(centred, forms, strict=True)]
    cube, square = (sum(float((each**power).sum()) for each in rest) / 1_200 for power in (3, 2))
    expected = cube * (1 / 300**2 - 1 / 900**2) / (square * (1 / 300 + 1 / 900)) ** 1.5
    assert found is not None
    assert found.skewness == pytest.approx(expected, rel=1e-9)
