"""Operations on what the steps of a run gave: the list of it, a file of one, and the metrics that went by step."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound, did_you_mean
from modelyard.pipelines import (
    RUN_TAG,
    PipelineRun,
    as_file,
    file_name,
    leaves_of,
    media_of,
    pictures_of,
)
from modelyard.pipelines import Artifact as StepArtifact
from modelyard.tracking import courses_of
from modelyard.wiring import Project

from .contract import Call, Option, operation
from .runs import OneRun, run_of


@dataclass(frozen=True)
class FetchArtifact:
    """Which artifact of a run, and where it goes."""

    run: Annotated[str, Option("Run.", positional=True)]
    name: Annotated[str, Option("Artifact, as `pipeline artifacts` lists it.", positional=True)]
    output: Annotated[Path | None, Option("File to write; it must not exist.", flag="--output", short="-o")] = None


@operation("pipeline", "artifacts", Permission.READ)
def list_artifacts(call: Call[OneRun]) -> Any:
    """What the steps of a run gave, and the pictures that they left: name, form, size and digest of each."""
    run = run_of(call.project, call.input.run)
    kept = [
        {
            "name": name, "step": step, "form": each.form, "file": file_name(each, name), "size": each.size,
            "digest": each.digest, "media": media_of(file_name(each, name)), "cached": cached,
        }
        for step, name, each, cached in _leaves(run)
    ]  # fmt: skip
    pictures = [
        {
            "name": f"{step}/{file.name}", "step": step, "form": "picture", "file": file.name,
            "size": file.stat().st_size, "digest": None, "media": media_of(file.name), "cached": False,
        }
        for step, file in _pictures(call.project, run)
    ]  # fmt: skip
    return kept + pictures


@operation("pipeline", "fetch", Permission.READ, local=True)
def fetch_artifact(call: Call[FetchArtifact]) -> Any:
    """A file with an artifact of a run: tables as Arrow, arrays as .npy, folders as .zip, JSON as it is."""
    project, given = call.project, call.input
    run = run_of(project, given.run)
    found = {name: each for _, name, each, _ in _leaves(run)}
    pictures = {f"{step}/{file.name}": file for step, file in _pictures(project, run)}
    if given.name in found:
        each = found[given.name]
        called, path = (
            file_name(each, given.name),
            as_file(each, project.artifacts, project.pipelines.engine(name="local").place.scratch),
        )
    elif given.name in pictures:
        path = pictures[given.name]
        called = path.name
    else:
        raise NotFound(
            f"The run {run.id} gave no '{given.name[:120]}'.",
            code="NO_ARTIFACT",
            remedy=f"{did_you_mean(given.name, [*found, *pictures])} See: modelyard pipeline artifacts {run.id}",
        )
    if given.output is not None:
        path = _copied(path, given.output)
    return {"file": str(path), "name": called, "media": media_of(called), "size": path.stat().st_size}


@operation("pipeline", "metrics", Permission.READ)
def run_metrics(call: Call[OneRun]) -> Any:
    """The metrics of a run and of its steps, as MLflow has them, and how those went that have several steps."""
    run = run_of(call.project, call.input.run)
    found = courses_of(call.project.tracker, run.experiment or run.pipeline, RUN_TAG, run.id)
    if found is None:
        return {"run": run.id, "tracked": None, "metrics": {}, "courses": {}}
    return {"run": run.id, "tracked": found.id, "metrics": found.metrics, "courses": msgspec.to_builtins(found.courses)}


def _leaves(run: PipelineRun) -> Iterator[tuple[str, str, StepArtifact, bool]]:
    """Step, name, artifact, and whether it is from the cache."""
    for step in run.steps:
        for name, each in leaves_of(step.output, step.name) if step.output is not None else ():
            yield step.name, name, each, step.cached


def _pictures(project: Project, run: PipelineRun) -> Iterator[tuple[str, Path]]:
    for step in run.steps:
        for file in pictures_of(project.workspace, run.id, step.name):
            yield step.name, file


def _copied(source: Path, output: Path) -> Path:
    if output.exists():
        raise InvalidInput(f"{output} is there already.", context={"path": "output"}, remedy="Choose another file.")
    if not output.absolute().parent.is_dir():
        raise InvalidInput(f"There is no folder {output.parent}.", remedy="Make it first.")
    shutil.copyfile(source, output)
    return output
