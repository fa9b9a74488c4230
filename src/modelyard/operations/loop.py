"""Operations on the retraining loop."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission

from .contract import Call, Nothing, Option, operation


@dataclass(frozen=True)
class Model:
    """A model."""

    name: Annotated[str, Option("Model.", positional=True)]


@dataclass(frozen=True)
class Retrain:
    """A model to retrain by hand."""

    name: Annotated[str, Option("Model.", positional=True)]
    reason: Annotated[str, Option("Why; it goes on record.")] = "asked for by hand"


@operation("retrain", "run", Permission.DEVELOP)
def retrain(call: Call[Retrain]) -> Any:
    """Begin a retraining cycle by hand and take it as far as it goes now."""
    first = call.project.retraining.trigger(call.input.name, call.input.reason, call.principal)
    return [msgspec.to_builtins(event) for event in (first, *call.project.retraining.tick())]


@operation("retrain", "tick", Permission.DEVELOP)
def tick(call: Call[Nothing]) -> Any:
    """Move every loop and rollout as far as they go now: what a scheduler calls."""
    events = [*call.project.rollouts.tick(), *call.project.retraining.tick()]
    return [msgspec.to_builtins(event) for event in events]


@operation("retrain", "status", Permission.READ)
def retrain_status(call: Call[Model]) -> Any:
    """Where the loop of a model is, and how it came there."""
    loop = call.project.retraining
    return {
        "state": msgspec.to_builtins(loop.state(call.input.name)),
        "history": [msgspec.to_builtins(event) for event in loop.history(call.input.name)],
    }


@operation("retrain", "explain", Permission.READ)
def explain(call: Call[Model]) -> Any:
    """Why the loop would act now, or why it does not."""
    return {"model": call.input.name, "explanation": call.project.retraining.explain(call.input.name)}
