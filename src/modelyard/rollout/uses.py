"""Which routes a version has had, and has."""

from typing import Literal

import msgspec

from modelyard.routing import Arm, Route
from modelyard.storage import Snapshot

from .routes import KIND, generations


class RouteUse(msgspec.Struct, frozen=True):
    """What a version is, or was, to a deployment, from its `first` generation of the route with it to its `last`.

    `state`: what it is on the newest route; `earlier` where that does without it. `weight`: its share of traffic there.
    """

    deployment: str
    state: Literal["live", "canary", "shadow", "arm", "earlier"]
    first: int
    last: int
    weight: float


def uses_of(view: Snapshot, model: str, number: int) -> list[RouteUse]:
    """By deployment, also by those that are declared no more."""
    routes = [msgspec.convert(each.body, Route) for each in view.scan(KIND)]
    found = (_use(view, route, str(number)) for route in routes if route.model == model)
    return [each for each in found if each is not None]


def _use(view: Snapshot, route: Route, version: str) -> RouteUse | None:
    held = [each.generation for each in generations(view, route.deployment, since=1) if _arm(each, version) is not None]
    if not held:
        return None
    arm = _arm(route, version)
    state, weight = ("earlier", 0.0) if arm is None else (arm.role, arm.weight)
    return RouteUse(route.deployment, state, held[0], held[-1], weight)  # type: ignore[arg-type]  # a role, or earlier


def _arm(route: Route, version: str) -> Arm | None:
    return next((arm for arm in route.arms if arm.version == version), None)
