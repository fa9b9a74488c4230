"""How many units an experiment needs, and what a number of units can tell."""

import math
from collections.abc import Callable
from statistics import NormalDist

from .confidence import boundary


def power_of_shares(control: float, treatment: float, n: tuple[float, float], *, alpha: float = 0.05) -> float:
    """The chance that a two-sided two-proportion z-test of n units an arm tells two true shares apart.

    Fleiss, Levin and Paik, *Statistical Methods for Rates and Proportions* (2003), 4.2, without continuity correction;
    both tails are counted.
    """
    critical = NormalDist().inv_cdf(1 - alpha / 2)
    difference, pooled = treatment - control, (control * n[0] + treatment * n[1]) / (n[0] + n[1])
    none = math.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
    own = math.sqrt(control * (1 - control) / n[0] + treatment * (1 - treatment) / n[1])
    if own == 0:
        return 1.0 if difference else alpha
    below, above = ((side * difference - critical * none) / own for side in (-1, 1))
    return _cdf(below) + _cdf(above)


def power_of_means(
    difference: float, deviations: tuple[float, float], n: tuple[float, float], *, alpha: float = 0.05
) -> float:
    """The chance that a two-sided Welch's t-test tells two means apart, of normal values with these deviations.

    By the noncentral t distribution; with equal deviations and numbers it is Student's (Cohen, *Statistical Power
    Analysis*, 1988).
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - heavy
    from scipy.stats import nct  # noqa: PLC0415 - heavy

    parts = [deviation**2 / count for deviation, count in zip(deviations, n, strict=True)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return 1.0 if difference else alpha
    freedom = sum(parts) ** 2 / sum(part**2 / (count - 1) for part, count in zip(parts, n, strict=True))
    critical, shift = float(stdtrit(freedom, 1 - alpha / 2)), abs(difference) / error
    return float(nct.sf(critical, freedom, shift) + nct.cdf(-critical, freedom, shift))


def power_of_sequence(difference: float, error: float, n: float, *, alpha: float = 0.05, planned: float) -> float:
    """The chance that a confidence sequence tells a difference at its look after n units; earlier looks add to it."""
    reach = float(boundary(n, alpha=alpha, planned=planned))
    return _cdf(abs(difference) / error - reach) + _cdf(-abs(difference) / error - reach)


def units_for(power_at: Callable[[float], float], power: float, *, least: int = 2) -> int | None:
    """The smallest number of units whose power is enough, for a power that grows with them; None beyond 10¹²."""
    enough = float(least)
    while power_at(enough) < power:
        enough *= 2
        if enough > 1e12:
            return None
    low, high = int(max(least, enough / 2)), int(enough)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power_at(middle) >= power else (middle + 1, high)
    return low


def _cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
