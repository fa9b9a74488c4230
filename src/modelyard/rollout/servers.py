"""What servers say of a candidate beside the feed: loaded, refused, or nothing any more."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from modelyard.core import SystemClock, to_micros
from modelyard.core.durations import format_duration
from modelyard.routing import FeedFolder, ServerStatus

from .records import Rollout

FRESH_S = 10.0
"""A heartbeat older than this is none: servers beat every second."""


@dataclass(frozen=True)
class Servers:
    """The servers of a deployment at one look.

    `refused`: why one could not load the candidate, or nothing. `loaded`: how many have it; `waiting`: those that have
    not followed yet. `met`: all that have been seen to beat since the rollout began. `silent`: those of them that have
    left a status behind and beat no more, and for how many observed seconds.
    """

    refused: str
    loaded: int
    waiting: tuple[str, ...]
    met: tuple[str, ...]
    silent: Mapping[str, float]

    def lost(self, silent_s: float) -> str:
        """Which server is lost, or nothing."""
        for name, seconds in self.silent.items():
            if seconds >= silent_s:
                told = format_duration(timedelta(seconds=round(seconds)))
                return f"server {name} has not been heard of for {told}, and did not end in good order"
        return ""


def look_at_servers(feed: FeedFolder, rollout: Rollout, arm: str, passed: float) -> Servers:
    """What servers say now; `passed` observed seconds since the last look."""
    now = to_micros(SystemClock().now())  # servers beat by the wall clock, whatever clock events follow
    every = [each for each in feed.statuses(now, max_age_s=math.inf) if rollout.deployment in each.generations]
    beating = [each for each in every if now - each.heartbeat_us <= FRESH_S * 1e6]
    arms = {each.server: _candidate(each, rollout, arm) for each in beating}
    met = tuple(sorted({*rollout.servers, *arms}))
    gone = [each for each in every if each.server not in arms and each.server in met]
    return Servers(
        refused=next((why for found, why in arms.values() if not found and why), ""),
        loaded=sum(found for found, _ in arms.values()),
        waiting=tuple(name for name, (found, _) in arms.items() if not found),
        met=met,
        silent={each.server: min(rollout.silent.get(each.server, 0.0) + passed, _age_s(each, now)) for each in gone},
    )


def _age_s(status: ServerStatus, now: int) -> float:
    """How long ago a server beat: it is silent no longer than that, however much time a replay lets pass."""
    return (now - status.heartbeat_us) / 1e6


def _candidate(status: ServerStatus, rollout: Rollout, arm: str) -> tuple[bool, str]:
    """Whether a server has the candidate loaded, and why not."""
    wanted = (rollout.deployment, arm, str(rollout.version))
    found = next((each for each in status.arms if (each.deployment, each.arm, each.version) == wanted), None)
    if found is None:
        return False, ""
    return found.loaded, "" if found.loaded else found.why_not
