"""From files to verdicts: what passes, what fails, and what cannot be told."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from scipy import stats as scipy_stats

from modelyard.core import InvalidInput
from modelyard.data import open_data
from modelyard.rollout.experiments import ExperimentReport, Metric, Question, analyse_experiment, parse_metric
from modelyard.stats.experiments import confidence_sequence


def units(n: int = 6_000, *, effect: float = 0.0, seed: int = 0) -> dict[str, Any]:
    """Customers in two arms of equal size."""
    random = np.random.default_rng(seed)
    treated = np.arange(n) % 2 == 1
    before = random.gamma(2, 10, n)
    return {
        "customer": np.arange(n),
        "variant": np.where(treated, "treatment", "control"),
        "bought": (random.random(n) < 0.2 + effect * treated).astype(int),
        "spend": before + random.normal(0, 5, n) + 10 * effect * treated,
        "before": before,
        "country": random.choice(["de", "fr"], n),
        "at": np.datetime64("2026-01-01", "us") + np.arange(n).astype("timedelta64[s]"),
    }


def analysed(folder: Path, columns: Mapping[str, Any], *metrics: str, **asked: Any) -> ExperimentReport:
    """The report of a table."""
    file = folder / "units.parquet"
    pq.write_table(pa.table(dict(columns)), file)
    named = tuple(parse_metric(each) for each in metrics) + asked.pop("also", ())
    return analyse_experiment(open_data(file), Question("customer", "variant", named, **asked), "units.parquet")


def test_a_better_treatment_passes(tmp_path: Path) -> None:
    """Interval and p-value are those of the statistics, by hand."""
    columns = units(effect=0.1)
    report = analysed(tmp_path, columns, "bought", planned=6_000)
    (found,) = report.found
    treated, hits = columns["variant"] == "treatment", columns["bought"]
    rates = hits[~treated].mean(), hits[treated].mean()
    error = np.sqrt(sum(hits[arm].var(ddof=1) / arm.sum() for arm in (treated, ~treated)))
    assert (report.verdict, found.kind, found.state, report.control) == ("pass", "binary", "better", "control")
    assert (found.control_value, found.treatment_value) == pytest.approx(rates)
    assert (found.low, found.high) == pytest.approx(
        confidence_sequence(rates[1] - rates[0], error, 6_000, planned=6_000), rel=1e-9
    )


def test_a_worse_treatment_fails_and_less_may_be_better(tmp_path: Path) -> None:
    """The same numbers, two opinions."""
    columns = units(effect=-0.1)
    assert analysed(tmp_path, columns, "bought").verdict == "fail"
    lower = (Metric("bought", lower_is_better=True),)
    assert analysed(tmp_path, columns, also=lower).verdict == "pass"


def test_no_difference_is_inconclusive_and_says_how_many_more(tmp_path: Path) -> None:
    """Never pass by having waited."""
    report = analysed(tmp_path, units(), "bought", "spend")
    assert report.verdict == "inconclusive"
    assert all("more units would tell" in each or "No number" in each for each in report.reasons)


@pytest.mark.parametrize("rows", [0, 1, 2, 30])
def test_no_data_or_too_little_is_never_pass(tmp_path: Path, rows: int) -> None:
    """Not even when all of few treated customers buy."""
    columns = {name: each[:rows] for name, each in units().items()}
    columns["bought"] = (columns["variant"] == "treatment").astype(int)
    report = analysed(tmp_path, columns, "bought", "spend")
    assert report.verdict == "inconclusive"
    assert report.reasons


def test_covariates_narrow_the_interval_and_do_not_move_it(tmp_path: Path) -> None:
    """CUPED: of spend, what was spent before explains most."""
    columns = units(effect=0.05)
    (plain,) = analysed(tmp_path, columns, "spend").found
    (adjusted,) = analysed(tmp_path, columns, "spend", covariates=("before",)).found
    assert None not in (plain.low, plain.high, adjusted.low, adjusted.high)
    assert adjusted.high - adjusted.low < 0.5 * (plain.high - plain.low)  # type: ignore[operator] # asserted above
    assert adjusted.kept == pytest.approx(25 / 225, abs=0.03)
    assert adjusted.low < 0.5 < adjusted.high  # type: ignore[operator] # as above


def test_rows_of_a_unit_are_brought_together(tmp_path: Path) -> None:
    """Binary: any; continuous: sum; ratio: sums; by CSV as by Parquet, in whatever order."""
    rows = {"customer": ["a", "b", "a", "c", "d", "c"], "variant": ["A", "B", "A", "A", "B", "A"],
            "bought": [0, 1, 1, 0, 0, 0],
            "spend": [1.5, 2.0, 3.0, 0.5, float("nan"), None], "views": [1, 2, 3, 4, 5, 6]}  # fmt: skip
    report = analysed(tmp_path, rows, "bought", "spend:continuous", "views:ratio")
    bought, spend, views = report.found
    assert (report.units, report.rows, report.control) == (4, 6, "A")
    assert (bought.control_value, bought.treatment_value) == (0.5, 0.5)
    assert (spend.units, spend.missing) == (3, 1)
    assert views.control_value == pytest.approx((1 + 3 + 4 + 6) / 4)
    csv.write_csv(pa.table(rows).slice(0, 5), tmp_path / "units.csv")
    asked = Question("customer", "variant", (parse_metric("views:ratio:bought"),))
    (found,) = analyse_experiment(open_data(tmp_path / "units.csv"), asked, "").found
    assert found.control_value == pytest.approx((1 + 3 + 4) / 1)


def test_units_in_two_arms_spoil_the_experiment(tmp_path: Path) -> None:
    """One in a hundred is passed over, more is not."""
    columns = units(effect=0.1)
    for repeated, verdict in ((50, "pass"), (400, "inconclusive")):
        twice = {name: np.concatenate([each, each[:repeated]]) for name, each in columns.items()}
        twice["variant"][6_000:] = "treatment"
        report = analysed(tmp_path, twice, "bought")
        assert (report.mixed, report.units, report.verdict) == (repeated // 2, 6_000 - repeated // 2, verdict)
    assert "rows in two arms" in report.reasons[0]


def test_lost_units_spoil_the_experiment(tmp_path: Path) -> None:
    """Sample-ratio mismatch: one in eight of the treatment's units is gone; with those shares expected all is well."""
    columns = {name: np.delete(each, np.arange(1, 12_000, 16)) for name, each in units(12_000, effect=0.1).items()}
    report = analysed(tmp_path, columns, "bought")
    assert report.shares is not None
    assert (report.verdict, report.shares.mismatch) == ("inconclusive", True)
    assert "sample-ratio mismatch" in report.reasons[0]
    expected = {"control": 8 / 15, "treatment": 7 / 15}
    assert analysed(tmp_path, columns, "bought", shares=expected).verdict == "pass"


def test_guardrails_must_be_known_to_be_safe(tmp_path: Path) -> None:
    """Safe, harmed, and not known."""
    random = np.random.default_rng(1)
    columns = units(20_000, effect=0.1)
    for shift, spread, state, verdict in (
        (0, 3, "safe", "pass"),
        (4, 3, "harmed", "fail"),
        (0.4, 10, "open", "inconclusive"),
    ):
        late = 20 + random.normal(0, spread, 20_000) + shift * (columns["variant"] == "treatment")
        guard = (Metric("latency", role="guardrail", lower_is_better=True),)
        report = analysed(tmp_path, {**columns, "latency": late}, "bought", also=guard, margin=0.03)
        assert (report.found[1].state, report.verdict) == (state, verdict)


def test_many_metrics_are_corrected(tmp_path: Path) -> None:
    """By Holm the adjusted p-values are no smaller, and Benjamini-Hochberg's lie between."""
    columns = units(effect=0.05)
    for at in range(6):
        columns[f"noise{at}"] = np.random.default_rng(at).normal(size=6_000)
    names = ("bought", *(f"noise{at}" for at in range(6)))
    holm = analysed(tmp_path, columns, *names).found
    hochberg = analysed(tmp_path, columns, *names, correction="benjamini-hochberg").found
    for one, other in zip(holm, hochberg, strict=True):
        assert one.p_value is not None
        assert one.p_adjusted is not None
        assert other.p_adjusted is not None
        assert one.p_value <= other.p_adjusted + 1e-12
        assert other.p_adjusted <= one.p_adjusted + 1e-12
    assert holm[0].p_adjusted == pytest.approx(min(1.0, 7 * (holm[0].p_value or 0)))


def test_segments_show_where_it_comes_from_and_decide_nothing(tmp_path: Path) -> None:
    """The whole of each is judged by itself."""
    columns = units(effect=0.1)
    report = analysed(tmp_path, columns, "bought", segments=("country",))
    assert [(each.column, each.level) for each in report.segments] == [("country", "de"), ("country", "fr")]
    assert sum(each.found.units for each in report.segments) == 6_000


def test_a_time_shows_how_it_stood_along_the_way(tmp_path: Path) -> None:
    """100 looks; the last is the present; with an effect the boundary is crossed on the way, not at once."""
    report = analysed(tmp_path, units(effect=0.1), "bought", time="at", planned=6_000)
    (found,) = report.found
    assert len(found.path) >= 90
    last = found.path[-1]
    assert (last.units, last.difference, last.low) == (6_000, found.difference, found.low)
    assert last.at == "2026-01-01 01:39:59"
    crossed = [abs(each.z) > each.boundary for each in found.path]
    assert not crossed[0]
    assert crossed[-1]


@pytest.mark.parametrize("test", ["z", "student", "welch", "mann-whitney", "chi-square", "g", "fisher"])
def test_a_fixed_test_decides_once_at_the_end(tmp_path: Path, test: Any) -> None:
    """Before the end nothing; at the end by scipy's p-value."""
    columns = units(effect=0.05)
    early = analysed(tmp_path, columns, "bought", fixed=test, planned=6_001)
    assert (early.verdict, "6001 units are planned" in early.reasons[0]) == ("inconclusive", True)
    report = analysed(tmp_path, columns, "bought", fixed=test, planned=6_000)
    treated, hits = columns["variant"] == "treatment", columns["bought"]
    table = [[int((1 - hits[arm]).sum()), int(hits[arm].sum())] for arm in (~treated, treated)]
    by_test: dict[str, Callable[[], float]] = {
        "z": lambda: scipy_stats.chi2_contingency(table, correction=False).pvalue,
        "chi-square": lambda: scipy_stats.chi2_contingency(table, correction=False).pvalue,
        "g": lambda: scipy_stats.chi2_contingency(table, correction=False, lambda_="log-likelihood").pvalue,
        "fisher": lambda: scipy_stats.fisher_exact(np.array(table)).pvalue,
        "student": lambda: scipy_stats.ttest_ind(hits[treated], hits[~treated]).pvalue,
        "welch": lambda: scipy_stats.ttest_ind(hits[treated], hits[~treated], equal_var=False).pvalue,
        "mann-whitney": lambda: scipy_stats.mannwhitneyu(hits[treated], hits[~treated]).pvalue,
    }
    assert report.found[0].p_value == pytest.approx(by_test[test](), rel=1e-8)
    assert report.verdict == "pass"


def test_three_arms_are_two_comparisons(tmp_path: Path) -> None:
    """One that is better is enough to pass; each has its own verdict."""
    columns = units(9_000)
    columns["variant"] = np.array(["live", "x", "y"])[np.arange(9_000) % 3]
    columns["bought"] = (np.random.default_rng(0).random(9_000) < np.where(columns["variant"] == "y", 0.3, 0.2)).astype(
        int
    )
    report = analysed(tmp_path, columns, "bought")
    assert (report.control, {each.treatment: each.verdict for each in report.judged}) == (
        "live", {"x": "inconclusive", "y": "pass"},
    )  # fmt: skip
    assert report.verdict == "pass"


WRONG: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({}, ("bougth",), "There is no column 'bougth'"),
    ({}, ("country",), "numbers or flags are needed"),
    ({}, ("spend:binary",), "neither 0 nor 1"),
    ({"control": "contrl"}, ("bought",), "no arm 'contrl'"),
    ({"shares": {"control": 1.0}}, ("bought",), "Shares are given for control"),
    ({"fixed": "fisher"}, ("spend",), "is not for spend"),
    ({"fixed": "welch", "covariates": ("before",)}, ("spend",), "takes no covariates"),
    ({"time": "country"}, ("spend",), "instants are needed"),
    ({"segments": ("customer",)}, ("spend",), "more than 50 levels"),
]


@pytest.mark.parametrize(("asked", "metrics", "said"), WRONG, ids=[said for _, _, said in WRONG])
def test_wrong_words_are_told(tmp_path: Path, asked: dict[str, Any], metrics: tuple[str, ...], said: str) -> None:
    """With what there is."""
    with pytest.raises(InvalidInput, match=said) as told:
        analysed(tmp_path, units(200), *metrics, **asked)
    assert told.value.remedy


def test_a_column_that_names_no_arms_is_told(tmp_path: Path) -> None:
    """And arms among which no control can be guessed, and values that no mean holds."""
    columns = units(200)
    with pytest.raises(InvalidInput, match="names no arms"):
        analysed(tmp_path, {**columns, "variant": columns["customer"].astype(str)}, "bought")
    with pytest.raises(InvalidInput, match="Which arm is the control"):
        analysed(tmp_path, {**columns, "variant": np.where(columns["variant"] == "control", "red", "blue")}, "bought")
    with pytest.raises(InvalidInput, match="is infinite in 1 rows"):
        analysed(tmp_path, {**columns, "spend": np.where(columns["customer"] == 3, np.inf, 1.5)}, "spend")


@pytest.mark.parametrize("text", ["", ":binary", "a:b", "a:binary:b", "a:ratio:b:c"])
def test_a_metric_is_a_name_and_a_kind(text: str) -> None:
    """Else it is told how to write one."""
    with pytest.raises(InvalidInput, match="names no metric") as told:
        parse_metric(text)
    assert "ratio:DENOMINATOR" in told.value.remedy
