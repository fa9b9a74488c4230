"""Rollouts as documents, and the arms of routes that they change."""

import msgspec

from modelyard.core import ArmRole
from modelyard.registry import ModelVersion, NotServable
from modelyard.routing import Arm, Route
from modelyard.storage import Snapshot, Transaction

from .errors import NoRollout, RolloutActive, RolloutMovedOn
from .records import Rollout
from .routes import ROLLOUT, current_route
from .trail import note_evidence

LIVE, WARM = "live", "previous"
"""Names of arms. `previous` has no traffic: it is the version before, loaded for an instant return."""


def read_rollout(view: Snapshot, deployment: str) -> Rollout | None:
    """The latest rollout of a deployment, active or ended."""
    document = view.get(ROLLOUT, deployment)
    return msgspec.convert(document.body, Rollout) if document is not None else None


def put_rollout(tx: Transaction, rollout: Rollout) -> None:
    """Write a rollout down, and what its evidence is now."""
    tx.put(ROLLOUT, rollout.deployment, msgspec.to_builtins(rollout))
    note_evidence(tx, rollout)


def active_rollout(view: Snapshot, deployment: str) -> Rollout | None:
    """The rollout of a deployment that is under way."""
    rollout = read_rollout(view, deployment)
    return rollout if rollout is not None and rollout.state == "active" else None


def refuse_active(view: Snapshot, deployment: str) -> None:
    """RolloutActive when a rollout is under way."""
    if (rollout := active_rollout(view, deployment)) is not None:
        raise RolloutActive(
            f"'{deployment}' has a rollout of version {rollout.version} in progress since {rollout.started_at}.",
            remedy=f"Wait for it, or take it back: modelyard rollout abort {deployment}.",
        )


def require_unmoved(tx: Transaction, rollout: Rollout) -> None:
    """What was read outside the transaction must still stand, to the last word."""
    if read_rollout(tx, rollout.deployment) != rollout:
        raise RolloutMovedOn(
            f"The rollout of version {rollout.version} to '{rollout.deployment}' was decided by someone else.",
            context={"deployment": rollout.deployment, "rollout": rollout.id},
            remedy=f"See: modelyard rollout history {rollout.deployment}.",
        )


def require_active(view: Snapshot, deployment: str) -> Rollout:
    """The rollout under way; NoRollout when there is none."""
    rollout = active_rollout(view, deployment)
    if rollout is None:
        raise NoRollout(
            f"'{deployment}' has no rollout under way.",
            remedy=f"See: modelyard rollout history {deployment}; begin one: "
            f"modelyard rollout start {deployment} --to VERSION.",
        )
    return rollout


def require_route(view: Snapshot, deployment: str) -> Route:
    """The newest route of a deployment; NoRollout when nothing is deployed yet."""
    route = current_route(view, deployment)
    if route is None:
        raise NoRollout(
            f"Nothing is deployed to '{deployment}' yet.",
            remedy=f"Deploy a version: modelyard rollout start {deployment} --to VERSION.",
        )
    return route


def arm_of(name: str, role: ArmRole, version: ModelVersion, weight: float) -> Arm:
    """An arm that answers with a version."""
    if version.bundle is None:
        raise NotServable(f"{version.name} {version.label} has no bundle.")
    return Arm(name, role, str(version.number), version.bundle, weight)


def lasting(route: Route, *, without: str = "") -> list[Arm]:
    """The shadows of a route that stay, whatever comes and goes beside them."""
    return [arm for arm in route.arms if arm.role == "shadow" and arm.name != without]


def arms_with(route: Route, candidate: Arm) -> list[Arm]:
    """The arms of a route with a candidate at its share; live has the rest, or everything beside a shadow."""
    share = 0.0 if candidate.role == "shadow" else candidate.weight
    live = msgspec.structs.replace(route.live, weight=1 - share)
    return [live, *lasting(route, without=candidate.name), candidate]


def arms_without(route: Route, name: str) -> list[Arm]:
    """The arms of a route without a candidate: live has everything."""
    return [msgspec.structs.replace(route.live, weight=1.0), *lasting(route, without=name)]


def candidate_of(route: Route, name: str) -> Arm:
    """The candidate's arm on a route; NoRollout when somebody took it away."""
    arm = next((each for each in route.arms if each.name == name), None)
    if arm is None:
        raise NoRollout(
            f"The route of '{route.deployment}' has no arm '{name}' any more.",
            remedy=f"Take the rollout back: modelyard rollout abort {route.deployment}.",
        )
    return arm


def share_of(route: Route, name: str) -> float:
    """An arm's share of the traffic."""
    return sum(arm.weight for arm in route.arms if arm.name == name)
