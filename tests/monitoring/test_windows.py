"""Windows of a real log: judged once, at their end, with what was known then."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import ArmRole, Digest, InvalidInput, ManualClock, Micros, Scalar, to_micros
from modelyard.history import PredictionLog
from modelyard.inference import load_bundle
from modelyard.journal import ErrorClass, Journal, PredictionRecord, TruthRecord
from modelyard.monitoring import AlertBook, AlertSettings, Monitors, MonitorSettings, Period, Window
from modelyard.operations.bundles import BuildBundle, build_from_files
from modelyard.storage import RecordStore, open_record_store

from ..tensor_models import TEXTS, text_model

WEEK = timedelta(days=7)
LATENCY_US = 4_000


@dataclass
class Traffic:
    """Writes a journal as a server does, and makes the monitors that read it."""

    journal: Journal
    log: PredictionLog
    records: RecordStore
    clock: ManualClock
    bundle: BuiltBundle
    settings: MonitorSettings = field(default_factory=MonitorSettings)
    _edges: np.ndarray | None = None

    def monitors(self) -> Monitors:
        """New monitors, as after a restart."""
        bundle = load_bundle(self.bundle.path)

        return Monitors(
            self.records,
            self.log,
            self.clock,
            lambda _deployment, _version: bundle,
            {"d": self.settings},
            AlertBook(self.records, self.clock, AlertSettings()),
        )

    def week(
        self,
        start: datetime,
        rows: int = 1000,
        *,
        factor: float = 1.0,
        right: float = 0.92,
        known_after: timedelta = timedelta(hours=3),
        error: ErrorClass | None = None,
        role: ArmRole = "live",
        version: str = "1",
    ) -> None:
        """A week of requests like the training rows, amounts times `factor`; a share of answers turns out right."""
        random = np.random.default_rng(int(start.timestamp()))
        for index in range(rows):
            at = to_micros(start + WEEK * index / (rows + 1))
            score = self.score(random)
            identity = f"{role}-{start.isoformat()}-{index}"
            said = score > 0.5
            self.journal.append(
                [
                    PredictionRecord(
                        identity, at, "d", 1, version, role, role, error is None and role == "live", "e",
                        self.row(random, factor), None if error else str(int(said)), () if error else (score,),
                        LATENCY_US, error,
                    ),
                    TruthRecord(
                        identity, "d", str(int(said == (random.random() < right))), at,
                        Micros(at + int(known_after.total_seconds() * 1e6)), at,
                    ),
                ]
            )  # fmt: skip

    def score(self, random: np.random.Generator) -> float:
        """As the model's scores were in training; any for a model without a profile of them."""
        scores = load_bundle(self.bundle.path).profile.scores if self._edges is None else None
        if scores is not None:
            self._edges = np.repeat([*scores.edges, scores.edges[-1] + 1e-9], scores.counts)
        return float(random.random()) if self._edges is None else float(random.choice(self._edges))

    def row(self, random: np.random.Generator, factor: float) -> tuple[Scalar, ...]:
        """Amount, country and visits as the model was trained on."""
        visits = None if random.random() < 0.2 else float(random.poisson(3))
        country: str | None = (None, "de", "fr", "it")[int(random.integers(4))]
        return (float(random.gamma(2, 50)) * factor, country, visits)


class OverText(Traffic):
    """Traffic of a model over text."""

    def row(self, random: np.random.Generator, factor: float) -> tuple[Scalar, ...]:
        """A text as it stands in the log."""
        return (str(random.choice(TEXTS)),)


@pytest.fixture
def traffic(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Traffic:
    """An empty journal and record store."""
    journal = Journal(tmp_path / "journal", "server", clock)
    log = PredictionLog(tmp_path / "journal", tmp_path / "log")
    return Traffic(journal, log, new_store(tmp_path / "records.db"), clock, built)


def new_store(file: Path) -> RecordStore:
    """An empty record store."""
    records = open_record_store(f"sqlite:///{file}")
    records.migrate()
    return records


@pytest.fixture
def monday(clock: ManualClock) -> datetime:
    """The Monday at midnight after the clock's noon."""
    return (clock.now() + WEEK).replace(hour=0)


def judged(traffic: Traffic, until: datetime, monitors: Monitors | None = None) -> list[Window]:
    """Windows that close by an instant."""
    traffic.clock.set(until)
    return (monitors or traffic.monitors()).run("d")


def test_an_unchanged_week_passes(traffic: Traffic, monday: datetime) -> None:
    """Counts, coverage, latency and performance are what was sent; nothing drifted, nothing fires."""
    traffic.week(monday)
    monitors = traffic.monitors()
    (window,) = judged(traffic, monday + WEEK, monitors)
    assert (window.start, window.end) == (monday.isoformat(), (monday + WEEK).isoformat())
    assert (window.requests, window.errors, window.latency_p99_ms) == (1000, 0, LATENCY_US / 1000)
    assert window.coverage == pytest.approx(0.98, abs=0.02)
    assert window.performance["accuracy"] == pytest.approx(0.92, abs=0.03)
    assert window.drifted == ()
    assert (window.verdict, window.reasons) == ("pass", ())
    assert monitors.alerts.firing() == []


def test_a_changed_feature_is_named_and_weighed(traffic: Traffic, monday: datetime) -> None:
    """Amounts tripled: the window fails for `amount`, and its importance of .7 makes the score and the alert."""
    traffic.week(monday, factor=3)
    monitors = traffic.monitors()
    (window,) = judged(traffic, monday + WEEK, monitors)
    assert window.drifted == ("amount",)
    assert window.verdict == "fail"
    assert window.reasons[0].startswith("data drift in amount")
    effects = {each.name: each.effect for each in window.features}
    assert window.drift_score == pytest.approx(0.7 * effects["amount"] + 0.3 * effects["visits"])
    assert [each.alert.name for each in monitors.alerts.firing("d")] == ["drift_score"]


def test_a_model_over_text_is_judged_by_its_labels(traffic: Traffic, monday: datetime, tmp_path: Path) -> None:
    """No column is watched, and nothing breaks for it; decay shows all the same."""
    np.save(tmp_path / "rows.npy", np.array(TEXTS))
    given = BuildBundle(text_model(tmp_path / "m.onnx"), tmp_path / "text", tmp_path / "rows.npy", task="binary")
    digest = Digest(build_from_files(given)["digest"])
    over_text = OverText(**{**vars(traffic), "bundle": BuiltBundle(given.output, digest, ())})
    over_text.week(monday)
    (window,) = judged(over_text, monday + WEEK)
    assert (window.features, window.drift_score, window.requests) == ((), 0.0, 1000)
    assert window.performance["accuracy"] == pytest.approx(0.92, abs=0.03)
    assert window.verdict != "fail"


def test_decay_is_found_by_labels(traffic: Traffic, monday: datetime) -> None:
    """A tenth less right than the baseline, without any drift."""
    traffic.week(monday, right=0.75)
    (window,) = judged(traffic, monday + WEEK)
    assert window.verdict == "fail"
    assert window.drifted == ()
    assert window.reasons[0].startswith("accuracy 0.7")


def test_labels_known_later_do_not_count(traffic: Traffic, monday: datetime) -> None:
    """A window is judged as known at its end: truth that came a month later cannot pass it."""
    traffic.week(monday, known_after=timedelta(days=30))
    traffic.clock.set(monday + 8 * WEEK)
    window = traffic.monitors().judge("d", monday, monday + WEEK)
    assert window is not None
    assert (window.labels, window.verdict) == (0, "inconclusive")
    assert window.reasons == ("only 0 labels are known",)
    assert (window.told_by, window.estimated) == ("nothing", {})


def test_a_tiny_window_is_inconclusive_and_alarms_nobody(traffic: Traffic, monday: datetime) -> None:
    """Five answers, all wrong by chance, and effects of .5 by chance."""
    traffic.week(monday, rows=5, right=0.0)
    monitors = traffic.monitors()
    (window,) = judged(traffic, monday + WEEK, monitors)
    assert window.verdict == "inconclusive"
    assert window.drift_score == 0
    assert monitors.alerts.firing() == []


def test_a_week_without_requests_is_no_window(traffic: Traffic, monday: datetime) -> None:
    """No data is not recorded as anything, least of all as a pass."""
    assert judged(traffic, monday + 2 * WEEK) == []
    assert traffic.monitors().latest("d") is None


def test_an_outage_is_a_window_with_errors(traffic: Traffic, monday: datetime) -> None:
    """When no request was answered there is a window all the same, inconclusive on data, and the alert is critical."""
    traffic.week(monday, rows=50, error="model", version="7")
    monitors = traffic.monitors()
    (window,) = judged(traffic, monday + WEEK, monitors)
    assert (window.requests, window.errors, window.version, window.verdict) == (0, 50, "7", "inconclusive")
    assert [each.alert.name for each in monitors.alerts.firing()] == ["error_rate"]


def test_shadows_count_for_nothing(traffic: Traffic, monday: datetime) -> None:
    """A shadow arm's errors, rows and version are not the deployment's."""
    traffic.week(monday, rows=300)
    traffic.week(monday, rows=300, role="shadow", error="model", version="9")
    (window,) = judged(traffic, monday + WEEK)
    assert (window.requests, window.errors, window.version) == (300, 0, "1")


def test_a_window_is_of_the_version_that_was_live_at_its_end(traffic: Traffic, monday: datetime) -> None:
    """A canary may have had the last word; it is not what the window is compared with."""
    traffic.week(monday)
    traffic.week(monday + timedelta(seconds=1), 50, role="canary", version="2")
    (window,) = judged(traffic, monday + WEEK)
    assert window.version == "1"


def test_each_window_is_judged_once_whatever_restarts(traffic: Traffic, monday: datetime, tmp_path: Path) -> None:
    """Three weeks: by one monitor at the end, or by a new one each day, windows and revisions are equal."""
    for week in range(3):
        traffic.week(monday + week * WEEK, rows=200)
    daily: list[Window] = []
    for day in range(22):
        daily += judged(traffic, monday + timedelta(days=day))
    assert [window.start for window in daily] == [(monday + week * WEEK).isoformat() for week in range(3)]
    assert judged(traffic, monday + 3 * WEEK) == []
    told = traffic.monitors().windows("d")
    traffic.records = new_store(tmp_path / "again.db")
    assert traffic.monitors().run("d", since=monday) == daily
    assert traffic.monitors().windows("d") == told


def test_a_window_still_open_is_not_judged(traffic: Traffic, monday: datetime) -> None:
    """One microsecond before its end it is too early."""
    traffic.week(monday, rows=50)
    assert judged(traffic, monday + WEEK - timedelta(microseconds=1)) == []
    assert len(judged(traffic, monday + WEEK)) == 1


def test_weeks_that_nobody_judged_are_caught_up_with(traffic: Traffic, monday: datetime) -> None:
    """`since` tells the first run where to begin."""
    for week in range(3):
        traffic.week(monday + week * WEEK, rows=20)
    traffic.clock.set(monday + 3 * WEEK)
    assert len(traffic.monitors().run("d", since=monday)) == 3


def test_a_crash_before_the_window_is_saved_changes_nothing_in_the_end(
    traffic: Traffic, monday: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alerts are kept first: the next run judges again, and the alert fired once."""
    traffic.week(monday, factor=3)
    broken = traffic.monitors()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(broken, "_save", die)
    with pytest.raises(KeyboardInterrupt):
        judged(traffic, monday + WEEK, broken)
    monitors = traffic.monitors()
    assert len(judged(traffic, monday + WEEK, monitors)) == 1
    assert len(monitors.alerts.history()) == 1


def test_labels_that_come_later_revise_a_window(traffic: Traffic, monday: datetime) -> None:
    """With the next window the one before is judged anew, as known then: its labels, performance and verdict."""
    for week in range(2):
        traffic.week(monday + week * WEEK, known_after=timedelta(days=8))
    monitors = traffic.monitors()
    (first,) = judged(traffic, monday + WEEK, monitors)
    assert (first.labels, first.verdict, first.revision) == (0, "inconclusive", 0)
    judged(traffic, monday + 2 * WEEK, monitors)
    older, newest = monitors.windows("d")
    assert (older.revision, older.as_of, newest.revision) == (1, (monday + 2 * WEEK).isoformat(), 0)
    assert (older.labels, older.verdict, older.told_by) == (859, "pass", "labels")
    assert older.features == first.features


def test_a_window_waits_for_what_is_late(traffic: Traffic, monday: datetime) -> None:
    """With `late: 3h` it closes three hours after its end, with the labels known then."""
    traffic.settings = MonitorSettings(late=timedelta(hours=3))
    traffic.week(monday)
    assert judged(traffic, monday + WEEK + timedelta(hours=2)) == []
    (window,) = judged(traffic, monday + WEEK + timedelta(hours=3))
    assert (window.end, window.labels) == ((monday + WEEK).isoformat(), 1000)


def test_records_that_come_after_the_close_are_counted(traffic: Traffic, monday: datetime) -> None:
    """A server that was cut off sends its week later: the window is judged anew, and says how many came."""
    traffic.week(monday)
    judged(traffic, monday + WEEK)
    traffic.week(monday + timedelta(seconds=1), rows=100, factor=9)
    traffic.week(monday + WEEK)
    judged(traffic, monday + 2 * WEEK)
    older, _ = traffic.monitors().windows("d")
    assert (older.revision, older.late, older.requests) == (1, 100, 1100)


def test_a_window_may_be_so_many_answers(traffic: Traffic, monday: datetime) -> None:
    """Windows of 300 answers, each where the last ended; the rest waits."""
    traffic.settings = MonitorSettings(count=300)
    traffic.week(monday)
    monitors = traffic.monitors()
    traffic.clock.set(monday + WEEK)
    found = monitors.run("d", since=monday)
    assert [each.requests for each in found] == [300, 300, 300]
    assert [each.start for each in found[1:]] == [each.end for each in found[:-1]]
    traffic.week(monday + WEEK, rows=200)
    (fourth,) = judged(traffic, monday + 2 * WEEK)
    assert (fourth.requests, fourth.start) == (300, found[-1].end)
    with pytest.raises(InvalidInput, match="of 300 answers each"):
        monitors.run("d", since=monday - WEEK)


def test_earlier_windows_can_be_filled_in(traffic: Traffic, monday: datetime) -> None:
    """A first run judged the last week only; with `since` those before are judged too, once."""
    for week in range(3):
        traffic.week(monday + week * WEEK, rows=200)
    monitors = traffic.monitors()
    assert len(judged(traffic, monday + 3 * WEEK, monitors)) == 1
    assert [each.start for each in monitors.run("d", since=monday)] == [
        (monday + week * WEEK).isoformat() for week in range(2)
    ]
    assert monitors.run("d", since=monday) == []
    assert len(monitors.windows("d")) == 3


def test_a_window_can_be_compared_with_the_one_before(traffic: Traffic, monday: datetime) -> None:
    """The first has nothing to be compared with and says so; a change in the third is found against the second."""
    traffic.settings = MonitorSettings(reference="previous")
    for week, factor in enumerate((3.0, 3.0, 1.0)):
        traffic.week(monday + week * WEEK, factor=factor)
    traffic.clock.set(monday + 3 * WEEK)
    first, second, third = traffic.monitors().run("d", since=monday)
    assert (first.features, first.predictions, first.drift_score) == ((), None, 0.0)
    assert (second.drifted, third.drifted) == ((), ("amount",))


def test_a_window_can_be_compared_with_a_period(traffic: Traffic, monday: datetime) -> None:
    """A week of the log, read once, in place of the training rows."""
    period = Period.model_validate({"from": monday, "to": monday + WEEK})
    traffic.settings = MonitorSettings(reference=period)
    traffic.week(monday, factor=3)
    traffic.week(monday + WEEK, factor=3)
    (window,) = judged(traffic, monday + 2 * WEEK)
    assert window.drifted == ()
    assert window.reference.startswith(monday.isoformat())


def test_every_level_of_a_segment_is_judged(traffic: Traffic, monday: datetime) -> None:
    """Performance by country, against the baseline, with its interval; few answers are inconclusive."""
    traffic.settings = MonitorSettings(segments=("country",), groups=("country",), reference="previous")
    for week in range(2):
        traffic.week(monday + week * WEEK, right=0.7)
    traffic.clock.set(monday + 2 * WEEK)
    _, window = traffic.monitors().run("d", since=monday)
    assert {each.level for each in window.segments} == {"de", "fr", "it", "(missing)"}
    assert sum(each.requests for each in window.segments) == window.requests
    assert sum(each.labels for each in window.segments) == window.labels
    assert all(each.verdict == "fail" and "accuracy" in each.intervals for each in window.segments)
    assert all(each.drift_score is not None or each.drifted == () for each in window.segments)
    assert {each.metric for each in window.groups} == {"selection", "recall", "false_alarms"}
    assert all(each.verdict != "fail" for each in window.groups)


def test_estimates_stand_in_until_labels_come_and_yield_to_them(traffic: Traffic, monday: datetime) -> None:
    """A labelled week teaches what scores are worth; the next says so without labels; labels that disagree win."""
    traffic.settings = MonitorSettings(min_labels=400)
    traffic.week(monday, right=0.92)
    traffic.week(monday + WEEK, right=0.6, known_after=timedelta(days=8))
    traffic.week(monday + 2 * WEEK)
    traffic.clock.set(monday + 2 * WEEK)
    monitors = traffic.monitors()
    _, blind = monitors.run("d", since=monday)
    assert blind.told_by == "estimate"
    assert blind.estimated["accuracy"].lower < 0.92 < blind.estimated["accuracy"].upper
    assert blind.verdict == "inconclusive"
    assert "estimated" in blind.reasons[0]
    judged(traffic, monday + 3 * WEEK, monitors)
    seen = monitors.windows("d")[1]
    assert (seen.told_by, seen.estimated["accuracy"].contradicted, seen.verdict) == ("labels", True, "fail")
