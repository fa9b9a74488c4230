"""What goes on record of answers that are no predictions of rows."""

from typing import NamedTuple

from modelyard.core import Micros
from modelyard.journal import ErrorClass, PredictionRecord
from modelyard.routing import Arm, pseudonym

from ..deployments import Deployment


class Facts(NamedTuple):
    """Of a request: its prediction id, its instant, who asks, and whether he named the arm."""

    deployment: Deployment
    identity: str
    at: Micros
    entity: str | None
    forced: bool


def record_of(
    facts: Facts,
    arm: Arm,
    *,
    ended: str,
    error: ErrorClass | None,
    generated: str,
    latency_us: int,
    logged: Micros,
    scores: tuple[float, ...] = (),
) -> PredictionRecord:
    """The record of what one arm made of a request; `ended` is why its answer ended, where there is one."""
    route = facts.deployment.route
    return PredictionRecord(
        prediction_id=facts.identity,
        event_us=facts.at,
        deployment=route.deployment,
        generation=route.generation,
        model_version=arm.version,
        arm=arm.name,
        role=arm.role,
        answered=error is None and arm.role != "shadow",
        entity=_entity(facts),
        features=(),
        prediction=None if error is not None else ended,
        scores=scores,
        latency_us=latency_us,
        error=error,
        logged_us=logged,
        forced=facts.forced,
        generated=generated,
    )


def _entity(facts: Facts) -> str | None:
    deployment, entity = facts.deployment, facts.entity
    if entity is None or deployment.route.assign_by not in deployment.policy.private:
        return entity
    return pseudonym(deployment.route, entity)
