"""The rollback evidence of many runs at every event, and when it was enough."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from modelyard.stats import RollbackEvidence
from modelyard.stats.sequential import ROLLBACK_RATIOS, ROLLBACK_WEIGHTS

from .events import Events, Flags, Floats

MARGIN = RollbackEvidence().margin
Values = Callable[[Events], Floats]
"""From events (runs, events) to what is compared with guardrails / alpha at each (runs, events)."""


@dataclass(frozen=True)
class Caught:
    """Of each run (runs,): whether it was rolled back, and after how many bad canary responses."""

    rolled_back: Flags
    canary_bad: Floats

    @property
    def share(self) -> float:
        """Of runs rolled back, in [0, 1]."""
        return float(self.rolled_back.mean())

    @property
    def median(self) -> float:
        """Bad canary responses until rolled back, of half of the runs that were."""
        found = self.canary_bad[self.rolled_back]
        return float(np.median(found)) if len(found) else float("nan")


def rollback_values(events: Events) -> Floats:
    """The e-value at each event: what `RollbackEvidence` gives, of all runs at once."""
    total = np.zeros(events.there.shape)
    base = events.share * MARGIN + 1 - events.share
    for ratio, weight in zip(ROLLBACK_RATIOS, ROLLBACK_WEIGHTS, strict=True):
        gains = events.canary * np.log(ratio) - np.log((events.share * MARGIN * ratio + 1 - events.share) / base)
        total += weight * np.exp(np.minimum(np.cumsum(np.where(events.there, gains, 0.0), axis=1), 700.0))
    return total


def ramp_ignored(events: Events) -> Floats:
    """A mutant: every event is charged at the first share."""
    return rollback_values(replace(events, share=np.full_like(events.share, events.share.flat[0])))


def flipped(events: Events) -> Floats:
    """A mutant: the arms are taken for each other."""
    return rollback_values(replace(events, canary=~events.canary & events.there))


def naive_z(events: Events) -> Floats:
    """A mutant: at every event the one-sided p-value of a z-test of the canary's events against what shares say.

    Its reciprocal is compared as if it were an e-value.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - heavy

    expected = events.share * MARGIN / (events.share * MARGIN + 1 - events.share)
    expected = np.where(events.there, expected, 0.0)
    spread = np.sqrt(np.maximum(np.cumsum(expected * (1 - expected), axis=1), 1e-12))
    z = (np.cumsum(events.canary, axis=1) - np.cumsum(expected, axis=1)) / spread
    values: Floats = 1 / np.maximum(ndtr(-z), 1e-300)
    return values


def caught(events: Events, alpha: float, *, guardrails: int = 1, values: Values = rollback_values) -> Caught:
    """Who is rolled back when every event is a look."""
    enough = values(events) >= guardrails / alpha
    enough &= events.there
    at = np.argmax(enough, axis=1)
    bad = np.take_along_axis(np.cumsum(events.canary, axis=1), at[:, None], axis=1)[:, 0]
    return Caught(np.asarray(enough.any(axis=1)), bad)
