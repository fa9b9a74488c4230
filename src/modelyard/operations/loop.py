"""Operations on pipelines, monitors and the retraining loop."""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Annotated, Any

import msgspec
import yaml

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound, did_you_mean, from_micros, to_micros
from modelyard.pipelines import load_pipeline

from .contract import Call, Nothing, Option, operation


@dataclass(frozen=True)
class RunPipeline:
    """A pipeline with its parameters."""

    name: Annotated[str, Option("Pipeline.", positional=True)]
    param: Annotated[tuple[str, ...], Option("Parameter as name=value; repeat for more.", flag="-p")] = ()


@dataclass(frozen=True)
class ShowPipeline:
    """A pipeline to draw."""

    name: Annotated[str, Option("Pipeline.", positional=True)]


@dataclass(frozen=True)
class Watch:
    """A deployment to watch."""

    deployment: Annotated[str, Option("Deployment.")]


@dataclass(frozen=True)
class Model:
    """A model."""

    name: Annotated[str, Option("Model.", positional=True)]


@dataclass(frozen=True)
class Retrain:
    """A model to retrain by hand."""

    name: Annotated[str, Option("Model.", positional=True)]
    reason: Annotated[str, Option("Why; it goes on record.")] = "asked for by hand"


@operation("pipeline", "run", Permission.DEVELOP)
def run_pipeline(call: Call[RunPipeline]) -> Any:
    """Run a pipeline; exit code 1 when a check or gate says no."""
    given = {"as_of": call.project.clock.now()} | dict(_parameter(each) for each in call.input.param)
    pipeline = load_pipeline(call.input.name, call.project.pipeline_settings(call.input.name), call.project.file.folder)
    if "as_of" not in pipeline.parameters:
        given.pop("as_of")
    return msgspec.to_builtins(call.project.run_pipeline(call.input.name, given))


@operation("pipeline", "show", Permission.READ)
def show_pipeline(call: Call[ShowPipeline]) -> Any:
    """The steps of a pipeline and what each needs, also as a Mermaid chart."""
    settings = call.project.pipeline_settings(call.input.name)
    graph = load_pipeline(call.input.name, settings, call.project.file.folder).graph()
    steps = [{"name": each.name, "kind": each.kind, "needs": list(each.needs)} for each in graph.nodes]
    return {"name": call.input.name, "steps": steps, "mermaid": graph.mermaid()}


@operation("monitor", "run", Permission.DEVELOP)
def run_monitor(call: Call[Watch]) -> Any:
    """Judge the windows that have closed since the last time."""
    return [msgspec.to_builtins(each) for each in call.project.monitors.run(_watched(call))]


@operation("monitor", "status", Permission.READ)
def monitor_status(call: Call[Watch]) -> Any:
    """The newest window of a deployment: drift, performance, verdict."""
    window = call.project.monitors.latest(_watched(call))
    return msgspec.to_builtins(window) if window is not None else None


@operation("alert", "list", Permission.READ)
def list_alerts(call: Call[Nothing]) -> Any:
    """The alerts that fire now."""
    return [msgspec.to_builtins(each) for each in call.project.monitors.alerts.firing()]


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


def _watched(call: Call[Watch]) -> str:
    """The deployment, if it is one that a monitor watches."""
    name, monitors = call.input.deployment, call.project.settings.monitoring
    if name not in monitors:
        raise NotFound(
            f"No monitor watches a deployment '{name}'.",
            code="NOT_MONITORED",
            remedy=f"{did_you_mean(name, monitors)} Declare one under monitoring in modelyard.yaml.",
        )
    return name


def _parameter(text: str) -> tuple[str, Any]:
    """`name=value` with the value in YAML's spelling, so that 3 is a number and true a truth; `as_of` is an instant."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput(f"'{text}' is no parameter.", remedy="Write -p name=value.")
    try:
        return name, _instant(value) if name == "as_of" else _value(value)
    except (ValueError, yaml.YAMLError) as error:
        remedy = "Write -p as_of=2026-01-31T12:00:00+00:00." if name == "as_of" else "Put it in quotes, say."
        raise InvalidInput(f"'{value}' is no value for '{name}'.", context={"path": name}, remedy=remedy) from error


def _value(text: str) -> Any:
    value = yaml.safe_load(text)
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{text} is no number")  # no record could hold it
    return value


def _instant(text: str) -> datetime:
    """An ISO 8601 time, aware; without a zone it is UTC."""
    return from_micros(to_micros(datetime.fromisoformat(text)))
