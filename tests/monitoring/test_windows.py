"""Windows of a real log: judged once, at their end, with what was known then."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import ArmRole, Digest, ManualClock, Micros, Scalar, to_micros
from modelyard.history import PredictionLog
from modelyard.inference import load_bundle
from modelyard.journal import ErrorClass, Journal, PredictionRecord, TruthRecord
from modelyard.monitoring import AlertSettings, Monitors, MonitorSettings, Window
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

    def monitors(self) -> Monitors:
        """New monitors, as after a restart."""
        bundle = load_bundle(self.bundle.path)

        return Monitors(
            self.records,
            self.log,
            self.clock,
            lambda _deployment, _version: bundle,
            {"d": MonitorSettings(metric="accuracy")},
            AlertSettings(),
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
            score = float(random.random())
            identity = f"{role}-{start.isoformat()}-{index}"
            said = score >= 0.5
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
    records = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    records.migrate()
    journal = Journal(tmp_path / "journal", "server", clock)
    return Traffic(journal, PredictionLog(tmp_path / "journal", tmp_path / "log"), records, clock, built)


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


def test_each_window_is_judged_once_whatever_restarts(traffic: Traffic, monday: datetime) -> None:
    """Three weeks: by one monitor at the end, or by a new one each day, the windows are equal."""
    for week in range(3):
        traffic.week(monday + week * WEEK, rows=200)
    daily: list[Window] = []
    for day in range(22):
        daily += judged(traffic, monday + timedelta(days=day))
    assert [window.start for window in daily] == [(monday + week * WEEK).isoformat() for week in range(3)]
    assert traffic.monitors().windows("d") == daily
    assert traffic.monitors().latest("d") == daily[-1]
    assert judged(traffic, monday + 3 * WEEK) == []
    again = [traffic.monitors().judge("d", monday + week * WEEK, monday + (week + 1) * WEEK) for week in range(3)]
    assert again == daily


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

    def die(window: Window) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(broken, "_save", die)
    with pytest.raises(KeyboardInterrupt):
        judged(traffic, monday + WEEK, broken)
    monitors = traffic.monitors()
    assert len(judged(traffic, monday + WEEK, monitors)) == 1
    assert len(monitors.alerts.history()) == 1
