"""Operations on pipelines."""

from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite
from typing import Annotated, Any

import msgspec
import yaml

from modelyard.access import Permission
from modelyard.core import InvalidInput, from_micros, to_micros
from modelyard.pipelines import (
    Description,
    Pipeline,
    check_pipeline,
    describe,
    draw_mermaid,
    draw_svg,
    hints_of,
    load_pipeline,
)
from modelyard.pipelines import export_pipeline as write_pipeline
from modelyard.wiring import Project

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


@dataclass(frozen=True)
class ValidatePipeline:
    """A pipeline to judge by the rules."""

    name: Annotated[str, Option("Pipeline.", positional=True)]
    strict: Annotated[bool, Option("Warnings are errors.")] = False


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
    """The steps of a pipeline and what each needs, also drawn: as SVG, or as a Mermaid chart."""
    return shown(_described(call.project, call.input.name))


@operation("pipeline", "validate", Permission.READ)
def validate_pipeline(call: Call[ValidatePipeline]) -> Any:
    """Judge a pipeline, of the project or in a JSON file, by rules of order, gates and repeatability; runs nothing."""
    return judged(_described(call.project, call.input.name), strict=call.input.strict)


@operation("pipeline", "export", Permission.READ)
def export_pipeline(call: Call[ShowPipeline]) -> Any:
    """Write a pipeline into a JSON file: its steps by file and function, values, conditions and options."""
    pipeline, rollback = _loaded(call.project, call.input.name)
    return write_pipeline(pipeline, call.project.file.folder, rollback=rollback)


def shown(description: Description) -> dict[str, Any]:
    """What `pipeline show` prints, of a project's pipeline or a file's."""
    steps = [
        {
            "name": each.name,
            "kind": each.kind,
            "needs": list(each.sources),
            "waits_for": list(each.waits),
            "when": [text for _, text in each.conditions],
        }
        for each in description.stages
    ]
    return {
        "name": description.name,
        "steps": steps,
        "mermaid": draw_mermaid(description),
        "svg": draw_svg(description),
    }


def judged(description: Description, *, strict: bool) -> dict[str, Any]:
    """What the rules find, and whether none of it is an error."""
    findings = check_pipeline(description, strict=strict)
    return {
        "pipeline": description.name,
        "valid": not any(each.severity == "error" for each in findings),
        "findings": [asdict(each) for each in findings],
    }


def _described(project: Project, name: str) -> Description:
    pipeline, rollback = _loaded(project, name)
    return describe(name, pipeline.graph(), parameters=hints_of(pipeline.compose), rollback=rollback)


def _loaded(project: Project, name: str) -> tuple[Pipeline, str | None]:
    settings = project.pipeline_settings(name)
    pipeline = load_pipeline(name, settings, project.file.folder)
    return pipeline, settings.rollback.strategy if settings.rollback else None


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
