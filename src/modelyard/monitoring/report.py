"""Everything that monitors know of some deployments, as one page of HTML that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelyard.drawing import Bar, Line, draw_bars, draw_lines, render
from modelyard.inference import ColumnProfile, ReferenceProfile

from .bins import bins_of
from .counts import ColumnCounts
from .performance import LOWER_IS_BETTER
from .records import FeatureDrift, FeatureOutliers, Window
from .references import Kept, Reference
from .resources import ResourceUse

DRAWN = 12
"""So many features have a picture: those first whose importance times effect is greatest."""

_ORDER = {"fail": 0, "inconclusive": 1, "pass": 2}


@dataclass(frozen=True)
class Watched:
    """A deployment with its windows, oldest first; the counts, the reference and the profile of the newest.

    `resources`: what its servers used lately, oldest first.
    """

    deployment: str
    model: str
    metric: str
    windows: Sequence[Window]
    kept: Kept | None = None
    reference: Reference | None = None
    profile: ReferenceProfile | None = None
    resources: Sequence[ResourceUse] = ()


def monitor_page(watched: Sequence[Watched]) -> str:
    """The page: of each deployment the newest window, what it rests on, and how it came there."""
    values = {"parts": [_part(each) for each in watched]}
    return render("modelyard.monitoring", "monitor.html.j2", values, {"share": _share, "instant": _instant})


def ranked(features: Sequence[FeatureDrift], importance: Mapping[str, float]) -> list[FeatureDrift]:
    """Features by importance times effect, the greatest first; by effect alone where no importance is known."""
    known = any(importance.get(each.name, 0.0) for each in features)

    def weight(each: FeatureDrift) -> tuple[float, float]:
        return (importance.get(each.name, 0.0) * each.effect if known else each.effect), each.effect

    return sorted(features, key=weight, reverse=True)


def _part(watched: Watched) -> dict[str, Any]:
    newest = watched.windows[-1] if watched.windows else None
    importance = watched.profile.importance if watched.profile is not None else {}
    return {
        "deployment": watched.deployment,
        "model": watched.model,
        "metric": watched.metric,
        "newest": newest,
        "windows": list(reversed(watched.windows[-60:])),
        "more": max(0, len(watched.windows) - 60),
        "importance": importance,
        "features": ranked(newest.features, importance) if newest is not None else [],
        "quality": _quality(newest),
        "groups": sorted(newest.groups, key=lambda each: _ORDER[each.verdict]) if newest is not None else [],
        "trends": _trends(watched) if len(watched.windows) > 1 else [],
        "pictures": _distributions(watched, importance),
        "outliers": _outliers(newest),
        "resources": _resources(watched.resources),
        "use": watched.resources[-1] if watched.resources else None,
    }


def _quality(newest: Window | None) -> list[Any]:
    if newest is None:
        return []
    told = [each for each in newest.quality if each.verdict != "pass" or each.unknown or each.outside or each.mistyped]
    return sorted(told, key=lambda each: (_ORDER[each.verdict], -each.unknown - each.outside - each.mistyped))


def _outliers(newest: Window | None) -> list[FeatureOutliers]:
    """Features with outliers, those first that have more of them than training had."""
    told = [each for each in newest.outliers if each.share] if newest is not None else []
    return sorted(told, key=lambda each: (_ORDER[each.verdict], (each.share_reference or 0.0) - each.share))


def _resources(used: Sequence[ResourceUse]) -> list[str]:
    """Processor, memory and queue over the time that was looked at."""
    if len(used) < 2:
        return []
    last = datetime.fromisoformat(used[-1].at)
    hours = [(datetime.fromisoformat(each.at) - last).total_seconds() / 3600 for each in used]
    cores = [float("nan") if each.cpu_cores is None else each.cpu_cores for each in used]
    x = "hours before the newest look"
    return [
        draw_lines("Processor", [Line("cores", hours, cores)], x, "cores"),
        draw_lines("Memory", [Line("resident", hours, [each.memory_bytes / 2**20 for each in used])], x, "MiB"),
        draw_lines("Queue", [Line("rows that wait", hours, [float(each.queue_rows) for each in used])], x, "rows"),
    ]


def _trends(watched: Watched) -> list[str]:
    """Performance, drift and coverage over the windows; days count from the newest end."""
    windows, name = watched.windows, watched.metric
    last = datetime.fromisoformat(windows[-1].end)
    days = [(datetime.fromisoformat(each.end) - last).total_seconds() / 86400 for each in windows]
    missing = float("nan")
    performance = [
        Line("on labels", days, [each.performance.get(name, missing) for each in windows], "marked"),
        Line("estimated", days, [_estimate(each, name) for each in windows], "dashed"),
        Line("baseline", days, [each.baseline.get(name, missing) for each in windows]),
    ]
    drift = [
        Line("data drift score", days, [each.drift_score for each in windows], "marked"),
        Line(
            "prediction drift",
            days,
            [each.predictions.effect if each.predictions is not None else missing for each in windows],
            "dashed",
        ),
    ]
    coverage = [Line("coverage", days, [each.coverage for each in windows], "marked")]
    x = "days before the newest window's end"
    better = "less is better" if name in LOWER_IS_BETTER else "more is better"
    drawn = [draw_lines("Drift", drift, x, "effect", y=(0.0, 1.0))]
    if any(name in each.performance or name in each.estimated for each in windows):
        drawn.insert(0, draw_lines(f"{name} ({better})", performance, x, name))
    return [*drawn, draw_lines("Label coverage", coverage, x, "share of the answers", y=(0.0, 1.0))]


def _estimate(window: Window, name: str) -> float:
    return window.estimated[name].value if name in window.estimated else float("nan")


def _distributions(watched: Watched, importance: Mapping[str, float]) -> list[str]:
    """The reference, and now below it, of the score and of the features that matter most."""
    if watched.kept is None or watched.reference is None or watched.profile is None or not watched.windows:
        return []
    profiles: dict[str, ColumnProfile] = {each.name: each for each in watched.profile.columns}
    now = {each.name: each for each in watched.kept.columns}
    drawn = []
    if watched.profile.scores is not None and watched.kept.predictions is not None and watched.reference.predictions:
        scores = watched.profile.scores
        drawn.append(_distribution("predictions", scores, watched.reference.predictions, watched.kept.predictions))
    for each in ranked(watched.windows[-1].features, importance)[:DRAWN]:
        if each.name in now and each.name in profiles and each.name in watched.reference.columns:
            before = watched.reference.columns[each.name]
            drawn.append(_distribution(each.name, profiles[each.name], before, now[each.name]))
    return drawn


def _distribution(title: str, profile: ColumnProfile, before: ColumnCounts, now: ColumnCounts) -> str:
    bars = []
    for label, first, second in bins_of(profile, before, now):
        bars += [Bar(label, first / max(1, before.rows), colour=0), Bar("", second / max(1, now.rows), colour=1)]
    return draw_bars(title, bars, "share of the rows")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _instant(text: str) -> str:
    """An instant without what it need not say."""
    return text[:16].replace("T", " ").removesuffix(" 00:00")
