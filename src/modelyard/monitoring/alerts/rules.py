"""Rules: the default ones, those to be switched on, and those that a project declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from .language import COMPARISONS, Condition, Matcher
from .machine import Reading
from .metrics import METRICS
from .records import Alert, AlertSeverity, Series, Values, series
from .settings import AlertSettings, RuleSettings

_FLOOR = "{metric} is {value:.3f}; {threshold:g} is the floor"
_SLOW = "{share} of answers within {threshold:g} ms was promised; it is {value:.1f} ms"
_TEXTS: Mapping[str, tuple[AlertSeverity, str]] = {
    "latency_p99": (AlertSeverity.WARNING, _SLOW.replace("{share}", "99%")),
    "error_rate": (AlertSeverity.CRITICAL, "{value:.2%} of requests had an error; {threshold:.2%} is the bound"),
    "accuracy_drop": (
        AlertSeverity.CRITICAL,
        "performance is {value:.3f} below the baseline; {threshold:g} is the bound",
    ),
    "drift_score": (AlertSeverity.WARNING, "the data drift score is {value:.2f}; {threshold:g} is the bound"),
    "rollout_held": (
        AlertSeverity.WARNING,
        "a rollout lacks something and is held {value:.0f} s beyond its step's time; {threshold:.0f} s is the bound",
    ),
    "latency_p50": (AlertSeverity.WARNING, _SLOW.replace("{share}", "half")),
    "latency_p95": (AlertSeverity.WARNING, _SLOW.replace("{share}", "95%")),
    "llm_cost": (AlertSeverity.WARNING, "answers of a window cost {value:.2f}; {threshold:g} is the bound"),
    "unsupported_rate": (
        AlertSeverity.CRITICAL,
        "at least {value:.1%} of the sentences rest on nothing; {threshold:.1%} is the bound",
    ),
    **{
        each: (AlertSeverity.CRITICAL, _FLOOR.replace("{metric}", each)) for each in ("accuracy", "precision", "recall")
    },
}
_DEFAULT = ("latency_p99", "error_rate", "accuracy_drop", "drift_score", "rollout_held")
_DECLARED = "{series} is {value:.4g}; the rule is broken {comparison} {threshold:g}"
_NOW = timedelta(0)


@dataclass(frozen=True)
class Rule:
    """When an alert fires, how loud, and what it says. `calm`: the value beyond which a firing one is calm again."""

    name: str
    condition: Condition
    severity: AlertSeverity
    text: str
    hold: timedelta = _NOW
    keep: timedelta = _NOW
    calm: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    runbook: str = ""
    deployments: tuple[str, ...] = ()

    def applies_to(self, deployment: str) -> bool:
        """Whether it looks at a deployment."""
        return not self.deployments or deployment in self.deployments

    def broken(self, value: float, *, firing: bool) -> bool:
        """Whether a value breaks it; once firing also one that is not calm yet."""
        if self.condition.holds(value):
            return True
        return firing and self.calm is not None and COMPARISONS[self.condition.comparison](value, self.calm)

    def reading(self, value: float | None, *, firing: bool) -> Reading:
        """What a value, or that there is none, says."""
        if value is None:
            return "nothing"
        return "broken" if self.broken(value, firing=firing) else "calm"

    def alert(self, of: Series, value: float, model: str, where: str = "") -> Alert:
        """The alert that a value makes; `where` it is, when that is not the model's name."""
        condition = self.condition
        said = self.text.format(
            value=value, threshold=condition.threshold, comparison=condition.comparison, series=str(of)
        )
        message = f"{where or model or of.name}: {said}."
        return Alert(self.name, self.severity, message, model, value, condition.threshold)


def rules_of(settings: AlertSettings) -> tuple[Rule, ...]:
    """The rules of a project, by name: a declared one takes the place of a default one."""
    named = {name: _built_in(name, float(getattr(settings, name))) for name in (*_DEFAULT, *settings.also)}
    named |= {name: _declared(name, each) for name, each in settings.rules.items()}
    return tuple(named.values())


def evaluate_alerts(metrics: Values, model_name: str, *, settings: AlertSettings | None = None) -> list[Alert]:
    """The rules that `metrics` break now. A metric that is absent, or not a number, breaks nothing.

    Keys are metrics' names, or `series(name, label=text)`: `latency_p99` in milliseconds, `error_rate` a share,
    `accuracy_drop` below the baseline, `drift_score` in [0, 1].
    """
    found = sorted((series(each) if isinstance(each, str) else each, value) for each, value in metrics.items())
    return [
        rule.alert(of, value, model_name)
        for rule in rules_of(settings or AlertSettings())
        for of, value in found
        if rule.condition.fits(of) and rule.broken(value, firing=False)
    ]


def _built_in(name: str, threshold: float) -> Rule:
    severity, text = _TEXTS[name]
    if name in METRICS:
        return Rule(name, Condition(METRICS[name], (), ">", threshold), severity, text)
    floor = Condition(METRICS["performance"], (Matcher("metric", name),), "<", threshold)
    return Rule(name, floor, severity, text)


def _declared(name: str, given: RuleSettings) -> Rule:
    return Rule(
        name,
        given.condition,
        given.severity,
        _DECLARED,
        given.hold or _NOW,
        given.keep_firing_for or _NOW,
        given.calm,
        dict(given.labels),
        given.runbook,
        given.deployments,
    )
