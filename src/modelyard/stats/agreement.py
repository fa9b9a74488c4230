"""How far two people, or a person and a machine, agree beyond what chance would have them agree."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from .intervals import LEVEL, wilson


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa of `n` things that two labelled, and an interval of 95% that holds it.

    `error` is its standard error in large samples. All but `n` are NaN where it is unknown: of nothing, and where both
    only ever use one and the same label.
    """

    value: float
    lower: float
    upper: float
    n: int
    error: float


def cohen_kappa(one: Sequence[str], other: Sequence[str]) -> Kappa:
    """Agreement of two on the same things, of any number of labels, chance taken out: 1 is all, 0 what chance gives.

    Cohen, Educational and Psychological Measurement 20 (1960); standard error by Fleiss, Cohen and Everitt,
    Psychological Bulletin 72 (1969). That error is 0 where two agree on everything, however little it is; so the
    interval is never narrower than Wilson's of the share that they agree on, at the chance that was found. NaN of
    nothing, and where both only ever use one and the same label, which tells nothing. Where labels are very uneven it
    is low although two agree nearly always: Feinstein and Cicchetti, Journal of Clinical Epidemiology 43 (1990).
    ValueError for other lengths.
    """
    n = len(one)
    if n != len(other):
        raise ValueError(f"{n} labels and {len(other)} are not of the same things")
    first, second = Counter(one), Counter(other)
    chance = sum(first[each] * second[each] for each in first) / (n * n) if n else 1.0
    if chance == 1.0:
        return Kappa(math.nan, math.nan, math.nan, n, math.nan)
    agree = sum(left == right for left, right in zip(one, other, strict=True))
    value = (agree / n - chance) / (1 - chance)
    error = math.sqrt(_variance(one, other, value, chance))
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * error
    ends = wilson(agree, n)
    assert ends is not None  # noqa: S101 - there is something
    low, high = ((each - chance) / (1 - chance) for each in ends)
    return Kappa(value, max(-1.0, min(value - reach, low)), min(1.0, max(value + reach, high)), n, error)


def _variance(one: Sequence[str], other: Sequence[str], kappa: float, chance: float) -> float:
    """Of kappa in large samples; Fleiss, Cohen and Everitt's formula 13."""
    n = len(one)
    cells, first, second = Counter(zip(one, other, strict=True)), Counter(one), Counter(other)
    same = sum(
        count / n * (1 - (first[left] + second[left]) / n * (1 - kappa)) ** 2
        for (left, right), count in cells.items()
        if left == right
    )
    apart = (1 - kappa) ** 2 * sum(
        count / n * ((second[left] + first[right]) / n) ** 2 for (left, right), count in cells.items() if left != right
    )
    return max(0.0, same + apart - (kappa - chance * (1 - kappa)) ** 2) / (n * (1 - chance) ** 2)
