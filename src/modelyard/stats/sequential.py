"""Tests that stay valid under continuous looking: when to take a canary back, and when to trust it.

Both are e-processes (Ramdas, Grünwald, Vovk, Shafer, *Game-theoretic statistics and safe anytime-valid inference*,
Statistical Science 38, 2023): under their null hypothesis the expected value never exceeds 1, so by Ville's inequality
the chance of ever reaching 1/alpha is at most alpha, whenever and however often one looks. Their states are small
values: what happened since the last look is added at a cost that does not depend on what went before.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from modelyard.core import InvalidInput

ROLLBACK_RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
ROLLBACK_WEIGHTS = (0.25, 0.25, 0.15, 0.1, 0.1, 0.1, 0.05)
"""Half lies on canaries about twice as bad, which are the hard ones; plainly bad ones are told after a dozen anyway."""

PROMOTION_RATIOS = (1 / 8, 1 / 4, 1 / 2, 3 / 4)
PROMOTION_RATIO_WEIGHTS = (0.01, 0.04, 0.1, 0.05)
PROMOTION_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75)
PROMOTION_SHARE_WEIGHTS = (0.1, 0.02, 0.03, 0.04, 0.01)
PROMOTION_REST = 0.6
"""The weight that lies on the null hypothesis itself and never grows: of unacceptable canaries fewer than 0.4 / 19.4,
one in 48, ever reach 20; ADR 37."""

_MOST = 700.0
"""Evidence saturates at e to this, about 10 to the 304th."""


@dataclass(frozen=True)
class BadEvent:
    """One bad event among two arms: the canary's share of traffic at that moment, in (0, 1), and which arm had it."""

    share: float
    canary: bool


class RollbackEvidence(msgspec.Struct, frozen=True):
    """Evidence that the canary's bad rate exceeds `margin` times the live arm's; roll back at guardrails / alpha.

    Given that a bad event happened, it is the canary's with chance w·k / (w·k + 1 - w) when the canary is k times as
    bad; a weighted mixture over k of likelihood ratios against k = margin. Valid for any shares, ramps and peeking, and
    for any drift that both arms share. Under sticky assignment pass only each entity's first bad event, at the share of
    the moment of its *request*, however late it becomes known.
    """

    margin: float = 1.25
    logs: tuple[float, ...] = (0.0,) * len(ROLLBACK_RATIOS)
    canary_bad: int = 0
    live_bad: int = 0
    peak: float = 0.0
    """The natural logarithm of the greatest value at any look; exp(-peak) is the always-valid p-value."""

    def add(self, share: float, *, canary: int = 0, live: int = 0) -> "RollbackEvidence":
        """With so many more bad events of either arm, all at one share of traffic in (0, 1)."""
        logs = _advanced(self.logs, self.margin, ROLLBACK_RATIOS, _inside(share), canary, live)
        return RollbackEvidence(
            self.margin,
            logs,
            self.canary_bad + canary,
            self.live_bad + live,
            max(self.peak, _log_mixture(logs, ROLLBACK_WEIGHTS)),
        )

    @property
    def value(self) -> float:
        """The e-value now; 1 without events."""
        return _capped(_log_mixture(self.logs, ROLLBACK_WEIGHTS))

    @property
    def p_value(self) -> float:
        """Always valid: the smallest alpha at which one guardrail would have rolled back by now."""
        return math.exp(-self.peak)


class PromotionEvidence(msgspec.Struct, frozen=True):
    """Evidence against "the canary is at least `ratio` times as bad as live, and at least `acceptable` bad".

    A part from the arms of bad events, a part from the canary's own count; promote at 20 or more. Zero failures reach
    it after about 5.3 / acceptable requests. The second part takes each request for itself: under sticky assignment
    pass only each entity's first request, and look only when whole periods of what comes and goes (days) have passed.
    """

    ratio: float = 2.0
    acceptable: float = 0.01
    logs: tuple[float, ...] = (0.0,) * len(PROMOTION_RATIOS)
    bad: int = 0
    requests: int = 0

    def add(self, share: float, *, requests: int = 0, bad: int = 0, live_bad: int = 0) -> "PromotionEvidence":
        """With so many more canary requests, `bad` of them bad, and bad answers of the live arm, at one share.

        Where one arm has all the traffic its bad answers tell nothing of the other: only the count grows.
        """
        logs = self.logs
        if 0 < share < 1:
            logs = _advanced(logs, self.ratio, PROMOTION_RATIOS, share, bad, live_bad)
        return PromotionEvidence(self.ratio, self.acceptable, logs, self.bad + bad, self.requests + requests)

    @property
    def value(self) -> float:
        """The e-value now; 1 without requests."""
        absolute = [_log_absolute(each, self.bad, self.requests, self.acceptable) for each in PROMOTION_SHARES]
        return _promotion_value(self.logs, absolute)

    def requests_to(self, wanted: float, *, share: float, bad_rate: float, live_rate: float) -> int | None:
        """How many more canary requests bring `value` to `wanted` if all goes on at these rates; None: they never do.

        Deterministic: as many bad answers as the rates say. The mixture is convex in the number of requests, so that
        it crosses at most once.
        """
        if self.value >= wanted:
            return 0
        if not _grows(self._ahead(1.0, share, bad_rate, live_rate), self._ahead(0.0, share, bad_rate, live_rate)):
            return None
        enough = 1.0
        while self._value_ahead(enough, share, bad_rate, live_rate) < wanted:
            enough *= 2
        least = enough / 2 if enough > 1 else 0.0
        while enough - least > 0.5:
            middle = (least + enough) / 2
            reached = self._value_ahead(middle, share, bad_rate, live_rate) >= wanted
            least, enough = (least, middle) if reached else (middle, enough)
        return math.ceil(enough)

    def _ahead(self, requests: float, share: float, bad_rate: float, live_rate: float) -> tuple[list[float], ...]:
        """The logarithms of both parts after so many more canary requests, bad ones at their rate."""
        bad, logs = requests * bad_rate, list(self.logs)
        if 0 < share < 1:
            live_bad = requests * (1 - share) / share * live_rate
            logs = list(_advanced(self.logs, self.ratio, PROMOTION_RATIOS, share, bad, live_bad))
        whole = self.requests + requests
        return logs, [_log_absolute(each, self.bad + bad, whole, self.acceptable) for each in PROMOTION_SHARES]

    def _value_ahead(self, requests: float, share: float, bad_rate: float, live_rate: float) -> float:
        return _promotion_value(*self._ahead(requests, share, bad_rate, live_rate))


def rollback_evidence(events: Iterable[BadEvent], *, margin: float = 1.25) -> float:
    """The value of `RollbackEvidence` after these events. No events: 1."""
    state = RollbackEvidence(margin)
    for share, canary, live in _by_share(events):
        state = state.add(share, canary=canary, live=live)
    return state.value


def promotion_evidence(
    events: Iterable[BadEvent], bad: int, requests: int, *, ratio: float = 2.0, acceptable: float = 0.01
) -> float:
    """The value of `PromotionEvidence` after these events, with `bad` among the canary's `requests`."""
    logs: tuple[float, ...] = (0.0,) * len(PROMOTION_RATIOS)
    for share, canary, live in _by_share(events):
        logs = _advanced(logs, ratio, PROMOTION_RATIOS, _inside(share), canary, live)
    return PromotionEvidence(ratio, acceptable, logs, bad, requests).value


def _by_share(events: Iterable[BadEvent]) -> list[tuple[float, int, int]]:
    """How many of either arm at each share: what the evidence depends on."""
    counts = Counter((each.share, each.canary) for each in events)
    return [(share, counts[share, True], counts[share, False]) for share in {share for share, _ in counts}]


def _advanced(
    logs: Sequence[float], null: float, ratios: Sequence[float], share: float, canary: float, live: float
) -> tuple[float, ...]:
    """The log likelihood ratios of each alternative, null · ratio, against the null, with so many more events.

    The canary's chance is w·k / (w·k + 1 - w), so that what is common to both falls out.
    """
    rest = 1 - share
    base = share * null + rest
    return tuple(
        log + canary * math.log(ratio) - (canary + live) * math.log((share * null * ratio + rest) / base)
        for log, ratio in zip(logs, ratios, strict=True)
    )


def _log_absolute(share: float, bad: float, requests: float, acceptable: float) -> float:
    """The log likelihood ratio of a bad rate of share · acceptable against acceptable itself."""
    if share == 0 and bad:
        return -math.inf
    log = bad * math.log(share) if bad else 0.0
    return log + (requests - bad) * (math.log1p(-share * acceptable) - math.log1p(-acceptable))


def _grows(after: Sequence[Sequence[float]], before: Sequence[Sequence[float]]) -> bool:
    """Whether any part of the mixture gains by a request."""
    pairs = [pair for one, other in zip(after, before, strict=True) for pair in zip(one, other, strict=True)]
    return any(math.isfinite(one) and one - other > 1e-12 for one, other in pairs)


def _promotion_value(by_ratio: Sequence[float], absolute: Sequence[float]) -> float:
    """What lies on the null, and what both parts have grown to."""
    ratio = _capped(_log_mixture(by_ratio, PROMOTION_RATIO_WEIGHTS))
    return PROMOTION_REST + ratio + _capped(_log_mixture(absolute, PROMOTION_SHARE_WEIGHTS))


def _log_mixture(logs: Sequence[float], weights: Sequence[float]) -> float:
    """The logarithm of the weighted sum of what has these logarithms."""
    most = max(logs)
    if not math.isfinite(most):
        return most
    return most + math.log(sum(weight * math.exp(each - most) for each, weight in zip(logs, weights, strict=True)))


def _capped(log: float) -> float:
    return math.exp(min(log, _MOST))


def _inside(share: float) -> float:
    if 0 < share < 1:
        return share
    raise InvalidInput(
        f"A bad event at a canary share of {share} says nothing about the other arm.",
        code="BAD_SHARE",
        remedy="Pass only events of times when both arms had traffic.",
    )
