"""Operations on deployments and their rollouts."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, did_you_mean

from .contract import Call, Option, operation

STRATEGIES = ("all-at-once", "canary", "shadow")


@dataclass(frozen=True)
class OneDeployment:
    """One deployment."""

    deployment: Annotated[str, Option("Deployment.", positional=True)]


@dataclass(frozen=True)
class StartRollout:
    """A version on its way to a deployment."""

    deployment: Annotated[str, Option("Deployment.", positional=True)]
    to: Annotated[str, Option("Version: number, label or alias.")]
    strategy: Annotated[str | None, Option("all-at-once, canary or shadow; by default as declared.")] = None


@dataclass(frozen=True)
class TakeBack:
    """A rollout, or the last change of what is live, to take back."""

    deployment: Annotated[str, Option("Deployment.", positional=True)]
    reason: Annotated[str, Option("Why; it goes on record.")] = "rolled back by hand"


@operation("rollout", "start", Permission.OPERATE)
def start_rollout(call: Call[StartRollout]) -> Any:
    """Begin to bring a version to a deployment."""
    strategy = call.input.strategy
    if strategy is not None and strategy not in STRATEGIES:
        raise InvalidInput(f"There is no strategy '{strategy}'.", remedy=did_you_mean(strategy, STRATEGIES))
    event = call.project.rollouts.start(
        call.input.deployment,
        call.input.to,
        call.principal,
        strategy=strategy,  # type: ignore[arg-type]  # checked against the same list above
    )
    return msgspec.to_builtins(event)


@operation("rollout", "status", Permission.READ)
def rollout_status(call: Call[OneDeployment]) -> Any:
    """The route of a deployment and its latest rollout, with the evidence so far."""
    route = call.project.rollouts.route(call.input.deployment)
    rollout = call.project.rollouts.state(call.input.deployment)
    return {
        "route": msgspec.to_builtins(route) if route is not None else None,
        "rollout": msgspec.to_builtins(rollout) if rollout is not None else None,
    }


@operation("rollout", "history", Permission.READ)
def rollout_history(call: Call[OneDeployment]) -> Any:
    """Every decision about a deployment, with its evidence."""
    return [msgspec.to_builtins(event) for event in call.project.rollouts.history(call.input.deployment)]


@operation("rollout", "rollback", Permission.OPERATE)
def roll_back(call: Call[TakeBack]) -> Any:
    """Take back the active rollout, or the last change of what is live."""
    event = call.project.rollouts.rollback(call.input.deployment, call.principal, call.input.reason)
    return msgspec.to_builtins(event)
