"""Rule files for Prometheus; that they mean the same is tested with promtool (tests/extras)."""

from typing import Any

import yaml

from modelyard.monitoring import AlertSettings, evaluate_alerts, rule_file, series
from modelyard.monitoring.alerts import METRICS, rules_of

MODELS = {"shop": "fraud", "till": "churn"}


def written(rules: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rules of a file by name."""
    settings = AlertSettings.model_validate({"rules": rules})
    document = yaml.safe_load(rule_file(rules_of(settings), settings, MODELS, "g"))
    (group,) = document["groups"]
    assert (group["name"], group["interval"]) == ("g", "1m")
    return {each["alert"]: each for each in group["rules"]}


def test_every_rule_is_there_with_its_threshold() -> None:
    """Over the names that are exported."""
    rules = written({})
    assert set(rules) == {"latency_p99", "error_rate", "accuracy_drop", "drift_score", "rollout_held"}
    assert "histogram_quantile(0.99" in rules["latency_p99"]["expr"]
    assert "> 200.0" in rules["latency_p99"]["expr"]
    assert rules["error_rate"]["labels"] == {"severity": "critical"}


def test_what_a_rule_declares_is_said() -> None:
    """Duration, keeping, labels, runbook, deployments by their models."""
    rule = written(
        {"r": {"when": "drift_score > 0.2", "for": "90s", "keep_firing_for": "1h", "resolve": 0.1,
               "labels": {"team": "x"}, "runbook": "{{ danger }}", "deployments": ["till"]}}
    )["r"]  # fmt: skip
    assert (rule["for"], rule["keep_firing_for"]) == ("1m30s", "1h")
    assert rule["labels"] == {"severity": "warning", "team": "x"}
    assert rule["annotations"]["runbook"] == '{{ "{{" }} danger }}'
    assert 'model_name=~"churn"' in rule["expr"]
    assert rule["expr"].count("ALERTS") == 2


def test_a_rule_looks_at_the_models_of_the_project_alone() -> None:
    """Also among the alerts that Prometheus keeps: another project may have a rule of the same name."""
    expression = written({})["drift_score"]["expr"]
    assert expression.count('model_name=~"churn|fraud"') == 3
    odd = written({"r": {"when": 'feature_drift{feature_name="50% @ x"} > 0.5'}})["r"]["expr"]
    assert odd.count('feature_name="50% @ x"') == 3
    assert "segment" not in odd.partition("ALERTS")[2].partition("}")[0]


def test_every_metric_can_be_asked_for() -> None:
    """None lacks a placeholder or keeps one."""
    for name, metric in METRICS.items():
        rules = written({"r": {"when": f"{name} > 0.5"}})
        assert "@" not in rules["r"]["expr"]
        assert "%" not in rules["r"]["expr"]
        assert ", ".join(metric.grouped_by) in rules["r"]["expr"]


def test_rules_can_be_evaluated_over_any_mapping() -> None:
    """Names, or series with labels; a declared rule counts too."""
    settings = AlertSettings.model_validate({"rules": {"moved": {"when": 'feature_drift{feature_name="a"} > 0.3'}}})
    metrics = {series("feature_drift", feature_name="a"): 0.5, series("feature_drift", feature_name="b"): 0.5}
    (alert,) = evaluate_alerts(metrics, "fraud", settings=settings)
    assert alert.message == "fraud: feature_drift{feature_name='a'} is 0.5; the rule is broken > 0.3."
    assert evaluate_alerts({"drift_score": float("nan")}, "fraud") == []
    assert evaluate_alerts({}, "fraud") == []
    assert [(each.name, each.metric_value) for each in evaluate_alerts({"error_rate": 0.5}, "fraud")] == [
        ("error_rate", 0.5)
    ]
