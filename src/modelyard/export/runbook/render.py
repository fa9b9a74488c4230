"""`RUNBOOK.md`: what whoever is called at night has to know of this project."""

from modelyard.core.durations import format_duration
from modelyard.monitoring import Rule, rules_of

from ..documents import fill
from ..records import Files, Subject
from .steps import MEANING, OTHER, STEPS


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
    steps = STEPS.get(rule.name, OTHER)
    return {
        "name": rule.name,
        "severity": rule.severity.value,
        "when": f"{condition.metric.name} {condition.comparison} {condition.threshold:g}",
        "hold": format_duration(rule.hold) if rule.hold else "",
        "meaning": MEANING.get(rule.name, condition.metric.sentence),
        "runbook": rule.runbook,
        "steps": [each.format(deployment=deployment, model=model) for each in steps],
        "deployments": ", ".join(rule.deployments) or "all deployments",
    }
