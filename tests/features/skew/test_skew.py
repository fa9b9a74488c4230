"""What was served is compared with what training would see; what differs is counted, shown, and its cause told."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import InvalidInput, ManualClock, NotFound
from modelyard.features import FeatureView, SkewReport, VersionPlan
from modelyard.features.skew.recomputed import _column
from modelyard.journal import REDACTED

from .stage import HOUR, NOON, Stage, pace, stock, view

MINUTE = timedelta(minutes=1)
Setting = Callable[..., Stage]


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    """Makes stages."""
    made: list[Stage] = []

    def make(*views: FeatureView, **options: object) -> Stage:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        given = (*views, pace(views[0])) if views else ()
        made.append(Stage(folder, given, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


def judged(stage: Stage, **options: object) -> SkewReport:
    """The skew of all that was served."""
    return stage.features.skew(since=NOON - 24 * HOUR, until=NOON + 24 * HOUR, **options)  # type: ignore[arg-type]


def causes(report: SkewReport) -> dict[str, dict[str, int]]:
    """The causes of each feature that differs."""
    return {
        each.feature: {str(cause): count for cause, count in each.causes.items()}
        for each in report.columns
        if each.differing
    }


def test_what_was_materialized_in_time_has_no_skew(setting: Setting) -> None:
    """Two shops, twelve hours, every quarter: nulls, expired values and computed features included."""
    stage = setting()
    for hour in range(-5, 12):
        stage.materialize(NOON + hour * HOUR + 5 * MINUTE)
        for quarter in range(4):
            for shop in ("a", "b", "nobody"):
                stage.serve(NOON + hour * HOUR + (5 + 13 * quarter) * MINUTE, shop)
    report = judged(stage)
    assert (report.verdict, report.predictions, report.compared, report.differing) == ("pass", 204, 204, 0)
    assert [(each.feature, each.compared, each.verdict) for each in report.columns] == [
        ("shops:queue", 204, "pass"), ("shops:mood", 204, "pass"), ("pace:each", 204, "pass"),
    ]  # fmt: skip
    assert (report.reasons, report.examples, report.causes, report.versions) == ((), (), {}, ("1",))


def test_a_value_that_had_not_reached_the_store_is_late(setting: Setting) -> None:
    """The row of an hour ago was served, though a newer was known."""
    stage = setting()
    stage.materialize(NOON - HOUR + 10 * MINUTE)
    served = stage.serve(NOON + 20 * MINUTE)
    report = judged(stage)
    assert (report.verdict, report.differing, report.rate) == ("fail", 1, 1.0)
    assert causes(report) == {each: {"late": 1} for each in ("shops:queue", "shops:mood", "pace:each")}
    first = report.examples[0]
    assert (first.prediction_id, first.feature, first.key) == (served, "shops:queue", {"shop": "a"})
    assert (first.served, first.recomputed, first.cause) == (-1.0, 0.0, "late")
    assert (first.served_from, first.recomputed_from) == ((NOON - HOUR).isoformat(), NOON.isoformat())
    assert (report.columns[0].largest, report.columns[1].largest) == (1.0, None)


def test_nothing_in_the_store_yet_is_late(setting: Setting) -> None:
    """Null was served, and no row stands behind it."""
    stage = setting()
    stage.serve(NOON + 20 * MINUTE, "b")
    report = judged(stage)
    assert causes(report) == {"shops:queue": {"late": 1}, "pace:each": {"late": 1}}
    assert (report.examples[0].served, report.examples[0].served_from) == (None, None)


def test_an_older_value_although_the_view_was_brought_up_is_stale(setting: Setting) -> None:
    """A source that gives a row later than it says it was known."""
    stage = setting(view(stock().slice(0, 10)))
    stage.materialize(NOON + 10 * MINUTE)
    stage.define(view(), pace(view()))
    stage.serve(NOON + 20 * MINUTE)
    assert causes(judged(stage))["shops:queue"] == {"stale": 1}


@pytest.mark.parametrize(
    ("key", "policy"), [("a", {"stale": "serve"}), ("nobody", {"stale": "default", "defaults": {"queue": 7.0}})]
)
def test_what_a_policy_serves_is_what_training_sees(setting: Setting, key: str, policy: dict[str, Any]) -> None:
    """An expired value where it is served, and the default where nothing is known: no skew."""
    stage = setting(view(stock().slice(0, 6), **policy))
    stage.materialize(NOON + HOUR)
    stage.serve(NOON + HOUR, key)
    report = judged(stage)
    assert (report.verdict, causes(report)) == ("pass", {})


def test_a_value_that_no_source_has_is_unknown(setting: Setting) -> None:
    """Somebody wrote into the online store."""
    stage = setting()
    stage.materialize(NOON + 10 * MINUTE)
    stage.overwrite("a", NOON + 10 * MINUTE, 4711.0, "mood 0")
    stage.serve(NOON + 20 * MINUTE)
    report = judged(stage)
    assert causes(report)["shops:queue"] == {"unknown": 1}
    assert report.examples[0].recomputed_from == NOON.isoformat()


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"ttl": 6 * HOUR}, "ttl was 3h, and is 6h"),
        ({"stale": "default", "defaults": {"queue": 1.0}}, "stale was null, and is default"),
        ({"features": ["mood", "queue"]}, "features were"),
    ],
)
def test_a_view_that_is_another_now_than_in_the_bundle_is_a_changed_definition(
    setting: Setting, changes: dict[str, object], changed: str
) -> None:
    """What the plan of the bundle says is compared with the definitions of now."""
    stage = setting()
    stage.materialize(NOON - 4 * HOUR + 10 * MINUTE)
    stage.serve(NOON + 20 * MINUTE)
    other = view(**changes)
    stage.define(other, pace(other))
    report = judged(stage)
    assert causes(report)["shops:queue"] == {"definition": 1}
    assert changed.replace("were", "was") in report.columns[0].reason


def test_an_expression_that_is_another_now_is_a_changed_definition(setting: Setting) -> None:
    """Only the computed feature differs; the view behind it does not."""
    stage = setting()
    stage.materialize(NOON + 10 * MINUTE)
    stage.serve(NOON + 20 * MINUTE)
    stage.define(view(), pace(view(), "coalesce(queue, -1) / people + 1"))
    report = judged(stage)
    assert causes(report) == {"pace:each": {"definition": 1}}
    assert report.columns[2].reason.endswith("people + 1")


def test_a_view_of_other_rows_than_were_applied_is_a_changed_definition(setting: Setting) -> None:
    """What no plan carries stands with the definitions that were applied when the prediction was made."""
    stage = setting()
    stage.apply()
    stage.materialize(NOON + 2 * MINUTE)
    stage.serve(NOON + 3 * MINUTE)
    assert judged(stage).verdict == "pass"
    other = view(available_at=None)
    stage.define(other, pace(other))
    report = judged(stage)
    assert causes(report)["shops:queue"] == {"definition": 1}
    assert "available_at was known, and is None" in report.columns[0].reason


def test_a_computed_feature_whose_inputs_were_not_logged_is_told_by_older_rows(setting: Setting) -> None:
    """The model reads the expression alone; what it is of the row before is what was served."""
    for until, cause in ((NOON - HOUR + 10 * MINUTE, "late"), (NOON - 2 * HOUR + 10 * MINUTE, "late")):
        stage = setting(inputs=("pace:each",))
        stage.materialize(until)
        stage.serve(NOON + 20 * MINUTE, "b")
        report = judged(stage)
        assert causes(report) == {"pace:each": {cause: 1}}
        assert report.examples[0].served_from == (until - 10 * MINUTE).isoformat()
    stage = setting(inputs=("pace:each",))
    stage.materialize(NOON + 10 * MINUTE)
    stage.overwrite("b", NOON + 10 * MINUTE, 4711.0, "mood 0")
    stage.serve(NOON + 20 * MINUTE, "b")
    assert causes(judged(stage)) == {"pace:each": {"unknown": 1}}


def test_what_is_redacted_or_not_sampled_is_not_judged(setting: Setting) -> None:
    """A column that is never there is inconclusive and takes nothing from the verdict; a hidden key hides its views."""
    stage = setting()
    stage.materialize(NOON + 10 * MINUTE)
    at = NOON + 20 * MINUTE
    stage.serve(at, features=())
    stage.serve(at, features=(REDACTED, "mood 4711", 0.0))
    stage.serve(at, features=(0.0, "mood 4711", 0.0), request=("a", REDACTED))
    stage.serve(at, features=(0.0, None, 0.0), request=(REDACTED, 2.0))
    report = judged(stage)
    assert (report.predictions, report.compared) == (4, 2)
    assert {each.feature: each.compared for each in report.columns} == {
        "shops:queue": 1, "shops:mood": 2, "pace:each": 1,
    }  # fmt: skip
    assert causes(report) == {"shops:mood": {"unknown": 2}}
    assert "Of 1 predictions the features were not logged." in report.reasons


def test_no_data_is_never_pass(setting: Setting) -> None:
    """No answers; answers without features; a log of before fields of requests were put on record."""
    stage = setting()
    assert (judged(stage).verdict, judged(stage).reasons) == ("inconclusive", ("There are no answers in this time.",))
    stage.serve(NOON, features=())
    assert judged(stage).verdict == "inconclusive"
    stage.serve(NOON, request=())
    report = judged(stage)
    assert (report.verdict, report.compared) == ("inconclusive", 0)
    assert {each.verdict for each in report.columns} == {"inconclusive"}


def test_a_feature_that_is_no_longer_defined_leaves_the_verdict_open(setting: Setting) -> None:
    """The rest is compared."""
    stage = setting()
    stage.materialize(NOON + 10 * MINUTE)
    stage.serve(NOON + 20 * MINUTE)
    left = view(features=["queue"])
    stage.define(left, pace(left))
    report = judged(stage)
    assert report.verdict == "inconclusive"
    assert "'shops:mood' cannot be recomputed: it is no longer defined." in report.reasons
    assert report.columns[1].verdict == "inconclusive"


def test_a_version_that_is_gone_leaves_the_verdict_open(setting: Setting) -> None:
    """Nobody can tell what its features were."""
    stage = setting()
    stage.serve(NOON)
    served = stage.features._served
    assert served is not None

    def gone(_deployment: str, version: str) -> VersionPlan:
        raise NotFound(f"There is no version {version}.")

    stage.features._served = replace(served, plan=gone)
    report = judged(stage)
    assert (report.verdict, report.reasons) == ("inconclusive", ("Version 1: There is no version 1.",))


def test_numbers_are_compared_exactly_unless_a_tolerance_is_given(setting: Setting) -> None:
    """A difference in the last bit is one; with a tolerance it is none, and a greater one still is."""
    stage = setting()
    stage.materialize(NOON + HOUR + 10 * MINUTE)
    stage.serve(NOON + HOUR + 20 * MINUTE, features=(1.0 + 2**-52, "mood 1", 0.5))
    assert causes(judged(stage)) == {"shops:queue": {"unknown": 1}}
    assert judged(stage, tolerance=1e-9).verdict == "pass"
    stage.serve(NOON + HOUR + 20 * MINUTE, features=(1.1, "mood 1", 0.5))
    assert judged(stage, tolerance=1e-9).differing == 1


def test_a_rate_can_be_allowed(setting: Setting) -> None:
    """One of four is not more than a quarter."""
    stage = setting()
    stage.materialize(NOON + 10 * MINUTE)
    for _ in range(3):
        stage.serve(NOON + 20 * MINUTE)
    stage.serve(NOON + 20 * MINUTE, features=(5.0, None, 0.0))
    assert judged(stage, max_rate=0.25).verdict == "pass"
    assert judged(stage, max_rate=0.24).verdict == "fail"


def test_a_sample_is_drawn_by_ids_and_always_the_same(setting: Setting) -> None:
    """All are counted, no more than so many looked at."""
    stage = setting()
    for _ in range(50):
        stage.serve(NOON + 20 * MINUTE)
    whole = judged(stage, examples=1000)
    reports = [judged(stage, sample=20, examples=1000) for _ in range(2)]
    assert reports[0] == reports[1]
    assert (reports[0].predictions, reports[0].compared, reports[0].sample) == (50, 20, 20)
    assert judged(stage, sample=500).compared == whole.compared == 50


def test_examples_show_every_kind_of_difference_first(setting: Setting) -> None:
    """Of many alike only three are kept, whatever the number asked for."""
    stage = setting()
    for _ in range(30):
        stage.serve(NOON + 20 * MINUTE, "b")
    report = judged(stage, examples=2)
    assert [each.feature for each in report.examples] == ["shops:queue", "pace:each"]
    assert len(judged(stage, examples=100).examples) == 6
    assert judged(stage, examples=0).examples == ()


def test_sealed_or_not_the_log_is_read_once(setting: Setting) -> None:
    """Segments that are open, closed and sealed, and other deployments' answers."""
    stage = setting()
    stage.materialize(NOON + 10 * MINUTE)
    for _ in range(3):
        stage.serve(NOON + 20 * MINUTE)
        stage.journal.rotate()
        stage.log.seal()
        stage.serve(NOON + 20 * MINUTE)
        stage.serve(NOON + 20 * MINUTE, deployment="other")
        stage.serve(NOON + 20 * MINUTE, answered=False, role="shadow", features=(1.0, None, 1.0))
    assert (judged(stage).predictions, judged(stage).verdict) == (6, "pass")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deployment": "shopp"}, "no deployment 'shopp'"),
        ({"sample": 0}, "sample is 0"),
        ({"tolerance": -1.0}, "tolerance is -1"),
        ({"max_rate": 2.0}, "max_rate is 2"),
        ({"since": NOON + HOUR, "until": NOON}, "since is"),
        ({"examples": -1}, "examples is -1"),
    ],
)
def test_questions_that_make_no_sense_are_refused(setting: Setting, options: dict[str, object], message: str) -> None:
    """With what is wrong."""
    stage = setting()
    with pytest.raises((InvalidInput, NotFound), match=message):
        stage.features.skew(**options)  # type: ignore[arg-type]


def test_keys_beyond_64_bits_are_keys() -> None:
    """Whole numbers of any size are looked up by value."""
    assert _column([2**70, None, REDACTED]).to_pylist() == [2**70, None, None]


def test_the_last_seven_days_are_judged_by_default(setting: Setting) -> None:
    """Before now, as the clock says."""
    stage = setting(clock=ManualClock(NOON))
    stage.serve(NOON - timedelta(days=8))
    report = stage.features.skew()
    assert (report.start, report.end) == ((NOON - timedelta(days=7)).isoformat(), NOON.isoformat())
    assert report.predictions == 0
