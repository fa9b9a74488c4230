"""What goes on record of answers that are no predictions of rows."""

from typing import NamedTuple

from modelyard.core import Micros
from modelyard.journal import ErrorClass, PredictionRecord
from modelyard.routing import Arm, pseudonym

from ..deployments import Deployment
from ..errors import BadRequest
from ..requests import Request

LEFT, LEFT_CODE = "left", "499"
"""Why an answer ended that its caller did not wait for, and the code that he is counted under."""

LONGEST_ENTITY = 1_000
"""Characters of who is answered, in whose name arms are assigned and records kept: an id, and no document."""


class Facts(NamedTuple):
    """Of a request: its prediction id, its instant, who asks, and whether he named the arm."""

    deployment: Deployment
    identity: str
    at: Micros
    entity: str | None
    forced: bool


def entity_of(request: Request, user: str | None) -> str | None:
    """Who is to be answered: whom the request's line or headers name, or else its body; BadRequest when it is no id."""
    entity = request.user if request.user is not None else user
    if entity is not None and len(entity) > LONGEST_ENTITY:
        raise BadRequest(
            f"'user' has {len(entity)} characters, of at most {LONGEST_ENTITY}.",
            context={"path": "user"},
            remedy="Send an id of whom you ask for, or a hash of it.",
        )
    return entity


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
