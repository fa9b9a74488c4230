"""Alerts: the four default rules, and what fires until when."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from modelyard.core import ManualClock
from modelyard.monitoring import (
    AlertBook,
    AlertSettings,
    AlertSeverity,
    FeatureDrift,
    MonitorSettings,
    Window,
    evaluate_alerts,
)
from modelyard.storage import RecordStore, open_record_store

MONITOR = MonitorSettings()
COMPARED = FeatureDrift("x", "number", 0.0, 0.0, 0.02, 0.0, 0.0, "pass", "")
HEALTHY = Window(
    deployment="d",
    version="1",
    start="2026-01-05T00:00:00+00:00",
    end="2026-01-12T00:00:00+00:00",
    requests=1000,
    errors=0,
    latency_p99_ms=20.0,
    labels=1000,
    coverage=1.0,
    features=(COMPARED,),
    drift_score=0.02,
    performance={"accuracy": 0.9},
    baseline={"accuracy": 0.9},
    verdict="pass",
    reasons=(),
)
SILENT = msgspec.structs.replace(
    HEALTHY, requests=0, labels=0, latency_p99_ms=0.0, drift_score=0.0, features=(), performance={}
)


@pytest.fixture
def records(tmp_path: Path) -> RecordStore:
    """A record store in a file."""
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    return store


@pytest.fixture
def book(records: RecordStore, clock: ManualClock) -> AlertBook:
    """A book with the default rules."""
    return AlertBook(records, clock, AlertSettings())


def changed(book: AlertBook, window: Window) -> list[tuple[str, bool]]:
    """Names of the alerts that a window changed, and whether they fire now."""
    return [(each.alert.name, each.until is None) for each in book.update(window, MONITOR)]


@pytest.mark.parametrize(
    ("name", "at_bound", "beyond", "severity"),
    [
        ("latency_p99", 200.0, 201.0, AlertSeverity.WARNING),
        ("error_rate", 0.01, 0.011, AlertSeverity.CRITICAL),
        ("accuracy_drop", 0.05, 0.06, AlertSeverity.CRITICAL),
        ("drift_score", 0.15, 0.16, AlertSeverity.WARNING),
    ],
)
def test_the_default_rules(name: str, at_bound: float, beyond: float, severity: AlertSeverity) -> None:
    """Each breaks above its bound, not at it, with its severity, value and bound."""
    assert evaluate_alerts({name: at_bound}, "fraud") == []
    (alert,) = evaluate_alerts({name: beyond}, "fraud")
    assert (alert.name, alert.severity, alert.metric_value, alert.threshold) == (name, severity, beyond, at_bound)
    assert alert.message.startswith("fraud: ")


def test_metrics_that_are_absent_break_nothing() -> None:
    """Nor do those that no rule knows."""
    assert evaluate_alerts({}, "fraud") == []
    assert evaluate_alerts({"temperature": 1e9}, "fraud") == []


def test_a_rule_fires_once_and_resolves_once(book: AlertBook, clock: ManualClock) -> None:
    """Three bad windows are one alert; its history has two entries with their times."""
    slow = msgspec.structs.replace(HEALTHY, latency_p99_ms=500.0)
    began = clock.now()
    assert changed(book, slow) == [("latency_p99", True)]
    for _ in range(2):
        clock.advance(timedelta(days=7))
        assert changed(book, slow) == []
    assert [each.since for each in book.firing("d")] == [began.isoformat()]
    assert changed(book, HEALTHY) == [("latency_p99", False)]
    assert book.firing() == []
    assert changed(book, HEALTHY) == []
    assert [(each.since, each.until) for each in book.history()] == [
        (began.isoformat(), None),
        (began.isoformat(), clock.now().isoformat()),
    ]


def test_deployments_do_not_meet(book: AlertBook) -> None:
    """One deployment's health does not resolve another's alert."""
    changed(book, msgspec.structs.replace(HEALTHY, latency_p99_ms=500.0, deployment="other"))
    assert changed(book, HEALTHY) == []
    assert [each.deployment for each in book.firing()] == ["other"]
    assert book.firing("d") == []


def test_an_alert_outlives_the_process(records: RecordStore, clock: ManualClock) -> None:
    """Another book on the same records knows what fires."""
    AlertBook(records, clock, AlertSettings()).update(msgspec.structs.replace(HEALTHY, errors=500), MONITOR)
    again = AlertBook(records, clock, AlertSettings())
    assert [each.alert.name for each in again.firing()] == ["error_rate"]
    assert again.update(msgspec.structs.replace(HEALTHY, errors=500), MONITOR) == []


def test_no_data_resolves_nothing(book: AlertBook) -> None:
    """Decay, drift and slowness go on firing through a window that cannot tell; a healthy one ends them."""
    bad = msgspec.structs.replace(
        HEALTHY, performance={"accuracy": 0.5}, drift_score=0.9, latency_p99_ms=999.0, errors=900
    )
    assert len(changed(book, bad)) == 4
    assert changed(book, SILENT) == [("error_rate", False)]
    assert len(book.firing()) == 3
    assert len(changed(book, HEALTHY)) == 3


def test_few_labels_and_few_rows_fire_nothing(book: AlertBook) -> None:
    """Ten labels half wrong, and effects of features that are all inconclusive, are chance."""
    unsure = msgspec.structs.replace(COMPARED, verdict="inconclusive", effect=0.6)
    tiny = msgspec.structs.replace(
        HEALTHY, labels=10, performance={"accuracy": 0.5}, features=(unsure,), drift_score=0.6
    )
    assert changed(book, tiny) == []


def test_a_total_outage_is_an_error_rate_of_one(book: AlertBook) -> None:
    """Nothing was answered: the rate is 1 and no division by zero."""
    assert changed(book, msgspec.structs.replace(SILENT, errors=40)) == [("error_rate", True)]
    assert book.firing()[0].alert.metric_value == 1.0
