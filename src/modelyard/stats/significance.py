"""What chance does to distances of samples, in closed form: p-values, and the quantiles that verdicts rest on."""

import math
from statistics import NormalDist


def ks_p_value(statistic: float, n_reference: int, n_current: int) -> float:
    """The chance of a two-sample KS statistic at least so large without a change; with ties it is an upper bound.

    Kolmogorov's limit with Stephens' correction for few rows (Journal of the Royal Statistical Society B 32, 1970).
    It falls with the rows however small the change is: not a measure of drift.
    """
    from scipy.special import kolmogorov  # noqa: PLC0415 - scipy takes half a second, and few of the room need it

    return float(kolmogorov(_stretch(n_reference, n_current) * statistic))


def ks_null_quantile(n_reference: int, n_current: int, alpha: float) -> float:
    """What the two-sample KS statistic of continuous values exceeds with chance `alpha` when nothing changed.

    The same for every continuous distribution, and an upper bound with ties. At most 1; infinity without rows.
    """
    if min(n_reference, n_current) <= 0:
        return math.inf
    from scipy.special import kolmogi  # noqa: PLC0415 - see above

    return min(1.0, float(kolmogi(alpha)) / _stretch(n_reference, n_current))


def share_null_quantile(n_reference: int, n_current: int, alpha: float) -> float:
    """How far apart chance puts two shares of so many rows with chance `alpha`, either way.

    The normal approximation, at its greatest variance, 1/4: an upper bound for every share. Infinity without rows.
    """
    if min(n_reference, n_current) <= 0:
        return math.inf
    return NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(0.25 * (1 / n_reference + 1 / n_current))


def _stretch(n: int, m: int) -> float:
    root = math.sqrt(n * m / (n + m))
    return root + 0.12 + 0.11 / root
