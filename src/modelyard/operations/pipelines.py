"""Operations on pipelines."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import yaml

from modelyard.access import Permission
from modelyard.core import InvalidInput, ModelyardError, from_micros, to_micros
from modelyard.pipelines import (
    Description,
    Finding,
    Observer,
    Pipeline,
    Selection,
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
from .runs import without_inner_matters


@dataclass(frozen=True)
class RunPipeline:
    """A pipeline with its parameters."""

    name: Annotated[str | None, Option("Pipeline.", positional=True)] = None
    param: Annotated[tuple[str, ...], Option("Parameter as name=value; repeat for more.", flag="-p")] = ()
    pipeline: Annotated[str | None, Option("The pipeline, as a flag.")] = None
    params: Annotated[Path | None, Option("YAML file of parameters; -p goes before it.", local=True)] = None
    engine: Annotated[str | None, Option("Where steps run: local or ray; by default what modelyard.yaml says.")] = None
    start: Annotated[str | None, Option("Only this step and what follows from it.", flag="--from")] = None
    end: Annotated[str | None, Option("Only this step and what it needs.", flag="--to")] = None
    only: Annotated[tuple[str, ...], Option("Only this step; repeat for more.")] = ()
    no_cache: Annotated[bool, Option("Run every step, whatever earlier runs gave.")] = False
    deterministic: Annotated[bool, Option("One thread a step; train twice, and fail where the results differ.")] = False
    experiment: Annotated[str, Option("Experiment that the run belongs to.")] = ""


_WATCHING: ContextVar[tuple[Observer, ...]] = ContextVar("watching", default=())


@contextmanager
def watching(*watchers: Observer) -> Iterator[None]:
    """Tell these of the runs of this thread that start inside the block."""
    token = _WATCHING.set(watchers)
    try:
        yield
    finally:
        _WATCHING.reset(token)


def observers() -> tuple[Observer, ...]:
    """Who watches the runs of this thread."""
    return _WATCHING.get()


@dataclass(frozen=True)
class ResumePipeline:
    """A run to go on with."""

    run: Annotated[str, Option("Run.", positional=True)]
    engine: Annotated[str | None, Option("Where steps run: local or ray; by default where they did.")] = None


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
    wanted = call.input
    name = wanted.name or wanted.pipeline
    if name is None or (wanted.name and wanted.pipeline):
        raise InvalidInput("Name one pipeline.", remedy="Write: modelyard pipeline run NAME")
    pipeline = load_pipeline(name, call.project.pipelines.settings(name), call.project.file.folder)
    given = given_parameters(wanted.params, wanted.param)
    if "as_of" in pipeline.parameters:
        given.setdefault("as_of", call.project.clock.now())
    findings = call.project.pipelines.findings(name)
    run = call.project.pipelines.run(
        name,
        given,
        selection=Selection(wanted.start, wanted.end, wanted.only),
        cache=not wanted.no_cache,
        experiment=wanted.experiment,
        deterministic=wanted.deterministic,
        observers=observers(),
        engine=wanted.engine,
    )
    return {**without_inner_matters(run), "findings": [asdict(each) for each in findings]}


@operation("pipeline", "resume", Permission.DEVELOP)
def resume_pipeline(call: Call[ResumePipeline]) -> Any:
    """Go on with a run that failed, was interrupted, or whose process was killed; exit code as of `run`."""
    run = call.project.pipelines.resume(call.input.run, observers=observers(), engine=call.input.engine)
    return without_inner_matters(run)


@operation("pipeline", "show", Permission.READ)
def show_pipeline(call: Call[ShowPipeline]) -> Any:
    """The steps of a pipeline and what each needs, also drawn: as SVG, or as a Mermaid chart."""
    return shown(_described(call.project, call.input.name))


@operation("pipeline", "validate", Permission.READ)
def validate_pipeline(call: Call[ValidatePipeline]) -> Any:
    """Judge a pipeline, of the project or in a JSON file, by rules of order, gates and repeatability; runs nothing."""
    name, strict = call.input.name, call.input.strict
    return judged(
        _described(call.project, name), strict=strict, more=call.project.pipelines.findings(name, strict=strict)
    )


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


def judged(description: Description, *, strict: bool, more: tuple[Finding, ...] = ()) -> dict[str, Any]:
    """What the rules find, and `more` that was found elsewhere; and whether none of it is an error."""
    findings = (*check_pipeline(description, strict=strict), *more)
    return {
        "pipeline": description.name,
        "valid": not any(each.severity == "error" for each in findings),
        "findings": [asdict(each) for each in findings],
    }


def readers(project: Project, dataset: str) -> list[dict[str, Any]]:
    """The project's pipelines that read a dataset, or its kept versions, each judged as `pipeline validate` does.

    One that cannot be loaded says why: it might read it.
    """
    known = {name for name, each in project.settings.datasets.items() if _is_of(dataset, name, each.source)}
    found = []
    for name in sorted(project.settings.pipelines) if known else ():
        try:
            if known & (_declared_reads(project, name) | project.pipelines.datasets_read_by(name)):
                found.append(judged(_described(project, name), strict=False, more=project.pipelines.findings(name)))
        except ModelyardError as error:
            finding = Finding(error.code, "error", None, error.message, error.remedy)
            found.append({"pipeline": name, "valid": False, "findings": [asdict(finding)]})
    return found


def _declared_reads(project: Project, name: str) -> set[str]:
    """The datasets that a pipeline's steps say they read."""
    return {each for node in _loaded(project, name)[0].graph().nodes for each in node.options.reads}


def _is_of(dataset: str, name: str, source: str) -> bool:
    return name == dataset or source.startswith(f"version:{dataset}@")


def _described(project: Project, name: str) -> Description:
    pipeline, rollback = _loaded(project, name)
    return describe(name, pipeline.graph(), parameters=hints_of(pipeline.compose), rollback=rollback)


def _loaded(project: Project, name: str) -> tuple[Pipeline, str | None]:
    settings = project.pipelines.settings(name)
    pipeline = load_pipeline(name, settings, project.file.folder)
    return pipeline, settings.rollback.strategy if settings.rollback else None


def given_parameters(file: Path | None, spelled: tuple[str, ...]) -> dict[str, Any]:
    """Parameters of a YAML file, and before them those spelled as `name=value`."""
    return _from_file(file) | dict(_parameter(each) for each in spelled)


def _from_file(path: Path | None) -> dict[str, Any]:
    """Parameters in a YAML file: a mapping of names to values."""
    if path is None:
        return {}
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(
            f"The parameters in {path} cannot be read: {error}.",
            context={"path": str(path)},
            remedy="Name a YAML file with a line each, name: value; a single one goes without a file: -p name=value.",
        ) from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InvalidInput(f"{path} holds no mapping of names to values.", remedy="Write a line each: name: value")
    return {name: _aware(value) if name == "as_of" else value for name, value in found.items()}


def _aware(value: Any) -> Any:
    return _instant(str(value)) if isinstance(value, str | date) else value


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
