"""How good a ranking is: recall, reciprocal rank, normalised discounted gain.

Over sources or chunks by name, best first, none twice. Equal to what `ranx` computes, nDCG also to scikit-learn's; the
tests compare them.
"""

import math
from collections.abc import Callable, Mapping, Sequence

Judged = Mapping[str, float]
"""How relevant each name is: above 0; what is not named is not relevant."""


def recall(found: Sequence[str], relevant: Judged, k: int) -> float:
    """The share of what is relevant that is among the first `k`."""
    return sum(name in relevant for name in found[:k]) / len(relevant)


def reciprocal_rank(found: Sequence[str], relevant: Judged, k: int) -> float:
    """1 / rank of the first relevant one among the first `k`; 0 where there is none."""
    return next((1 / rank for rank, name in enumerate(found[:k], start=1) if name in relevant), 0.0)


def ndcg(found: Sequence[str], relevant: Judged, k: int) -> float:
    """The discounted gain of the first `k`, as a share of the best there can be.

    Gain is the relevance itself, divided by log2(1 + rank): Järvelin and Kekäläinen, ACM Transactions on Information
    Systems 20 (2002).
    """
    gained = math.fsum(relevant.get(name, 0.0) / math.log2(rank + 1) for rank, name in enumerate(found[:k], start=1))
    best = sorted(relevant.values(), reverse=True)[:k]
    return gained / math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, start=1))


METRICS: Mapping[str, Callable[[Sequence[str], Judged, int], float]] = {
    "recall": recall,
    "mrr": reciprocal_rank,
    "ndcg": ndcg,
}
"""Measures of one question by name; a suite's is their mean. Each is in [0, 1], higher better."""
