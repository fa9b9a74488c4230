"""The conditions of rules: `feature_drift{feature_name="pages"} > 0.3`, parsed and checked, never evaluated as code."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt

from modelyard.core import InvalidInput, did_you_mean, shown

from .metrics import METRICS, SEGMENT, Metric
from .records import Series, bounded

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}
"""How a value may be compared with a threshold."""

_LONGEST = 500
_CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\{(.*)\})?\s*([<>]=?)\s*([^<>={}]+?)\s*", re.ASCII | re.DOTALL)
_MATCHER = re.compile(r'\s*([A-Za-z_]\w*)\s*(!?=)\s*"((?:[^"\\]|\\["\\])*)"\s*(,|$)', re.ASCII)
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(%|[a-z]*)", re.ASCII)
_FORM = 'METRIC > NUMBER, or METRIC{label="text"} <= NUMBER; with >, >=, < or <='


@dataclass(frozen=True)
class Matcher:
    """What a label must be, or with `negated` must not be. A label that is not there is an empty text."""

    label: str
    value: str
    negated: bool = False

    def fits(self, series: Series) -> bool:
        """Whether a series is meant."""
        return (series.get(self.label) == self.value) is not self.negated


@dataclass(frozen=True)
class Condition:
    """A metric, of which of its series, compared with a threshold in the metric's own unit."""

    metric: Metric
    matchers: tuple[Matcher, ...]
    comparison: str
    threshold: float

    @property
    def above(self) -> bool:
        """Whether large values are the bad ones."""
        return self.comparison in (">", ">=")

    def fits(self, series: Series) -> bool:
        """Whether a series is meant: of segments only where a matcher says so."""
        return series.name == self.metric.name and all(each.fits(series) for each in self.all_matchers)

    @property
    def all_matchers(self) -> tuple[Matcher, ...]:
        """The matchers, and that there is no segment unless one speaks of it."""
        if any(each.label == SEGMENT for each in self.matchers) or not self.metric.gauge:
            return self.matchers
        return (*self.matchers, Matcher(SEGMENT, ""))

    def holds(self, value: float) -> bool:
        """Whether a value breaks the rule."""
        return COMPARISONS[self.comparison](value, self.threshold)


def parse_condition(text: str) -> Condition:
    """The condition that a text spells; InvalidInput names what is unknown in it, and what there is."""
    written = _CONDITION.fullmatch(text) if len(text) <= _LONGEST else None
    if written is None:
        raise _wrong(f"{shown(text)} is no condition.", f"Write {_FORM}.")
    name, inside, comparison, number = written.groups()
    if name not in METRICS:
        raise _wrong(f"There is no metric {shown(name)}.", did_you_mean(name, METRICS, shown=20))
    metric = METRICS[name]
    matchers = tuple(_matchers(metric, inside)) if inside is not None else ()
    return Condition(metric, matchers, comparison, _checked(metric, comparison, parse_number(metric, number)))


def parse_number(metric: Metric, text: str) -> float:
    """A number in a metric's unit, with or without the unit behind it: `200`, `0.2s`, `1%`."""
    written = _NUMBER.fullmatch(text.strip())
    if written is None:
        raise _wrong(f"{shown(text)} is no number.", f"{metric.name} is compared with {metric.unit.what}.")
    number, suffix = written.groups()
    if suffix and suffix not in metric.unit.suffixes:
        known = ", ".join(metric.unit.suffixes) or "none"
        raise _wrong(
            f"{metric.name} has no unit {shown(suffix)}.", f"It counts {metric.unit.what}; units for it: {known}."
        )
    value = float(number) * metric.unit.suffixes.get(suffix, 1.0)
    if not math.isfinite(value):
        raise _wrong(f"{shown(text)} is beyond all numbers.", f"{metric.name} is compared with {metric.unit.what}.")
    return value


def _checked(metric: Metric, comparison: str, threshold: float) -> float:
    """The threshold, unless the condition could never hold."""
    largest = metric.unit.largest
    never = largest is not None and (
        not 0 <= threshold <= largest
        or (comparison == ">" and threshold == largest)
        or (comparison == "<" and threshold == 0)
    )
    if never:
        raise _wrong(
            f"{metric.name} {comparison} {threshold:g} says nothing: it is {metric.unit.what}.",
            "Write 0.05 or 5% for five in a hundred." if "%" in metric.unit.suffixes else "Choose one between.",
        )
    return threshold


def _matchers(metric: Metric, inside: str) -> Iterator[Matcher]:
    at, known = 0, (*metric.labels, *((SEGMENT,) if metric.gauge else ()))
    while at < len(inside):
        written = _MATCHER.match(inside, at)
        if written is None:
            raise _wrong(f"{shown(inside[at:])} is no matcher.", 'Write label="text" or label!="text", with commas.')
        label, sign, value, _ = written.groups()
        if label not in known:
            extra = " Deployments are chosen with `deployments`." if label in ("deployment", "model_name") else ""
            raise _wrong(f"{metric.name} has no label {shown(label)}.", did_you_mean(label, known) + extra)
        yield Matcher(label, bounded(re.sub(r"\\(.)", r"\1", value)), sign == "!=")
        at = written.end()


def _wrong(message: str, remedy: str) -> InvalidInput:
    return InvalidInput(message, code="INVALID_RULE", remedy=remedy)
