"""Operations on the retraining loop."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import ModelyardError, check_text
from modelyard.core.cron import parse_cron
from modelyard.retraining import Condition, RetrainingSettings
from modelyard.wiring import Project

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


@dataclass(frozen=True)
class Fire:
    """A declared trigger to fire."""

    name: Annotated[str, Option("Model.", positional=True)]
    trigger: Annotated[str, Option("Its name in the policy: webhook: NAME.")]


@dataclass(frozen=True)
class Past:
    """What a loop did."""

    name: Annotated[str, Option("Model.", positional=True)]
    limit: Annotated[int, Option("So many transitions, the newest.")] = 100


@operation("retrain", "run", Permission.DEVELOP)
def retrain(call: Call[Retrain]) -> Any:
    """Begin a retraining cycle by hand and take it as far as it goes now."""
    reason = check_text("reason", call.input.reason)
    first = call.project.retraining.trigger(call.input.name, reason, call.principal)
    return [msgspec.to_builtins(event) for event in (first, *call.project.retraining.tick())]


@operation("retrain", "tick", Permission.DEVELOP)
def tick(call: Call[Nothing]) -> Any:
    """Take in labels, judge closed windows, move rollouts and loops, run due pipelines: what a scheduler calls.

    What is wrong with labels or windows keeps nothing else waiting; it is raised in the end.
    """
    project, troubles = call.project, list[ModelyardError]()
    looks: list[Callable[[], object]] = [project.labels.sync_when_due]
    looks += [partial(project.monitors.run, name) for name in project.settings.monitoring]
    for look in looks:
        try:
            look()
        except ModelyardError as error:
            troubles.append(error)
    events = [*project.rollouts.tick(), *project.retraining.tick()]
    turns = [
        {"at": turn.due, "cycle": turn.run_id, "kind": f"scheduled run {turn.state}", "detail": turn.detail}
        for turn in project.pipelines.calendar.run_due()
    ]
    if troubles:
        raise troubles[0]
    return [*(msgspec.to_builtins(event) for event in events), *turns]


@operation("retrain", "trigger", Permission.DEVELOP)
def fire(call: Call[Fire]) -> Any:
    """Fire a webhook that the policy declares; the next tick decides what comes of it."""
    event = call.project.retraining.fire(call.input.name, call.input.trigger, call.principal)
    return {**msgspec.to_builtins(event), "explanation": call.project.retraining.explain(call.input.name).summary}


@operation("retrain", "status", Permission.READ)
def retrain_status(call: Call[Model]) -> Any:
    """Where the loop of a model is, and how it came there."""
    loop = call.project.retraining
    return {
        "state": msgspec.to_builtins(loop.state(call.input.name)),
        "history": [msgspec.to_builtins(event) for event in loop.history(call.input.name)],
    }


@operation("retrain", "history", Permission.READ)
def retrain_history(call: Call[Past]) -> Any:
    """Every transition of a model's loop with what it rests on, oldest first."""
    events = call.project.retraining.history(call.input.name)
    return [msgspec.to_builtins(event) for event in events[-max(0, call.input.limit) :]]


@operation("retrain", "explain", Permission.READ)
def explain(call: Call[Model]) -> Any:
    """Why the loop would act now, or why it does not: each trigger and each rule, with the evidence."""
    told = call.project.retraining.explain(call.input.name)
    return {"model": told.model, "explanation": told.summary, **msgspec.to_builtins(told)}


@operation("retrain", "policy", Permission.READ)
def policy(call: Call[Model]) -> Any:
    """The policy of a model as it is in force, and when its schedules come next."""
    settings = call.project.retraining.policy(call.input.name)
    trigger = settings.trigger
    return {
        "model": call.input.name,
        **settings.model_dump(mode="json", include=_POLICY, by_alias=True),
        "when": trigger.model_dump(mode="json", exclude_none=True) if trigger is not None else None,
        "next": _coming(call.project, settings, trigger),
    }


_POLICY = {"pipeline", "reindex", "deployment", "cooldown", "budget", "quiet", "timezone", "retry", "window"}


def _coming(project: Project, settings: RetrainingSettings, trigger: Condition | None) -> dict[str, str]:
    """The next instant of each schedule."""
    now: datetime = project.clock.now()
    declared = [each.schedule for each in trigger.leaves() if each.schedule] if trigger is not None else []
    return {each: parse_cron(each).next(now, settings.zone).isoformat() for each in declared}
