"""Operations that render the project for containers, clusters, orchestrators, CI and dashboards."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import modelyard
from modelyard.access import Permission
from modelyard.export import (
    TARGETS,
    LoopTold,
    ModelTold,
    Subject,
    Target,
    difference,
    write,
)
from modelyard.pipelines import export_pipeline, load_pipeline
from modelyard.wiring import Project

from .contract import Call, Operation, Option


@dataclass(frozen=True)
class Into:
    """Where the files go, or stand already."""

    output: Annotated[Path | None, Option("Folder; export/TARGET by default.", flag="--output", short="-o")] = None
    check: Annotated[bool, Option("Write nothing; exit code 1 when the files there are others.")] = False


def exporting(target: Target) -> Operation[Into]:
    """The operation that renders a target."""

    def run(call: Call[Into]) -> Any:
        return rendered(target, subject_of(call.project), call.input)

    return Operation("export", target.name, target.summary, Permission.READ, Into, run, local=True)


OPERATIONS = tuple(exporting(each) for each in TARGETS.values())
"""An operation a target."""


def rendered(target: Target, subject: Subject, given: Into) -> dict[str, Any]:
    """Render a target into its folder, or compare what is there."""
    files, folder = target.render(subject), given.output or Path("export") / target.name
    found = difference(files, folder) if given.check else write(files, folder)
    return {
        "target": target.name,
        "folder": str(folder),
        "files": sorted(files),
        "written": 0 if given.check else len(found.missing) + len(found.changed),
        "outdated": str(found) if given.check else "",
    }


def subject_of(project: Project) -> Subject:
    """The project as far as it can be rendered."""
    settings = project.settings
    return Subject(
        project=settings.project,
        version=modelyard.__version__,
        settings=settings.export,
        deployments=settings.deployments,
        models={name: ModelTold(each.owner, each.intended_use, each.gate) for name, each in settings.models.items()},
        alerts=settings.alerts,
        loops={name: LoopTold(each.pipeline, each.deployment) for name, each in settings.retraining.items()},
        pipelines={name: partial(_document, project, name) for name in settings.pipelines},
        trust=project.trust,
        views=settings.features is not None,
        ships_log=settings.stores.log is not None,
        workers=settings.server.workers,
        drain_seconds=settings.server.drain_seconds,
    )


def _document(project: Project, name: str) -> dict[str, Any]:
    """A pipeline as the document that `modelyard pipeline export` writes."""
    settings, folder = project.pipeline_settings(name), project.file.folder
    pipeline = load_pipeline(name, settings, folder)
    document = export_pipeline(pipeline, folder)
    for parameter, value in settings.params.items():
        if parameter in document["parameters"]:
            told = {key: each for key, each in document["parameters"][parameter].items() if key != "required"}
            document["parameters"][parameter] = told | {"default": value}
    return document
