"""Whether groups are treated alike: what is said of each, and how often it is right."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.stats import mean_interval, wilson

from .answers import Answers
from .records import Gap, Group, GroupTable, Rate

FEW = 30
"""A rate of fewer rows is shown, and compared with none: its interval is wider than what one looks for."""

_SHARES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")


def table_of(column: str, answers: Answers, levels: Iterable[tuple[str, NDArray[np.bool_]]]) -> GroupTable:
    """The rates of each group, and how far apart they are.

    Of two classes: how many are said to be the second (`selection_rate`; equal rates are demographic parity), how many
    of the positives (`true_positive_rate`; equal opportunity) and of the negatives (`false_positive_rate`; with the one
    before, equalised odds), and how many of those selected are positive (`precision`; predictive parity). Hardt, Price
    and Srebro, NeurIPS 2016; Chouldechova, Big Data 5 (2017): where base rates differ, not all can be equal. Of more
    classes: `accuracy`. Of values: `mae` and `bias`.
    """
    overall = rates_of(answers)
    groups = tuple(
        Group(value, int(chosen.sum()), _against(rates_of(answers.taken(chosen)), overall)) for value, chosen in levels
    )
    gaps = tuple(gap for name in overall if (gap := _gap(name, groups)) is not None)
    return GroupTable(column, overall, groups, gaps)


def rates_of(answers: Answers) -> dict[str, Rate]:
    """The rates that the task has."""
    if answers.task == "regression":
        errors = answers.said - answers.truth
        return {"mae": _mean(np.abs(errors)), "bias": _mean(errors)}
    if answers.task == "multiclass":
        return {"accuracy": _share(answers.said == answers.truth)}
    selected, positive = answers.said == 1, answers.truth == 1
    return {
        "selection_rate": _share(selected),
        "true_positive_rate": _share(selected[positive]),
        "false_positive_rate": _share(selected[~positive]),
        "precision": _share(positive[selected]),
    }


def _share(hits: NDArray[Any]) -> Rate:
    ends = wilson(int(hits.sum()), len(hits))
    if ends is None:
        return Rate(None, 0, few=True)
    return Rate(float(hits.mean()), len(hits), *ends, few=len(hits) < FEW)


def _mean(values: NDArray[Any]) -> Rate:
    low, high = mean_interval(values) or (None, None)
    return Rate(float(values.mean()) if len(values) else None, len(values), low, high, few=len(values) < FEW)


def _against(rates: dict[str, Rate], overall: Mapping[str, Rate]) -> dict[str, Rate]:
    return {name: _from(rate, overall[name].value) for name, rate in rates.items()}


def _from(rate: Rate, everyone: float | None) -> Rate:
    if rate.value is None or everyone is None:
        return rate
    return Rate(rate.value, rate.rows, rate.low, rate.high, rate.few, rate.value - everyone)


def _gap(name: str, groups: tuple[Group, ...]) -> Gap | None:
    """Between groups that have enough rows; None when there are not two of them."""
    known = list(_comparable(name, groups))
    if len(known) < 2:
        return None
    (lowest, group), (highest, other) = min(known), max(known)
    ratio = lowest / highest if name in _SHARES and highest > 0 else None
    return Gap(name, group, lowest, other, highest, highest - lowest, ratio)


def _comparable(name: str, groups: tuple[Group, ...]) -> Iterator[tuple[float, str]]:
    for each in groups:
        rate = each.rates[name]
        if rate.value is not None and not rate.few:
            yield rate.value, each.value
