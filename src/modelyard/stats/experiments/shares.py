"""Whether arms get the shares of units that they should: sample-ratio mismatch.

A mismatch says that something chose between units after the assignment (lost rows, bots, crashes): then no difference
between the arms can be believed. Fabijan et al., *Diagnosing sample ratio mismatch in online controlled experiments*
(KDD 2019).
"""

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from modelyard.core import InvalidInput

CONCENTRATION = 1_000.0
"""How close to the expected shares the alternative lies: its prior is worth so many units."""

MISMATCH_AT = 1_000.0
"""The evidence at which a mismatch is told: of assignments that are right, fewer than 1 in 1,000 ever reach it."""


class ShareEvidence(msgspec.Struct, frozen=True):
    """Evidence that units are not shared as they should be, valid under continuous looking; mismatch at 1,000.

    A Dirichlet-multinomial e-process (Lindon and Malek, *Anytime-valid inference for multinomial count data*, NeurIPS
    2022; for two arms beta-binomial), of each set of expected shares by itself, multiplied: shares may change during a
    rollout. Count each unit once, when it is first assigned; under sticky assignment requests of one entity are one.
    """

    counts: tuple[tuple[tuple[float, ...], tuple[int, ...]], ...] = ()
    """By expected shares: the units of each arm."""

    peak: float = 0.0
    """The natural logarithm of the greatest value at any look."""

    def add(self, shares: Sequence[float], units: Sequence[int]) -> "ShareEvidence":
        """With so many more units of each arm, at these expected shares, which are positive and sum to 1."""
        expected, more = _expected(shares, units), dict(self.counts)
        before = more.get(expected, (0,) * len(units))
        more[expected] = tuple(one + int(other) for one, other in zip(before, units, strict=True))
        added = ShareEvidence(tuple(more.items()))
        return msgspec.structs.replace(added, peak=max(self.peak, added.log_value))

    @property
    def log_value(self) -> float:
        """The natural logarithm of the e-value."""
        return sum(_log_evidence(shares, units) for shares, units in self.counts)

    @property
    def value(self) -> float:
        """The e-value now; 1 without units."""
        return math.exp(min(self.log_value, 700.0))

    @property
    def p_value(self) -> float:
        """Always valid."""
        return math.exp(-self.peak)

    @property
    def mismatch(self) -> bool:
        """Whether the evidence was enough at any look."""
        return self.peak >= math.log(MISMATCH_AT)


def share_evidence(counts: Mapping[str, int], shares: Mapping[str, float]) -> ShareEvidence:
    """The evidence of units by arm against the shares by arm that they should have."""
    return ShareEvidence().add([shares[arm] for arm in counts], list(counts.values()))


def _expected(shares: Sequence[float], units: Sequence[int]) -> tuple[float, ...]:
    if len(shares) != len(units) or len(shares) < 2 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise InvalidInput(
            f"Shares {[round(each, 6) for each in shares[:10]]} for {len(units)} arms cannot be expected.",
            code="BAD_SHARE",
            remedy="Give each of two or more arms a positive share; together they make 1.",
        )
    return tuple(float(each) for each in np.asarray(shares) / sum(shares))


def _log_evidence(shares: Sequence[float], units: Sequence[int]) -> float:
    total = sum(units)
    log = math.lgamma(CONCENTRATION) - math.lgamma(CONCENTRATION + total)
    for share, count in zip(shares, units, strict=True):
        prior = CONCENTRATION * share
        log += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return log
