"""The promotion evidence of many runs, looked at many times a step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.rollout import Plan
from modelyard.rollout.strategies import PROMOTE_AT
from modelyard.stats.sequential import (
    PROMOTION_RATIO_WEIGHTS,
    PROMOTION_RATIOS,
    PROMOTION_REST,
    PROMOTION_SHARE_WEIGHTS,
    PROMOTION_SHARES,
)

from .events import RAMP, Flags, Floats

LEAST = Plan().min_requests
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """What happened between looks (runs, looks): the canary's share, its requests and bad ones, the live arm's bad."""

    share: Floats
    requests: Counts
    bad: Counts
    live_bad: Counts


def ramp_counts(
    random: np.random.Generator, runs: int, live: float, canary: float, *, step: int = 20_000, looks: int = 50
) -> Counted:
    """Of a ramp of `step` requests at each share."""
    share = np.broadcast_to(np.repeat(RAMP, looks), (runs, len(RAMP) * looks))
    requests = random.binomial(step // looks, share)
    bad = random.binomial(requests, canary)
    return Counted(share, requests, bad, random.binomial(step // looks - requests, live))


def diurnal_counts(
    random: np.random.Generator, runs: int, live: float, canary: float, *, step: int = 20_000, days: float = 2.0
) -> Counted:
    """The same over `days`, beginning as the night begins: rates swing between a fifth and nine fifths."""
    looks = 96
    at = (np.arange(len(RAMP) * looks) + 0.5) / (len(RAMP) * looks) * days
    swing = 1 - 0.8 * np.sin(2 * np.pi * at)
    share = np.broadcast_to(np.repeat(RAMP, looks), (runs, len(RAMP) * looks))
    requests = random.binomial(step // looks, share)
    bad = random.binomial(requests, canary * swing)
    return Counted(share, requests, bad, random.binomial(step // looks - requests, live * swing))


def entity_counts(
    random: np.random.Generator,
    runs: int,
    live: float,
    canary: float,
    *,
    entities: int = 4_000,
    requests: int = 20,
    first_only: bool = True,
) -> Counted:
    """Under sticky assignment at one share of a quarter: one entity in ten fails, ten times as often as all together.

    Entities come one after the other and send all their requests at once. Of each its first request counts, or all.
    """
    prone = random.random((runs, entities)) < 0.1
    on_canary = random.random((runs, entities)) < 0.25
    rate = np.where(prone, np.where(on_canary, canary, live) * 10, 0.0)
    sent = 1 if first_only else requests
    bad = random.binomial(sent, np.minimum(rate, 1.0))
    share = np.full((runs, entities), 0.25)
    return Counted(share, np.where(on_canary, sent, 0), np.where(on_canary, bad, 0), np.where(on_canary, 0, bad))


def promotion_values(counted: Counted, *, acceptable: float = 0.01, ratio: float = 2.0) -> Floats:
    """The e-value at each look: what `PromotionEvidence` gives, of all runs at once."""
    base = counted.share * ratio + 1 - counted.share
    values: Floats = np.full(counted.share.shape, PROMOTION_REST)
    for each, weight in zip(PROMOTION_RATIOS, PROMOTION_RATIO_WEIGHTS, strict=True):
        gains = counted.bad * np.log(each)
        gains = gains - (counted.bad + counted.live_bad) * np.log(
            (counted.share * ratio * each + 1 - counted.share) / base
        )
        values += weight * np.exp(np.minimum(np.cumsum(gains, axis=1), 700.0))
    bad, requests = np.cumsum(counted.bad, axis=1), np.cumsum(counted.requests, axis=1)
    for each, weight in zip(PROMOTION_SHARES, PROMOTION_SHARE_WEIGHTS, strict=True):
        log = (requests - bad) * (np.log1p(-each * acceptable) - np.log1p(-acceptable))
        log = np.where(bad > 0, -np.inf, log) if each == 0 else log + bad * np.log(each)
        values += weight * np.exp(np.minimum(log, 700.0))
    return values


def promoted(counted: Counted, *, least: int = LEAST, since: int = 0, values: Floats | None = None) -> Flags:
    """Who is promoted (runs,) at any look from the number `since` on, with at least so many canary requests."""
    found = promotion_values(counted) if values is None else values
    enough = (found >= PROMOTE_AT) & (np.cumsum(counted.requests, axis=1) >= least)
    return np.asarray(enough[:, since:].any(axis=1))
