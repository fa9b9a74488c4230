"""How a strategy plugs into the machine: it says what shares a step has, and what the facts call for; no more.

The machine alone reads the log, writes routes and records, asks for approvals and moves aliases. It also watches what
takes a rollout back under every strategy (guardrails, failed loads, silent servers, alarms), before the strategy is
asked at all. A strategy is a value without state: what it must remember it gives back in `Decision.kept`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import pyarrow as pa

from modelyard.core import ArmRole
from modelyard.history import PredictionLog

from ..records import Plan, Rollout, Strategy
from ..tally import Tally

Action = Literal["hold", "advance", "take", "hand_over", "promote", "end", "roll_back"]
"""What may be done about a rollout.

hold: nothing changes; `missing` says what the next step needs, and a `reason` says that waiting alone will not help: it
is told in the history, once. advance: the next step of `shares`. take: one more server takes the candidate, of those
that `kept` names under `servers`. hand_over: the
rollout goes on by the strategy `to`, from its first step, with evidence counted anew; where the version needs approvals
that are not there yet, it waits for them. promote: the candidate becomes live and the alias moves; the machine does so
only where `lacks` is empty and the version may hold the alias. end: the candidate's arm goes, nothing took over, and
`reason` is the answer. roll_back: the same, because the candidate is at fault.
"""


@dataclass(frozen=True)
class Decision:
    """What a strategy makes of the facts. `evidence` is JSON, and stands in the history beside the reason."""

    action: Action
    reason: str = ""
    missing: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    to: Strategy | None = None
    kept: Mapping[str, Any] | None = None
    """What `Rollout.kept` is from now on; None leaves it."""


@dataclass(frozen=True)
class Facts:
    """What is known at one look. `rollout` and `tally` are as of this look: counted up to now.

    `observed`: how long the present step has really been observed, whatever wall clocks did. `rate`: the candidate's
    requests per second over this step, or None before any. `fresh`: the log's records that no earlier look has had, by
    whichever arm, shadows too, without those that a tester forced; with the strategy's `columns`. Each record is fresh
    once, also across crashes; the records of one prediction may come in different looks. `waiting`: servers that have
    not loaded the candidate yet; `loaded`: how many have.
    """

    rollout: Rollout
    tally: Tally
    observed: timedelta
    now: datetime
    fresh: pa.Table
    log: PredictionLog
    rate: float | None = None
    loaded: int = 0
    waiting: tuple[str, ...] = ()
    monotonic: Callable[[], float] = time.monotonic

    @property
    def plan(self) -> Plan:
        """What the rollout goes by."""
        return self.rollout.plan


class Way(Protocol):
    """One way for a version to take over. One file each; `strategies.STRATEGIES` has them by name."""

    @property
    def arm(self) -> str:
        """The name of the candidate's arm."""

    @property
    def role(self) -> ArmRole:
        """Its role; `shadow` makes `shares` the shares that are copied to it, and asks for no approval to begin."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the log that `judge` reads of `Facts.fresh`, beside `reading.NEEDED`."""

    @property
    def by_server(self) -> bool:
        """Whether servers take the candidate one after the other: then nobody can say what share of the traffic it has,
        and bad rows are judged by each arm's own count.
        """

    def shares(self, plan: Plan) -> tuple[float, ...]:
        """The candidate's share in [0, 1] at each step before it takes over; at least one step."""

    def judge(self, facts: Facts) -> Decision:
        """What the facts call for. Pure: called again after a crash, on the same facts. No data is never a reason."""

    def lacks(self, facts: Facts) -> tuple[str, ...]:
        """What a takeover still lacks, whatever step and time it is: what an operator's `promote` asks."""
