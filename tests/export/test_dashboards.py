"""Every metric that a dashboard, a rule or an analysis asks for is one that servers or the control process export."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry
from tests.export.subjects import flights

from modelyard.core import ManualClock
from modelyard.export import TARGETS, Subject
from modelyard.monitoring import METRICS, AlertBook, AlertGauges, AlertSettings, Outbox
from modelyard.serving import Metrics
from modelyard.storage import open_record_store

_NAME = re.compile(r"\b(?:model|rollout|feature|prediction|shadow|process|alert)_[a-z0-9_]+\b")
_LABELS = {"model_name", "model_version", "feature_name", "feature_view"}


@pytest.fixture(scope="module")
def subject() -> Subject:
    """The flights."""
    return flights()


@pytest.fixture
def exported(tmp_path: Path, clock: ManualClock) -> set[str]:
    """The series that a server and the control process have, as Prometheus names them."""
    records = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    records.migrate()
    book = AlertBook(records, clock, AlertSettings(), {})
    gauges = AlertGauges(book, Outbox(records, clock, AlertSettings()), ())
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    collectors: list[Collector | CollectorRegistry] = [Metrics().registry, registry, gauges]
    found = {metric.name: metric.type for each in collectors for metric in each.collect()}
    names = {
        f"{name}{suffix}"
        for name, kind in found.items()
        for suffix in ({"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(kind, ("",)))
    }
    records.close()
    return names | {each.gauge for each in METRICS.values() if each.gauge is not None}


def asked(query: str) -> set[str]:
    """The metrics that a query names."""
    return set(_NAME.findall(re.sub(r'"[^"]*"', "", query))) - _LABELS


def test_every_metric_of_a_dashboard_exists(subject: Subject, exported: set[str]) -> None:
    """Each query of each panel."""
    files = TARGETS["grafana"].render(subject)
    queries = [
        target["expr"]
        for name, text in files.items()
        if name.endswith(".json")
        for panel in json.loads(text)["panels"]
        for target in panel["targets"]
    ]
    assert len(queries) > 25
    assert {name for query in queries for name in asked(query)} - exported == set()


def test_a_metric_that_is_not_there_would_be_noticed(exported: set[str]) -> None:
    """The other way round."""
    assert asked('rate(model_predictions_sum{model_name="x"}[5m])') - exported == {"model_predictions_sum"}


@pytest.mark.parametrize("target", ["prometheus", "argo-rollouts", "flagger"])
def test_every_metric_of_rules_and_analyses_exists(subject: Subject, exported: set[str], target: str) -> None:
    """In every line that is a query."""
    lines = [
        line
        for name, text in TARGETS[target].render(subject).items()
        if name.endswith((".yml", ".yaml"))
        for line in text.splitlines()
        if "rate(" in line or "max by" in line
    ]
    assert lines
    assert {name for line in lines for name in asked(line.replace('\\"', ""))} - exported == set()


def test_panels_do_not_cover_one_another(subject: Subject) -> None:
    """Each has its place on the grid, and an id of its own."""
    for name, text in TARGETS["grafana"].render(subject).items():
        if name.endswith(".json"):
            panels = json.loads(text)["panels"]
            assert len({(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels}) == len(panels)
            assert len({each["id"] for each in panels}) == len(panels)
