"""Fairness: whether groups are answered as the others are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.stats import share_difference

from .records import GroupRate, Judged, RateName
from .seen import Answers, Levels
from .settings import MonitorSettings

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MISS = 0.05
"""Chance, over all groups of a column and all classes together, that an interval does not hold its difference."""

_CLASSES = 10


@dataclass(frozen=True)
class _Rate:
    """A rate: which answers `hit` (n,), of those `among` (n,); `of` which class, where there are several."""

    name: RateName
    hit: Mask
    among: Mask
    of: str = ""


def group_rates(
    answers: Answers, levels: Levels, task: str, classes: Sequence[str], settings: MonitorSettings
) -> tuple[GroupRate, ...]:
    """The rates of each group beside those of all others; see `GroupRate` for which they are.

    Unfair when the whole interval of a difference is beyond `fairness`, fair when the whole interval is within, and
    inconclusive otherwise. Selection rates: demographic parity; recall and false alarms: equalised odds (Hardt, Price
    and Srebro, NeurIPS 2016), of several classes each against all others, at most the ten commonest. High answers:
    statistical parity of regression (Agarwal, Dudík and Wu, ICML 2019), at the median alone; its median errors are
    those of everybody's labelled answers. A difference may have its reasons; that is for people to say. Not for groups
    that share rows.
    """
    rates = list(_rates(answers, task, classes))
    families = max(1, len({each.of for each in rates}))
    level = 1 - _MISS / max(1, len(levels.judged)) / families
    return tuple(
        rate for code in levels.judged for each in rates for rate in _compared(levels, code, each, level, settings)
    )


def _rates(answers: Answers, task: str, classes: Sequence[str]) -> Iterator[_Rate]:
    if task == "regression":
        yield from _of_numbers(answers)
    elif task == "binary" and len(classes) == 2:
        yield from _of_class(answers.scores[:, 0] > 0.5, answers.labels, 1)
    elif answers.scores.shape[1] == len(classes):
        said = np.where(np.isnan(answers.scores).any(axis=1), -1, answers.scores.argmax(axis=1))
        counts = np.bincount(said[said >= 0], minlength=len(classes))
        for code in np.argsort(-counts, kind="stable")[:_CLASSES].tolist():
            yield from _of_class(said == code, answers.labels, code, classes[code])


def _of_class(said: Mask, labels: Floats, code: int, name: str = "") -> Iterator[_Rate]:
    known = ~np.isnan(labels)
    yield _Rate("selection", said, np.ones(len(said), bool), name)
    yield _Rate("recall", said, labels == code, name)
    yield _Rate("false_alarms", said, known & (labels != code), name)


def _of_numbers(answers: Answers) -> Iterator[_Rate]:
    said, labels = answers.scores[:, 0], answers.labels
    there = ~np.isnan(said)
    known = there & ~np.isnan(labels)
    if there.any():
        yield _Rate("high_answers", said > np.median(said[there]), there)
    if known.any():
        errors = np.abs(said - labels)
        yield _Rate("large_errors", errors > np.median(errors[known]), known)
        yield _Rate("too_low", said < labels, known)


def _compared(levels: Levels, code: int, rate: _Rate, level: float, settings: MonitorSettings) -> Iterator[GroupRate]:
    own, others = rate.among & (levels.codes == code), rate.among & (levels.codes != code)
    rows, rest = int(own.sum()), int(others.sum())
    if not rows or not rest:
        return
    hits, missed = int(rate.hit[own].sum()), int(rate.hit[others].sum())
    lower, upper = share_difference(hits, rows, missed, rest, level=level)
    yield GroupRate(
        levels.column,
        levels.names[code],
        rate.name,
        rows,
        hits / rows,
        missed / rest,
        hits / rows - missed / rest,
        lower,
        upper,
        _verdict(lower, upper, settings.fairness) if rows >= settings.min_rows else "inconclusive",
        rate.of,
    )


def _verdict(lower: float, upper: float, most: float) -> Judged:
    if lower > most or upper < -most:
        return "fail"
    return "pass" if -most <= lower and upper <= most else "inconclusive"


def unfair(rates: Sequence[GroupRate]) -> list[str]:
    """What to say of the groups that are not treated alike."""
    return [f"unfair: {_said(each)}" for each in rates if each.verdict == "fail"]


def _said(each: GroupRate) -> str:
    words = {
        "selection": f"said {each.of or 'positive'} of",
        "recall": f"recall of {each.of + ' in ' if each.of else ''}",
        "false_alarms": f"false alarms of {each.of + ' in ' if each.of else ''}",
        "high_answers": "answers above the median for",
        "large_errors": "errors above the median for",
        "too_low": "answers too low for",
    }[each.metric].rstrip()
    return f"{words} {each.column}={each.level} {each.rate:.0%}, of others {each.others:.0%}"
