"""Realised and estimated performance of the newest window, against the baseline of the live version."""

from modelyard.monitoring import MonitorSettings, Window
from modelyard.monitoring.performance import LOWER_IS_BETTER, decline, shortfall

from ..records import Said
from .seen import Seen
from .window import about, nothing_seen


def realised(seen: Seen, above: float) -> Said:
    """By labels that are known; too few of them, and what chance explains, are no decline."""
    kind = "drop_above"
    if (nothing := nothing_seen(seen, kind)) is not None or seen.window is None or seen.monitor is None:
        return nothing or Said(kind, "unknown", "")
    window, monitor = seen.window, seen.monitor
    name, worse = monitor.metric, decline(window, monitor)
    evidence = {"metric": name, "labels": window.labels, "above": above, **about(window)}
    if worse is None:
        return Said(kind, "unknown", _untold(window, monitor), evidence)
    value, before = window.performance[name], window.baseline[name]
    evidence |= {"value": value, "baseline": before, "interval": list(window.intervals.get(name, ())), "worse": worse}
    if worse > above:
        return Said(kind, "fires", f"{name} {value:.3f} is more than {above:g} worse than {before:.3f}", evidence)
    return Said(kind, "calm", f"{name} {value:.3f} is not surely {above:g} worse than {before:.3f}", evidence)


def estimated(seen: Seen, above: float) -> Said:
    """Without labels: the estimate, where its whole interval is worse than the baseline and nothing contradicts it."""
    kind = "estimated_drop_above"
    if (nothing := nothing_seen(seen, kind)) is not None or seen.window is None or seen.monitor is None:
        return nothing or Said(kind, "unknown", "")
    window, name = seen.window, seen.monitor.metric
    if window.told_by == "labels":
        return Said(kind, "calm", f"labels tell of {name}; no estimate is asked", about(window))
    found, before = window.estimated.get(name), window.baseline.get(name)
    if found is None or before is None:
        return Said(kind, "unknown", f"there is no estimate of {name}, or no baseline", about(window))
    second = window.second_opinion
    doubted = found.contradicted or (second is not None and (second.value is None or second.disagrees))
    evidence = {
        "metric": name, "estimated": found.value, "interval": [found.lower, found.upper], "baseline": before,
        "above": above, "method": found.method, "doubted": doubted, **about(window),
    }  # fmt: skip
    if doubted:
        return Said(kind, "unknown", f"the estimate of {name} is not to be trusted", evidence)
    best = found.lower if name in LOWER_IS_BETTER else found.upper
    if shortfall(name, found.value, before) > above and shortfall(name, best, before) > 0:
        reason = f"estimated {name} {found.value:.3f} is more than {above:g} worse than {before:.3f}"
        return Said(kind, "fires", reason, evidence)
    return Said(
        kind, "calm", f"estimated {name} {found.value:.3f} is not surely {above:g} worse than {before:.3f}", evidence
    )


def _untold(window: Window, monitor: MonitorSettings) -> str:
    if window.labels < monitor.min_labels:
        return f"{window.labels} labels are known, and {monitor.min_labels} are needed to judge {monitor.metric}"
    return f"{monitor.metric} or its baseline is not known"
