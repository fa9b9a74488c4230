"""Alerts: rules over metrics, and what fires now."""

from collections.abc import Mapping

import msgspec

from modelyard.core import Clock
from modelyard.storage import RecordStore

from .performance import decline
from .records import Alert, AlertSeverity, AlertState, Window
from .settings import AlertSettings, MonitorSettings

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

    def update(self, window: Window, monitor: MonitorSettings) -> list[AlertState]:
        """Fire and resolve by one window; returns what changed. Doing it again with the same window changes nothing.

        A rule whose metric the window cannot tell neither fires nor resolves: no data is no good news.
        """
        metrics = _metrics(window, monitor)
        found = evaluate_alerts(metrics, window.deployment, settings=self._settings)
        broken = {each.name: each for each in found}
        firing = {state.alert.name: state for state in self.firing(window.deployment)}
        at = self._clock.now().isoformat()
        fired = [AlertState(alert, window.deployment, at) for name, alert in broken.items() if name not in firing]
        healthy = [state for name, state in firing.items() if name in metrics and name not in broken]
        resolved = [msgspec.structs.replace(state, until=at) for state in healthy]
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


def _metrics(window: Window, monitor: MonitorSettings) -> dict[str, float]:
    """What the window can tell of the rules' metrics; an error is one arm's failed try at a request."""
    metrics = {"error_rate": window.errors / max(1, window.requests + window.errors)}
    if window.requests:
        metrics["latency_p99"] = window.latency_p99_ms
    if any(each.verdict != "inconclusive" for each in window.features):
        metrics["drift_score"] = window.drift_score
    if (worse := decline(window, monitor)) is not None:
        metrics["accuracy_drop"] = worse
    return metrics
