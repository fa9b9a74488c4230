"""What a suite's answers come to: means over cases with intervals, differences by case, and limits on them.

Cases are the unit. Asking one several times makes its mean surer, never the cases more.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, variance

import msgspec

from modelyard.core import InvalidInput, Judgement, Verdict
from modelyard.stats import mean_interval, wilson

from ..errors import InvalidSuite
from ..suite import FEW, Measured
from .measures import Measure
from .records import Trouble, Value, Values
from .scoring import JUDGE, Scored, metric_named


class Mean(msgspec.Struct, frozen=True):
    """The mean of a metric over `cases`, and an interval of 95% that holds it (None of fewer than two).

    `failed` cases lack a value, or one of theirs, for an error. `spread` is how far values of one case lie from its
    mean (standard deviation, pooled over cases); None where each was asked once.
    """

    value: float
    lower: float | None
    upper: float | None
    cases: int
    failed: int
    spread: float | None


@dataclass(frozen=True)
class Limit:
    """A bound on a metric: its mean is to be surely at least, or at most, `value`."""

    metric: str
    value: float
    least: bool = True


def means(scored: Scored) -> dict[str, Mean]:
    """Every metric that was measured somewhere; what was not is not there."""
    return {
        name: found
        for name, values in scored.values.items()
        if (found := _mean(values, scored.measures[name])) is not None
    }


def by_case(scored: Scored) -> dict[str, dict[str, float]]:
    """The mean of every metric in every case, over the times that it was asked."""
    found: dict[str, dict[str, float]] = {case.id: {} for case in scored.suite.cases}
    for name, values in scored.values.items():
        for case, value in _case_means(values).items():
            found[case][name] = value
    return found


def by_tag(scored: Scored) -> dict[str, dict[str, Mean]]:
    """The metrics of the cases that have a tag, for every tag."""
    found = {}
    for tag in sorted({tag for case in scored.suite.cases for tag in case.tags}):
        inside = {case.id for case in scored.suite.cases if tag in case.tags}
        slices = {
            name: _mean({case: each for case, each in values.items() if case in inside}, scored.measures[name])
            for name, values in scored.values.items()
        }
        found[tag] = {name: each for name, each in slices.items() if each is not None}
    return found


def better_by(scored: Scored, other: Scored) -> dict[str, Measured]:
    """How much better one application is than another on the same cases, with paired intervals: positive is better.

    An answer that did not come counts as the worst there is, where the metric has one. Cases that one of the two lacks
    are left out. InvalidSuite for answers to other cases.
    """
    if scored.digest != other.digest:
        raise InvalidSuite("The two were not asked the same cases.", remedy="Ask both one suite.")
    found = {}
    for name in scored.measures:
        if differences := _differences(scored, other, name):
            ends = mean_interval(differences)
            found[name] = Measured(fmean(differences), *(ends or (None, None)))
    return found


def _differences(scored: Scored, other: Scored, name: str) -> list[float]:
    """By how much each case is better that both have; none where one of the two was not measured."""
    if not (_is_measured(scored, name) and _is_measured(other, name)):
        return []
    measure = scored.measures[name]
    ours, theirs = (_counted(each.values[name], measure.worst) for each in (scored, other))
    sign = 1 if measure.higher else -1
    return [sign * (ours[case] - theirs[case]) for case in ours if case in theirs]


def require_limits(names: Iterable[str], measures: Mapping[str, Measure], limits: Iterable[Limit]) -> None:
    """InvalidInput for a limit on what is no metric, or on one that is never beyond it."""
    known = list(names)
    for each in limits:
        metric_named(each.metric, known)
        bounded = each.metric == JUDGE or (each.metric in measures and measures[each.metric].worst is not None)
        if not math.isfinite(each.value) or (bounded and not 0 <= each.value <= 1):
            raise InvalidInput(
                f"There is no limit '{each.metric}={each.value:g}'.",
                code="WRONG_LIMIT",
                remedy="Give a number in [0, 1]." if bounded else "Give a finite number.",
            )


def judge_limits(scored: Scored, limits: Iterable[Limit], untrusted: str = "") -> Judgement:
    """Whether each metric is surely within its limit, by the end of its interval that is nearer to it.

    `inconclusive` when chance could decide, below 30 cases, and where it was not measured. Answers that did not come
    count as the worst there is; what a scorer or a judge failed at never helps to pass. `untrusted` says why the
    judge's verdicts decide nothing.
    """
    return Judgement.all_of([_judgement(scored, each, untrusted) for each in limits])


def judge_differences(scored: Scored, other: Scored, bounds: Mapping[str, float], untrusted: str = "") -> Judgement:
    """Whether the answers are surely better than another's by more than each metric's bound; below 0: no worse by more.

    By the whole interval of the paired difference (see `better_by`): `pass` with it above the bound, `fail` with it at
    the bound or below, else `inconclusive`, as below 30 cases and where one of the two was not measured. `untrusted`:
    see `judge_limits`.
    """
    found = better_by(scored, other)
    parts = [_difference(name, found.get(name), bound, scored, other) for name, bound in bounds.items()]
    if untrusted and JUDGE in bounds:
        parts.append(Judgement(Verdict.INCONCLUSIVE, (f"the judge decides nothing, for {untrusted}",)))
    return Judgement.all_of(parts)


def _difference(name: str, found: Measured | None, bound: float, scored: Scored, other: Scored) -> Judgement:
    if found is None or found.lower is None or found.upper is None:
        reason = f"{name} was not measured of both, asked to be better by more than {bound:g}: inconclusive"
        return Judgement(Verdict.INCONCLUSIVE, (reason,))
    verdict = Verdict.PASS if found.lower > bound else Verdict.FAIL if found.upper <= bound else Verdict.INCONCLUSIVE
    cases = len(_differences(scored, other, name))
    if cases < FEW:
        verdict = Verdict.INCONCLUSIVE
    span = f"{found.value:+.3f} ({found.lower:+.3f} to {found.upper:+.3f}) on {cases} cases"
    told = f"{name} is better than that of {other.asked.name} by {span}"
    return Judgement(verdict, (f"{told}, asked for more than {bound:+g}: {verdict}",))


def _judgement(scored: Scored, limit: Limit, untrusted: str) -> Judgement:
    name, bound = limit.metric, "at least" if limit.least else "at most"
    values = scored.values.get(name, {})
    measure = scored.measures.get(name)
    if measure is None or not _is_measured(scored, name):
        reason = f"{name} was not measured, asked for {bound} {limit.value:g}: inconclusive"
        return Judgement(Verdict.INCONCLUSIVE, (reason,))
    against = (0.0 if limit.least else 1.0) if measure.worst is not None else None
    strict = _counted(values, against, scoring=True)
    lenient = _counted(values, against)
    verdict = _verdict(strict, lenient, limit, bounded=measure.worst is not None)
    failed = sum(any(isinstance(each, Trouble) for each in turns) for turns in values.values())
    if verdict is Verdict.PASS and failed and against is None:
        verdict = Verdict.INCONCLUSIVE
    ends = _ends(list(strict.values()), bounded=measure.worst is not None)
    span = "" if ends is None else f" ({ends[0]:.3f} to {ends[1]:.3f})"
    counted = f", {failed} with errors" if failed else ""
    told = f"{name} is {fmean(strict.values()):.3f}{span} on {len(strict)} cases{counted}"
    if name == JUDGE and untrusted:
        verdict, told = Verdict.INCONCLUSIVE, f"{told}; the judge decides nothing, for {untrusted}"
    return Judgement(verdict, (f"{told}, asked for {bound} {limit.value:g}: {verdict}",))


def _verdict(strict: Mapping[str, float], lenient: Mapping[str, float], limit: Limit, *, bounded: bool) -> Verdict:
    """`pass` needs all that could count against it, `fail` nothing that what measures failed at."""
    passing, failing = (_ends(list(each.values()), bounded=bounded) for each in (strict, lenient))
    if passing is None or failing is None or min(len(strict), len(lenient)) < FEW:
        return Verdict.INCONCLUSIVE
    if passing[0] >= limit.value if limit.least else passing[1] <= limit.value:
        return Verdict.PASS
    beyond = failing[1] < limit.value if limit.least else failing[0] > limit.value
    return Verdict.FAIL if beyond else Verdict.INCONCLUSIVE


def _mean(values: Values, measure: Measure) -> Mean | None:
    found = list(_case_means(values).values())
    if not found:
        return None
    lower, upper = _ends(found, bounded=measure.worst is not None) or (None, None)
    failed = sum(any(isinstance(each, Trouble) for each in turns) for turns in values.values())
    inside = [variance(numbers) for turns in values.values() if len(numbers := _numbers(turns)) > 1]
    spread = math.sqrt(fmean(inside)) if inside else None
    return Mean(fmean(found), lower, upper, len(found), failed, spread)


def _ends(found: list[float], *, bounded: bool) -> tuple[float, float] | None:
    """The interval of a mean; of a share, Wilson's, for a few that all passed are no proof that all will."""
    if len(found) < 2:
        return None
    if bounded and set(found) <= {0.0, 1.0}:
        return wilson(sum(found), len(found))
    ends = mean_interval(found)
    return ends if ends is None or not bounded else (max(0.0, ends[0]), min(1.0, ends[1]))


def _case_means(values: Values) -> dict[str, float]:
    return {case: fmean(numbers) for case, turns in values.items() if (numbers := _numbers(turns))}


def _counted(values: Values, worst: float | None, *, scoring: bool = False) -> dict[str, float]:
    """The mean of every case; an answer that did not come counts as `worst`, with `scoring` a score that lacks, too."""
    found = {}
    for case, turns in values.items():
        filled = [_filled(each, worst, scoring=scoring) for each in turns]
        if numbers := [each for each in filled if each is not None]:
            found[case] = fmean(numbers)
    return found


def _filled(value: Value, worst: float | None, *, scoring: bool) -> float | None:
    if isinstance(value, Trouble):
        return worst if value is Trouble.ASKING or scoring else None
    return value


def _numbers(turns: Iterable[Value]) -> list[float]:
    return [each for each in turns if not isinstance(each, Trouble)]


def _is_measured(scored: Scored, name: str) -> bool:
    return any(_numbers(turns) for turns in scored.values.get(name, {}).values())
