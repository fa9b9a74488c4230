"""Data quality and fairness of a window: what is wrong is named, and too little data is said to be that."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from modelyard.inference import CategoryProfile, Field, NumberProfile
from modelyard.monitoring import GroupRate, MonitorSettings
from modelyard.monitoring.counts import ColumnCounter, ColumnCounts, as_numbers
from modelyard.monitoring.fairness import group_rates, unfair
from modelyard.monitoring.quality import quality_of
from modelyard.monitoring.seen import Answers, Levels

Floats = NDArray[np.float64]

SETTINGS = MonitorSettings()
NUMBER = NumberProfile("x", (0.0, 1.0), (10, 10, 10), 0, 0.5, 1.0)
LEVELS = CategoryProfile("c", ("a", "b"), (5, 5), 0, 0)


def counted(values: Sequence[object], *, numeric: bool = True) -> ColumnCounts:
    """The counts of logged values of mixed types."""
    profile = NUMBER if numeric else LEVELS
    counter = ColumnCounter(profile, Field(profile.name, "number", minimum=-3.0, maximum=3.0) if numeric else None)
    counter.add(values)
    return counter.whole()


def test_a_number_is_counted_by_bin_and_what_is_none_apart() -> None:
    """Edges belong to the bin below; nulls and NaN are missing; texts are mistyped; 9 was never seen."""
    found = counted([0.0, 0.5, 9, None, float("nan"), "many"])
    assert (found.bins, found.missing, found.mistyped, found.outside, found.rows) == ((1, 1, 1), 2, 1, 1, 6)


def test_unknown_levels_are_named() -> None:
    """The commonest first; texts of any type are levels."""
    found = counted(["a", "zz", "zz", None, "y", 7], numeric=False)
    assert (found.bins, found.missing, found.new) == ((1, 0, 4), 1, {"zz": 2, "y": 1, "7": 1})


def test_whole_numbers_and_truths_are_numbers() -> None:
    """As the encoder takes them."""
    for values in ([1, 0, None], [True, False, None]):
        numbers, mistyped = as_numbers(pa.array(values))
        assert numbers.tolist()[:2] == [1.0, 0.0]
        assert np.isnan(numbers[2])
        assert not mistyped.any()


def test_bad_quality_is_a_share_that_is_surely_above_its_threshold() -> None:
    """10% of 500 rows beyond training fail; 3 of 40 may be chance; 5 rows tell nothing."""
    (bad,) = quality_of([counted([0.5] * 450 + [9.0] * 50)], SETTINGS)
    assert (bad.verdict, bad.reason) == ("fail", "10.0% beyond what training saw")
    (chance,) = quality_of([counted([0.5] * 37 + [9.0] * 3)], SETTINGS)
    assert chance.verdict == "pass"
    (few,) = quality_of([counted([9.0] * 5)], SETTINGS)
    assert (few.verdict, few.reason) == ("inconclusive", "only 5 rows")
    (levels,) = quality_of([counted(["a"] * 80 + ["new"] * 20, numeric=False)], SETTINGS)
    assert levels.reason == "20.0% levels unknown to the model (new)"
    (types,) = quality_of([counted([0.5] * 95 + ["?"] * 5)], SETTINGS)
    assert types.reason == "5.0% of the wrong type"


def answered(scores: Floats, labels: Floats) -> Answers:
    """Answers with these scores (n, k) and labels (n,)."""
    nothing, zeros = np.full(len(labels), np.nan), np.zeros(len(labels), np.int64)
    return Answers(scores, labels, nothing, zeros, zeros)


def rates(first: float, second: float, rows: int = 1000, *, labelled: bool = True) -> tuple[GroupRate, ...]:
    """Two groups of which these shares are said to be positive."""
    random = np.random.default_rng(3)
    codes = np.repeat([0, 1], rows)
    said = random.random(2 * rows) < np.where(codes == 0, first, second)
    labels = random.integers(0, 2, 2 * rows).astype(float) if labelled else np.full(2 * rows, np.nan)
    answers = answered(said[:, None].astype(float), labels)
    return group_rates(answers, Levels("sex", ["f", "m"], codes, [0, 1]), "binary", ("0", "1"), SETTINGS)


def test_groups_that_are_treated_alike_pass() -> None:
    """Two thousand answers each, the same share."""
    found = [each for each in rates(0.4, 0.4, 4000) if each.metric == "selection"]
    assert [each.verdict for each in found] == ["pass", "pass"]


def test_a_group_that_is_rarely_chosen_is_named() -> None:
    """.2 against .5: selection, recall and false alarms all differ, with their intervals."""
    found = rates(0.2, 0.5)
    assert {each.verdict for each in found} == {"fail"}
    first = found[0]
    assert first.difference == pytest.approx(-0.3, abs=0.05)
    assert first.lower < first.difference < first.upper < -0.1
    assert unfair(found)[0].startswith("unfair: said positive of sex=f 2")


def test_few_answers_of_a_group_are_inconclusive() -> None:
    """Twenty answers, whatever they say; without labels there is no recall."""
    found = rates(0.2, 0.9, 20, labelled=False)
    assert {(each.metric, each.verdict) for each in found} == {("selection", "inconclusive")}


def test_equal_groups_are_hardly_ever_unfair() -> None:
    """Of 300 pairs of equal groups at a true difference of 0, not one fails at 100 answers each."""
    random = np.random.default_rng(5)
    for _ in range(300):
        said = random.random(200) < 0.5
        answers = answered(said[:, None].astype(float), np.full(200, np.nan))
        levels = Levels("g", ["a", "b"], np.repeat([0, 1], 100), [0, 1])
        assert not unfair(group_rates(answers, levels, "binary", ("0", "1"), SETTINGS))


def of_regions(task: str, classes: Sequence[str], scores: Floats, labels: Floats) -> list[GroupRate]:
    """The rates of two groups of the same size, the first of which comes first."""
    codes = np.repeat([0, 1], len(labels) // 2)
    return list(group_rates(answered(scores, labels), Levels("g", ["a", "b"], codes, [0, 1]), task, classes, SETTINGS))


def test_each_class_of_several_is_judged_by_itself() -> None:
    """One group is told `late` far more often, and is right as often as the other about `early`: both are named."""
    random = np.random.default_rng(7)
    labels = random.integers(0, 3, 6000).astype(float)
    said = labels.astype(int)
    said[:3000] = np.where(random.random(3000) < 0.4, 2, said[:3000])
    found = of_regions("multiclass", ("early", "on time", "late"), np.eye(3)[said], labels)
    assert {each.of for each in found} == {"early", "on time", "late"}
    late = {each.metric: each for each in found if each.of == "late" and each.level == "a"}
    assert (late["selection"].verdict, late["recall"].verdict, late["false_alarms"].verdict) == ("fail", "pass", "fail")
    assert any(each.startswith("unfair: said late of g=a") for each in unfair(found))
    assert any(each.startswith("unfair: recall of early in g=a") for each in unfair(found))


def test_regression_is_judged_by_shares_of_answers_and_errors() -> None:
    """Equal answers whose errors are twice as large and always too low for one group: two of three rates fail."""
    random = np.random.default_rng(8)
    said = random.normal(10, 2, 8000)
    errors = np.abs(random.normal(0, 1, 8000))
    labels = np.where(np.arange(8000) < 4000, said + 2 * errors, said + errors * random.choice([-1.0, 1.0], 8000))
    found = {each.metric: each for each in of_regions("regression", (), said[:, None], labels) if each.level == "a"}
    assert found["high_answers"].verdict == "pass"
    assert (found["large_errors"].verdict, found["too_low"].verdict) == ("fail", "fail")
    assert found["too_low"].rate == 1.0
    assert "unfair: answers too low for g=a 100%" in unfair([found["too_low"]])[0]


@pytest.mark.parametrize(("task", "classes"), [("regression", ()), ("multiclass", ("x", "y", "z"))])
def test_equal_groups_of_any_task_are_hardly_ever_unfair(task: str, classes: tuple[str, ...]) -> None:
    """Of 100 pairs of equal groups none fails, at 200 answers each."""
    random = np.random.default_rng(9)
    for _ in range(100):
        scores = random.random((400, max(1, len(classes))))
        labels = random.random(400) if task == "regression" else random.integers(0, 3, 400).astype(float)
        assert not unfair(of_regions(task, classes, scores, labels))


def test_without_labels_only_answers_are_compared() -> None:
    """And an answer without a score is none of any class."""
    nothing = np.full(200, np.nan)
    told = of_regions("regression", (), np.arange(200.0)[:, None], nothing)
    assert {each.metric for each in told} == {"high_answers"}
    assert of_regions("regression", (), nothing[:, None], nothing) == []
    blank = of_regions("multiclass", ("x", "y", "z"), np.full((200, 3), np.nan), nothing)
    assert {each.rate for each in blank} == {0.0}
