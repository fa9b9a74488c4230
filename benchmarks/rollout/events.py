"""Bad events of many simulated rollouts at once.

Requests are independent unless a function says otherwise. Then the number of bad events of a step is binomial, and each
is the canary's with a chance of its own: single requests need not be drawn, and still every event is a look.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.rollout import Plan

Floats = NDArray[Any]
Flags = NDArray[Any]
RAMP = tuple(each / 100 for each in Plan().steps if each < 100)


@dataclass(frozen=True)
class Events:
    """Bad events in the order in which they become known, one run a row (runs, events); rows are padded.

    `share`: the canary's of the traffic at the request; `canary`: whether it was the canary's; `there`: false where it
    is padding.
    """

    share: Floats
    canary: Flags
    there: Flags


def ramp_events(
    random: np.random.Generator,
    runs: int,
    live: float,
    canary: float,
    *,
    step: int = 20_000,
    shares: tuple[float, ...] = RAMP,
) -> Events:
    """Of a ramp of `step` requests at each share, bad at these rates."""
    parts = []
    for share in shares:
        bad = share * canary + (1 - share) * live
        counts = random.binomial(step, bad, runs)
        there = np.arange(max(1, int(counts.max()))) < counts[:, None]
        arms = random.random(there.shape) < share * canary / bad
        parts.append(Events(np.full(there.shape, share), arms & there, there))
    return _joined(parts)


def diurnal_events(
    random: np.random.Generator, runs: int, live: float, canary: float, *, step: int = 20_000, days: float = 2.0
) -> Events:
    """The same, with rates that swing to a fifth and back each day, and traffic against them, over `days` in all."""
    parts, bins = [], 48
    for place, share in enumerate(RAMP):
        at = (place + (np.arange(bins) + 0.5) / bins) / len(RAMP) * days
        swing = 1 + 0.8 * np.sin(2 * np.pi * at)
        traffic = step / bins * (1 - 0.5 * np.sin(2 * np.pi * at))
        bad = random.poisson(traffic * live * swing * (1 - share), (runs, bins))
        bad_canary = random.poisson(traffic * canary * swing * share, (runs, bins))
        parts += [_bin(random, bad_canary[:, each], bad[:, each], share) for each in range(bins)]
    return _joined(parts)


def _bin(random: np.random.Generator, canary: NDArray[np.int64], live: NDArray[np.int64], share: float) -> Events:
    """Events of one bin in a random order."""
    total = canary + live
    there = np.arange(max(1, int(total.max()))) < total[:, None]
    arms = (_ranked(random, there) < canary[:, None]) & there
    return Events(np.full(there.shape, share), arms, there)


def _ranked(random: np.random.Generator, there: Flags) -> NDArray[np.int64]:
    """Random ranks from 0 among what is there."""
    keys = np.where(there, random.random(there.shape), 2.0)
    return np.argsort(np.argsort(keys, axis=1), axis=1)


def delayed(
    random: np.random.Generator, events: Events, *, live: float, canary: float, window: float | None = None
) -> Events:
    """The same events, known after exponential delays with these means, in fractions of a run.

    With a `window` each counts when so much time has passed since its request, and one that is known later never.
    """
    asked = np.sort(random.random(events.there.shape), axis=1)
    delays = random.exponential(np.where(events.canary, canary, live))
    if window is None:
        return _ordered(events, asked + delays)
    return _ordered(replace(events, there=events.there & (delays <= window)), asked)


def entity_events(
    random: np.random.Generator,
    runs: int,
    *,
    prone: int,
    live: float,
    canary: float,
    requests: float = 5.0,
    first_only: bool = True,
    steps: tuple[float, ...] = RAMP,
) -> Events:
    """Under sticky assignment: all bad events come from `prone` entities, which fail at these rates a request.

    Each sends a Poisson number of requests a step, stays on its arm as shares grow, and counts with its first bad event
    or with all of them.
    """
    place = random.random((runs, prone, 1))
    shares = np.array(steps)
    on_canary: Any = np.less(place, shares)  # (runs, prone, steps)
    rate = np.where(on_canary, canary, live) * requests
    bad: Any = random.poisson(rate)
    width = 1 if first_only else max(1, int(bad.max()))
    drawn = random.random((*bad.shape, width))
    times: Floats = np.sort(np.where(np.arange(width) < bad[..., None], drawn, np.inf), axis=-1)
    if first_only:  # the least of so many uniform times
        times = np.where(bad > 0, 1 - random.random(bad.shape) ** (1 / np.maximum(bad, 1)), np.inf)[..., None]
        earlier = np.cumsum(bad > 0, axis=2) - (bad > 0) > 0
        times = np.where(earlier[..., None], np.inf, times)
    known = (times + np.arange(len(steps))[:, None]).reshape(runs, -1)
    share = np.broadcast_to(shares[:, None], times.shape).reshape(runs, -1)
    arms = np.broadcast_to(np.asarray(on_canary)[..., None], times.shape).reshape(runs, -1)
    kept = _ordered(Events(share, arms, np.isfinite(known)), known)
    most = max(1, int(kept.there.sum(axis=1).max()))
    return Events(kept.share[:, :most], kept.canary[:, :most], kept.there[:, :most])


def _ordered(events: Events, known: Floats) -> Events:
    order = np.argsort(np.where(events.there, known, np.inf), axis=1)
    share, canary, there = (
        np.take_along_axis(each, order, axis=1) for each in (events.share, events.canary & events.there, events.there)
    )
    return Events(share, canary, there)


def _joined(parts: list[Events]) -> Events:
    return Events(
        np.concatenate([each.share for each in parts], axis=1),
        np.concatenate([each.canary for each in parts], axis=1),
        np.concatenate([each.there for each in parts], axis=1),
    )
