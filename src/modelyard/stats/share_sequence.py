"""A share under continuous looking: an interval that holds at all looks together."""

import math

Ends = tuple[float, float]
"""The lower and upper end of an interval."""

_PRIOR = 0.5
"""Both parameters of the mixture's beta distribution: good for rare and for common events."""

_MOST = 1e12


def share_sequence(hits: int, total: int, *, alpha: float = 0.05) -> Ends:
    """Of a share `hits / total`, in [0, 1]: the shares that a beta-binomial mixture has not refuted at 1 / alpha.

    Holds the true share at all looks together with a chance of at least 1 - alpha, however many rows come: Robbins,
    Annals of Mathematical Statistics 41 (1970); Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49 (2021),
    proposition 7. For one look at a number of rows fixed before, `wilson` is narrower. Rows must be independent, or
    each have the same chance given those before it: of several rows of one customer it is too narrow.
    """
    if total <= 0:
        return 0.0, 1.0
    return _edge(hits, total, 0.0, alpha), _edge(hits, total, 1.0, alpha)


def rows_to(hits: int, total: int, bound: float, *, alpha: float = 0.05) -> int | None:
    """How many more rows bring `bound` outside the interval if the share stays as it is; None: none would.

    A forecast, no promise. Without any row it supposes that nothing will be hit.
    """
    share = hits / total if total else 0.0
    if share == bound or not 0 < bound < 1:
        return None
    if _clear(share, total, bound, alpha):
        return 0
    enough = max(1.0, float(total))
    while not _clear(share, enough, bound, alpha):
        if enough > _MOST:
            return None
        enough *= 2
    least = enough / 2
    while enough - least > 0.5:
        middle = (least + enough) / 2
        least, enough = (least, middle) if _clear(share, middle, bound, alpha) else (middle, enough)
    return max(1, math.ceil(enough) - total)


def _clear(share: float, total: float, bound: float, alpha: float) -> bool:
    return total > 0 and _log_evidence(share * total, total, bound) >= -math.log(alpha)


def _edge(hits: int, total: int, outer: float, alpha: float) -> float:
    """Between the share itself and `outer` the last one that is not refuted."""
    inner = hits / total
    if inner == outer:
        return outer
    wanted = -math.log(alpha)
    for _ in range(200):
        middle = (inner + outer) / 2
        if middle in (inner, outer):
            break
        if _log_evidence(hits, total, middle) >= wanted:
            outer = middle
        else:
            inner = middle
    return outer


def _log_evidence(hits: float, total: float, share: float) -> float:
    """The logarithm of the mixture's likelihood ratio against this share."""
    misses = total - hits
    mixed = _log_beta(_PRIOR + hits, _PRIOR + misses) - _log_beta(_PRIOR, _PRIOR)
    return mixed - (hits * math.log(share) if hits else 0.0) - (misses * math.log1p(-share) if misses else 0.0)


def _log_beta(one: float, two: float) -> float:
    return math.lgamma(one) + math.lgamma(two) - math.lgamma(one + two)
