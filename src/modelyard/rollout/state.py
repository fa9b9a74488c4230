"""Rollouts as documents, and the arms of routes that they change."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from modelyard.registry import ModelVersion, NotServable
from modelyard.routing import Arm, Route
from modelyard.storage import Snapshot, Transaction

from .errors import NoRollout, RolloutActive, RolloutMovedOn
from .records import Rollout
from .routes import ROLLOUT, current_route

LIVE, CANARY = "live", "canary"


def read_rollout(view: Snapshot, deployment: str) -> Rollout | None:
    """The latest rollout of a deployment, active or ended."""
    document = view.get(ROLLOUT, deployment)
    return msgspec.convert(document.body, Rollout) if document is not None else None


def put_rollout(tx: Transaction, rollout: Rollout) -> None:
    """Write a rollout down."""
    tx.put(ROLLOUT, rollout.deployment, msgspec.to_builtins(rollout))


def active_rollout(view: Snapshot, deployment: str) -> Rollout | None:
    """The rollout of a deployment that is under way."""
    rollout = read_rollout(view, deployment)
    return rollout if rollout is not None and rollout.state == "active" else None


def refuse_active(view: Snapshot, deployment: str) -> None:
    """RolloutActive when a rollout is under way."""
    if (rollout := active_rollout(view, deployment)) is not None:
        raise RolloutActive(
            f"'{deployment}' has a rollout of version {rollout.version} in progress since {rollout.started_at}.",
            remedy=f"Wait for it, or take it back: modelyard rollout rollback {deployment}.",
        )


def require_unmoved(tx: Transaction, rollout: Rollout) -> None:
    """What was read outside the transaction must still stand: same rollout, still active, at the same step."""
    now = read_rollout(tx, rollout.deployment)
    if now is None or (now.id, now.state, now.step) != (rollout.id, "active", rollout.step):
        raise RolloutMovedOn(
            f"The rollout of version {rollout.version} to '{rollout.deployment}' was decided by someone else.",
            context={"deployment": rollout.deployment, "rollout": rollout.id},
            remedy=f"See: modelyard rollout history {rollout.deployment}.",
        )


def require_route(view: Snapshot, deployment: str) -> Route:
    """The newest route of a deployment; NoRollout when nothing is deployed yet."""
    route = current_route(view, deployment)
    if route is None:
        raise NoRollout(
            f"Nothing is deployed to '{deployment}' yet.",
            remedy=f"Deploy a version: modelyard rollout start {deployment} --to VERSION.",
        )
    return route


def arm_of(name: str, role: Literal["live", "canary", "shadow"], version: ModelVersion, weight: float) -> Arm:
    """An arm that answers with a version."""
    if version.bundle is None:
        raise NotServable(f"{version.name} {version.label} has no bundle.")
    return Arm(name, role, str(version.number), version.bundle, weight)


def weighted(arms: Sequence[Arm], live_share: float) -> list[Arm]:
    """The arms with the live one at a share; the others as they are."""
    return [msgspec.structs.replace(arm, weight=live_share) if arm.role == "live" else arm for arm in arms]


def shadows(route: Route) -> list[Arm]:
    """The lasting shadows of a route."""
    return [arm for arm in route.arms if arm.role == "shadow"]


def canary_share(route: Route) -> float:
    """The canary's share of the traffic."""
    return sum(arm.weight for arm in route.arms if arm.name == CANARY)
