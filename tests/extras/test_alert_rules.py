"""Prometheus' own tool takes our rule files, and fires from the same series at the same minutes as our engine."""

import random
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from modelyard.core import ManualClock
from modelyard.monitoring import AlertBook, AlertSettings, Series, Values, rule_file, series
from modelyard.monitoring.alerts import rules_of
from modelyard.monitoring.requests import SPEAKS_FOR, request_values
from modelyard.storage import open_record_store

START = datetime(1970, 1, 1, tzinfo=UTC)
"""Where promtool's time begins."""

MINUTE = timedelta(minutes=1)
MODELS = {"shop": "fraud", "till": "fra.ud|x"}
BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0)


def settings_of(rules: Mapping[str, Mapping[str, object]]) -> AlertSettings:
    """Settings with these rules, as a project file would have them."""
    return AlertSettings.model_validate({"rules": rules, "also": ["latency_p50", "latency_p95", "accuracy"]})


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it."""
    return subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def ours(
    folder: Path, settings: AlertSettings, told: Sequence[tuple[str, Values]], speaks_for: Sequence[str], name: str
) -> list[set[Series]]:
    """The series for which a rule fires after each minute, by our engine; it is restarted again and again."""
    records = open_record_store(f"sqlite:///{folder / 'records.db'}")
    records.migrate()
    clock, firing = ManualClock(START), []
    for minute, (deployment, values) in enumerate(told):
        clock.set(START + minute * MINUTE)
        book = AlertBook(records, clock, settings, MODELS)
        book.tell("test", deployment, values, at=clock.now(), every=MINUTE, speaks_for=speaks_for)
        firing.append({each.series for each in book.open() if each.standing.fired_at and each.rule == name})
    records.close()
    return firing


def agree(
    folder: Path, settings: AlertSettings, inputs: Sequence[Mapping[str, str]], expected: Mapping[str, list[Any]]
) -> None:
    """Let promtool play the inputs, and look each minute whether exactly the expected labels fire."""
    text = rule_file(rules_of(settings), settings, MODELS, "modelyard")
    document = yaml.safe_load(text)
    (folder / "rules.yaml").write_text(text)
    for rule in document["groups"][0]["rules"]:
        del rule["annotations"]  # they hold the value of the moment
    (folder / "bare.yaml").write_text(yaml.safe_dump(document))
    tests = [
        {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": [{"exp_labels": each} for each in labels]}
        for name, minutes in expected.items()
        for minute, labels in enumerate(minutes)
    ]
    case = {"interval": "1m", "input_series": list(inputs), "alert_rule_test": tests}
    (folder / "test.yaml").write_text(
        yaml.safe_dump({"rule_files": ["bare.yaml"], "evaluation_interval": "1m", "tests": [case]})
    )
    checked = promtool("check", "rules", "rules.yaml", folder=folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", "test.yaml", folder=folder)
    assert tested.returncode == 0, (tested.stdout + tested.stderr)[-3000:]


def wandering(seed: int, length: int) -> list[float | None]:
    """Values around a threshold of .5, with gaps."""
    source = random.Random(seed)
    value, found = 0.4, list[float | None]()
    for _ in range(length):
        value = min(0.95, max(0.05, value + source.uniform(-0.15, 0.15)))
        found.append(None if source.random() < 0.15 else round(value, 3))
    return found


def notation(values: Sequence[float | None]) -> str:
    """As promtool has it: a gap is what a vanished gauge leaves."""
    return " ".join("stale" if each is None else str(each) for each in values)


@pytest.mark.extras
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "rule",
    [
        {"when": "feature_drift > 0.5"},
        {"when": "feature_drift >= 0.5", "for": "3m"},
        {"when": 'feature_drift{feature_name!="b"} < 0.5', "resolve": 0.6},
        {"when": "feature_drift > 0.5", "for": "2m", "resolve": 0.35, "keep_firing_for": "3m", "labels": {"team": "x"}},
    ],
    ids=["plain", "for", "hysteresis", "all of it"],
)
def test_a_gauge_fires_at_the_same_minutes(tmp_path: Path, seed: int, rule: dict[str, object]) -> None:
    """Comparison, duration, hysteresis, keeping, gaps; two features that move on their own."""
    walks = {"a": wandering(seed, 60), "b": wandering(seed + 100, 60)}
    settings = settings_of({"moves": rule})
    told = [
        (
            "shop",
            {
                series("feature_drift", feature_name=name): value
                for name, walk in walks.items()
                if (value := walk[minute]) is not None
            },
        )
        for minute in range(60)
    ]
    extra = {"alertname": "moves", "severity": "warning", "model_name": "fraud", **dict(rule.get("labels", {}))}  # type: ignore[call-overload]  # a mapping where it is there
    expected = [
        [{**extra, **dict(each.labels)} for each in sorted(firing)]
        for firing in ours(tmp_path, settings, told, ["feature_drift"], "moves")
    ]
    assert any(expected)
    inputs = [
        {"series": f'model_feature_drift{{model_name="fraud", feature_name="{name}"}}', "values": notation(walk)}
        for name, walk in walks.items()
    ]
    agree(tmp_path, settings, inputs, {"moves": expected})


@pytest.mark.extras
@pytest.mark.parametrize("seed", range(3))
def test_requests_fire_at_the_same_minutes(tmp_path: Path, seed: int) -> None:
    """Quantiles from the histogram's buckets and rates from counters, as ours from the records; also when few came."""
    source = random.Random(seed)
    minutes: list[list[tuple[float, bool]]] = []
    for minute in range(50):
        slow = 0.8 if 10 <= minute < 20 else 0.004 * (minute > 6)
        wrong = 0.2 if 25 <= minute < 30 else 0.0
        count = 1 if 33 <= minute < 42 else source.randrange(20, 60)
        minutes.append(
            [
                (0.3 if source.random() < slow else source.uniform(0.002, 0.04), source.random() < wrong)
                for _ in range(count)
            ]
        )
    settings = settings_of({"busy": {"when": "row_rate < 0.1", "deployments": ["shop"]}})
    told: list[tuple[str, Values]] = []
    for minute in range(50):  # those before the first whole look back are Prometheus' own affair
        records = [each for many in minutes[max(0, minute - 5) : minute] for each in many]
        values = request_values(table(records), settings.min_requests) if minute >= 6 else {}
        told.append(("shop", values))
    names = ("latency_p99", "latency_p95", "latency_p50", "error_rate", "busy")
    expected = {}
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        firing = ours(folder, settings, told, SPEAKS_FOR, name)
        severity = "critical" if name == "error_rate" else "warning"
        labels = {"alertname": name, "severity": severity, "model_name": "fraud"}
        expected[name] = [[labels] if each else [] for each in firing]
    assert [name for name in names if not any(expected[name])] == []
    agree(tmp_path, settings, counters(minutes), expected)


def table(records: Sequence[tuple[float, bool]]) -> pa.Table:
    """Records as the log has them."""
    return pa.table(
        {
            "latency_us": pa.array([int(seconds * 1e6) for seconds, _ in records], pa.int64()),
            "error": pa.array(["input" if wrong else None for _, wrong in records], pa.string()),
            "answered": pa.array([True] * len(records), pa.bool_()),
        }
    )


def counters(minutes: Sequence[Sequence[tuple[float, bool]]]) -> list[dict[str, str]]:
    """What a scrape each minute would find; all counters are far from zero, where Prometheus extrapolates less."""
    begun = 100_000

    def counted(count: list[int]) -> str:
        sums, total = [begun], begun
        for each in count:
            total += each
            sums.append(total)
        return " ".join(map(str, sums))

    bucket = 'model_prediction_latency_seconds_bucket{model_name="fraud", le="%s"}'
    found = [
        {"series": bucket % bound, "values": counted([sum(each <= bound for each, _ in many) for many in minutes])}
        for bound in BOUNDS
    ]
    found.append({"series": bucket % "+Inf", "values": counted([len(many) for many in minutes])})
    rows = 'model_predictions_total{model_name="fraud", model_version="1", arm="live"}'
    found.append({"series": rows, "values": counted([len(many) for many in minutes])})
    errors = 'model_prediction_errors_total{model_name="fraud", kind="input"}'
    found.append({"series": errors, "values": counted([sum(wrong for _, wrong in many) for many in minutes])})
    return found


@pytest.mark.extras
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "scale", "severity"), [("llm_cost", 20, "warning"), ("unsupported_rate", 0.5, "critical")]
)
def test_rules_of_language_models_fire_at_the_same_minutes(
    tmp_path: Path, seed: int, name: str, scale: float, severity: str
) -> None:
    """Those that `also` switches on, from the gauges that the control process exports."""
    walk = [None if each is None else round(each * scale, 4) for each in wandering(seed, 60)]
    settings = AlertSettings.model_validate({"also": [name], name: 0.5 * scale})
    told: list[tuple[str, Values]] = [("shop", {} if value is None else {name: value}) for value in walk]
    firing = ours(tmp_path, settings, told, [name], name)
    labels = {"alertname": name, "severity": severity, "model_name": "fraud"}
    expected = [[labels] if each else [] for each in firing]
    assert any(expected)
    inputs = [{"series": f'model_{name}{{model_name="fraud"}}', "values": notation(walk)}]
    agree(tmp_path, settings, inputs, {name: expected})


@pytest.mark.extras
def test_promtool_takes_every_metric_and_hostile_texts(tmp_path: Path) -> None:
    """Quotes, braces, templates, line feeds and emoji stay texts."""
    hostile = 'a"b\\c{{ $labels.x }}\n\u2028😀}` or vector(1) > 0 #'
    quoted = 'x\\"y\\\\z{}}'
    rules: dict[str, dict[str, object]] = {
        f"rule-{name}": {"when": f"{name} > 0.5", "runbook": hostile, "labels": {"note": hostile}, "for": "90s"}
        for name in ("performance", "performance_estimated", "prediction_drift_score", "label_coverage",
                     "feature_freshness", "accuracy_drop", "llm_cost", "unsupported_rate", "abstention_rate")
    }  # fmt: skip
    rules["odd"] = {"when": f'feature_drift{{feature_name="{quoted}"}} > 0.5', "deployments": ["till", "shop"]}
    settings = settings_of(rules)
    agree(tmp_path, settings, [], {})
    text = (tmp_path / "rules.yaml").read_text()
    assert r"fra\\.ud\\|x" in text
