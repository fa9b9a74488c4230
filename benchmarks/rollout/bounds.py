"""What a simulation may show of a procedure that keeps its word."""

import math

FALSE_PROMOTION = 0.02
"""What is promised of canaries at least twice as bad as live and not acceptable, at whatever look."""


def highest(alpha: float, runs: int) -> float:
    """The share of runs above which a chance of at most `alpha` is not believed any more: 3.1 standard errors."""
    return alpha + 3.1 * math.sqrt(alpha * (1 - alpha) / runs)


def lowest(share: float, runs: int) -> float:
    """The share of runs below which a chance of at least `share` is not believed any more."""
    return share - 3.1 * math.sqrt(share * (1 - share) / runs)
