"""What each trigger says of what was seen, alone and combined; what nobody can tell never begins a cycle."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace as changed
from pydantic import ValidationError
from tests.conftest import NOON

from modelyard.llm import Changes
from modelyard.monitoring import (
    Alert,
    AlertSeverity,
    AlertState,
    Estimated,
    FeatureDrift,
    MonitorSettings,
    SecondOpinion,
    Window,
)
from modelyard.pipelines import REINDEX
from modelyard.retraining import Condition, Documents, Loop, RetrainingSettings, Said, Seen, judge

DAY = timedelta(days=1)
UTC = ZoneInfo("UTC")


def feature(name: str, effect: float, verdict: Any = "pass") -> FeatureDrift:
    """A feature of a window."""
    return FeatureDrift(name, "number", 0.0, effect, 0.05, 0.0, 0.0, verdict, "")


WELL = Window(
    deployment="d", version="1", start=(NOON - 7 * DAY).isoformat(), end=NOON.isoformat(), requests=1000, errors=0,
    latency_p99_ms=5.0, labels=1000, coverage=1.0, features=(feature("amount", 0.02), feature("visits", 0.01)),
    drift_score=0.02, performance={"auc": 0.9}, baseline={"auc": 0.9}, verdict="pass", reasons=(), told_by="labels",
)  # fmt: skip


def seen(**changes: Any) -> Seen:
    """A model that is well at noon."""
    quiet = Seen(
        now=NOON, loop=Loop("fraud", since=(NOON - 7 * DAY).isoformat()), deployment="d", zone=UTC,
        monitor=MonitorSettings(metric="auc"), window=WELL, firing=(), trained_at=NOON - 30 * DAY,
        rows_since=lambda _model, _since, _until: 0, changed_sources=lambda _: Documents(Changes(same=40)),
    )  # fmt: skip
    return replace(quiet, **changes)


def said(declared: dict[str, Any], now: Seen) -> Said:
    """What a trigger says, declared as in the project file."""
    return judge(Condition.model_validate(declared), now)


def window(**changes: Any) -> Seen:
    """A model of which this was seen."""
    return seen(window=changed(WELL, **changes))


def documents(changes: Changes, *, tried: bool = False) -> Seen:
    """An application whose documents are other by this."""
    return seen(changed_sources=lambda _: Documents(changes, tried))


def told(name: str, since: datetime) -> AlertState:
    """An alert that fires."""
    alert = Alert(name, AlertSeverity.WARNING, f"{name} is high", "fraud", 0.4, 0.15)
    return AlertState(alert, "d", since.isoformat())


CHANGES = Changes(("a", "b"), ("c",), (), 37)
ESTIMATED = {"told_by": "estimate", "labels": 0, "performance": {}}


@pytest.mark.parametrize(
    ("declared", "now", "state", "reason"),
    [
        ({"drift_above": 0.15}, window(drift_score=0.4), "fires", "data drift score 0.40 above 0.15, most in amount"),
        ({"drift_above": 0.15}, window(drift_score=0.15), "calm", "data drift score 0.15 is not above 0.15"),
        ({"drift_above": 0.15}, window(features=(feature("x", 0.9, "inconclusive"),), drift_score=0.0), "unknown",
         "no feature has rows enough to tell of drift"),
        ({"drift_above": 0.15}, seen(window=None), "unknown", "no window of the live version has been judged yet"),
        ({"drift_above": 0.15}, seen(monitor=None), "unknown",
         "'d' is not watched: monitoring has no section of this name"),
        ({"drifted_features": 1}, window(features=(feature("a", 0.3, "fail"),)), "fires",
         "data drift in 1 features: a"),
        ({"drifted_features": 1}, seen(), "calm", "data drift in 0 of the 1 features it takes"),
        ({"drifted_features": 2}, window(features=(feature("a", 0.3, "fail"), feature("b", 0.3, "inconclusive"))),
         "unknown", "data drift in 1 of the 2 features it takes"),
        ({"drop_above": 0.05}, window(performance={"auc": 0.8}), "fires",
         "auc 0.800 is more than 0.05 worse than 0.900"),
        ({"drop_above": 0.05}, window(performance={"auc": 0.88}), "calm",
         "auc 0.880 is not surely 0.05 worse than 0.900"),
        ({"drop_above": 0.05}, window(performance={"auc": 0.1}, labels=99), "unknown",
         "99 labels are known, and 100 are needed to judge auc"),
        ({"drop_above": 0.05}, window(baseline={}), "unknown", "auc or its baseline is not known"),
        ({"estimated_drop_above": 0.05}, window(**ESTIMATED, estimated={"auc": Estimated(0.8, 0.78, 0.82, "CBPE")}),
         "fires", "estimated auc 0.800 is more than 0.05 worse than 0.900"),
        ({"estimated_drop_above": 0.05}, window(**ESTIMATED, estimated={"auc": Estimated(0.8, 0.6, 0.95, "CBPE")}),
         "calm", "estimated auc 0.800 is not surely 0.05 worse than 0.900"),
        ({"estimated_drop_above": 0.05},
         window(**ESTIMATED, estimated={"auc": Estimated(0.8, 0.78, 0.82, "CBPE", contradicted=True)}), "unknown",
         "the estimate of auc is not to be trusted"),
        ({"estimated_drop_above": 0.05},
         window(**ESTIMATED, estimated={"auc": Estimated(0.8, 0.78, 0.82, "CBPE")},
                second_opinion=SecondOpinion("auc", 3.0, 1000)), "unknown",
         "the estimate of auc is not to be trusted"),
        ({"estimated_drop_above": 0.05}, window(**ESTIMATED), "unknown", "there is no estimate of auc, or no baseline"),
        ({"estimated_drop_above": 0.05}, window(estimated={"auc": Estimated(0.1, 0.1, 0.1, "CBPE")}), "calm",
         "labels tell of auc; no estimate is asked"),
        ({"new_rows": 100}, seen(rows_since=lambda *_: 100), "fires", "100 rows are new, at least 100"),
        ({"new_rows": 100}, seen(rows_since=lambda *_: 99), "calm", "99 of the 100 new rows it takes are there"),
        ({"new_rows": 100}, seen(rows_since=lambda *_: None), "unknown",
         "the rows of its dataset do not say when they were known"),
        ({"changed_documents": 3}, documents(CHANGES), "fires",
         "documents: 2 added, 1 changed, 0 removed, 37 as they were"),
        ({"changed_documents": 4}, documents(CHANGES), "calm", "3 of the 4 other documents it takes are there"),
        ({"changed_documents": 1}, documents(CHANGES, tried=True), "calm",
         "these very documents were tried in cycle 0"),
        ({"changed_documents": 1}, seen(), "calm", "0 of the 1 other documents it takes are there"),
        ({"changed_documents": 1}, seen(changed_sources=lambda _: "no folder"), "unknown", "no folder"),
        ({"new_rows": 100}, seen(trained_at=None), "unknown", "no version is live, so that all rows are new"),
        ({"every": "30d"}, seen(), "fires", "30d have passed"),
        ({"every": "30d"}, seen(loop=Loop("fraud", started_at=(NOON - 29 * DAY).isoformat())), "calm",
         "30d will have passed at 2026-01-06T12:00:00+00:00"),
        ({"schedule": "0 2 * * 0"}, seen(), "fires", "0 2 * * 0 was due at 2026-01-04T02:00:00+00:00"),
        ({"schedule": "0 2 * * 0"}, seen(loop=Loop("fraud", since=NOON.isoformat())), "calm",
         "0 2 * * 0 is due at 2026-01-11T02:00:00+00:00"),
        ({"schedule": "0 2 * * 0"}, seen(loop=Loop("fraud")), "calm", "0 2 * * 0 is due at 2026-01-11T02:00:00+00:00"),
        ({"alert": "drift_score"}, seen(firing=[told("drift_score", NOON)]), "fires",
         "alert drift_score: drift_score is high"),
        ({"alert": "drift_score"}, seen(firing=[told("latency_p99", NOON)]), "calm", "alert drift_score does not fire"),
        ({"alert": "drift_score"},
         seen(firing=[told("drift_score", NOON)], window=None,
              loop=Loop("fraud", ended_at=(NOON + DAY).isoformat())),
         "unknown", "alert drift_score fires since before the live version was judged"),
        ({"webhook": "etl"}, seen(), "calm", "etl was not fired"),
        ({"webhook": "etl"}, seen(loop=Loop("fraud", fired={"etl": NOON.isoformat()})), "fires", "etl was fired"),
    ],
)  # fmt: skip
def test_a_trigger_says_what_it_found(declared: dict[str, Any], now: Seen, state: str, reason: str) -> None:
    """With the values, in words and as evidence."""
    found = said(declared, now)
    assert (found.kind, found.state, found.reason) == (next(iter(declared)), state, reason)
    if state == "fires":
        assert found.evidence


def test_schedules_know_their_time_zone_and_make_up_for_what_was_missed_once() -> None:
    """02:00 in Berlin is 01:00 UTC; after a month of silence one cycle is due, not four."""
    berlin = ZoneInfo("Europe/Berlin")
    since = Loop("fraud", since=datetime(2026, 1, 4, 0, 30, tzinfo=UTC).isoformat())
    at_one = datetime(2026, 1, 4, 1, 0, tzinfo=UTC)
    assert said({"schedule": "0 2 * * 0"}, seen(zone=berlin, loop=since, now=at_one)).state == "fires"
    assert said({"schedule": "0 2 * * 0"}, seen(loop=since, now=at_one)).state == "calm"
    after = Loop("fraud", since=since.since, started_at=(NOON + 30 * DAY).isoformat())
    assert said({"schedule": "0 2 * * 0"}, seen(loop=after, now=NOON + 31 * DAY)).state == "calm"


def test_rows_are_counted_to_the_full_hour() -> None:
    """Asked a minute later, the same is asked again."""
    asked = []

    def count(_model: str, since: datetime, until: datetime) -> int:
        asked.append((since, until))
        return 0

    for minute in (0, 1, 59, 60):
        said({"new_rows": 1}, seen(now=NOON + timedelta(minutes=minute), rows_since=count))
    assert [until for _, until in asked] == [NOON, NOON, NOON, NOON + timedelta(hours=1)]


FIRES, CALM, UNKNOWN = {"every": "1d"}, {"webhook": "etl"}, {"estimated_drop_above": 0.05}


@pytest.mark.parametrize(
    ("declared", "state"),
    [
        ({"any": [CALM, FIRES]}, "fires"),
        ({"any": [UNKNOWN, FIRES]}, "fires"),
        ({"any": [CALM, UNKNOWN]}, "unknown"),
        ({"any": [CALM, CALM]}, "calm"),
        ({"all": [FIRES, FIRES]}, "fires"),
        ({"all": [FIRES, UNKNOWN]}, "unknown"),
        ({"all": [CALM, UNKNOWN]}, "calm"),
        ({"all": [FIRES, {"any": [CALM, {"all": [FIRES]}]}]}, "fires"),
        ({"any": [{"all": [FIRES, CALM]}, {"all": [UNKNOWN]}]}, "unknown"),
    ],
)
def test_triggers_combine_as_any_and_all_say(declared: dict[str, Any], state: str) -> None:
    """Nested as deep as one likes; what cannot be told is not counted as firing, nor as calm."""
    assert said(declared, window(**ESTIMATED)).state == state


def test_a_combination_keeps_what_its_parts_said() -> None:
    """Its reason is that of the parts that decided."""
    found = said({"any": [CALM, FIRES]}, seen())
    assert found.reason == "1d have passed"
    assert [each.state for each in found.parts] == ["calm", "fires"]
    assert said({"all": [FIRES, {"new_rows": 5}]}, seen(rows_since=lambda *_: 7)).reason == (
        "1d have passed and 7 rows are new, at least 5"
    )


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ({}, "here is none"),
        ({"every": "1d", "new_rows": 5}, "here are new_rows, every"),
        ({"any": []}, "at least 1 item"),
        ({"schedule": "never"}, "write a schedule"),
        ({"new_rows": 0}, "greater than or equal to 1"),
        ({"webhook": "no spaces"}, "match pattern"),
        ({"any": [{"drift_abov": 1}]}, "drift_abov"),
    ],
)
def test_what_is_no_trigger_is_refused(declared: dict[str, Any], match: str) -> None:
    """Exactly one key each."""
    with pytest.raises(ValidationError, match=match):
        Condition.model_validate(declared)


POLICY = {"pipeline": "training", "deployment": "d"}


def test_the_short_form_is_any_of_what_it_names() -> None:
    """By default drift, decay and the calendar; null takes one away, and all of them leave it to people."""
    by_default = RetrainingSettings.model_validate(POLICY).trigger
    assert by_default is not None
    assert by_default.model_dump(exclude_none=True)["any"] == (
        {"drift_above": 0.15}, {"drop_above": 0.05}, {"schedule": "0 2 * * 0"},
    )  # fmt: skip
    never = {"drift_above": None, "drop_above": None, "schedule": None}
    assert RetrainingSettings.model_validate(POLICY | never).trigger is None
    only = RetrainingSettings.model_validate(POLICY | never | {"every": "30d"}).trigger
    assert only is not None
    assert [each.kind for each in only.leaves()] == ["every"]


APPLICATION: dict[str, Any] = {
    "deployment": "d",
    "reindex": {"documents": ["handbook"], "suite": "suite.yaml", "least": {"f1": 0.5}},
}


def test_an_application_learns_its_documents() -> None:
    """By default it is begun by changed documents, too; its pipeline is the one that is shipped, and asks no window."""
    policy = RetrainingSettings.model_validate(APPLICATION)
    assert policy.trigger is not None
    assert [each.kind for each in policy.trigger.leaves()] == [
        "drift_above", "drop_above", "changed_documents", "schedule",
    ]  # fmt: skip
    assert (policy.learns_by, policy.params("desk", NOON)) == (REINDEX, {"model": "desk"})
    trained = RetrainingSettings.model_validate(POLICY)
    assert (trained.learns_by, trained.params("fraud", NOON)) == ("training", {"as_of": NOON})


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ({"deployment": "d"}, "either `pipeline`, for a model, or `reindex`, for an application"),
        (APPLICATION | {"pipeline": "training"}, "either `pipeline`"),
        (APPLICATION | {"window": {"kind": "sliding", "length": "9d"}}, "`window` is for pipelines"),
        (POLICY | {"changed_documents": 2}, "changed_documents is for applications"),
        (POLICY | {"when": {"any": [{"changed_documents": 2}, {"every": "1d"}]}}, "changed_documents is for app"),
        (APPLICATION | {"reindex": {"documents": ["d"], "suite": "s"}}, "a gate without a limit lets everything pass"),
        (APPLICATION | {"reindex": {"documents": [], "suite": "s", "least": {"f1": 0}}}, "at least 1 item"),
        (APPLICATION | {"when": {"every": "1d"}, "changed_documents": 2}, "changed_documents stand beside `when`"),
    ],
)
def test_a_policy_learns_in_one_way(declared: dict[str, Any], match: str) -> None:
    """A pipeline or documents, each with what belongs to it; and a gate says what it asks."""
    with pytest.raises(ValidationError, match=match):
        RetrainingSettings.model_validate(declared)


def test_one_form_or_the_other() -> None:
    """A short trigger beside `when` would be read in two ways."""
    long = RetrainingSettings.model_validate(
        POLICY | {"when": {"all": [{"new_rows": 5}, {"drift_above": 0.1}]}}
    ).trigger
    assert long is not None
    assert [each.kind for each in long.leaves()] == ["new_rows", "drift_above"]
    with pytest.raises(ValidationError, match="drift_above and every stand beside `when`"):
        RetrainingSettings.model_validate(POLICY | {"when": {"new_rows": 5}, "every": "1d", "drift_above": 0.1})
