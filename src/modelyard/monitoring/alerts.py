"""Alerts: rules over metrics, and what fires now."""

from collections.abc import Mapping

import msgspec

from modelyard.core import Clock
from modelyard.storage import RecordStore

from .records import Alert, AlertSeverity, AlertState, Window
from .settings import AlertSettings

KIND, STREAM = "alert", "alerts"

_RULES: tuple[tuple[str, AlertSeverity, str], ...] = (
    ("latency_p99", AlertSeverity.WARNING, "99% of answers within {threshold:g} ms was promised; it is {value:.1f} ms"),
    ("error_rate", AlertSeverity.CRITICAL, "{value:.2%} of requests had an error; {threshold:.2%} is the bound"),
    (
        "accuracy_drop",
        AlertSeverity.CRITICAL,
        "performance is {value:.3f} below the baseline; {threshold:g} is the bound",
    ),
    ("drift_score", AlertSeverity.WARNING, "the data drift score is {value:.2f}; {threshold:g} is the bound"),
)


def evaluate_alerts(
    metrics: Mapping[str, float], model_name: str, *, settings: AlertSettings | None = None
) -> list[Alert]:
    """The rules that `metrics` break. Keys are the rules' names; a metric that is absent breaks nothing.

    `latency_p99` in milliseconds, `error_rate` a share, `accuracy_drop` below the baseline, `drift_score` in [0, 1].
    """
    settings = settings or AlertSettings()
    found = []
    for name, severity, text in _RULES:
        value, threshold = metrics.get(name), float(getattr(settings, name))
        if value is not None and value > threshold:
            message = f"{model_name}: {text.format(value=value, threshold=threshold)}."
            found.append(Alert(name, severity, message, model_name, value, threshold))
    return found


class AlertBook:
    """Which alerts fire, and since when. A rule that goes on being broken stays one alert."""

    def __init__(self, records: RecordStore, clock: Clock, settings: AlertSettings) -> None:
        self._records = records
        self._clock = clock
        self._settings = settings

    def update(self, window: Window, metric: str) -> list[AlertState]:
        """Fire and resolve by one window; returns what changed."""
        broken = {each.name: each for each in evaluate_alerts(_metrics(window, metric), window.deployment,
                                                             settings=self._settings)}  # fmt: skip
        firing = {state.alert.name: state for state in self.firing(window.deployment)}
        at = self._clock.now().isoformat()
        fired = [AlertState(alert, window.deployment, at) for name, alert in broken.items() if name not in firing]
        resolved = [msgspec.structs.replace(state, until=at) for name, state in firing.items() if name not in broken]
        with self._records.transaction() as tx:
            for state in (*fired, *resolved):
                body = msgspec.to_builtins(state)
                key = f"{state.deployment}/{state.alert.name}"
                tx.put(KIND, key, body, labels={"firing": str(state.until is None)})
                tx.append(STREAM, body)
        return [*fired, *resolved]

    def firing(self, deployment: str | None = None) -> list[AlertState]:
        """The alerts that fire now."""
        with self._records.snapshot() as view:
            states = [msgspec.convert(each.body, AlertState) for each in view.find(KIND, "firing", "True")]
        return [state for state in states if deployment in (None, state.deployment)]

    def history(self) -> list[AlertState]:
        """Every firing and resolving, oldest first."""
        with self._records.snapshot() as view:
            return [msgspec.convert(each.body, AlertState) for each in view.entries(STREAM)]


def _metrics(window: Window, metric: str) -> dict[str, float]:
    metrics = {
        "latency_p99": window.latency_p99_ms,
        "error_rate": window.errors / window.requests,
        "drift_score": window.drift_score,
    }
    if metric in window.performance and metric in window.baseline:
        metrics["accuracy_drop"] = window.baseline[metric] - window.performance[metric]
    return metrics
