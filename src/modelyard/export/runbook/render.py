"""`RUNBOOK.md`: what whoever is called at night has to know of this project."""

from modelyard.core.durations import format_duration
from modelyard.monitoring import Rule, rules_of

from ..documents import fill
from ..records import Files, Subject

_MEANING = {
    "latency_p99": "One answer in a hundred takes longer than promised.",
    "latency_p95": "One answer in twenty takes longer than promised.",
    "latency_p50": "Half of the answers take longer than promised.",
    "error_rate": "An arm cannot score rows: it refuses them, raises, ends, or takes too long.",
    "accuracy_drop": "On labelled answers the model is worse than it was when it was registered.",
    "drift_score": "What is asked now is spread otherwise than what the model learned from.",
    "accuracy": "On labelled answers, accuracy is below its floor.",
    "precision": "On labelled answers, precision is below its floor.",
    "recall": "On labelled answers, recall is below its floor.",
}
_SLOW = (
    "`modelyard doctor`, and the dashboard `serving`: do rows wait (queue), is a processor full, did traffic grow?",
    "A new version is live since then? `modelyard rollout rollback {deployment} --reason TEXT`.",
    "Else more processes (`server.workers`), more servers, cached answers (`serving.cache_answers`), a smaller model.",
)
_WRONG = (
    "`modelyard monitor status --deployment {deployment}`: which windows, which segments, how many labels.",
    "Live since a new version? `modelyard rollout rollback {deployment} --reason TEXT`.",
    "Else ask whether it is the data: `modelyard drift analyze --model {model} --window 7d`.",
    "Retrain: `modelyard retrain run {model}`.",
)
_STEPS = {
    "latency_p99": _SLOW,
    "latency_p95": _SLOW,
    "latency_p50": _SLOW,
    "error_rate": (
        "`modelyard log stats {deployment}`, and the dashboard `serving`: which kind of error, which arm.",
        "`input`: a caller sends what the model does not take; `modelyard bundle show` has its inputs.",
        "`model` or `timeout` since a new version: `modelyard rollout rollback {deployment} --reason TEXT`.",
    ),
    "accuracy_drop": _WRONG,
    "accuracy": _WRONG,
    "precision": _WRONG,
    "recall": _WRONG,
    "drift_score": (
        "`modelyard monitor status --deployment {deployment}`: which features moved, and how.",
        "All of them at once? Then it is the threshold, or the reference: see troubleshooting.",
        "One of them? Ask its source first: a column that changed its unit is no reason to retrain.",
        "Real, and performance falls: `modelyard retrain run {model}`.",
    ),
}  # fmt: skip
_OTHER = ("`modelyard alert show FINGERPRINT`: value, history, and since when.",)


def render(subject: Subject) -> Files:
    """The guide."""
    first = next(iter(subject.deployments), "DEPLOYMENT")
    served = [
        {
            "name": name,
            "model": each.model,
            "strategy": each.strategy,
            "steps": ", ".join(f"{step}%" for step in each.steps) if each.strategy == "canary" else "",
            "dwell": format_duration(each.dwell),
            "objective": f"{each.latency_objective_ms:g}",
            "owner": subject.models[each.model_name].owner if each.model_name in subject.models else "",
            "intended_use": subject.models[each.model_name].intended_use if each.model_name in subject.models else "",
            "loop": each.model_name in subject.loops,
            "model_name": each.model_name,
        }
        for name, each in subject.deployments.items()
    ]
    values = {
        "project": subject.project,
        "deployments": served,
        "first": first,
        "alerts": [_alert(subject, each, first) for each in rules_of(subject.alerts)],
        "receivers": sorted(subject.alerts.notify),
        "views": subject.views,
        "ships_log": subject.ships_log,
        "pipelines": sorted(subject.pipelines),
    }
    return {"RUNBOOK.md": fill("runbook.md.j2", values)}


def _alert(subject: Subject, rule: Rule, first: str) -> dict[str, object]:
    deployment = rule.deployments[0] if rule.deployments else first
    model = subject.models_of.get(deployment, "MODEL")
    condition = rule.condition
    steps = _STEPS.get(rule.name, _OTHER)
    return {
        "name": rule.name,
        "severity": rule.severity.value,
        "when": f"{condition.metric.name} {condition.comparison} {condition.threshold:g}",
        "hold": format_duration(rule.hold) if rule.hold else "",
        "meaning": _MEANING.get(rule.name, f"{condition.metric.what.capitalize()}."),
        "runbook": rule.runbook,
        "steps": [each.format(deployment=deployment, model=model) for each in steps],
        "deployments": ", ".join(rule.deployments) or "all deployments",
    }
