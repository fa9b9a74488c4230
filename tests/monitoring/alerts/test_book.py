"""The book of alerts: what fires until when, whatever is told late, twice, by several, or across restarts."""

import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core import InvalidInput, ManualClock
from modelyard.monitoring import AlertBook, AlertSettings, AlertState, series
from modelyard.monitoring.alerts.records import MOST_SERIES
from modelyard.storage import RecordStore, open_record_store

from .desk import ALL, MINUTE, Desk

SLOW, FINE = {"latency_p99": 500.0}, {"latency_p99": 20.0}


def test_a_rule_fires_once_and_resolves_once(desk: Desk) -> None:
    """Three bad reports are one alert; its history has two entries with their times."""
    began = desk.clock.now()
    assert desk.tell(SLOW) == [("latency_p99", True)]
    for _ in range(2):
        assert desk.later(1, SLOW) == []
    assert [each.since for each in desk.book.firing("shop")] == [began.isoformat()]
    assert desk.later(1, FINE) == [("latency_p99", False)]
    assert desk.book.firing() == []
    assert desk.later(1, FINE) == []
    ended = (began + 3 * MINUTE).isoformat()
    assert [(each.since, each.until) for each in desk.book.history()] == [
        (began.isoformat(), None),
        (began.isoformat(), ended),
    ]
    assert desk.book.last == 2
    assert desk.book.history(after=1) == desk.book.history()[1:]


def test_an_alert_says_where_how_much_and_of_what_model(desk: Desk) -> None:
    """The message names the deployment, the alert its model."""
    desk.tell(SLOW)
    (state,) = desk.book.firing()
    assert (state.alert.model_name, state.alert.metric_value, state.alert.threshold) == ("fraud", 500.0, 200.0)
    assert state.alert.message == "shop: 99% of answers within 200 ms was promised; it is 500.0 ms."


def test_the_latency_of_a_replay_is_told_and_not_judged(records: RecordStore, clock: ManualClock) -> None:
    """Its requests do not come as fast as they did; errors are errors, and others' latency is judged."""
    models = {"shop": "fraud", "till": "fraud"}
    book = AlertBook(records, clock, AlertSettings.model_validate({"also": ["latency_p50"]}), models, ["shop"])
    values = {"latency_p50": 500.0, **SLOW, "error_rate": 0.5}
    fired = {each: book.tell("test", each, values, at=clock.now(), every=MINUTE) for each in models}
    assert [each.alert.name for each in fired["shop"]] == ["error_rate"]
    assert {each.alert.name for each in fired["till"]} == {"error_rate", "latency_p50", "latency_p99"}
    assert book.values("shop")[series("latency_p99")] == 500.0


def test_deployments_do_not_meet(desk: Desk) -> None:
    """One deployment's health does not resolve another's alert, and each has its fingerprint."""
    desk.tell(SLOW, "till")
    desk.tell(SLOW)
    assert len({each.fingerprint for each in desk.book.firing()}) == 2
    assert desk.tell(FINE) == [("latency_p99", False)]
    assert [each.deployment for each in desk.book.firing()] == ["till"]


def test_an_alert_outlives_the_process(desk: Desk) -> None:
    """Another book on the same records knows what fires, and the second firing is another episode."""
    desk.tell(SLOW)
    again = desk.again()
    assert again.tell(SLOW) == []
    again.later(1, FINE)
    again.later(1, SLOW)
    (state,) = again.book.firing()
    assert state.episode == 2


def test_no_data_resolves_nothing_and_is_shown(desk: Desk) -> None:
    """A source that says nothing, one that went silent, and one that comes back with bad news."""
    desk.tell({**SLOW, "drift_score": 0.9})
    assert desk.later(1, {"drift_score": 0.01}) == [("drift_score", False)]
    (open_now,) = desk.book.open()
    assert open_now.standing.silent_since == desk.clock.now()
    assert desk.later(60) == []
    assert [each.alert.name for each in desk.book.firing()] == ["latency_p99"]
    assert desk.later(1, SLOW) == []
    assert desk.book.open()[0].standing.silent_since is None
    assert len(desk.book.history()) == 3


def test_values_are_stale_after_three_intervals(desk: Desk) -> None:
    """Until then they hold; rules see nothing afterwards."""
    desk.tell(SLOW)
    desk.later(3)
    assert desk.book.values("shop") == {series("latency_p99"): 500.0}
    assert desk.book.open()[0].standing.silent_since is None
    desk.later(0.1)
    assert desk.book.values("shop") == {}
    assert desk.book.open()[0].standing.silent_since == desk.clock.now()


def test_the_source_that_reports_most_often_counts(desk: Desk) -> None:
    """As long as it reports, also by its silence; then the other one again."""
    now = desk.clock.now()
    desk.book.tell("windows", "shop", SLOW, at=now, every=timedelta(days=7), speaks_for=ALL)
    assert [each.alert.name for each in desk.book.firing()] == ["latency_p99"]
    assert desk.tell(FINE) == [("latency_p99", False)]
    assert desk.later(1, {}) == []
    assert desk.book.values("shop") == {}
    assert desk.later(4) == [("latency_p99", True)]


def test_what_is_told_late_changes_nothing_that_is_known_better(desk: Desk) -> None:
    """An older report of the same source is dropped; one of another source counts from the last evaluation on."""
    now = desk.clock.now()
    desk.book.tell("test", "shop", FINE, at=now, every=MINUTE)
    assert desk.book.tell("test", "shop", SLOW, at=now - MINUTE, every=MINUTE) == []
    late = desk.book.tell("other", "shop", {"drift_score": 0.9}, at=now - MINUTE, every=timedelta(days=7))
    assert [(each.alert.name, each.since) for each in late] == [("drift_score", now.isoformat())]


def test_a_rule_that_is_gone_takes_its_alert_along(desk: Desk, records: RecordStore) -> None:
    """And says so; a deployment that is gone does the same."""
    declared = {"rules": {"odd": {"when": "drift_score > 0.5"}}}
    with_rule = Desk(records, desk.clock, declared)
    with_rule.tell({"drift_score": 0.9})
    assert sorted(each.alert.name for each in with_rule.book.firing()) == ["drift_score", "odd"]
    (gone,) = desk.book.evaluate()
    assert (gone.alert.name, gone.why) == ("odd", "no rule watches it any more")
    elsewhere = AlertBook(records, desk.clock, AlertSettings(), {"till": "fraud"})
    assert [each.alert.name for each in elsewhere.evaluate()] == ["drift_score"]


def test_a_declared_rule_waits_holds_and_keeps(records: RecordStore, clock: ManualClock) -> None:
    """`for`, `resolve` and `keep_firing_for`, and its labels and runbook go along."""
    rule = {"when": "drift_score > 0.5", "for": "2m", "resolve": 0.3, "keep_firing_for": "2m",
            "severity": "critical", "labels": {"team": "fraud"}, "runbook": "Look at the sensor."}  # fmt: skip
    desk = Desk(records, clock, {"drift_score": 0.9, "rules": {"moved": rule}})
    assert desk.tell({"drift_score": 0.6}) == []
    assert [each.standing.state for each in desk.book.open()] == ["pending"]
    assert desk.later(1, {"drift_score": 0.6}) == []
    assert desk.later(1, {"drift_score": 0.6}) == [("moved", True)]
    assert desk.later(1, {"drift_score": 0.4}) == []
    assert desk.later(1, {"drift_score": 0.3}) == []
    assert desk.later(1, {"drift_score": 0.2}) == []
    (state,) = desk.book.firing()
    assert (state.labels, state.runbook, state.alert.severity.value) == (
        {"team": "fraud"}, "Look at the sensor.", "critical",
    )  # fmt: skip
    assert desk.later(1, {"drift_score": 0.2}) == [("moved", False)]


def test_a_pending_alert_leaves_nothing_behind(records: RecordStore, clock: ManualClock) -> None:
    """Nothing happened, and nothing is kept of it."""
    desk = Desk(records, clock, {"rules": {"moved": {"when": "drift_score > 0.1", "for": "5m"}}})
    desk.tell({"drift_score": 0.12})
    assert len(desk.book.known()) == 1
    desk.later(1, {"drift_score": 0.05})
    assert (desk.book.known(), desk.book.history()) == ([], [])


def test_a_rule_about_features_has_an_alert_for_each(records: RecordStore, clock: ManualClock) -> None:
    """Hostile and endless names are told apart, and stay short."""
    desk = Desk(records, clock, {"rules": {"moved": {"when": "feature_drift > 0.3"}}})
    names = ["pages", "x" * 5000, "x" * 5000 + "y", "\x1b[31m\n{{x}}\"'; DROP", "😀"]
    values = {series("feature_drift", feature_name=name): 0.5 for name in names}
    assert len(desk.tell(values)) == 5
    states = desk.book.firing()
    assert len({each.fingerprint for each in states}) == 5
    assert all(len(each.alert.message) < 200 and each.alert.message.isprintable() for each in states)
    assert all(len(text) <= 200 for each in states for text in each.labels.values())


def test_values_that_are_no_numbers_tell_nothing(desk: Desk) -> None:
    """NaN and infinities are no data."""
    desk.tell(SLOW)
    for nothing in (float("nan"), float("inf")):
        assert desk.later(1, {"latency_p99": nothing}) == []
    assert len(desk.book.firing()) == 1


def test_a_source_that_tells_without_bounds_is_refused(desk: Desk) -> None:
    """With how many it told."""
    many = {series("feature_drift", feature_name=str(each)): 0.1 for each in range(MOST_SERIES + 1)}
    with pytest.raises(InvalidInput, match="10001 values"):
        desk.tell(many)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 1, 2, 5]),
            st.one_of(st.none(), st.sampled_from([0.05, 0.15, 0.2, 0.3])),
            st.sampled_from(["go on", "go on", "restart", "tell twice", "evaluate"]),
        ),
        max_size=14,
    ),
    number=st.integers(0, 10**9),
)
def test_restarts_repeats_and_extra_evaluations_change_no_history(
    records: RecordStore, steps: list[tuple[int, float | None, str]], number: int
) -> None:
    """The history equals that of an undisturbed run of the same reports, which another store has."""
    rule = {"rules": {"moved": {"when": "drift_score > 0.1", "resolve": 0.08, "for": "1m", "keep_firing_for": "1m"}}}
    disturbed, calm = f"a{number}", f"b{number}"
    start = datetime(2026, 1, 5, tzinfo=UTC)
    clock = ManualClock(start)
    book = undisturbed = AlertBook(records, clock, AlertSettings.model_validate(rule))
    for minutes, value, how in steps:
        clock.advance(minutes * MINUTE)
        values = {} if value is None else {"drift_score": value}
        for deployment, times in ((calm, 1), (disturbed, 2 if how == "tell twice" else 1)):
            for _ in range(times):
                book.tell("test", deployment, values, at=clock.now(), every=10 * MINUTE, speaks_for=("drift_score",))
        if how == "restart":
            book = AlertBook(records, clock, AlertSettings.model_validate(rule))
        if how == "evaluate":
            book.evaluate()
    told = [each for each in undisturbed.history() if each.deployment in (disturbed, calm)]
    assert facts(told, disturbed) == facts(told, calm)


def facts(history: Sequence[AlertState], deployment: str) -> list[tuple[str, str | None, int]]:
    """What happened to a deployment."""
    return [(each.since, each.until, each.episode) for each in history if each.deployment == deployment]


def wave(minute: int) -> float:
    """A value that goes up and down across the bounds."""
    return 0.3 if minute % 7 in (2, 3, 5) else 0.01


def play(url: str, minutes: int) -> list[tuple[str, str | None, int]]:
    """Report minute by minute, beginning where the store says that the last process was; returns the history."""
    records = open_record_store(url)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    clock = ManualClock(start)
    book = AlertBook(records, clock, AlertSettings())
    last = book.told_at("test", "shop")
    first = 0 if last is None else (last - start) // MINUTE
    for minute in range(first, minutes):
        clock.set(start + minute * MINUTE)
        book.tell("test", "shop", {"drift_score": wave(minute)}, at=clock.now(), every=MINUTE)
    return facts(book.history(), "shop")


def killed_again_and_again(folder: Path, kills: int, minutes: int) -> None:
    """Kill -9 the process that reports, at whatever it is at; afterwards the history is that of one that lived."""
    urls = [f"sqlite:///{folder / name}.db" for name in ("killed", "lived")]
    for url in urls:
        store = open_record_store(url)
        store.migrate()
        store.close()
    for number in range(kills):
        child = os.fork()
        if child == 0:
            play(urls[0], minutes)
            os._exit(0)
        time.sleep(0.02 + 0.013 * (number % 9))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    expected = play(urls[1], minutes)
    assert play(urls[0], minutes) == expected
    assert len(expected) > 10


def test_kill_9_neither_loses_nor_doubles_a_transition(tmp_path: Path) -> None:
    """Nine kills."""
    killed_again_and_again(tmp_path, kills=9, minutes=60)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_hundreds_of_kills(tmp_path: Path) -> None:
    """The same, at length."""
    killed_again_and_again(tmp_path, kills=300, minutes=2000)
