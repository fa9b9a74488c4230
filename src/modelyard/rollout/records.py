"""A rollout as the record store keeps it."""

from typing import Any, Literal

import msgspec

Strategy = Literal["all-at-once", "canary", "shadow", "ab", "blue-green", "rolling"]
"""How a new version takes over."""

State = Literal["active", "promoted", "rolled_back", "ended"]
"""`ended`: over, with an answer, and nothing has taken over."""

EventKind = Literal[
    "deployed", "shadow", "started", "advanced", "handed_over", "held", "paused", "resumed", "promoted", "ended",
    "aborted", "rolled_back", "cooled", "unchanged",
]  # fmt: skip
"""`cooled`: the version before is kept warm no longer. `unchanged`: what was asked for was so already; not recorded."""


class Plan(msgspec.Struct, frozen=True):
    """What one rollout goes by, fixed when it begins: what was asked for, and else what the project file says.

    `steps`: the candidate's shares in percent, the last one 100. Durations are seconds. `alpha`: the chance of taking
    back a candidate as good as live; `acceptable`: the bad rate that it must prove to stay below. `salt` spreads
    entities anew while the rollout lasts; without one they are spread as ever. `latency_objective_ms`: an answer that
    took longer went wrong; None where requests are replayed, and nothing that they took tells of the candidate.
    """

    strategy: Strategy = "canary"
    steps: tuple[int, ...] = (1, 5, 25, 50, 100)
    dwell_s: float = 600.0
    min_requests: int = 500
    alpha: float = 0.01
    acceptable: float = 0.01
    latency_objective_ms: float | None = 200.0
    sticky: bool = False
    keep_warm_s: float = 600.0
    silent_s: float = 30.0
    label_window_s: float | None = None
    label_tolerance: float = 0.0
    prediction_drift: float | None = None
    guardrails: tuple[str, ...] = ()
    """Further ones, of what language models answer."""
    answer_cost_micros: int | None = None
    treatment_percentage: int = 20
    salt: str = ""
    response_diff: dict[str, Any] = {}
    """What a shadow is judged by, as `responses.ResponseBounds`."""
    experiment: dict[str, Any] = {}
    """What an A/B test is judged by, as `experiments.ExperimentSettings`."""
    hidden: bool = False
    """Whether the log has pseudonyms in the place of entities."""


class Rollout(msgspec.Struct, frozen=True):
    """One version on its way to a deployment. `step` indexes the steps of its strategy."""

    id: str
    deployment: str
    version: int
    state: State
    step: int
    started_at: str
    step_at: str
    first_generation: int
    plan: Plan = Plan()
    reason: str = ""
    """Why it ended, or what it waits for."""
    evidence: dict[str, Any] = {}
    missing: tuple[str, ...] = ()
    """What the next step still needs, one thing each, as of the last look."""
    paused: str = ""
    """Who paused it, and why: it takes no step until it is resumed, and goes back as ever when it must."""
    held: str = ""
    """Why it is held although nothing is missing that time brings; told once."""
    observed_s: float = 0.0
    """How long this step has really been observed: what `dwell` counts."""
    looked_at: str = ""
    """When it was looked at last, by the wall clock."""
    silent: dict[str, float] = {}
    """Servers that had answered for it and do not beat any more, and for how many observed seconds."""
    servers: tuple[str, ...] = ()
    """Servers that have been seen to beat since it began."""
    approved: bool = False
    """Whether it began with all the approvals that its alias asks for."""
    kept: dict[str, Any] = {}
    """What its strategy remembers from look to look; JSON."""
    warm_s: float = 0.0
    """Of a promoted one: for how many observed seconds the version before has been kept warm."""
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
    """One decision, with what it rests on, and who took it."""

    at: str
    deployment: str
    version: int
    kind: EventKind
    detail: str
    evidence: dict[str, Any] = {}
    by: str = ""
