"""Operations on pipelines."""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Annotated, Any

import msgspec
import yaml

from modelyard.access import Permission
from modelyard.core import InvalidInput, from_micros, to_micros
from modelyard.pipelines import load_pipeline

from .contract import Call, Option, operation


@dataclass(frozen=True)
class RunPipeline:
    """A pipeline with its parameters."""

    name: Annotated[str, Option("Pipeline.", positional=True)]
    param: Annotated[tuple[str, ...], Option("Parameter as name=value; repeat for more.", flag="-p")] = ()


@dataclass(frozen=True)
class ShowPipeline:
    """A pipeline to draw."""

    name: Annotated[str, Option("Pipeline.", positional=True)]


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
