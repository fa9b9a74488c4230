"""Tests of counts at a fixed horizon: two-proportion z, chi-square, G, and Fisher's exact test."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.core import InvalidInput
from modelyard.stats.contingency import chi_square_tail
from modelyard.stats.intervals import wilson

from .comparison import LEVEL, Comparison

Table = NDArray[np.float64]


def two_proportion_z(hits: tuple[int, int], totals: tuple[int, int], *, level: float = LEVEL) -> Comparison:
    """Of the shares of two arms, the first being the control: the difference, second minus first.

    The statistic pools the arms, as under no difference; its square is Pearson's chi-square. The interval is Newcombe's
    hybrid of two Wilson intervals (Statistics in Medicine 17, 1998, method 10). Not below five of the rarer outcome an
    arm: there Fisher's test is exact.
    """
    one, two = _share(hits[0], totals[0]), _share(hits[1], totals[1])
    pooled = (hits[0] + hits[1]) / (totals[0] + totals[1])
    error = math.sqrt(pooled * (1 - pooled) * (1 / totals[0] + 1 / totals[1]))
    z = (two - one) / error if error else 0.0
    low, high = newcombe(hits, totals, level=level)
    p_value = math.erfc(abs(z) / math.sqrt(2))
    return Comparison("two-proportion z", z, p_value, "difference of shares", two - one, low, high)


def newcombe(hits: tuple[int, int], totals: tuple[int, int], *, level: float = LEVEL) -> tuple[float, float]:
    """The interval of the difference of two shares, second minus first."""
    one, two = _share(hits[0], totals[0]), _share(hits[1], totals[1])
    ends = [wilson(hit, total, level=level) or (0.0, 1.0) for hit, total in zip(hits, totals, strict=True)]
    (low_one, high_one), (low_two, high_two) = ends
    difference = two - one
    return (
        difference - math.hypot(two - low_two, high_one - one),
        difference + math.hypot(high_two - two, one - low_one),
    )


def chi_square(table: ArrayLike, *, level: float = LEVEL) -> Comparison:
    """Pearson's test that rows (arms) and columns (outcomes) of counts are independent, without Yates' correction.

    Pearson, Philosophical Magazine 50 (1900). Expected counts below five make it unsure. Of two by two counts, the
    second column being the hits, the effect is the difference of shares; of larger tables Cramér's V, without interval.
    """
    counts, expected = _expected(table)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return _judged("chi-square", counts, statistic, level)


def g_test(table: ArrayLike, *, level: float = LEVEL) -> Comparison:
    """The likelihood-ratio test of the same, 2 Σ observed ln(observed / expected).

    Sokal and Rohlf, *Biometry* (1981).
    """
    counts, expected = _expected(table)
    there = counts > 0
    statistic = 2 * float((counts[there] * np.log(counts[there] / expected[there])).sum())
    return _judged("G", counts, max(0.0, statistic), level)


def fisher(table: ArrayLike, *, level: float = LEVEL) -> Comparison:
    """Fisher's exact test of two by two counts: adds up all tables with these margins that are no likelier.

    Fisher, *The Design of Experiments* (1935). The effect is the conditional maximum-likelihood odds ratio, the
    interval the exact one of the noncentral hypergeometric distribution (Cornfield 1956): conservative for few counts.
    """
    counts = _counts(table)
    if counts.shape != (2, 2):
        shape = " by ".join(map(str, counts.shape))
        raise InvalidInput(f"Fisher's test is of 2 by 2 counts, not {shape}.", remedy="Take chi_square or g_test.")
    (a, b), (c, d) = counts.astype(int).tolist()
    support = np.arange(max(0, (a + b) - (b + d)), min(a + b, a + c) + 1, dtype=np.float64)
    logs = _log_hypergeometric(support, a + b, a + c, a + b + c + d)
    chances = np.exp(logs - _log_sum(logs))
    own = chances[int(a - support[0])]
    p_value = min(1.0, float(chances[chances <= own * (1 + 1e-7)].sum()))
    effect = _odds_ratio(support, logs, a)
    low, high = _exact_odds(support, logs, a, (1 - level) / 2)
    return Comparison("Fisher", float(own), p_value, "odds ratio", effect, low, high)


def _judged(test: str, counts: Table, statistic: float, level: float) -> Comparison:
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    p_value = chi_square_tail(statistic, freedom)
    if counts.shape != (2, 2):
        strength = math.sqrt(statistic / counts.sum() / (min(counts.shape) - 1))
        return Comparison(test, statistic, p_value, "Cramér's V", strength, freedom=freedom)
    hits, totals = counts[:, 1].astype(int), counts.sum(axis=1).astype(int)
    pair = (int(hits[0]), int(hits[1])), (int(totals[0]), int(totals[1]))
    low, high = newcombe(*pair, level=level)
    effect = hits[1] / totals[1] - hits[0] / totals[0]
    return Comparison(test, statistic, p_value, "difference of shares", float(effect), low, high, freedom)


def _counts(table: ArrayLike) -> Table:
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or min(counts.shape) < 2 or counts.min() < 0 or not np.isfinite(counts).all():
        raise InvalidInput(
            "A table of counts has two or more arms and two or more outcomes, and no count below zero.",
            code="BAD_COUNTS",
            remedy="Give counts as rows of arms and columns of outcomes.",
        )
    return counts


def _expected(table: ArrayLike) -> tuple[Table, Table]:
    counts = _counts(table)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(1.0, counts.sum())
    if not expected.all():
        raise InvalidInput(
            "An arm or an outcome has no count at all: nothing can be expected of it.",
            code="BAD_COUNTS",
            remedy="Leave out arms without units and outcomes that never happened.",
        )
    return counts, expected


def _share(hits: int, total: int) -> float:
    if 0 <= hits <= total and total > 0:
        return hits / total
    raise InvalidInput(f"{hits} of {total} is no share.", code="BAD_COUNTS", remedy="Give hits of a positive total.")


def _log_hypergeometric(first: Table, row: int, column: int, total: int) -> Table:
    """The log weight of tables by their first cell, given the margins."""
    from scipy.special import gammaln  # noqa: PLC0415 - heavy

    cells = np.stack([first, row - first, column - first, total - row - column + first])
    found: Table = -gammaln(cells + 1).sum(axis=0)
    return found


def _log_sum(logs: Table) -> float:
    most = float(logs.max())
    return most + math.log(float(np.exp(logs - most).sum()))


def _tilted(support: Table, logs: Table, log_odds: float) -> Table:
    """Chances of the first cell at these log odds."""
    tilted = logs + support * log_odds
    found: Table = np.exp(tilted - _log_sum(tilted))
    return found


def _odds_ratio(support: Table, logs: Table, first: int) -> float:
    """At which the expected first cell is the one there is."""
    if len(support) == 1:
        return math.nan
    if first == support[0]:
        return 0.0
    if first == support[-1]:
        return math.inf
    return _root(lambda log: float(_tilted(support, logs, log) @ support) - first)


def _exact_odds(support: Table, logs: Table, first: int, tail: float) -> tuple[float, float]:
    """Where the chance of so much, or of so little, is `tail`."""
    above, below = support >= first, support <= first
    low = 0.0 if first == support[0] else _root(lambda log: float(_tilted(support, logs, log)[above].sum()) - tail)
    high = (
        math.inf if first == support[-1] else _root(lambda log: tail - float(_tilted(support, logs, log)[below].sum()))
    )
    return low, high


def _root(rising: Callable[[float], float]) -> float:
    """The odds at which a function that rises with their logarithm is zero."""
    from scipy.optimize import brentq  # noqa: PLC0415 - heavy

    reach = 1.0
    while rising(-reach) > 0 or rising(reach) < 0:
        reach *= 2
    return math.exp(brentq(rising, -reach, reach, xtol=1e-13, rtol=1e-14))
