"""From what was seen of a window to its verdicts."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from modelyard.core import Verdict
from modelyard.inference import BundleInfo

from .concept import changed_concept
from .counts import ColumnCounts
from .drift import drift_of
from .fairness import unfair
from .performance import LOWER_IS_BETTER, decline, shortfall
from .quality import surely_above
from .records import FeatureDrift, Window
from .settings import MonitorSettings

_TOLERATED = 0.05  # of a metric below its baseline, as the alert `accuracy_drop` has it by default


def drifts(
    columns: Sequence[ColumnCounts],
    reference: Mapping[str, ColumnCounts],
    settings: MonitorSettings,
    *,
    together: int = 0,
) -> tuple[FeatureDrift, ...]:
    """The drift of each column that the reference has; `together`: how many are judged at once, by default these."""
    known = [each for each in columns if each.name in reference]
    count = together or len(known)
    found = (drift_of(reference[each.name], each, settings, columns=count) for each in known)
    rows = {each.name: each.rows for each in known}
    return tuple(_enough(each, rows[each.name], settings) for each in found)


def _enough(found: FeatureDrift, rows: int, settings: MonitorSettings) -> FeatureDrift:
    if rows >= settings.min_rows or rows == 0:
        return found
    return msgspec.structs.replace(found, verdict="inconclusive", reason=f"only {rows} rows")


def drift_score(features: Sequence[FeatureDrift], importance: Mapping[str, float]) -> float:
    """Of the features that say something: at few rows the effect of the others is mostly chance."""
    telling = [each for each in features if each.verdict != "inconclusive"]
    weights = [importance.get(each.name, 0.0) for each in telling]
    total = sum(weights)
    if total == 0:
        return float(np.mean([each.effect for each in telling])) if telling else 0.0
    return sum(weight * each.effect for weight, each in zip(weights, telling, strict=True)) / total


def worse_than(
    metrics: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
    labels: int,
    baseline: Mapping[str, float],
    settings: MonitorSettings,
) -> list[str]:
    """What a segment's labels say against it: the whole interval is more than tolerated worse than the baseline."""
    name = settings.metric
    if labels < settings.min_labels or name not in metrics or name not in baseline or name not in intervals:
        return []
    low, high = intervals[name]
    best = shortfall(name, low if name in LOWER_IS_BETTER else high, baseline[name])
    return [f"{name} {metrics[name]:.3f}, baseline {baseline[name]:.3f}"] if best > _TOLERATED else []


def verdict_of(window: Window, settings: MonitorSettings) -> tuple[Verdict, tuple[str, ...]]:
    """Fails on drift, bad quality, decay or unfairness; passes only with labels enough to say so, with at least one
    feature compared, and when no estimate says otherwise.
    """
    if reasons := [*_failures(window, settings)]:
        return Verdict.FAIL, tuple(reasons)
    worse = decline(window, settings)
    if worse is None:
        return Verdict.INCONCLUSIVE, (_without_labels(window, settings),)
    if wrong := [name for name, each in window.estimated.items() if each.contradicted]:
        return Verdict.INCONCLUSIVE, tuple(_contradiction(window, name) for name in wrong)
    if all(each.verdict == "inconclusive" for each in window.features):
        return Verdict.INCONCLUSIVE, (f"{window.requests} answers cannot show drift in any feature",)
    return Verdict.PASS, ()


def _failures(window: Window, settings: MonitorSettings) -> list[str]:
    reasons = [f"data drift in {each.name} ({each.reason})" for each in window.features if each.verdict == "fail"]
    if window.predictions is not None and window.predictions.verdict == "fail":
        reasons.append(f"prediction drift ({window.predictions.reason})")
    reasons += [f"quality of {each.name}: {each.reason}" for each in window.quality if each.verdict == "fail"]
    refused, tried = window.errors_by.get("input", 0), window.requests + window.errors
    if tried >= settings.min_rows and surely_above(refused, tried, settings.refused):
        reasons.append(f"the signature refused {refused} rows of {tried}")
    if window.together is not None and window.together.verdict == "fail":
        reasons.append(f"data drift of all features together ({window.together.reason})")
    reasons += [*_decay(window, settings), *changed_concept(window.concept), *unfair(window.groups)]
    for each in window.segments:
        if each.verdict == "fail":
            reasons.append(f"segment {each.column}={each.level}: {'; '.join(each.reasons[:3])}")
    return reasons


def _decay(window: Window, settings: MonitorSettings) -> list[str]:
    """What labels say against the model; without enough of them what the estimate says."""
    found, metric = [], settings.metric
    worse = decline(window, settings)
    if worse is not None and worse > _TOLERATED:
        found.append(f"{metric} {window.performance[metric]:.3f}, baseline {window.baseline[metric]:.3f}")
    for name, floor in settings.floors.items():
        value = window.performance.get(name)
        if value is not None and window.labels >= settings.min_labels and _below(name, value, floor):
            found.append(f"{name} {value:.3f} is worse than its floor {floor:g}")
    if worse is None and _estimated_worse(window, metric):
        estimate, before = window.estimated[metric], window.baseline[metric]
        found.append(f"{metric} is estimated at {estimate.value:.3f}, baseline {before:.3f}")
    return found


def _estimated_worse(window: Window, metric: str) -> bool:
    """Whether the better end of an estimate is worse than tolerated, and no second opinion says otherwise."""
    estimate, before, second = window.estimated.get(metric), window.baseline.get(metric), window.second_opinion
    if estimate is None or before is None or (second is not None and second.disagrees):
        return False
    best = estimate.lower if metric in LOWER_IS_BETTER else estimate.upper
    return shortfall(metric, best, before) > _TOLERATED


def _below(name: str, value: float, floor: float) -> bool:
    return value > floor if name in LOWER_IS_BETTER else value < floor


def _without_labels(window: Window, settings: MonitorSettings) -> str:
    told = f"only {window.labels} labels are known"
    if window.foreign:
        told += f", and {window.foreign} that are no class of the model"
    estimate = window.estimated.get(settings.metric)
    if estimate is None:
        return told
    ends = f"{estimate.lower:.3f} to {estimate.upper:.3f}"
    told = f"{told}; {settings.metric} is estimated at {estimate.value:.3f} ({ends}), if only the inputs changed"
    return told + _second(window)


def _second(window: Window) -> str:
    """What a second opinion has to say against an estimate."""
    second = window.second_opinion
    if second is None:
        return ""
    if second.value is None:
        count = f"{second.effective:.0f} of {second.rows} count"
        return f"; labelled rows hardly look like these ({count}), so do not rely on it"
    if second.disagrees:
        return f"; labelled rows weighted like these say {second.metric} {second.value:.3f}, so do not rely on either"
    return ""


def _contradiction(window: Window, name: str) -> str:
    each = window.estimated[name]
    return (
        f"labels contradict the estimate of {name}: {window.performance[name]:.3f}, "
        f"estimated {each.lower:.3f} to {each.upper:.3f}"
    )


def is_binary(info: BundleInfo) -> bool:
    """Whether the model answers one of two classes."""
    return info.task == "binary" and len(info.classes) == 2
