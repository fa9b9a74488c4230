"""A gate of limits: metrics that must be at least, or at most, so much."""

from collections.abc import Mapping
from math import isfinite

from modelyard.core import InvalidInput, Judgement, Verdict, did_you_mean, shown

DEFAULT_LIMITS: Mapping[str, float] = {"min_accuracy": 0.85}
"""What a version is judged by where nobody says what it must reach."""


def judge_limits(metrics: Mapping[str, float], limits: Mapping[str, float]) -> Judgement:
    """Judge metrics by limits such as `min_accuracy` and `max_log_loss` (each inclusive).

    A metric that was never measured makes it inconclusive, unless another limit is broken. InvalidInput without any
    limit, and for a limit that is no number or begins with neither `min_` nor `max_`.
    """
    if not limits:
        raise InvalidInput("Nothing to judge by.", code="NO_LIMITS", remedy="Give limits, such as --min-accuracy 0.8.")
    return Judgement.all_of(_judge(metrics, name, limit) for name, limit in limits.items())


def _judge(metrics: Mapping[str, float], name: str, limit: float) -> Judgement:
    side, _, metric = name.partition("_")
    if side not in ("min", "max") or not metric or not isfinite(limit):
        raise InvalidInput(
            f"{shown(name)}: {limit} is no limit.", code="NO_LIMITS", remedy="Write min_METRIC or max_METRIC, a number."
        )
    value = _measured(metrics, metric)
    if value is None:
        known = did_you_mean(metric[:128], metrics)
        return Judgement(Verdict.INCONCLUSIVE, (f"{metric[:128]} was not measured. {known}",), {name: limit})
    kept = value >= limit if side == "min" else value <= limit
    if kept:
        return Judgement(Verdict.PASS, (), {name: limit, metric: value})
    beyond = "below" if side == "min" else "above"
    return Judgement(Verdict.FAIL, (f"{metric} {value:g} is {beyond} {limit:g}",), {name: limit, metric: value})


def _measured(metrics: Mapping[str, float], metric: str) -> float | None:
    """The metric of this name; flags write `_` and `-` alike."""
    alike = {name.replace("-", "_"): value for name, value in metrics.items()}
    return metrics.get(metric, alike.get(metric.replace("-", "_")))
