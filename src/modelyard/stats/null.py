"""What a statistic is when nothing changed: its upper quantile at these sample sizes, by resampling."""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

Statistic = Callable[[ArrayLike, ArrayLike], float]
"""A distance of two samples: reference and current to one number."""


def null_quantile(
    reference: ArrayLike,
    n_current: int,
    statistic: Statistic,
    *,
    alpha: float = 0.01,
    columns: int = 1,
    rounds: int = 400,
    seed: int = 0,
) -> float:
    """The 1 - alpha/columns quantile (Bonferroni) of `statistic` between two samples of the reference's distribution.

    Both sides are redrawn, `reference.sum()` and `n_current` rows of a multinomial with the reference's shares. See
    `upper_quantile` for what is made of the draws. Rows must be independent: autocorrelated ones (weather by the hour)
    vary more than this says. No rows on either side: infinity.
    """
    counts = np.asarray(reference, dtype=np.float64)
    if n_current <= 0 or counts.sum() <= 0:
        return float("inf")
    shares = counts / counts.sum()
    random = np.random.default_rng(seed)
    first = random.multinomial(int(counts.sum()), shares, size=rounds)
    second = random.multinomial(n_current, shares, size=rounds)
    drawn = np.asarray(statistic(first, second))
    return upper_quantile(drawn, alpha / columns)


def upper_quantile(drawn: ArrayLike, alpha: float) -> float:
    """The 1 - alpha quantile of a statistic from few draws of it (rounds,), non-negative.

    The greater of the draws' own and that of a normal fit of their logarithms, which reaches beyond them. Draws far
    below the greatest count as a twentieth of it: where zeros are common they would make the fit reach anywhere.
    """
    values = np.asarray(drawn, dtype=np.float64)
    greatest = float(values.max())
    if greatest <= 0:
        return 0.0
    logs = np.log(np.maximum(values, greatest / 20))
    fitted = float(np.exp(logs.mean() + logs.std() * NormalDist().inv_cdf(1 - alpha)))
    return max(float(np.quantile(values, min(1 - alpha, 1 - 1 / len(values)))), fitted)
