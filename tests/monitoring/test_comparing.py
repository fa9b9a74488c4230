"""Two tables compared: each trap that others fall into, with the wrong answer it guards against."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats as scipy_stats

from modelyard.core import InvalidInput
from modelyard.monitoring import ColumnDrift, CompareOptions, compare_columns, detect_drift, monitor_features

ALONE = CompareOptions(joint=False)


def judged(reference: Any, current: Any, options: CompareOptions = ALONE) -> ColumnDrift:
    """The verdict on one column."""
    (found,) = compare_columns(pa.table({"x": reference}), pa.table({"x": current}), options).columns
    return found


def normal(rows: int, seed: int, mean: float = 0.0, spread: float = 1.0) -> np.ndarray:
    """A sample."""
    return np.random.default_rng(seed).normal(mean, spread, rows)


def test_hundreds_of_thousands_of_rows_make_no_drift_of_a_trifle() -> None:
    """A mean moved by a fiftieth of a deviation: the p-value says drift, the effect says it does not matter."""
    a, b = normal(300_000, 1), normal(300_000, 2, mean=0.02)
    assert scipy_stats.ks_2samp(a, b, method="asymp").pvalue < 1e-6  # the wrong answer
    found = judged(a, b)
    assert found.verdict == "pass"
    assert found.p_value is not None
    assert found.p_value < 1e-6


@pytest.mark.parametrize("where", ["reference", "current", "both"])
def test_a_stray_of_a_million_hides_no_shift(where: str) -> None:
    """With ten bins of equal width all other rows are in one, and PSI is nothing."""
    a, b = normal(20_000, 1), normal(20_000, 2, mean=0.6)
    if where != "current":
        a[0] = 1e6
    if where != "reference":
        b[0] = 1e6
    edges = np.linspace(min(a.min(), b.min()), max(a.max(), b.max()), 11)
    shares = [np.histogram(each, edges)[0] / 20_000 for each in (a, b)]
    assert np.abs(shares[0] - shares[1]).max() < 0.001  # the wrong answer
    found = judged(a, b)
    assert found.verdict == "fail"
    assert found.psi is not None
    assert found.psi > 0.2


def test_a_stray_of_a_million_makes_no_stable_column_alarm() -> None:
    """Wasserstein follows it, and decides nothing; asked for, it is measured in spreads that strays do not move."""
    a, b = normal(20_000, 1), np.append(normal(20_000, 2), 1e6)
    assert scipy_stats.wasserstein_distance(a, b) > 40  # the wrong answer
    found = judged(a, b)
    assert found.verdict == "pass"
    assert found.outside is not None
    assert 1 / 20_001 <= found.outside < 0.001


def test_an_unchanged_id_column_of_15000_levels_is_no_drift() -> None:
    """By itself each level differs by chance, all together by more than any threshold."""
    random = np.random.default_rng(3)
    a, b = (np.char.add("user-", random.integers(0, 15_000, 30_000).astype(str)) for _ in range(2))
    levels = np.unique(np.concatenate([a, b]), return_inverse=True)[1]
    counts = [np.bincount(each, minlength=15_000) / 30_000 for each in (levels[:30_000], levels[30_000:])]
    assert np.abs(counts[0] - counts[1]).sum() / 2 > 0.3  # the wrong answer
    found = judged(a, b)
    assert found.verdict == "pass"
    assert found.new_share == pytest.approx(found.new_expected, abs=0.02)


def test_values_that_are_always_new_are_no_drift() -> None:
    """A row's own number as text: no level of the reference comes again, as was to be expected."""
    found = judged([f"a{each}" for each in range(5000)], [f"b{each}" for each in range(5000)])
    assert (found.verdict, found.new_share, found.new_expected) == ("pass", 1.0, 1.0)


def test_ids_that_others_take_the_place_of_are_drift() -> None:
    """A third of the rows are of users that were not there: unlike the tail, their share was not to be expected."""
    random = np.random.default_rng(4)
    a, b = random.integers(0, 3000, 30_000), random.integers(0, 4500, 30_000)
    found = judged(a.astype(str), b.astype(str))
    assert found.verdict == "fail"
    assert found.method == "new_levels"
    assert "new levels 33" in found.reason


@pytest.mark.parametrize(("before", "now"), [(0.05, 0.5), (0.5, 0.05)])
@pytest.mark.parametrize("kind", ["number", "category"])
def test_a_changed_missing_share_is_drift(before: float, now: float, kind: str) -> None:
    """5% → 50%: the values that are there did not change, and a comparison of those passes."""
    random = np.random.default_rng(5)
    sides = []
    for share in (before, now):
        there: list[Any] = (
            random.normal(size=4000).tolist() if kind == "number" else random.choice(["a", "b"], 4000).tolist()
        )
        sides.append(
            pa.array([None if gone else each for gone, each in zip(random.random(4000) < share, there, strict=True)])
        )
    found = judged(*sides)
    effect = found.ks if kind == "number" else found.total_variation
    assert effect is not None
    assert effect < 0.05  # the wrong answer
    assert (found.verdict, found.method, found.kind) == ("fail", "missing", kind)


def test_one_row_of_a_new_category_is_no_drift() -> None:
    """With the reference as exact shares its expected count is 0, and p is 0."""
    found = judged(["a"] * 500 + ["b"] * 500, ["a"] * 500 + ["b"] * 499 + ["c"])
    assert (found.verdict, found.new_levels, found.vanished_levels) == ("pass", ("c",), ())
    assert found.p_value is not None
    assert found.p_value > 0.5


def test_a_new_category_of_a_fifth_of_the_rows_is_drift() -> None:
    """And named, as is the one that went."""
    found = judged(["a"] * 1000 + ["b"] * 1000, ["a"] * 1000 + ["c"] * 1000)
    assert (found.verdict, found.new_levels, found.vanished_levels) == ("fail", ("c",), ("b",))


def test_an_all_null_column_neither_fails_the_report_nor_is_silent() -> None:
    """It is said to hold nothing, and the other columns are judged."""
    a = pa.table({"gone": pa.nulls(1000, pa.float64()), "untyped": pa.nulls(1000), "x": normal(1000, 1)})
    b = pa.table({"gone": pa.nulls(1000, pa.float64()), "untyped": pa.nulls(1000), "x": normal(1000, 2)})
    found = compare_columns(a, b, ALONE)
    assert found.verdict == "pass"
    assert [each.verdict for each in found.columns] == ["inconclusive", "inconclusive", "pass"]
    assert found.columns[0].reason == found.columns[1].reason == "no value on either side"


@pytest.mark.parametrize("empty", ["reference", "current"])
def test_a_column_that_fills_up_or_empties_is_drift(empty: str) -> None:
    """From 100% missing to none, also where an empty column has no type at all."""
    full, gone = normal(1000, 1), pa.nulls(1000)
    found = judged(gone, full) if empty == "reference" else judged(full, gone)
    assert found.verdict == "fail"
    assert "100.0%" in found.reason


def test_only_empty_columns_are_inconclusive() -> None:
    """No data is never a pass."""
    nothing = pa.table({"x": pa.nulls(100), "y": pa.nulls(100)})
    assert compare_columns(nothing, nothing, ALONE).verdict == "inconclusive"


@pytest.mark.parametrize("rows", [1, 5, 60])
def test_few_rows_are_said_to_be_few(rows: int) -> None:
    """Whatever the column: a statistic of five rows is large by chance, and one that is small shows nothing."""
    for values in (
        normal,
        lambda n, seed: np.random.default_rng(seed).choice(["a", "b"], n),
        lambda n, _: np.full(n, 3.0),
    ):
        found = judged(values(10_000, 1), values(rows, 2))
        assert found.verdict == "inconclusive", found.reason
        assert f"{rows} rows cannot show it" in found.reason


def test_few_rows_far_off_are_drift_all_the_same() -> None:
    """What chance cannot explain even at 60 rows."""
    assert judged(normal(10_000, 1), normal(60, 2, mean=5)).verdict == "fail"


@pytest.mark.parametrize("moved", [2.0, 4.0, 3.0000001])
def test_a_constant_that_moves_is_drift(moved: float) -> None:
    """Also by next to nothing: there was no spread at all."""
    assert judged(np.full(1000, 3.0), np.full(1000, moved)).verdict == "fail"


def test_a_constant_that_stays_passes() -> None:
    """Every figure of it is finite."""
    found = judged(np.full(1000, 3.0), np.full(1000, 3.0))
    assert (found.verdict, found.ks, found.js, found.wasserstein, found.wasserstein_scaled) == ("pass", 0, 0, 0, None)


def test_tied_values_are_judged_by_their_own_null() -> None:
    """Counts of 0 to 4 at 400 rows: Kolmogorov's quantile, which knows no ties, could not see the threshold."""
    random = np.random.default_rng(6)
    a, b = random.poisson(0.3, 20_000), random.poisson(0.3, 400)
    assert judged(a, b).verdict == "pass"
    assert judged(a, random.poisson(0.8, 400)).verdict == "fail"


def test_a_changed_type_is_drift() -> None:
    """Numbers that became text; whole numbers that became floats are the same kind."""
    found = judged(pa.array([1, 2, 3] * 100), pa.array(["1", "two", "3"] * 100))
    assert (found.verdict, found.kind, found.method) == ("fail", "mixed", "type")
    assert found.reason == "its type changed from int64 to string"
    assert judged(pa.array([1, 2, 3] * 300), pa.array([1.0, 2.0, 3.0] * 300)).verdict == "pass"


def test_infinite_and_missing_values_of_floats_are_told_apart() -> None:
    """NaN is missing; infinities are values that KS sees and Wasserstein leaves out."""
    a, b = normal(2000, 1), normal(2000, 2)
    b[:900], b[900:1000] = np.inf, np.nan
    found = judged(a, b)
    assert (found.verdict, found.missing_cur) == ("fail", 0.05)
    assert found.wasserstein is not None
    assert found.wasserstein < 0.2


def test_statistics_equal_scipys() -> None:
    """KS, Wasserstein to 1e-9; chi-square of the contingency table."""
    a, b = normal(5000, 1), normal(4000, 2, mean=0.3)
    found = judged(a, b)
    assert found.ks == pytest.approx(scipy_stats.ks_2samp(a, b, method="asymp").statistic, abs=1e-12)
    assert found.wasserstein == pytest.approx(scipy_stats.wasserstein_distance(a, b), rel=1e-9)
    levels = judged(["a"] * 700 + ["b"] * 300, ["a"] * 500 + ["b"] * 400)
    table = scipy_stats.chi2_contingency([[700, 300], [500, 400]], correction=False)
    assert levels.chi2 == pytest.approx(table.statistic)
    assert levels.p_value == pytest.approx(table.pvalue)


def test_the_threshold_and_the_method_are_the_askers() -> None:
    """A KS of .12 is drift from .1 on; scaled Wasserstein decides when asked; of text its sibling does."""
    a, b = normal(20_000, 1), normal(20_000, 2, mean=0.3)
    assert judged(a, b).verdict == "pass"
    assert judged(a, b, CompareOptions(threshold=0.1, joint=False)).verdict == "fail"
    found = judged(a, b, CompareOptions(method="wasserstein", threshold=0.2, joint=False))
    assert (found.verdict, found.method) == ("fail", "wasserstein")
    text = judged(["a"] * 900, ["a"] * 900, CompareOptions(method="ks", joint=False))
    assert (text.verdict, text.method) == ("pass", "total_variation")
    for method in ("js", "chi2", "psi", "total_variation", "ks"):
        assert judged(a, normal(20_000, 3), CompareOptions(method=method, joint=False)).verdict == "pass"
        assert judged(a, b + 1, CompareOptions(method=method, joint=False)).verdict == "fail"


@pytest.mark.parametrize(
    ("options", "told"), [({"method": "kolmogorov"}, "no method"), ({"threshold": 0}, "drift everywhere")]
)
def test_options_without_a_meaning_are_refused(options: Mapping[str, Any], told: str) -> None:
    """Before anything is read."""
    with pytest.raises(InvalidInput, match=told):
        CompareOptions(**options)


def test_embeddings_are_compared_by_their_distances() -> None:
    """Vectors that moved, that stayed, and that changed their length."""
    random = np.random.default_rng(7)

    def vectors(rows: int, width: int, mean: float) -> pa.Array:
        return pa.FixedSizeListArray.from_arrays(pa.array(random.normal(mean, 1, rows * width)), width)

    assert judged(vectors(2000, 8, 0), vectors(1500, 8, 0)).verdict == "pass"
    moved = judged(vectors(2000, 8, 0), vectors(1500, 8, 0.8))
    assert (moved.verdict, moved.method) == ("fail", "energy")
    assert judged(vectors(500, 8, 0), vectors(500, 4, 0)).reason == "vectors of 8 numbers became vectors of 4"
    lists = pa.array([[1.0, 2.0], None, [3.0, float("nan")]] * 200)
    assert judged(lists, lists).missing_ref == pytest.approx(2 / 3)


def test_a_changed_correlation_is_seen_by_all_columns_together() -> None:
    """Each column alone is what it was."""
    random = np.random.default_rng(8)

    def table(rows: int, correlation: float) -> pa.Table:
        x, noise = random.normal(size=(2, rows))
        return pa.table(
            {"x": x, "y": correlation * x + np.sqrt(1 - correlation**2) * noise, "z": random.normal(size=rows)}
        )

    found = compare_columns(table(6000, 0.0), table(6000, 0.9))
    assert [each.verdict for each in found.columns] == ["pass"] * 3  # the wrong answer
    assert found.drifted
    assert found.joint is not None
    assert set(list(found.joint.weights)[:2]) == {"x", "y"}
    assert found.joint.reconstruction is not None
    assert found.joint.reconstruction_bound is not None
    assert abs(found.joint.reconstruction) > found.joint.reconstruction_bound
    assert not compare_columns(table(6000, 0.5), table(6000, 0.5)).drifted


def test_columns_of_one_side_and_instants_are_named_and_left_out() -> None:
    """An instant moves by itself; who wants it compared names it."""
    times = pa.array(np.arange(1000), pa.timestamp("s"))
    a = pa.table({"x": normal(1000, 1), "old": [1] * 1000, "at": times})
    b = pa.table({"x": normal(1000, 2), "new": [1] * 1000, "at": times})
    found = compare_columns(a, b, ALONE)
    assert set(found.skipped) == {"old", "new", "at"}
    named = compare_columns(a, b, ALONE, columns=["at"])
    assert [each.name for each in named.columns] == ["at"]


def test_nothing_to_compare_is_refused() -> None:
    """No shared column, a column that is not there, no rows."""
    a = pa.table({"x": [1.0]})
    with pytest.raises(InvalidInput, match="No column can be compared"):
        compare_columns(a, pa.table({"y": [1.0]}))
    with pytest.raises(InvalidInput, match="no column 'z'"):
        compare_columns(a, a, columns=["z"])
    with pytest.raises(InvalidInput, match="has no rows"):
        compare_columns(a, a.slice(0, 0))


@pytest.mark.parametrize("kind", ["number", "ties", "stray"])
def test_rows_beyond_number_are_counted_in_bins(kind: str) -> None:
    """The verdict is the exact one, KS is off by less than it says, and that is under a thousandth."""
    a, b = normal(60_000, 1), normal(50_000, 2, mean=0.45)
    if kind == "ties":
        a, b = np.round(a), np.round(b)
    if kind == "stray":
        b[0] = 1e9
    exact, counted = judged(a, b), judged(a, b, CompareOptions(joint=False, exact_rows=1000))
    assert counted.verdict == exact.verdict == "fail"
    assert None not in (exact.ks, counted.ks, exact.psi, counted.psi)
    assert 0 <= exact.ks - counted.ks <= counted.error < 1e-3  # type: ignore[operator]
    assert counted.psi == pytest.approx(exact.psi, rel=0.02)
    assert counted.wasserstein == pytest.approx(exact.wasserstein, rel=0.01)


def test_one_feature_and_a_mapping_of_them_from_python() -> None:
    """Arrays, lists and text; each with its effect as the score."""
    found = detect_drift(normal(2000, 1), normal(2000, 2, mean=1), feature="amount")
    assert (found.feature, found.is_drifted, found.verdict) == ("amount", True, "fail")
    assert found.drift_score == found.column.ks
    assert not detect_drift(normal(2000, 1), normal(2000, 2), threshold=0.1).is_drifted
    several = monitor_features(
        {"x": normal(2000, 1), "c": ["a", "b"] * 1000, "only": [1]},
        {"x": normal(1500, 2), "c": ["a"] * 900},
    )
    assert [(each.feature, each.is_drifted) for each in several] == [("x", False), ("c", True)]
    assert several[1].drift_score == pytest.approx(0.5)
    mixed: Any = [1, "a"]
    with pytest.raises(InvalidInput, match="neither all numbers nor all text"):
        detect_drift(mixed, [1])
    with pytest.raises(InvalidInput, match="No feature"):
        monitor_features({"a": [1]}, {"b": [1]})
