"""What controllers that shift traffic can carry of our rollouts, and what is lost."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from modelyard.core.durations import format_duration
from modelyard.rollout import DeploymentSettings

from .errors import unsupported
from .records import Subject


def check_strategy(target: str, deployment: str, settings: DeploymentSettings, known: tuple[str, ...]) -> None:
    """UnsupportedSetting for a strategy that a controller has not."""
    if settings.strategy not in known:
        raise unsupported(
            target,
            f"deployments.{deployment}.strategy",
            settings.strategy,
            f"It knows: {', '.join(known)}.",
            "Let Modelyard roll it out (`modelyard rollout start`), or declare another strategy.",
        )


def lost(subject: Subject, deployment: str) -> str:
    """What a controller's analysis does not do that our own rollout does, in sentences."""
    settings = subject.deployments[deployment]
    told = [
        "What is lost against `modelyard rollout start`:",
        f"- evidence that may be looked at after every request (alpha {settings.alpha:g}):",
        "  here bounds are compared with rates of five minutes, so that few requests decide by chance;",
        f"- promotion only after {settings.min_requests} canary requests: here time alone promotes;",
        "- the live arm's answer when the canary fails a request, and the log of both;",
    ]
    if settings.assign == "sticky" and settings.assign_by is not None:
        told.append(f"- entities that stay on their arm by {settings.assign_by}: weights here are of requests;")
    if settings.label_window is not None:
        told.append("- guardrails on labels (label_window);")
    if settings.prediction_drift is not None:
        told.append("- going back on drift of predictions (prediction_drift);")
    return "\n".join(told)[:-1] + "."


def steps_before_all(settings: DeploymentSettings) -> list[int]:
    """The shares of a canary, in percent, before it has all."""
    return [each for each in settings.steps if each < 100]


def span(settings: DeploymentSettings) -> str:
    """The least time at each step, in Go's units (no days)."""
    seconds = int(settings.dwell.total_seconds())
    return f"{seconds // 3600}h" if seconds % 3600 == 0 else format_duration(timedelta(seconds=seconds))


def queries(pods: str) -> Mapping[str, str]:
    """What is judged of the pods that a regular expression names, in PromQL: over five minutes."""
    mine = f'pod=~"{pods}"'
    rows = f"sum(rate(model_predictions_total{{{mine}}}[5m]))"
    return {
        "error-rate": f"(sum(rate(model_prediction_errors_total{{{mine}}}[5m])) or vector(0)) / {rows}",
        "latency-p99": "1000 * histogram_quantile(0.99, sum by (le) "
        f"(rate(model_prediction_latency_seconds_bucket{{{mine}}}[5m])))",
    }


def bounds(settings: DeploymentSettings) -> Mapping[str, float]:
    """What each of `queries` must not exceed: `acceptable`, and the latency objective in milliseconds."""
    return {"error-rate": settings.acceptable, "latency-p99": settings.latency_objective_ms}


def virtual_service(name: str, stable: str, canary: str, host: str | None) -> dict[str, Any]:
    """Istio's VirtualService whose two weights the controller changes."""
    weights = [(stable, 100), (canary, 0)]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {
            "hosts": [name, *([host] if host else [])],
            **({"gateways": ["mesh", f"{name}-gateway"]} if host else {}),
            "http": [
                {
                    "name": "primary",
                    "route": [
                        {"destination": {"host": each, "port": {"number": 80}}, "weight": weight}
                        for each, weight in weights
                    ],
                }
            ],
        },
    }
