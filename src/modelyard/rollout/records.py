"""A rollout as the record store keeps it."""

from typing import Any, Literal

import msgspec

State = Literal["active", "promoted", "rolled_back"]


class Rollout(msgspec.Struct, frozen=True):
    """One version on its way to a deployment. `step` indexes the deployment's canary steps."""

    id: str
    deployment: str
    version: int
    state: State
    step: int
    started_at: str
    step_at: str
    first_generation: int
    reason: str = ""
    evidence: dict[str, Any] = {}


class RolloutEvent(msgspec.Struct, frozen=True):
    """One decision, with what it rests on."""

    at: str
    deployment: str
    version: int
    kind: Literal["deployed", "shadow", "started", "advanced", "held", "promoted", "rolled_back"]
    detail: str
    evidence: dict[str, Any] = {}
