"""An experiment's file analysed: units gathered, arms compared, a verdict."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, cast

from msgspec.structs import replace

from modelyard.core import InvalidInput, did_you_mean
from modelyard.history import PredictionLog
from modelyard.stats.experiments import PLANNED, share_evidence

from .comparing import Pair, compare, compare_moments
from .deciding import adjusted, judge, overall, settled, spoiling
from .fixed import judge_once, refuse_unfit
from .gathering import Units, gather
from .live import ARM, CONTROL, TIME, TREATMENT, UNIT, Trial, as_asked, live_rows
from .records import ArmUnits, ExperimentReport, Found, Metric, Question, Rows, Segment, Shares
from .settings import ExperimentSettings
from .tallying import Tallies, tally

CONTROLS = ("control", "live", "champion", "baseline", "a")
"""What a control is usually called, whatever its case."""


def analyse_experiment(reading: Rows, asked: Question, source: str) -> ExperimentReport:
    """Compare every other arm with the control, metric by metric.

    Memory is bounded whatever the file's size; units wait in a file in the temporary folder. InvalidInput when columns,
    arms, shares or a test do not fit.
    """
    with gather(reading, asked) as units:
        refuse_unfit(units.metrics, asked)
        control = control_of(list(units.arms), asked.control)
        expected = expected_shares(list(units.arms), asked.shares)
        tallies = tally(units, asked)
        return _report(units, tallies, asked, control, expected, source)


def analyse_trial(log: PredictionLog, trial: Trial, asked: Question, source: str) -> ExperimentReport:
    """The same of what servers logged: the candidate's arm against the live one, each with the share it should have.

    `asked` as of `question_of`. Looked at as often as one likes: units come one after the other, and with
    `Trial.within` each is complete when it comes. Without it, outcomes that come late change units that were seen
    before, by the same rule in both arms.
    """
    with live_rows(log, trial, asked) as rows:
        return analyse_experiment(rows, asked, source)


def question_of(settings: ExperimentSettings, share: float) -> Question:
    """What a deployment's experiment asks of its log, at the treatment's share. InvalidInput without a metric."""
    lower = set(settings.lower_is_better)
    metrics = [as_asked(parse_metric(each, lower=each.partition(":")[0] in lower)) for each in settings.metrics]
    guards = [
        as_asked(parse_metric(each, "guardrail", lower=each.partition(":")[0] in lower)) for each in settings.guardrails
    ]
    if not metrics:
        raise InvalidInput(
            "There is no metric to compare the arms by.",
            code="BAD_METRIC",
            remedy="Name one: --metric NAME, or in modelyard.yaml deployments: NAME: experiment: metrics: [NAME]. "
            "Outcomes have names of your own; label, correct, score, error and latency_ms are there always; of "
            "language models also unsupported_rate, abstention_rate, llm_cost and thumbs.",
        )
    refuse_names(lower, [*metrics, *guards])
    return Question(
        unit=UNIT,
        arm=ARM,
        metrics=(*metrics, *guards),
        covariates=settings.covariates,
        segments=settings.segments,
        time=TIME,
        control=CONTROL,
        shares={CONTROL: 1 - share, TREATMENT: share},
        planned=settings.planned,
        alpha=settings.alpha,
        correction=settings.correction,
        margin=settings.margin,
    )


def refuse_names(lower: Collection[str], metrics: Sequence[Metric]) -> None:
    """InvalidInput for a metric that is named twice, and for one of which less is better and that is not asked for."""
    names = [each.name for each in metrics]
    if unknown := sorted(set(lower) - set(names)):
        raise InvalidInput(
            f"'{unknown[0][:60]}' is neither a metric nor a guardrail here.",
            code="BAD_METRIC",
            remedy=f"Of {', '.join(names[:10])} less may be better.",
        )
    if len(set(names)) < len(names):
        twice = next(each for each in names if names.count(each) > 1)
        raise InvalidInput(f"'{twice[:60]}' is given twice.", code="BAD_METRIC", remedy="Name each column once.")


def control_of(arms: list[str], named: str | None) -> str | None:
    """The arm that the others are compared with; None where there is no arm at all."""
    if named is not None and arms and named not in arms:
        raise InvalidInput(f"There is no arm {named[:60]!r}.", code="BAD_ARM", remedy=did_you_mean(named, arms))
    usual = [each for name in CONTROLS for each in arms if each.lower() == name]
    if named is not None or not arms or usual:
        return named if named in arms else next(iter(usual), None)
    raise InvalidInput(
        f"Which arm is the control? {did_you_mean('', arms)}", code="BAD_ARM", remedy="Say it: --control ARM."
    )


def expected_shares(arms: list[str], given: Mapping[str, float]) -> dict[str, float]:
    """The share of units that each arm should have: as given, else the same. InvalidInput when they do not fit."""
    if not given:
        return {arm: 1 / len(arms) for arm in arms}
    wrong = [each for each in arms if given.get(each, 0.0) <= 0] + [each for each in given if each not in arms]
    if arms and wrong:
        raise InvalidInput(
            f"Shares are given for {', '.join(sorted(given)[:10])}, and the arms are {', '.join(arms)}.",
            code="BAD_SHARE",
            remedy="Give each arm a positive share: --shares control=0.8,treatment=0.2.",
        )
    whole = sum(given.values())
    return {arm: given[arm] / whole for arm in arms}


def _report(
    units: Units, tallies: Tallies, asked: Question, control: str | None, expected: dict[str, float], source: str
) -> ExperimentReport:
    total, planned = sum(units.arms.values()), asked.planned or PLANNED
    shares = _shares(units.arms, expected)
    pairs = [_pair(control, arm, expected, planned) for arm in units.arms if arm != control] if control else []
    found = _found(pairs, units, tallies, asked)
    spoiled = spoiling(shares, units.mixed, total)
    judged = [judge(each.treatment, found, asked, spoiled, planned=planned, units=total) for each in pairs]
    verdict, reasons = overall(judged, spoiled)
    return ExperimentReport(
        source=source,
        rows=units.rows,
        units=total,
        unassigned=units.unassigned,
        mixed=units.mixed,
        control=control,
        alpha=asked.alpha,
        planned=planned,
        fixed=asked.fixed,
        margin=asked.margin,
        correction=asked.correction,
        arms=tuple(ArmUnits(arm, count, expected[arm]) for arm, count in units.arms.items()),
        shares=shares,
        found=tuple(found),
        segments=_segments(pairs, units, tallies, asked),
        judged=tuple(judged),
        verdict=cast("Literal['pass', 'fail', 'inconclusive']", verdict),
        reasons=reasons,
    )


def _pair(control: str, treatment: str, expected: Mapping[str, float], planned: int) -> Pair:
    both = expected[control] + expected[treatment]
    return Pair(control, treatment, planned * both, expected[treatment] / both)


def _shares(arms: Mapping[str, int], expected: Mapping[str, float]) -> Shares | None:
    if len(arms) < 2:
        return None
    evidence = share_evidence(arms, expected)
    return Shares(evidence.value, evidence.p_value, evidence.mismatch)


def _found(pairs: list[Pair], units: Units, tallies: Tallies, asked: Question) -> list[Found]:
    """Guardrails share alpha among themselves; metrics are adjusted together."""
    guardrails = max(1, len(pairs) * sum(each.role == "guardrail" for each in units.metrics))
    found = []
    for pair in pairs:
        for place, metric in enumerate(units.metrics):
            alpha = asked.alpha / guardrails if metric.role == "guardrail" else asked.alpha
            each = compare(pair, place, metric, tallies, alpha)
            each = judge_once(each, pair, place, metric, tallies, asked, alpha)
            there = units.arms[pair.control] + units.arms[pair.treatment]
            found.append(replace(each, missing=there - each.units))
    return [settled(each, asked) for each in adjusted(found, asked.correction)]


def _segments(pairs: list[Pair], units: Units, tallies: Tallies, asked: Question) -> tuple[Segment, ...]:
    """Metrics within segments, their p-values adjusted over all of them."""
    places = [(at, metric) for at, metric in enumerate(units.metrics) if metric.role == "metric"]
    where = [
        (key, compare_moments(pair, at, metric, moments, asked.alpha))
        for key, moments in tallies.segments.items()
        for pair in pairs
        for at, metric in places
    ]
    found = [settled(each, asked) for each in adjusted([each for _, each in where], "holm")]
    return tuple(Segment(asked.segments[at], level, each) for ((at, level), _), each in zip(where, found, strict=True))


def parse_metric(text: str, role: Literal["metric", "guardrail"] = "metric", *, lower: bool = False) -> Metric:
    """`NAME`, `NAME:KIND` or `NAME:ratio:DENOMINATOR`; a ratio without one is by rows. InvalidInput otherwise."""
    name, *rest = text.split(":")
    kinds = ("binary", "continuous", "ratio")
    kind = rest[0] if rest else None
    if not name or len(rest) > 2 or (kind is not None and kind not in kinds) or (len(rest) == 2 and kind != "ratio"):
        raise InvalidInput(
            f"{text[:80]!r} names no metric.",
            code="BAD_METRIC",
            remedy=f"Write --{role} NAME, NAME:binary, NAME:continuous, NAME:ratio or NAME:ratio:DENOMINATOR.",
        )
    per = rest[1] if len(rest) == 2 else None
    return Metric(name, cast("Literal['binary', 'continuous', 'ratio'] | None", kind), per, role, lower)
