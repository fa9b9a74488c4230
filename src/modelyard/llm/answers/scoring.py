"""Every metric of every answer; what fails is counted, and is no score."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from modelyard.core import Digest, InvalidInput, did_you_mean, printable

from .cases import AnswerCase, AnswerSuite
from .measures import Measure, measures
from .records import Answer, Asked, Fault, Trouble, Value, Values

Scorer = Callable[[AnswerCase, Answer], object]
"""A project's own metric of one answer: any finite number."""

JUDGE, ERRORS = "judge", "errors"

_WHOLE = Measure(lambda _, it: float(it.text is None), lambda _: True, 1.0, higher=False)
_JUDGED = Measure(lambda _case, _answer: None, lambda _: True, 0.0)


@dataclass(frozen=True)
class Scored:
    """A suite's answers with what they came to: by metric, case and turn. `faults` has every error that was counted."""

    suite: AnswerSuite
    digest: Digest
    asked: Asked
    measures: Mapping[str, Measure]
    values: Mapping[str, Values]
    faults: tuple[Fault, ...]


def require_scorers(suite: AnswerSuite, scorers: Mapping[str, Scorer]) -> None:
    """InvalidInput for a project's metric that is called like another one."""
    for name in scorers:
        if name in (known := [*measures(suite), JUDGE, ERRORS]):
            raise InvalidInput(
                f"A scorer is called '{name}', as a metric is.",
                code="WRONG_SCORER",
                remedy=f"Give the function another name. Metrics: {', '.join(known)}.",
            )


def score(
    suite: AnswerSuite,
    digest: Digest,
    asked: Asked,
    scorers: Mapping[str, Scorer],
    judged: Mapping[str, "bool | str"] | None = None,
) -> Scored:
    """Measure every answer. The same answers give the same values, whenever and in whatever order they came.

    `judged` says of answers by `item` whether a judge passed them, or why there is no verdict; those that are not in
    there were not judged.
    """
    known = {ERRORS: _WHOLE, **measures(suite), **{name: _own(each) for name, each in scorers.items()}}
    faults = [Fault(each.case, each.turn, ERRORS, each.error) for each in asked.answers if each.text is None]
    cases = {case.id: case for case in suite.cases}
    values: dict[str, dict[str, tuple[Value, ...]]] = {}
    for name, measure in known.items():
        found: dict[str, list[Value]] = {}
        for answer in asked.answers:
            case = cases[answer.case]
            value = _value(measure, case, answer, faults, name) if measure.applies(case) else None
            if value is not None:
                found.setdefault(case.id, []).append(value)
        values[name] = {case: tuple(each) for case, each in found.items()}
    if judged is not None:
        known[JUDGE] = _JUDGED
        values[JUDGE] = _verdicts(asked.answers, judged, faults)
    return Scored(suite, digest, asked, known, values, tuple(faults))


def _value(measure: Measure, case: AnswerCase, answer: Answer, faults: list[Fault], name: str) -> Value | None:
    """What an answer comes to; None where it is not measured."""
    if answer.text is None and name != ERRORS:
        return Trouble.ASKING
    try:
        return measure.of(case, answer)
    except _NoNumber as error:
        faults.append(Fault(case.id, answer.turn, name, str(error)))
        return Trouble.SCORING


def _verdicts(
    answers: Iterable[Answer], judged: Mapping[str, "bool | str"], faults: list[Fault]
) -> dict[str, tuple[Value, ...]]:
    found: dict[str, list[Value]] = {}
    for answer in answers:
        said = judged.get(answer.item) if answer.text is not None else None
        if answer.text is None:
            found.setdefault(answer.case, []).append(Trouble.ASKING)
        elif isinstance(said, str):
            faults.append(Fault(answer.case, answer.turn, JUDGE, said))
            found.setdefault(answer.case, []).append(Trouble.SCORING)
        elif said is not None:
            found.setdefault(answer.case, []).append(float(said))
    return {case: tuple(each) for case, each in found.items()}


class _NoNumber(Exception):
    """A scorer gave no score."""


def _own(scorer: Scorer) -> Measure:
    """A project's scorer as a metric of all cases, without bounds."""

    def of(case: AnswerCase, answer: Answer) -> float:
        try:
            found = scorer(case, answer)
        except Exception as error:  # the project's own code may raise anything
            raise _NoNumber(printable(f"{type(error).__name__}: {error}")[:500]) from error
        try:
            number = float(found)  # type: ignore[arg-type]  # numpy's numbers are numbers, too
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if isinstance(found, str) or not math.isfinite(number):
            raise _NoNumber(f"it gave {found!r:.100}, which is no finite number")
        return number

    return Measure(of, lambda _: True, None)


def metric_named(name: str, scored: Iterable[str]) -> str:
    """The name itself; InvalidInput where no metric has it."""
    known = list(scored)
    if name in known:
        return name
    raise InvalidInput(f"There is no metric '{name[:60]}'.", code="NO_METRIC", remedy=did_you_mean(name[:60], known))
