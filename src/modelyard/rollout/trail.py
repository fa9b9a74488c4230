"""The trail of a rollout: how its evidence grew, and who had how much of the traffic meanwhile."""

from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.routing import Route
from modelyard.storage import Snapshot, Transaction

from .records import Rollout, RolloutEvent

_GROWTH = 1.05
"""A point is kept when the candidate has so many times the answers of the last one: a few hundred in all, however many
answers there are."""


class Point(msgspec.Struct, frozen=True):
    """The evidence at one look. `since`: the generation from which it is counted, which a hand-over changes."""

    at: str
    state: str
    since: int
    canary_requests: int
    canary_bad: int
    live_requests: int
    live_bad: int
    rollback: float
    promotion: float


class Weights(msgspec.Struct, frozen=True):
    """Who had which share of a deployment's traffic from an instant on: by arm its role, version and weight."""

    at: str
    generation: int
    reason: str
    roles: dict[str, str]
    versions: dict[str, str]
    weights: dict[str, float]


def note_evidence(tx: Transaction, rollout: Rollout) -> None:
    """Add a point to the trail of a rollout, when it tells something that the last one did not."""
    if not rollout.evidence or not rollout.looked_at:
        return
    point = _point(rollout)
    last = tx.entries(_stream(rollout.id), limit=1, descending=True)
    if last and not _tells_more(msgspec.convert(last[0].body, Point), point):
        return
    tx.append(_stream(rollout.id), msgspec.to_builtins(point))


def read_trail(view: Snapshot, rollout: str) -> list[Point]:
    """The trail of a rollout by its id, oldest first."""
    return [msgspec.convert(each.body, Point) for each in view.entries(_stream(rollout))]


def weights_over_time(routes: Sequence[Route], events: Sequence[RolloutEvent]) -> list[Weights]:
    """The generations of a route with the instants of the decisions that made them, both oldest first.

    A decision and its generation give the same reason. A generation whose decision is not among the events is left out.
    """
    found: list[Weights] = []
    place = 0
    for route in routes:
        at = next((each for each in range(place, len(events)) if events[each].detail == route.reason), None)
        if at is None:
            continue
        place = at + 1
        found.append(
            Weights(
                events[at].at,
                route.generation,
                route.reason,
                {arm.name: arm.role for arm in route.arms},
                {arm.name: arm.version for arm in route.arms},
                {arm.name: arm.weight for arm in route.arms},
            )
        )
    return found


def _tells_more(last: Point, now: Point) -> bool:
    moved = last.state != now.state or last.since != now.since
    return moved or now.canary_requests > last.canary_requests * _GROWTH


def _point(rollout: Rollout) -> Point:
    told: dict[str, Any] = rollout.evidence
    return Point(
        at=rollout.looked_at,
        state=rollout.state,
        since=rollout.first_generation,
        canary_requests=int(told.get("canary_requests", 0)),
        canary_bad=int(told.get("canary_bad", 0)),
        live_requests=int(told.get("live_requests", 0)),
        live_bad=int(told.get("live_bad", 0)),
        rollback=float(told.get("rollback_e_value", 1.0)),
        promotion=float(told.get("promotion_e_value", 1.0)),
    )


def _stream(rollout: str) -> str:
    return f"rollout-evidence/{rollout}"
