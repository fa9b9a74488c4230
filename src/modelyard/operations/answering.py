"""Suites of answers: applications asked, measured, compared and judged."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core import (
    InvalidInput,
)
from modelyard.llm.answers import (
    ERRORS,
    JUDGE,
    NO_ANSWER,
    Answer,
    AnswerCase,
    AnswerSuite,
    Asked,
    Limit,
    Scored,
    Scorer,
    better_by,
    by_case,
    by_tag,
    judge_limits,
    means,
    measures,
    read_answer_suite,
    require_limits,
    require_scorers,
    score,
)
from modelyard.wiring import Judged, Judging, Project, judging_by, scorers_at

from .asking import Asking, Progress, asked_of, baseline_of, needed
from .limits import limit_of

_MOST_TURNS = 100


@dataclass(frozen=True)
class AnswerEvaluation(Asking):
    """A suite of answers, and whom to ask. `scorer` names the project's own metrics, `judge` a prompt and
    `judge_target` the model that it is put to, `labels` a file of what people said, or queue:NAME of the project;
    `least` and `most` are limits.
    """

    suite: Path = Path()
    scorer: tuple[str, ...] = ()
    judge: str | None = None
    judge_target: str | None = None
    labels: str | Path | None = None
    least: tuple[str, ...] = ()
    most: tuple[str, ...] = ()
    output: Path | None = None
    items: Path | None = None


def evaluate_answers(
    given: AnswerEvaluation, project: Project | None, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Ask an application every case of a suite; metrics, what they are compared with, and the verdict on limits.

    What is wrong with suite, scorers, limits, judge and labels is said before anybody is asked.
    """
    suite, digest = read_answer_suite(given.suite)
    scorers = scorers_at(Path() if project is None else project.file.folder, given.scorer)
    require_scorers(suite, scorers)
    limits = _limits(given, suite, scorers)
    judging = _judging(given, project)
    _require_numbers(given)
    asked = asked_of(given, suite, digest, project, progress)
    other = None if given.baseline is None else baseline_of(given, suite, digest, project, progress)
    sides = [asked] if other is None else [asked, other]
    answers = [each for side in sides for each in side.answers]
    judged = None if judging is None else judging(suite.cases, answers, progress)
    verdicts = None if judged is None else judged.verdicts
    scored = score(suite, digest, asked, scorers, verdicts)
    against = None if other is None else score(suite, digest, other, scorers, verdicts)
    result = _told(scored, given.repeat, judged)
    if against is not None:
        result["baseline"] = {
            **_side(against),
            "better_by": msgspec.to_builtins(better_by(scored, against)),
            "answers": _answers(against.asked.answers),
        }
    if limits:
        untrusted = "" if judged is None else judged.calibration.untrusted
        judgement = judge_limits(scored, limits, untrusted)
        result |= {"verdict": str(judgement.verdict), "reasons": list(judgement.reasons)}
        if untrusted and judged is not None and any(each.metric == JUDGE for each in limits):
            result["remedy"] = judged.calibration.remedy
    if given.output is not None:
        given.output.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    if given.items is not None:
        given.items.write_bytes(_items(suite, sides))
    return result


def _judging(given: AnswerEvaluation, project: Project | None) -> Judging | None:
    """The judge that is asked for; InvalidInput for half of one."""
    if given.judge is None and given.judge_target is None:
        if given.labels is not None:
            raise InvalidInput("--labels are for a judge, and there is none.", remedy="Name it: --judge REFERENCE")
        return None
    if given.judge is None or given.judge_target is None:
        raise InvalidInput(
            "A judge is a prompt and a model.",
            code="NO_JUDGE",
            remedy="Give both: --judge prompts:/NAME/3 --judge-target UPSTREAM/MODEL",
        )
    labels = None if given.labels is None else str(given.labels)
    asked = needed(project, "--judge")
    return judging_by(asked, given.judge, given.judge_target, labels, given.deadline, given.at_once)


def _told(scored: Scored, repeat: int, judged: Judged | None) -> dict[str, Any]:
    """Everything, as JSON."""
    found: dict[str, Any] = {
        "kind": "answers",
        "suite": scored.suite.suite,
        "version": scored.suite.version,
        "digest": scored.digest,
        "repeat": repeat,
        "cases": len(scored.suite.cases),
        **_side(scored),
        "slices": msgspec.to_builtins(by_tag(scored)),
    }
    if judged is not None:
        costs = [each.cost_micros for each in judged.judgments.values() if each.cost_micros is not None]
        found[JUDGE] = {
            "prompt": judged.by.reference,
            "digest": judged.by.digest,
            "target": f"{judged.by.target.upstream}/{judged.by.target.model}",
            "judged": len(judged.judgments),
            "unparsed": sum(each.passed is None for each in judged.judgments.values()),
            "cost_micros": sum(costs) if costs else None,
            "calibration": msgspec.to_builtins(judged.calibration),
            "verdicts": {item: msgspec.to_builtins(each) for item, each in judged.judgments.items()},
        }
    return found | {"answers": _answers(scored.asked.answers)}


def _side(scored: Scored) -> dict[str, Any]:
    """What one side came to, beside its answers."""
    found = means(scored)
    return {
        "asked": scored.asked.name,
        "bundles": dict(Counter(each.bundle for each in scored.asked.answers if each.bundle)),
        "metrics": msgspec.to_builtins(found),
        "not_measured": [name for name in scored.measures if name not in found],
        "per_case": by_case(scored),
        "faults": msgspec.to_builtins(scored.faults),
    }


def _answers(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    return [{"item": each.item, **msgspec.to_builtins(each)} for each in answers]


def _items(suite: AnswerSuite, sides: Sequence[Asked]) -> bytes:
    """The different answers as lines for people to judge: nothing says whose they are."""
    cases = {case.id: case for case in suite.cases}
    items = {each.item: each for side in sides for each in side.answers if each.text is not None}
    lines = [
        {
            "item": item,
            "question": each.question,
            "answer": each.text,
            "chunks": list(each.texts or ()),
            "expected": _expected(cases[each.case]),
        }
        for item, each in sorted(items.items())
    ]
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _expected(case: AnswerCase) -> str | None:
    """What people are told of a right answer: the same as the judge."""
    return "\n".join(case.right) if case.right else None if case.answerable else NO_ANSWER


def _limits(given: AnswerEvaluation, suite: AnswerSuite, scorers: Mapping[str, Scorer]) -> list[Limit]:
    limits = [Limit(*limit_of(each)) for each in given.least]
    limits += [Limit(*limit_of(each), least=False) for each in given.most]
    names = [*measures(suite), ERRORS, *scorers, *([JUDGE] if given.judge is not None else [])]
    require_limits(names, measures(suite), limits)
    return limits


def _require_numbers(given: AnswerEvaluation) -> None:
    for flag, value, most in (("repeat", given.repeat, _MOST_TURNS), ("at-once", given.at_once, 256)):
        if not 1 <= value <= most:
            raise InvalidInput(f"--{flag} is {value}.", code="INVALID_VALUE", remedy=f"Give 1 to {most}.")
    if not 0 < given.deadline <= 3600:  # not true of NaN
        raise InvalidInput(f"--deadline is {given.deadline}.", code="INVALID_VALUE", remedy="Give up to 3600 seconds.")
