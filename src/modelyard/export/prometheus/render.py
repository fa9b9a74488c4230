"""The files for Prometheus and Alertmanager."""

from collections.abc import Mapping
from typing import Any

from modelyard.core.durations import format_duration
from modelyard.monitoring import AlertSeverity, ReceiverSettings, rule_file, rules_of

from ..documents import commented, document
from ..naming import deployment_names
from ..records import Files, Subject

_HEAD = "Rendered by `modelyard export prometheus` from modelyard.yaml; change that, and render again."
_ORDER = [AlertSeverity.INFO, AlertSeverity.WARNING, AlertSeverity.CRITICAL]


def render(subject: Subject) -> Files:
    """Rules, scrapes and routes, for servers whose metrics are at NAME:8082 and control's at control:8083."""
    targets = {each: f"{name}:8082" for each, name in deployment_names(subject).items()}
    return {
        "rules.yml": rules(subject),
        "prometheus.yml": scrape(subject, targets, control="control:8083"),
        "alertmanager.yml": alertmanager(subject),
    }


def rules(subject: Subject) -> str:
    """The rule file. It fires for the same series at the same minutes as the project's own engine."""
    every = rules_of(subject.alerts)
    text = rule_file(every, subject.alerts, subject.models_of, f"modelyard-{subject.project}")
    return commented(f"The alerts of {subject.project}.\n{_HEAD}") + text


def scrape(subject: Subject, targets: Mapping[str, str], *, control: str) -> str:
    """Prometheus' configuration. `targets`: the address of the metrics of each deployment's servers."""
    servers = [{"targets": [address], "labels": {"deployment": deployment}} for deployment, address in targets.items()]
    config = {
        "global": {
            "#": "Rules look back five minutes, so that four scrapes a minute leave them twenty values.",
            "scrape_interval": "15s",
            "evaluation_interval": format_duration(subject.alerts.every),
        },
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]},
        "scrape_configs": [
            {
                "job_name": "modelyard-server",
                "#": "One address a deployment. Behind a load balancer list every server, or discover them: each "
                "counts for itself.",
                "static_configs": servers,
            },
            {
                "job_name": "modelyard-control",
                "#": "Drift, performance, label coverage, freshness: what the control process measures.",
                "static_configs": [{"targets": [control]}],
            },
        ],
    }
    return document(config, f"What Prometheus scrapes of {subject.project}.\n{_HEAD}")


def alertmanager(subject: Subject) -> str:
    """Alertmanager's routes: who is told what, how soon and how often, as under `alerts.notify`."""
    settings = subject.alerts
    config: dict[str, Any] = {
        "route": {
            "receiver": "nobody",
            "group_by": ["model_name", "severity"],
            "group_wait": format_duration(settings.group_wait),
            "group_interval": format_duration(settings.group_interval),
            "repeat_interval": format_duration(settings.repeat_interval),
            "routes": [_route(subject, name, each) for name, each in settings.notify.items()],
        },
        "receivers": [{"name": "nobody"}, *(_receiver(name, each) for name, each in settings.notify.items())],
    }
    head = (
        f"Who is told of the alerts of {subject.project}. {_HEAD}\n"
        "Addresses are secrets, so each stands in a file of its own below /etc/alertmanager/secrets.\n"
        "What is lost against the project's own notifications: acknowledgements, silences and delivery on record "
        "in the audit; signatures of webhooks. Tell people from one of the two, not from both."
    )
    return document(config, head)


def _route(subject: Subject, name: str, receiver: ReceiverSettings) -> dict[str, Any]:
    severities = [each.value for each in _ORDER[_ORDER.index(receiver.severity) :]]
    matchers = [f'severity=~"{"|".join(severities)}"'] if len(severities) < len(_ORDER) else []
    if receiver.deployments:
        models = sorted({subject.deployments[each].model_name for each in receiver.deployments})
        matchers.append(f'model_name=~"{"|".join(models)}"')
    return {"receiver": name, "continue": True, **({"matchers": matchers} if matchers else {})}


def _receiver(name: str, receiver: ReceiverSettings) -> dict[str, Any]:
    config = {"url_file": f"/etc/alertmanager/secrets/{name}-url", "send_resolved": receiver.resolved}
    told: dict[str, Any] = {"name": name, "webhook_configs": [config]}
    if receiver.apprise is not None:
        told = {
            "name": name,
            "#": "An address of apprise, which Alertmanager does not speak: put the URL of a bridge into the file, or "
            "use Alertmanager's own integration (slack_configs, pagerduty_configs, email_configs) here.",
            "webhook_configs": [config],
        }
    return told
