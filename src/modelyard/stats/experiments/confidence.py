"""The difference of two arms' means under continuous looking: an asymptotic confidence sequence.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, *Time-uniform central limit theory and asymptotic confidence
sequences*, Annals of Statistics 52 (2024). The interval holds the difference at all looks together with a chance that
tends to 1 - alpha as the first look is put off: that is what the gates are for.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ends = tuple[float, float]
RARER, VALUES, VALUES_UNEVEN = 20, 1_000, 2_000
SKEWED = 0.25
"""A difference of means that is more skewed than this is not judged; ADR 37."""

PLANNED = 10_000
"""Units that a sequence is narrowest at when no plan says how many there will be."""


def mixing_rate(alpha: float, planned: float) -> float:
    """The mixture's rate, by which the sequence is narrowest about `planned` units; never chosen by the data."""
    log = -2 * math.log(alpha)
    return math.sqrt((log + math.log(1 + log)) / planned)


def boundary(n: ArrayLike, *, alpha: float = 0.05, planned: float = PLANNED) -> NDArray[np.float64]:
    """How many standard errors a difference must be from zero to be told after n units (k,), both arms together.

    The same shape as `n`. At n = planned it is 3.03 for alpha .05, where a single look would ask 1.96.
    """
    units = np.asarray(n, dtype=np.float64) * mixing_rate(alpha, planned) ** 2
    found: NDArray[np.float64] = np.sqrt(2 * (units + 1) / units * np.log(np.sqrt(units + 1) / alpha))
    return found


def confidence_sequence(
    difference: float, error: float, n: int, *, alpha: float = 0.05, planned: float = PLANNED
) -> Ends:
    """The interval at one look of a difference with a standard error, after `n` units of both arms."""
    half = error * float(boundary(n, alpha=alpha, planned=planned))
    return difference - half, difference + half


def always_valid_p(difference: float, error: float, n: int, *, alpha: float = 0.05, planned: float = PLANNED) -> float:
    """The smallest level at which the interval of this look excludes zero, planned for `alpha`; in (0, 1].

    Johari, Koomen, Pekelis and Walsh, *Always valid inference*, Operations Research 70 (2022). The least of several
    looks is valid as well. Without any error, 1 where there is no difference and 0 where there is.
    """
    if error <= 0:
        return 1.0 if difference == 0 else 0.0
    units = n * mixing_rate(alpha, planned) ** 2
    log = 0.5 * math.log1p(units) - (difference / error) ** 2 * units / (2 * (units + 1))
    return math.exp(min(0.0, log))


def binary_lack(hits: int, total: int) -> int:
    """How many of the rarer outcome an arm still lacks before its share may be looked at: of 20."""
    return max(0, RARER - min(hits, total - hits))


def mean_lack(units: int, share: float) -> int:
    """How many units an arm still lacks before its mean may be looked at: of 1,000.

    Of 2,000 where an arm's share of all units, `share`, is below a tenth or above nine tenths.
    """
    return max(0, (VALUES if 0.1 <= share <= 0.9 else VALUES_UNEVEN) - units)


def skew_lack(skewness: float, units: int) -> int:
    """How many units the smaller arm, which has so many, lacks until the difference is no more skewed than 0.25.

    Skewness falls with the root of the number of units. It is what the units so far say, so it is a forecast.
    """
    if abs(skewness) <= SKEWED:
        return 0
    return math.ceil(units * ((skewness / SKEWED) ** 2 - 1))


def units_to(difference: float, error: float, n: int, *, alpha: float = 0.05, planned: float = PLANNED) -> int | None:
    """How many more units until the interval excludes zero, if difference and spread stay as they are; None: never.

    The error falls with the root of the number of units. It asks what nobody knows, so it is a forecast, no promise.
    """
    if difference == 0 or not math.isfinite(error):
        return None

    def told(units: float) -> bool:
        reach = error * math.sqrt(n / units) * float(boundary(units, alpha=alpha, planned=planned))
        return abs(difference) > reach

    if told(n):
        return 0
    least, enough = float(n), 2.0 * n
    while not told(enough):
        if enough > 1e15:
            return None
        least, enough = enough, 2 * enough
    while enough - least > 0.5:
        middle = (least + enough) / 2
        least, enough = (least, middle) if told(middle) else (middle, enough)
    return math.ceil(enough) - n
