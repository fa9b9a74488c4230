"""The loop as the record store keeps it."""

from typing import Any, Literal

import msgspec

State = Literal["idle", "training", "registered", "rollout"]


class Loop(msgspec.Struct, frozen=True):
    """Where the loop of one model is. `cycle` counts from 1; `reason` says why this cycle began."""

    model: str
    state: State = "idle"
    cycle: int = 0
    reason: str = ""
    params: dict[str, Any] = {}
    started_at: str = ""
    automatic: bool = True
    version: int | None = None
    last_automatic_at: str = ""

    @property
    def run_id(self) -> str:
        """The id of this cycle's pipeline run: the same after a crash."""
        return f"{self.model}-{self.cycle:06d}"


class LoopEvent(msgspec.Struct, frozen=True):
    """One transition, with its reason."""

    at: str
    model: str
    cycle: int
    kind: Literal["triggered", "registered", "rejected", "failed", "rollout", "promoted", "shadow", "rolled_back"]
    detail: str
