"""Canary: a growing share of the traffic, and what the candidate proves with it."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from modelyard.core.durations import format_duration
from modelyard.stats.experiments import MISMATCH_AT

from ..records import Plan
from .contract import Decision, Facts

PROMOTE_AT = 20.0
"""The evidence that a takeover needs; ADR 24."""

MISMATCH = "the arms do not get the shares that they should"


@dataclass(frozen=True)
class Canary:
    """Step by step to all of the traffic: each step has its time, the last one also needs the evidence."""

    arm: str = "canary"
    role: Literal["canary"] = "canary"
    columns: tuple[str, ...] = ()
    by_server: bool = False

    def shares(self, plan: Plan) -> tuple[float, ...]:
        """The declared steps, without the last one: that is the takeover."""
        return tuple(each / 100 for each in plan.steps if each < 100)

    def judge(self, facts: Facts) -> Decision:
        """On to the next step when its time has passed and requests came; over when `lacks` is empty."""
        waits = too_early(facts)
        if facts.tally.step_rows == 0:
            return Decision("hold", missing=("any canary request at this step", *waits))
        if facts.tally.shares.mismatch:
            return Decision("hold", reason=MISMATCH, missing=(mismatch(facts),))
        if facts.rollout.step + 1 < len(self.shares(facts.plan)):
            return Decision("hold", missing=waits) if waits else Decision("advance")
        missing = (*waits, *self.lacks(facts))
        return Decision("hold", missing=missing) if missing else Decision("promote")

    def lacks(self, facts: Facts) -> tuple[str, ...]:
        """Requests, evidence, or shares that one can believe."""
        found = []
        if facts.tally.shares.mismatch:
            found.append(mismatch(facts))
        if more := lacking_requests(facts):
            found.append(more)
        if facts.tally.promotion.value < PROMOTE_AT:
            found.append(f"an e-value of {PROMOTE_AT:g} (now {facts.tally.promotion.value:.3g})")
        return tuple(found)


def too_early(facts: Facts) -> tuple[str, ...]:
    """The time that this step still lacks, of time in which it was observed."""
    left = timedelta(seconds=facts.plan.dwell_s) - facts.observed
    return (f"{format_duration(left)} of this step's time",) if left > timedelta(0) else ()


def mismatch(facts: Facts) -> str:
    """Why no figure of either arm can be believed."""
    value = min(facts.tally.shares.value, 1e12)
    return (
        f"shares that can be believed: something chooses between requests after the assignment (e-value {value:.3g} "
        f"against the route's shares; at {MISMATCH_AT:g} no figure of either arm can be believed)"
    )


def lacking_requests(facts: Facts) -> str:
    """How many more requests it takes, and how long that is at the present rate; nothing when there are enough."""
    tally, plan = facts.tally, facts.plan
    least = max(0, plan.min_requests - tally.requests)
    share = Canary().shares(plan)[facts.rollout.step]
    to_evidence = tally.promotion.requests_to(
        PROMOTE_AT,
        share=share,
        bad_rate=tally.rows_bad / tally.rows if tally.rows else 0.0,
        live_rate=tally.live_rows_bad / tally.live_rows if tally.live_rows else 0.0,
    )
    if to_evidence is None:
        return "fewer bad answers: at these rates no number of requests speaks for it"
    more = max(least, to_evidence)
    if more == 0:
        return ""
    unit = "entities" if plan.sticky else "requests"
    soon = f", {_about(more / facts.rate)} at the present rate" if facts.rate else ""
    return f"{more} more canary {unit}{soon}"


def _about(seconds: float) -> str:
    """A duration with two digits, as nobody needs it to the millisecond."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"about {seconds / size:.2g} {unit}"
    return f"about {math.ceil(seconds)} s"
