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
    promotion: str = ""
    """The promotion that began it, if several deployments began together."""
    together: tuple[str, ...] = ()
    """These deployments, its own among them: all of them take the version, or none."""
    told: str = ""
    """Who began it, and why; the history of the alias repeats it."""


class AliasEvent(msgspec.Struct, frozen=True):
    """What was decided about a version where no deployment takes part."""

    at: str
    version: int
    kind: Literal["promoted", "demoted", "rolled_back", "archived", "restored", "deleted", "unchanged"]
    detail: str
    deployment: None = None


class RolloutEvent(msgspec.Struct, frozen=True):
    """One decision, with what it rests on."""

    at: str
    deployment: str
    version: int
    kind: Literal["deployed", "shadow", "started", "advanced", "held", "promoted", "rolled_back"]
    detail: str
    evidence: dict[str, Any] = {}
