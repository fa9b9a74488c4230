"""Windows: what was seen of a deployment, judged once when the window closes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Clock, Verdict
from modelyard.history import PredictionLog, feature_columns
from modelyard.inference import Bundle
from modelyard.stats import binary_metrics
from modelyard.storage import RecordStore

from .alerts import AlertBook
from .drift import feature_drift
from .performance import decline
from .records import FeatureDrift, Window
from .settings import AlertSettings, MonitorSettings

KIND = "window"
_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday: weekly windows begin on Mondays

_TOLERATED = 0.05  # of a metric below its baseline, as the alert `accuracy_drop` has it by default

BundleOf = Callable[[str, str], Bundle]
"""The bundle of a deployment's version."""


class Monitors:
    """Watches deployments window by window. Each closed window is judged once, whatever is restarted."""

    def __init__(
        self,
        records: RecordStore,
        log: PredictionLog,
        clock: Clock,
        bundle_of: BundleOf,
        monitors: Mapping[str, MonitorSettings],
        alerts: AlertSettings,
    ) -> None:
        self._records = records
        self._log = log
        self._clock = clock
        self._bundle_of = bundle_of
        self.watched = monitors
        self.alerts = AlertBook(records, clock, alerts)

    def run(self, deployment: str, *, since: datetime | None = None) -> list[Window]:
        """Judge every window that has closed and was not judged yet, oldest first; `since` bounds the first run."""
        settings = self.watched[deployment]
        end = _aligned(self._clock.now(), settings.window)
        start = self._judged_until(deployment) or _aligned(since or end - settings.window, settings.window)
        judged = []
        while start + settings.window <= end:
            window = self.judge(deployment, start, start + settings.window)
            if window is not None:
                self.alerts.update(window, settings)  # first: a crash in between repeats it, and repeating is harmless
                self._save(window)
                judged.append(window)
            start += settings.window
        return judged

    def judge(self, deployment: str, start: datetime, end: datetime) -> Window | None:
        """Look at one window as known at its end; None when nothing was asked in it."""
        settings = self.watched[deployment]
        asked = self._log.predictions(deployment, start=start, end=end).filter(pc.field("role") != "shadow")
        if len(asked) == 0:
            return None
        answered = asked.filter(pc.field("answered"))
        version = _last_live(asked)
        bundle = self._bundle_of(deployment, version)
        features = _features(answered, bundle, settings)
        labelled = self._log.labelled(deployment, start=start, end=end, as_of=end, answered=True)
        latencies = answered.column("latency_us").to_numpy() / 1000
        window = Window(
            deployment=deployment,
            version=version,
            start=start.isoformat(),
            end=end.isoformat(),
            requests=len(answered),
            errors=len(asked) - asked.column("error").null_count,
            latency_p99_ms=float(np.quantile(latencies, 0.99)) if len(latencies) else 0.0,
            labels=len(labelled),
            coverage=len(labelled) / max(1, len(answered)),
            features=features,
            drift_score=_score(features, bundle.profile.importance),
            performance=_performance(labelled, bundle),
            baseline=dict(bundle.profile.performance),
            verdict=Verdict.INCONCLUSIVE.value,
            reasons=(),
        )
        verdict, reasons = _verdict(window, settings)
        return msgspec.structs.replace(window, verdict=verdict.value, reasons=reasons)

    def windows(self, deployment: str) -> list[Window]:
        """Every judged window, oldest first."""
        with self._records.snapshot() as view:
            return [msgspec.convert(each.body, Window) for each in view.scan(KIND, prefix=f"{deployment}/")]

    def latest(self, deployment: str) -> Window | None:
        """The newest judged window."""
        with self._records.snapshot() as view:
            found = view.scan(KIND, prefix=f"{deployment}/", limit=1, descending=True)
        return msgspec.convert(found[0].body, Window) if found else None

    def _judged_until(self, deployment: str) -> datetime | None:
        latest = self.latest(deployment)
        return datetime.fromisoformat(latest.end) if latest is not None else None

    def _save(self, window: Window) -> None:
        with self._records.transaction() as tx:
            tx.put(KIND, f"{window.deployment}/{window.start}", msgspec.to_builtins(window))


def _aligned(at: datetime, window: timedelta) -> datetime:
    return _EPOCH + (at - _EPOCH) // window * window


def _last_live(asked: pa.Table) -> str:
    """The version that was live at the window's end, as far as the log tells."""
    live = asked.filter(pc.field("role") == "live")
    version: str = (live if len(live) else asked).sort_by("event_us").column("model_version")[-1].as_py()
    return version


def _features(answered: pa.Table, bundle: Bundle, settings: MonitorSettings) -> tuple[FeatureDrift, ...]:
    columns = feature_columns(answered, bundle.info.signature.names)
    profiles = [each for each in bundle.profile.columns if each.name in columns]
    return tuple(feature_drift(each, columns[each.name], settings, columns=len(profiles)) for each in profiles)


def _performance(labelled: pa.Table, bundle: Bundle) -> dict[str, float]:
    """Metrics of the answers whose truth is known; the second class is the positive one."""
    if len(labelled) == 0 or bundle.info.task != "binary":
        return {}
    scores, truths = pc.list_element(labelled.column("scores"), 0).to_numpy(), labelled.column("label").to_pylist()
    positive = bundle.info.classes[1]
    return binary_metrics(scores, [label == positive for label in truths])


def _verdict(window: Window, settings: MonitorSettings) -> tuple[Verdict, tuple[str, ...]]:
    """Fails on drift or decay; passes only with labels enough to say so and at least one feature compared."""
    reasons = [f"data drift in {each.name} ({each.reason})" for each in window.features if each.verdict == "fail"]
    worse, metric = decline(window, settings), settings.metric
    if worse is not None and worse > _TOLERATED:
        reasons.append(f"{metric} {window.performance[metric]:.3f}, baseline {window.baseline[metric]:.3f}")
    if reasons:
        return Verdict.FAIL, tuple(reasons)
    if worse is None:
        return Verdict.INCONCLUSIVE, (f"only {window.labels} labels are known",)
    if all(each.verdict == "inconclusive" for each in window.features):
        return Verdict.INCONCLUSIVE, (f"{window.requests} answers cannot show drift in any feature",)
    return Verdict.PASS, ()


def _score(features: tuple[FeatureDrift, ...], importance: Mapping[str, float]) -> float:
    """Of the features that say something: at few rows the effect of the others is mostly chance."""
    features = tuple(each for each in features if each.verdict != "inconclusive")
    weights = [importance.get(each.name, 0.0) for each in features]
    total = sum(weights)
    if total == 0:
        return float(np.mean([each.effect for each in features])) if features else 0.0
    return sum(weight * each.effect for weight, each in zip(weights, features, strict=True)) / total
