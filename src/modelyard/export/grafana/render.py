"""Two dashboards as JSON, and how Grafana finds them. Every metric asked for is one that servers or control export."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.monitoring import rules_of

from ..documents import as_json, document
from ..naming import dns_name
from ..records import Files, Subject

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_MODEL = 'model_name=~"$model"'
_RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """A picture: its queries with their legends, and the unit of the values. `threshold`: where a line is drawn."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    threshold: float | None = None
    about: str = ""


def render(subject: Subject) -> Files:
    """The dashboards `serving` and `monitoring`, and the provisioning file that loads both."""
    return {
        "dashboards/serving.json": _dashboard(subject, "serving", _serving(subject)),
        "dashboards/monitoring.json": _dashboard(subject, "monitoring", _monitoring(subject)),
        "provisioning/dashboards.yaml": document(
            {
                "apiVersion": 1,
                "providers": [
                    {
                        "name": f"modelyard-{subject.project}",
                        "folder": subject.project,
                        "type": "file",
                        "options": {"path": "/etc/grafana/dashboards"},
                    }
                ],
            },
            "Goes to /etc/grafana/provisioning/dashboards, the folder dashboards/ to /etc/grafana/dashboards.\n"
            "Rendered by `modelyard export grafana` from modelyard.yaml; change that, and render again.",
        ),
    }


def _threshold(subject: Subject, rule: str) -> float | None:
    return next((each.condition.threshold for each in rules_of(subject.alerts) if each.name == rule), None)


def _quantile(share: float, histogram: str = "model_prediction_latency_seconds") -> str:
    inner = f"rate({histogram}_bucket{{{_MODEL}}}{_RATE})"
    return f"histogram_quantile({share:g}, sum by (model_name, le) ({inner}))"


def _rate(metric: str, by: str, label: str = "model_name") -> str:
    return f'sum by ({by}) (rate({metric}{{{label}=~"$model"}}{_RATE}))'


def _serving(subject: Subject) -> list[Panel]:
    slow, errors = _threshold(subject, "latency_p99"), _threshold(subject, "error_rate")
    failed, scored = (
        _rate("model_prediction_errors_total", "model_name"),
        _rate("model_predictions_total", "model_name"),
    )
    return [
        Panel(
            "Rows scored", [(_rate("model_predictions_total", "model_name, arm"), "{{model_name}} {{arm}}")], "reqps"
        ),
        Panel(
            "Latency",
            [(_quantile(share), f"{{{{model_name}}}} p{share * 100:g}") for share in (0.5, 0.95, 0.99)],
            "s",
            None if slow is None else slow / 1000,
            "From admission to answer. The line is the objective of 99%.",
        ),
        Panel(
            "Share of rows with an error",
            [(f"({failed} or 0 * {scored}) / {scored}", "{{model_name}}")],
            "percentunit",
            errors,
        ),
        Panel("Requests by code", [(_rate("model_requests_total", "code"), "{{code}}")], "reqps"),
        Panel(
            "Sent away by a full queue",
            [(_rate("model_requests_refused_total", "model_name"), "{{model_name}}")],
            "reqps",
        ),
        Panel(
            "Weights of arms",
            [("max by (deployment, arm, version) (rollout_arm_weight)", "{{deployment}} {{arm}} {{version}}")],
            "percentunit",
        ),
        Panel(
            "Confidence, median",
            [(_quantile(0.5, "model_prediction_confidence"), "{{model_name}}")],
            "percentunit",
        ),
        Panel(
            "What is predicted, median",
            [(_quantile(0.5, "model_prediction_values"), "{{model_name}}")],
        ),
        Panel(
            "Levels never seen in training",
            [(_rate("model_unknown_levels_total", "feature_name"), "{{feature_name}}")],
            "reqps",
        ),
        Panel("Age of features", [("max by (feature_view) (feature_freshness_seconds)", "{{feature_view}}")], "s"),
        Panel(
            "Records of the prediction log",
            [(f"sum by (outcome) (rate(prediction_log_records_total{_RATE}))", "{{outcome}}")],
            "reqps",
            about="Whatever is not `written` is lost, or waits in memory.",
        ),
        Panel("Rows that wait", [("sum by (instance) (model_queue_rows)", "{{instance}}")]),
        Panel("Requests in progress", [("sum by (instance) (model_requests_in_progress)", "{{instance}}")]),
        Panel(
            "Processor",
            [(f"rate(process_cpu_seconds_total{_RATE}) and on (job, instance) model_queue_rows", "{{instance}}")],
        ),
        Panel(
            "Memory",
            [("process_resident_memory_bytes and on (job, instance) model_queue_rows", "{{instance}}")],
            "bytes",
        ),
        Panel(
            "Shadow copies dropped",
            [(_rate("shadow_requests_dropped_total", "model_name, reason"), "{{model_name}} {{reason}}")],
            "reqps",
        ),
    ]


def _monitoring(subject: Subject) -> list[Panel]:
    def by_model(metric: str, *labels: str) -> tuple[str, str]:
        legend = " ".join(f"{{{{{each}}}}}" for each in ("model_name", *labels))
        return f"max by ({', '.join(('model_name', *labels))}) ({metric}{{{_MODEL}}})", legend

    return [
        Panel("Data drift score", [by_model("model_data_drift_score")], threshold=_threshold(subject, "drift_score")),
        Panel("Prediction drift score", [by_model("model_prediction_drift_score")]),
        Panel(
            "Drift by feature",
            [by_model("model_feature_drift", "feature_name")],
            about="Effect of each feature's drift.",
        ),
        Panel("Performance, with labels", [by_model("model_performance", "metric")]),
        Panel("Performance, estimated", [by_model("model_performance_estimated", "metric")]),
        Panel(
            "Below the baseline", [by_model("model_performance_drop")], threshold=_threshold(subject, "accuracy_drop")
        ),
        Panel("Label coverage", [by_model("model_label_coverage")], "percentunit"),
        Panel(
            "Concept drift", [by_model("model_concept_drift", "detector")], about="1: mistakes rose at some instant."
        ),
        Panel(
            "All features together",
            [by_model("model_multivariate_drift_score")],
            about="AUC of a classifier that tells the windows apart; 0.5 is chance.",
        ),
        Panel("Outliers", [by_model("model_feature_outliers", "feature_name")], "percentunit"),
        Panel("Cost of language models", [by_model("model_llm_cost")], threshold=_threshold(subject, "llm_cost")),
        Panel(
            "Unsupported sentences",
            [by_model("model_unsupported_rate")],
            "percentunit",
            threshold=_threshold(subject, "unsupported_rate"),
            about="Lower end of the interval: surely so many rest on nothing.",
        ),
        Panel("Abstention", [by_model("model_abstention_rate")], "percentunit"),
        Panel(
            "Groups", [by_model("model_group_difference", "group", "rate")], about="A group's rate from that of others."
        ),
        Panel(
            "Alerts that fire",
            [("sum by (deployment, alert, severity) (model_alerts_firing)", "{{deployment}} {{alert}} {{severity}}")],
        ),
        Panel("Notifications not delivered", [("max by (state) (alert_notifications)", "{{state}}")]),
    ]


def _dashboard(subject: Subject, kind: str, panels: Sequence[Panel]) -> str:
    uid = dns_name(subject.project, kind)[:40]
    return as_json(
        {
            "uid": uid,
            "title": f"{subject.project}: {kind}",
            "description": "Rendered by `modelyard export grafana` from modelyard.yaml; change that, and render again.",
            "tags": ["modelyard", subject.project],
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "time": {"from": "now-6h" if kind == "serving" else "now-30d", "to": "now"},
            "refresh": "30s",
            "templating": {"list": [_datasource(), _models(subject)]},
            "panels": [_panel(each, place) for place, each in enumerate(panels)],
        }
    )


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _models(subject: Subject) -> dict[str, Any]:
    names = sorted(set(subject.models_of.values()))
    return {
        "name": "model",
        "label": "Model",
        "type": "custom",
        "query": ",".join(names),
        "multi": True,
        "includeAll": True,
        "allValue": "|".join(name.replace(".", "\\\\.") for name in names),
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(panel: Panel, place: int) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.threshold is not None:
        steps.append({"color": "red", "value": panel.threshold})
    custom = {"thresholdsStyle": {"mode": "line" if panel.threshold is not None else "off"}}
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        **({"description": panel.about} if panel.about else {}),
        "datasource": _SOURCE,
        "gridPos": {"x": 8 * (place % 3), "y": 8 * (place // 3), "w": 8, "h": 8},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "custom": custom, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for number, (query, legend) in enumerate(panel.queries)
        ],
    }
