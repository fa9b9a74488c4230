"""Drift verdicts: what changed is found, what did not change is left alone, and too little data is said to be that."""

import math
import time

import numpy as np
import pytest

from modelyard.core import Scalar
from modelyard.inference import CategoryProfile, NumberProfile
from modelyard.monitoring import MonitorSettings, feature_drift

SETTINGS = MonitorSettings()
COLUMNS = 20
LEVELS = 105


def number_profile(values: np.ndarray, nulls: int = 0) -> NumberProfile:
    """Twenty quantile bins, as bundles keep them."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, 21)[1:-1])) if len(values) else np.empty(0)
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    mean, deviation = (float(values.mean()), float(values.std())) if len(values) else (None, None)
    return NumberProfile("x", tuple(edges.tolist()), tuple(counts.tolist()), nulls, mean, deviation)


def category_profile(counts: np.ndarray, nulls: int = 0) -> CategoryProfile:
    """Levels named by number."""
    return CategoryProfile("c", tuple(str(each) for each in range(len(counts))), tuple(counts.tolist()), 0, nulls)


RANDOM = np.random.default_rng(0)
NORMAL = number_profile(RANDOM.normal(size=40_000))
SHARES = RANDOM.dirichlet(np.full(LEVELS, 0.7))
MANY_LEVELS = category_profile(RANDOM.multinomial(40_000, SHARES))


def normal(rows: int, *, mean: float = 0.0, spread: float = 1.0, seed: int = 1) -> list[Scalar]:
    """Values of a window."""
    return list(map(float, np.random.default_rng(seed).normal(mean, spread, rows)))


def levels(rows: int, seed: int = 1) -> list[Scalar]:
    """Levels as the reference has them."""
    return [str(each) for each in np.random.default_rng(seed).choice(LEVELS, rows, p=SHARES)]


def verdict(profile: NumberProfile | CategoryProfile, values: list[Scalar]) -> str:
    """The verdict on one of twenty columns."""
    return feature_drift(profile, values, SETTINGS, columns=COLUMNS).verdict


@pytest.mark.parametrize("rows", [40, 300, 2000])
def test_without_a_change_nothing_drifts(rows: int) -> None:
    """200 windows of a number and of 105 levels: at alpha .01 over 20 columns, not one may be called drifted."""
    for seed in range(200):
        assert verdict(NORMAL, normal(rows, seed=seed)) != "fail"
        assert verdict(MANY_LEVELS, levels(rows, seed=seed)) != "fail"


def test_hundreds_of_thousands_of_rows_make_no_drift_of_a_trifle() -> None:
    """A shift of 2% of a deviation has a tiny p-value at 300,000 rows, and is no drift."""
    assert verdict(NORMAL, normal(300_000, mean=0.02)) == "pass"


@pytest.mark.parametrize(
    "values",
    [normal(2000, mean=0.5), normal(2000, mean=-0.5), normal(2000, spread=2.0), normal(2000, spread=0.4)],
    ids=["up", "down", "wider", "narrower"],
)
def test_planted_shifts_are_found(values: list[Scalar]) -> None:
    """Half a deviation either way, and a changed spread."""
    assert verdict(NORMAL, values) == "fail"


def test_one_huge_value_neither_hides_nor_makes_drift() -> None:
    """Bins by quantiles do not stretch: 10⁶ is one more value in the last bin."""
    assert verdict(NORMAL, [*normal(2000), 1e6]) == "pass"
    assert verdict(NORMAL, [*normal(2000, mean=0.5), 1e6]) == "fail"


def test_the_shift_is_signed_and_in_deviations() -> None:
    """Down is negative."""
    shift = feature_drift(NORMAL, normal(4000, mean=-0.5), SETTINGS, columns=COLUMNS).shift
    assert shift == pytest.approx(-0.5, abs=0.06)


def test_few_rows_are_inconclusive() -> None:
    """Five rows, and 300 rows over 105 levels, cannot show an effect of .15."""
    assert verdict(NORMAL, normal(5)) == "inconclusive"
    assert verdict(MANY_LEVELS, levels(300)) == "inconclusive"
    assert verdict(number_profile(np.full(1000, 3.0)), [3.0] * 5) == "inconclusive"


def test_few_rows_far_off_are_drift_all_the_same() -> None:
    """What chance cannot explain even at 60 rows needs no more of them."""
    assert verdict(NORMAL, normal(60, mean=5.0)) == "fail"


@pytest.mark.parametrize("profile", [NORMAL, MANY_LEVELS], ids=["number", "category"])
def test_no_data_never_passes(profile: NumberProfile | CategoryProfile) -> None:
    """An empty window is inconclusive, one with nothing but nulls is a change of the missing share."""
    found = feature_drift(profile, [], SETTINGS, columns=COLUMNS)
    assert (found.verdict, found.reason) == ("inconclusive", "no data to compare")
    assert verdict(profile, [None] * 2000) == "fail"
    assert verdict(profile, [None] * 3) == "inconclusive"


def test_a_column_that_was_and_is_empty_is_inconclusive() -> None:
    """Nothing was compared."""
    assert verdict(number_profile(np.empty(0), nulls=5000), [None] * 2000) == "inconclusive"


def test_a_column_that_was_empty_and_fills_up_is_reported() -> None:
    """100% → 0% missing."""
    found = feature_drift(number_profile(np.empty(0), nulls=5000), normal(2000), SETTINGS, columns=COLUMNS)
    assert (found.verdict, found.reason) == ("fail", "missing 100% → 0%")


@pytest.mark.parametrize(("before", "now"), [(0.05, 0.5), (0.5, 0.05)])
def test_a_changed_missing_share_is_drift_of_its_own(before: float, now: float) -> None:
    """5% → 50% is reported though the values that are there did not change."""
    sample = np.random.default_rng(2).normal(size=20_000)
    profile = number_profile(sample, nulls=int(20_000 * before / (1 - before)))
    values: list[Scalar] = [None if index % 100 < 100 * now else each for index, each in enumerate(normal(2000))]
    found = feature_drift(profile, values, SETTINGS, columns=COLUMNS)
    assert found.verdict == "fail"
    assert found.reason == f"missing {before:.0%} → {now:.0%}"
    assert found.missing_current == pytest.approx(now)


def test_an_unchanged_missing_share_is_left_alone() -> None:
    """30% missing before and now, 300 windows of 100 rows against a reference of only 200."""
    profile = number_profile(np.random.default_rng(3).normal(size=140), nulls=60)
    for seed in range(300):
        gone = np.random.default_rng(seed).random(100) < 0.3
        values: list[Scalar] = [None if lost else each for lost, each in zip(gone, normal(100, seed=seed), strict=True)]
        assert verdict(profile, values) != "fail"


@pytest.mark.parametrize("moved", [2.0, 4.0])
def test_a_constant_that_moves_is_drift(moved: float) -> None:
    """Also downwards, where its bin (-∞, 3] would hide it; also for a constant that binary cannot write."""
    assert verdict(number_profile(np.full(1000, 3.0)), [moved] * 500) == "fail"
    assert verdict(number_profile(np.full(1000, 0.1)), [moved - 3.0] * 500) == "fail"


def test_a_constant_that_stays_passes() -> None:
    """With a finite PSI and no shift to speak of."""
    found = feature_drift(number_profile(np.full(1000, 0.1)), [0.1] * 500, SETTINGS, columns=COLUMNS)
    assert found.verdict == "pass"
    assert found.psi == pytest.approx(0, abs=0.01)


def test_a_new_category_is_weighed_by_its_share() -> None:
    """One row of a new level in 7,000 is no drift; three rows in ten are."""
    known = levels(7000)
    assert verdict(MANY_LEVELS, [*known[:-1], "new"]) == "pass"
    assert verdict(MANY_LEVELS, [*known[:4900], *["new"] * 2100]) == "fail"


def test_numbers_of_a_verdict_are_finite() -> None:
    """What is recorded as JSON has no infinity, whatever is empty."""
    empty = number_profile(np.empty(0), nulls=10)
    windows: tuple[list[Scalar], ...] = ([], [None], [1.0], [None] * 500, [1e300] * 500)
    for profile in (NORMAL, empty, number_profile(np.full(9, 1.0))):
        for values in windows:
            found = feature_drift(profile, values, SETTINGS, columns=COLUMNS)
            assert all(map(math.isfinite, (found.psi, found.effect, found.bound, found.missing_current)))
            assert 0 <= found.effect <= 1


def test_thresholds_are_the_projects_own() -> None:
    """A stricter project sees drift where the default does not."""
    values = normal(20_000, mean=0.25)
    assert verdict(NORMAL, values) == "pass"
    strict = MonitorSettings(distance=0.05)
    assert feature_drift(NORMAL, values, strict, columns=COLUMNS).verdict == "fail"


def test_a_week_of_twenty_features_is_judged_in_no_time() -> None:
    """7,000 rows of 20 features: 150 ms are the aim, and CPU time has four times that here."""
    number, level = normal(7000), levels(7000)
    began = time.process_time()
    for column in range(20):
        profile, values = (MANY_LEVELS, level) if column % 5 == 0 else (NORMAL, number)
        feature_drift(profile, values, SETTINGS, columns=COLUMNS)
    assert time.process_time() - began < 0.6
