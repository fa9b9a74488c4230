"""The loop as the record store keeps it, and what it says of itself."""

from typing import Any, Literal

import msgspec

State = Literal["idle", "triggered", "training", "gated", "registered", "approval", "rollout"]
"""Where a loop may be; `idle` is at rest."""

Kind = Literal[
    "fired", "triggered", "training", "retrying", "gated", "registered", "approval", "rejected", "failed", "rollout",
    "promoted", "shadow", "rolled_back",
]  # fmt: skip
"""What is put on record. `fired`: somebody fired a declared trigger, which moves nothing by itself."""


class Loop(msgspec.Struct, frozen=True):
    """Where the loop of one model is. `cycle` counts from 1; `reason` and `evidence` say why this cycle began.

    `since`: when this policy was first looked at, from which schedules count before there was a cycle. `fired`:
    declared triggers that wait, with when they were fired. `attempt` counts the failures of this cycle's training,
    which is not tried again before `retry_at`. `ended_at`: when the last cycle ended.
    """

    model: str
    state: State = "idle"
    cycle: int = 0
    reason: str = ""
    params: dict[str, Any] = {}
    started_at: str = ""
    automatic: bool = True
    version: int | None = None
    last_automatic_at: str = ""
    since: str = ""
    fired: dict[str, str] = {}
    attempt: int = 0
    retry_at: str = ""
    ended_at: str = ""
    evidence: dict[str, Any] = {}

    @property
    def run_id(self) -> str:
        """The id of this cycle's pipeline run: the same after a crash."""
        return f"{self.model}-{self.cycle:06d}"


class LoopEvent(msgspec.Struct, frozen=True):
    """One transition, with its reason and what it rests on."""

    at: str
    model: str
    cycle: int
    kind: Kind
    detail: str
    evidence: dict[str, Any] = {}


class Said(msgspec.Struct, frozen=True):
    """What a trigger says now: it `fires`, is `calm`, or cannot tell: `unknown`, which never begins a cycle.

    `parts` are what `any` and `all` combine.
    """

    kind: str
    state: Literal["fires", "calm", "unknown"]
    reason: str
    evidence: dict[str, Any] = {}
    parts: tuple["Said", ...] = ()


class Hold(msgspec.Struct, frozen=True):
    """One rule that may keep an automatic cycle back, and whether it `holds` one back now; `until`: at the longest."""

    kind: Literal["cooldown", "runs", "minutes", "quiet"]
    holds: bool
    reason: str
    until: str = ""
    evidence: dict[str, Any] = {}


class Explanation(msgspec.Struct, frozen=True):
    """Why the loop of a model would act at the instant `at`, or why it does not.

    `acts`: the next tick begins a cycle or moves the one that is under way. `trigger` is None for a policy without one.
    """

    model: str
    at: str
    state: State
    acts: bool
    summary: str
    trigger: Said | None
    holds: tuple[Hold, ...]
    cycle: Loop

    def __str__(self) -> str:
        return self.summary
