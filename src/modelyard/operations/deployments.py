"""Operations on deployments and their rollouts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission, Principal
from modelyard.core import check_text
from modelyard.core.durations import format_duration, parse_duration
from modelyard.rollout import PROMOTE_AT, STRATEGIES, Asked, Rollout, RolloutEvent, check_strategy, parse_steps

from .contract import Call, Option, operation

_DEPLOYMENT, _WHY = "Deployment.", "Why; it goes on record."


@dataclass(frozen=True)
class OneDeployment:
    """One deployment."""

    deployment: Annotated[str, Option(_DEPLOYMENT, positional=True)]


@dataclass(frozen=True)
class StartRollout:
    """A version on its way to a deployment."""

    deployment: Annotated[str, Option(_DEPLOYMENT, positional=True)]
    to: Annotated[str, Option("Version: number, label or alias.")]
    strategy: Annotated[
        str | None, Option("shadow, canary, ab, blue-green, rolling or all-at-once; by default as declared.")
    ] = None
    steps: Annotated[str | None, Option("Canary shares in percent, such as 1,5,25,50,100; by default as declared.")] = (
        None
    )
    dwell: Annotated[str | None, Option("The least time at each step, such as 10m; by default as declared.")] = None
    min_requests: Annotated[int | None, Option("Canary requests it needs at least; by default as declared.")] = None


@dataclass(frozen=True)
class ByHand:
    """An operator's decision about a rollout under way."""

    deployment: Annotated[str, Option(_DEPLOYMENT, positional=True)]
    reason: Annotated[str, Option(_WHY)] = ""


@dataclass(frozen=True)
class Advance:
    """A rollout to take to its next step."""

    deployment: Annotated[str, Option(_DEPLOYMENT, positional=True)]
    step: Annotated[int | None, Option("Which step that is, from 1 on; nothing happens if it is there.")] = None
    reason: Annotated[str, Option(_WHY)] = ""


@dataclass(frozen=True)
class TakeBack:
    """A rollout, or the last change of what is live, to take back."""

    deployment: Annotated[str, Option(_DEPLOYMENT, positional=True)]
    reason: Annotated[str, Option(_WHY)] = "rolled back by hand"


@dataclass(frozen=True)
class Abort:
    """A rollout to take back."""

    deployment: Annotated[str, Option(_DEPLOYMENT, positional=True)]
    reason: Annotated[str, Option(_WHY)] = "aborted by hand"


@operation("rollout", "start", Permission.OPERATE)
def start_rollout(call: Call[StartRollout]) -> Any:
    """Begin to bring a version to a deployment."""
    given = call.input
    asked = Asked(
        strategy=check_strategy(given.strategy) if given.strategy is not None else None,
        steps=parse_steps(given.steps) if given.steps is not None else None,
        dwell=parse_duration(given.dwell) if given.dwell is not None else None,
        min_requests=given.min_requests,
    )
    event = call.project.rollouts.start(given.deployment, given.to, call.principal, asked=asked)
    return msgspec.to_builtins(event)


@operation("rollout", "status", Permission.READ)
def rollout_status(call: Call[OneDeployment]) -> Any:
    """The route of a deployment and its latest rollout, with the evidence so far and what is missing."""
    route = call.project.rollouts.route(call.input.deployment)
    rollout = call.project.rollouts.state(call.input.deployment)
    return {
        "progress": _progress(rollout) if rollout is not None else None,
        "route": msgspec.to_builtins(route) if route is not None else None,
        "rollout": msgspec.to_builtins(rollout) if rollout is not None else None,
    }


@operation("rollout", "history", Permission.READ)
def rollout_history(call: Call[OneDeployment]) -> Any:
    """Every decision about a deployment, with its evidence."""
    return [msgspec.to_builtins(event) for event in call.project.rollouts.history(call.input.deployment)]


@operation("rollout", "evidence", Permission.READ)
def rollout_evidence(call: Call[OneDeployment]) -> Any:
    """How the evidence of the latest rollout grew, at which bounds it decides, and who had how much traffic when."""
    rollouts, deployment = call.project.rollouts, call.input.deployment
    rollout = rollouts.state(deployment)
    return {
        "bounds": _bounds(rollout) if rollout is not None else None,
        "trail": [msgspec.to_builtins(each) for each in rollouts.trail(deployment)],
        "weights": [msgspec.to_builtins(each) for each in rollouts.weights(deployment)],
    }


@operation("rollout", "pause", Permission.OPERATE)
def pause(call: Call[ByHand]) -> Any:
    """Let a rollout take no step until it is resumed; it still goes back by itself when it must."""
    return _decided(call, call.project.rollouts.pause)


@operation("rollout", "resume", Permission.OPERATE)
def resume(call: Call[ByHand]) -> Any:
    """Let a paused rollout go on."""
    return _decided(call, call.project.rollouts.resume)


@operation("rollout", "advance", Permission.OPERATE)
def advance(call: Call[Advance]) -> Any:
    """Take a rollout to its next step now; the takeover is none, and needs evidence."""
    given, reason = call.input, check_text("reason", call.input.reason)
    event = call.project.rollouts.advance(given.deployment, call.principal, reason, step=given.step)
    return msgspec.to_builtins(event)


@operation("rollout", "promote", Permission.OPERATE)
def promote_rollout(call: Call[ByHand]) -> Any:
    """Let a rollout take over now, whatever its step, if evidence and approvals are there."""
    return _decided(call, call.project.rollouts.promote)


@operation("rollout", "abort", Permission.OPERATE)
def abort(call: Call[Abort]) -> Any:
    """Take back the rollout under way, and nothing else."""
    return _decided(call, call.project.rollouts.abort)


@operation("rollout", "rollback", Permission.OPERATE)
def roll_back(call: Call[TakeBack]) -> Any:
    """Take back the active rollout, or the last change of what is live."""
    return _decided(call, call.project.rollouts.rollback)


def _decided(call: Call[Any], decide: Callable[[str, Principal, str], RolloutEvent]) -> Any:
    """What somebody decides about a deployment's rollout by hand, for the reason he gives."""
    reason = check_text("reason", call.input.reason)
    return msgspec.to_builtins(decide(call.input.deployment, call.principal, reason))


def _bounds(rollout: Rollout) -> dict[str, float]:
    """The e-values at which it goes back, and with which it may take over."""
    guardrails = max(1, len(rollout.evidence.get("guardrails", ())))
    return {"rollback": guardrails / rollout.plan.alpha, "promotion": PROMOTE_AT}


def _progress(rollout: Rollout) -> dict[str, Any]:
    """Where a rollout stands, as people ask for it."""
    plan = rollout.plan
    way = STRATEGIES.get(plan.strategy)
    shares = way.shares(plan) if way is not None else ()
    return {
        "version": rollout.version,
        "strategy": plan.strategy,
        "state": "paused" if rollout.paused and rollout.state == "active" else rollout.state,
        "step": f"{rollout.step + 1} of {len(shares)}",
        "share": shares[rollout.step] if rollout.step < len(shares) else None,
        "observed": format_duration(timedelta(seconds=round(rollout.observed_s))),
        "missing": list(rollout.missing),
        "reason": rollout.paused or rollout.reason,
    }
