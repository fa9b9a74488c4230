"""What a statistic is when nothing changed: its upper quantile at these sample sizes, by resampling."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

Statistic = Callable[[ArrayLike, ArrayLike], float]


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

    Both sides are redrawn, `reference.sum()` and `n_current` rows of a multinomial with the reference's shares. When
    the wanted quantile lies beyond what `rounds` draws can show, the tail is extrapolated by a normal fit of the log
    statistic, which overstates rather than understates. No current rows: infinity.
    """
    counts = np.asarray(reference, dtype=np.float64)
    if n_current <= 0 or counts.sum() <= 0:
        return float("inf")
    shares = counts / counts.sum()
    random = np.random.default_rng(seed)
    first = random.multinomial(int(counts.sum()), shares, size=rounds)
    second = random.multinomial(n_current, shares, size=rounds)
    drawn = np.asarray(statistic(first, second))
    level = 1 - alpha / columns
    empirical = float(np.quantile(drawn, min(level, 1 - 1 / rounds)))
    if level <= 1 - 1 / rounds:
        return empirical
    from scipy.stats import norm  # noqa: PLC0415 - slow to import, needed for far tails only

    logs = np.log(np.maximum(drawn, 1e-12))
    return max(empirical, float(np.exp(logs.mean() + logs.std() * norm.ppf(level))))
