"""What the year adds up to, from what the server logged."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.history import PredictionLog
from modelyard.monitoring import AlertState, Window
from modelyard.stats import auc
from modelyard.wiring import Project

from .live import DEPLOYMENT, MODEL, Year
from .records import Month, Summary
from .timeline import END, START
from .traffic import Tally

STATIC = "never-retrained"
MONTHS = range(4, 13)


def summarise(project: Project, year: Year, tally: Tally, *, share: float, seed: int, wall_s: float) -> Summary:
    """The summary of a finished run; every AUC is of logged answers."""
    windows = project.monitors.windows(DEPLOYMENT)
    alerts = [state for state in project.monitors.alerts.history() if state.until is None]
    stats = project.log.stats(DEPLOYMENT)
    decisions = [event.kind for event in project.rollouts.history(DEPLOYMENT)]
    skew = project.features.skew(DEPLOYMENT, since=START, until=END)
    latencies = np.array(tally.latencies_ms or [0.0])
    return Summary(
        seed=seed,
        share=share,
        months={f"2013-{month:02d}": _month(project.log, month, windows, alerts) for month in MONTHS},
        events=tuple(year.progress.events),
        requests_sent=tally.sent,
        requests_failed=tally.failed,
        predictions_logged=stats.predictions,
        labels_posted=tally.truths_posted,
        labels_joined=stats.joined,
        cycles=sum("trigger" in event.evidence for event in project.retraining.history(MODEL)),
        retrained=year.progress.retrained,
        promoted=decisions.count("promoted"),
        rolled_back=decisions.count("rolled_back"),
        skew_compared=skew.compared,
        skew_differing=skew.differing,
        skew_verdict=skew.verdict,
        serve_p50_ms=float(np.quantile(latencies, 0.5)),
        serve_p99_ms=float(np.quantile(latencies, 0.99)),
        wall_s=wall_s,
    )


def _month(log: PredictionLog, month: int, windows: list[Window], alerts: list[AlertState]) -> Month:
    start = datetime(2013, month, 1, tzinfo=UTC)
    end = datetime(2013 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    answered = log.labelled(DEPLOYMENT, start=start, end=end, answered=True)
    static = log.labelled(DEPLOYMENT, start=start, end=end, arm=STATIC)
    prefix = f"2013-{month:02d}"
    inside = [window for window in windows if window.start.startswith(prefix)]
    drifted = sorted({name for window in inside for name in window.drifted})
    verdicts = {each.verdict for window in inside for each in window.features}
    versions = sorted(pc.unique(answered.column("model_version")).to_pylist(), key=int)
    return Month(
        n=len(answered),
        base_rate=float(np.mean(_labels(answered))) if len(answered) else 0.0,
        auc_static=_auc(static),
        auc_loop=_auc(answered),
        versions=tuple(f"v{each}" for each in versions),
        drifted_features=tuple(drifted),
        drift_verdict="fail" if drifted else "inconclusive" if "inconclusive" in verdicts or not inside else "pass",
        alerts=sum(state.since.startswith(prefix) for state in alerts),
    )


def _auc(table: pa.Table) -> float | None:
    return auc(pc.list_element(table.column("scores"), 0).to_numpy(), _labels(table)) if len(table) else None


def _labels(table: pa.Table) -> list[int]:
    return [int(label) for label in table.column("label").to_pylist()]
