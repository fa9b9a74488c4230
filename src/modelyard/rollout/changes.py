"""Changes of routes: one intent for all deployments that a decision is about, with their events and the alias."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from modelyard.access import Principal
from modelyard.audit import Intents
from modelyard.registry import last_move, moves_of
from modelyard.storage import Transaction

from .records import RolloutEvent
from .routes import INTENT, current_route
from .settings import DeploymentSettings
from .state import read_rollout

Decide = Callable[[Transaction], list[RolloutEvent]]


class Changes:
    """Carries out changes of routes; what could not be published has not happened to any of the deployments."""

    def __init__(self, intents: Intents, deployments: Mapping[str, DeploymentSettings]) -> None:
        self._intents = intents
        self._deployments = deployments

    def carry_out(
        self,
        deployments: Sequence[str],
        principal: Principal,
        decide: Decide,
        *,
        project: bool = True,
        action: str = "",
    ) -> list[RolloutEvent]:
        """Carry out one decision about deployments that follow the same alias; each event goes into its history."""
        settings = self._deployments[deployments[0]]
        model, alias = settings.model_name, settings.alias
        events: list[RolloutEvent] = []

        def decide_and_note(tx: Transaction) -> Mapping[str, Any]:
            before = [_as_now(tx, each) for each in _with_siblings(tx, deployments)]
            known = last_move(tx, model)
            events.extend(decide(tx))
            for event in events:
                tx.append(f"rollouts/{event.deployment}", msgspec.to_builtins(event))
            moved = [each for each in moves_of(tx, model, after=known) if each.alias == alias]
            return {
                "model": model,
                "alias": alias,
                "at": events[0].at,
                "before": before,
                "move": msgspec.to_builtins(moved[-1]) if moved else None,
                "detail": events[0].detail,
            }

        subject = deployments[0] if len(deployments) == 1 else f"{model}@{alias}"
        self._intents.carry_out(INTENT, subject, {}, principal, decide_and_note, project=project, action=action)
        return events


def _with_siblings(tx: Transaction, deployments: Sequence[str]) -> list[str]:
    """The deployments, and those that one of their rollouts began together with."""
    rollouts = [read_rollout(tx, each) for each in deployments]
    others = [name for each in rollouts if each is not None for name in each.together]
    return list(dict.fromkeys([*deployments, *others]))


def _as_now(tx: Transaction, deployment: str) -> dict[str, Any]:
    route, rollout = current_route(tx, deployment), read_rollout(tx, deployment)
    return {
        "deployment": deployment,
        "route": msgspec.to_builtins(route) if route is not None else None,
        "rollout": msgspec.to_builtins(rollout) if rollout is not None else None,
    }
