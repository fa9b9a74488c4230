"""What a window tells the rules of alerts."""

from .alerts import Series, series
from .performance import decline
from .records import GeneratedSeen, SegmentSeen, Window
from .settings import MonitorSettings

SPEAKS_FOR = (
    "error_rate", "latency_p99", "accuracy_drop", "performance", "performance_estimated", "drift_score",
    "prediction_drift_score", "feature_drift", "label_coverage", "multivariate_drift_score", "concept_drift",
    "feature_outliers", "group_difference", "llm_cost", "unsupported_rate", "abstention_rate",
)  # fmt: skip
"""The metrics that windows tell of, when they can."""


def measured(window: Window, monitor: MonitorSettings) -> dict[Series, float]:
    """The values a window can tell, and only those; an error is one arm's failed try at a request."""
    told = [each for each in window.features if each.verdict != "inconclusive"]
    values = {series("feature_drift", feature_name=each.name): each.effect for each in told}
    values[series("error_rate")] = window.errors / max(1, window.requests + window.errors)
    if window.requests:
        values[series("latency_p99")] = window.latency_p99_ms
        values[series("label_coverage")] = window.coverage
    if told:
        values[series("drift_score")] = window.drift_score
    if window.predictions is not None and window.predictions.verdict != "inconclusive":
        values[series("prediction_drift_score")] = window.predictions.effect
    values |= {series("performance_estimated", metric=name): each.value for name, each in window.estimated.items()}
    values |= _beside(window)
    if window.generated is not None:
        values |= _of_chats(window.generated, monitor)
    for segment in window.segments:
        values |= _of_segment(segment, monitor)
    if window.labels >= monitor.min_labels:
        values |= {series("performance", metric=name): value for name, value in window.performance.items()}
    if (worse := decline(window, monitor)) is not None:
        values[series("accuracy_drop")] = worse
    return values


def _beside(window: Window) -> dict[Series, float]:
    """What is told of all features together, mistakes, outliers and groups; nothing that is inconclusive."""
    values: dict[Series, float] = {}
    if window.together is not None and window.together.auc is not None and window.together.verdict != "inconclusive":
        values[series("multivariate_drift_score")] = window.together.auc
    for change in window.concept:
        if change.verdict != "inconclusive":
            values[series("concept_drift", detector=change.detector)] = float(change.verdict == "fail")
    values |= {
        series("feature_outliers", feature_name=each.name): each.share
        for each in window.outliers
        if each.verdict != "inconclusive"
    }
    for rate in window.groups:
        if rate.verdict != "inconclusive":
            name = f"{rate.metric} {rate.of}".rstrip()
            values[series("group_difference", group=f"{rate.column}={rate.level}", rate=name)] = abs(rate.difference)
    return values


def _of_chats(generated: GeneratedSeen, monitor: MonitorSettings) -> dict[Series, float]:
    """What answers cost; and of enough sentences, or answers, what share is surely unsupported, or abstains."""
    values = {series("llm_cost"): generated.cost_micros / 1_000_000}
    whole = generated.whole
    for name, each in (("unsupported_rate", whole.unsupported), ("abstention_rate", whole.abstained)):
        if each.lower is not None and each.of >= monitor.min_rows:
            values[series(name)] = each.lower
    return values


def _of_segment(segment: SegmentSeen, monitor: MonitorSettings) -> dict[Series, float]:
    """What one segment tells, under its own label."""
    label = f"{segment.column}={segment.level}"
    values: dict[Series, float] = {}
    if segment.drift_score is not None:
        values[series("drift_score", segment=label)] = segment.drift_score
    if segment.labels >= monitor.min_labels:
        values |= {
            series("performance", metric=name, segment=label): value for name, value in segment.performance.items()
        }
    return values
