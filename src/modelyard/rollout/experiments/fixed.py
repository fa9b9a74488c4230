"""The tests that decide once, at the planned end."""

from collections.abc import Callable

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from modelyard.core import InvalidInput
from modelyard.stats.experiments import (
    ArmMoments,
    Comparison,
    chi_square,
    fisher,
    g_test,
    mann_whitney,
    student,
    two_proportion_z,
    welch,
    z_comparison,
)

from .comparing import Pair, difference_of, hits_of
from .records import FixedTest, Found, Metric, Question
from .tallying import Tallies, of_arm

_COUNTS = ("chi-square", "g", "fisher")
_NO_DIFFERENCE = ("fisher", "mann-whitney")


def refuse_unfit(metrics: tuple[Metric, ...], asked: Question) -> None:
    """InvalidInput where the test is not for a metric."""
    test = asked.fixed
    if test is None or test == "z":
        return
    unfit = [each.name for each in metrics if each.kind == "ratio" or (each.kind != "binary" and test in _COUNTS)]
    if unfit:
        raise InvalidInput(
            f"The test '{test}' is not for {', '.join(unfit[:5])}.",
            code="BAD_TEST",
            remedy="For ratios take z; for continuous metrics z, welch, student or mann-whitney; for binary ones any.",
        )
    if asked.covariates:
        raise InvalidInput(f"The test '{test}' takes no covariates.", code="BAD_TEST", remedy="Take --fixed z.")
    if test in _NO_DIFFERENCE and any(each.role == "guardrail" for each in metrics):
        raise InvalidInput(
            f"The test '{test}' gives no interval of a difference, which guardrails are judged by.",
            code="BAD_TEST",
            remedy="Take z or welch.",
        )


def judge_once(
    found: Found, pair: Pair, place: int, metric: Metric, tallies: Tallies, asked: Question, alpha: float
) -> Found:
    """The same comparison with interval and p-value of the test; as it was where there are too few units for it."""
    one, two = (of_arm(tallies.now, arm, place) for arm in (pair.control, pair.treatment))
    if asked.fixed is None or found.difference is None:
        return found
    values = [_values(tallies, arm, place) for arm in (pair.control, pair.treatment)]
    said = _tested(asked.fixed, metric, (one, two), values, 1 - alpha, plain=not asked.covariates)
    if said is None:
        return replace(found, test=asked.fixed, low=None, high=None, p_value=None, needed=None, state="too few")
    return replace(
        found,
        test=said.test,
        low=said.low,
        high=said.high,
        p_value=said.p_value,
        measure=said.measure,
        effect=said.effect,
        lack=0,
        needed=max(0, round(pair.planned) - found.units),
        state="open",
    )


def _tested(
    test: FixedTest,
    metric: Metric,
    arms: tuple[ArmMoments, ArmMoments],
    values: list[NDArray[np.float64]],
    level: float,
    *,
    plain: bool,
) -> Comparison | None:
    """None where an outcome never happened, so that a test of counts has nothing to expect."""
    if test in ("z", "student", "welch", "mann-whitney") and not (test == "z" and metric.kind == "binary" and plain):
        return _of_values(test, metric, arms, values, level)
    hits, totals = (hits_of(arms[0]), hits_of(arms[1])), (arms[0].count, arms[1].count)
    if test in ("chi-square", "g") and sum(hits) in (0, sum(totals)):
        return None
    table = [[total - hit, hit] for hit, total in zip(hits, totals, strict=True)]
    by_test: dict[str, Callable[[], Comparison]] = {
        "z": lambda: two_proportion_z(hits, totals, level=level),
        "chi-square": lambda: chi_square(table, level=level),
        "g": lambda: g_test(table, level=level),
        "fisher": lambda: fisher(table, level=level),
    }
    return by_test[test]()


def _of_values(
    test: FixedTest,
    metric: Metric,
    arms: tuple[ArmMoments, ArmMoments],
    values: list[NDArray[np.float64]],
    level: float,
) -> Comparison | None:
    if test == "student":
        return student(*arms, level=level)
    if test == "welch":
        return welch(*arms, level=level)
    if test == "mann-whitney":
        return mann_whitney(*values, level=level)
    found = difference_of(metric, *arms)
    return None if found is None else z_comparison("z", found, level=level)


def _values(tallies: Tallies, arm: str, place: int) -> NDArray[np.float64]:
    return np.concatenate([np.empty(0), *tallies.values.get((arm, place), [])])
