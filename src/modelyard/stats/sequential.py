"""Tests that stay valid under continuous looking: when to take a canary back, and when to trust it.

Both are e-processes (Ramdas, Grünwald, Vovk, Shafer, *Game-theoretic statistics and safe anytime-valid inference*,
Statistical Science 38, 2023): under their null hypothesis the expected value never exceeds 1, so by Ville's inequality
the chance of ever reaching 1/alpha is at most alpha, whenever and however often one looks.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROLLBACK_RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
PROMOTION_RATIOS = (1 / 8, 1 / 4, 1 / 2, 3 / 4)
PROMOTION_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class BadEvent:
    """One bad event among two arms: the canary's share of traffic at that moment, in (0, 1), and which arm had it."""

    share: float
    canary: bool


def rollback_evidence(events: Iterable[BadEvent], *, margin: float = 1.25) -> float:
    """Evidence that the canary's bad rate exceeds `margin` times the live arm's; roll back at guardrails / alpha.

    Given that a bad event happened, it is the canary's with chance w·k / (w·k + 1 - w) when the canary is k times as
    bad; a mixture over k of likelihood ratios against k = margin. Valid for any shares, ramps and peeking. Under
    sticky assignment pass only each entity's first bad event. No events: 1.
    """
    return _ratio_evidence(events, [margin * each for each in ROLLBACK_RATIOS], margin)


def promotion_evidence(
    events: Iterable[BadEvent], bad: int, requests: int, *, ratio: float = 2.0, acceptable: float = 0.01
) -> float:
    """Evidence against "the canary is at least `ratio` times as bad as live, and at least `acceptable` bad".

    Half from the events' arms, half from `bad` among the canary's `requests`; promote at 20 or more. Zero failures
    reach it after about 5.3 / acceptable requests.
    """
    by_ratio = _ratio_evidence(events, [ratio * each for each in PROMOTION_RATIOS], ratio)
    return 0.5 * by_ratio + 0.5 * _absolute_evidence(bad, requests, acceptable)


def _ratio_evidence(events: Iterable[BadEvent], alternatives: list[float], null: float) -> float:
    listed = list(events)
    if not listed:
        return 1.0
    shares = np.array([each.share for each in listed])
    canary = np.array([each.canary for each in listed])
    factors = np.array(alternatives)[:, None]
    logs = _log_chance(factors, shares, canary) - _log_chance(np.array([[null]]), shares, canary)
    return float(np.mean(np.exp(np.minimum(logs.sum(axis=1), 700.0))))


def _log_chance(
    factor: NDArray[np.float64], share: NDArray[np.float64], canary: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Log chance that each bad event fell on the arm it fell on, when the canary is `factor` times as bad."""
    weight = share * factor / (share * factor + 1 - share)
    return np.where(canary, np.log(weight), np.log1p(-weight))


def _absolute_evidence(bad: int, requests: int, acceptable: float) -> float:
    total = 0.0
    for share in PROMOTION_SHARES:
        if share == 0 and bad:
            continue
        log = bad * np.log(share) if bad else 0.0
        log += (requests - bad) * (np.log1p(-share * acceptable) - np.log1p(-acceptable))
        total += float(np.exp(min(log, 700.0)))
    return total / len(PROMOTION_SHARES)
