"""Operations that render the project for containers, clusters, orchestrators, CI and dashboards."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import modelyard
from modelyard.access import Permission
from modelyard.core import InvalidInput, did_you_mean
from modelyard.export import (
    TARGETS,
    Endpoint,
    Files,
    LoopTold,
    Measured,
    ModelTold,
    Subject,
    Target,
    difference,
    render_endpoint,
    write,
)
from modelyard.inference import verify_bundle
from modelyard.pipelines import export_pipeline, load_pipeline
from modelyard.wiring import Project

from .contract import Call, Operation, Option
from .measuring import measured


@dataclass(frozen=True)
class Into:
    """Where the files go, or stand already."""

    output: Annotated[Path | None, Option("Folder; export/TARGET by default.", flag="--output", short="-o")] = None
    check: Annotated[bool, Option("Write nothing; exit code 1 when the files there are others.")] = False
    bundle: Annotated[
        Path | None, Option("Bundle to measure: what servers ask for is raised to what it needs, and runs it.")
    ] = None


@dataclass(frozen=True)
class IntoEndpoint(Into):
    """The same, and the endpoint."""

    endpoint_name: Annotated[str | None, Option("Name of the endpoint; the deployment's by default.")] = None
    instance_type: Annotated[str, Option("Machines of the endpoint.")] = "ml.m5.large"


def exporting(target: Target) -> Operation[Into]:
    """The operation that renders a target."""

    def run(call: Call[Into]) -> Any:
        subject = subject_of(call.project, call.input.bundle)
        return rendered(target.name, _files(target, subject, call.input), call.input)

    given = IntoEndpoint if target.name == "sagemaker" else Into
    return Operation("export", target.name, target.summary, Permission.READ, given, run, local=True)


def _files(target: Target, subject: Subject, given: Into) -> Files:
    if isinstance(given, IntoEndpoint):
        return render_endpoint(subject, Endpoint(given.endpoint_name, given.instance_type))
    return target.render(subject)


OPERATIONS = tuple(exporting(each) for each in TARGETS.values())
"""An operation a target."""


def rendered(target: str, files: Files, given: Into) -> dict[str, Any]:
    """Write a target's files into its folder, or compare what is there."""
    folder = given.output or Path("export") / target
    found = difference(files, folder) if given.check else write(files, folder)
    return {
        "target": target,
        "folder": str(folder),
        "files": sorted(files),
        "written": 0 if given.check else len(found.missing) + len(found.changed),
        "outdated": str(found) if given.check else "",
    }


def subject_of(project: Project, bundle: Path | None = None) -> Subject:
    """The project as far as it can be rendered; with a `bundle`, what the deployments of its model need is measured."""
    settings = project.settings
    return Subject(
        project=settings.project,
        version=modelyard.__version__,
        settings=settings.export,
        deployments=settings.deployments,
        models={name: ModelTold(each.owner, each.intended_use, each.gate) for name, each in settings.models.items()},
        alerts=settings.alerts,
        loops={name: LoopTold(each.learns_by, each.deployment) for name, each in settings.retraining.items()},
        pipelines={name: partial(_document, project, name) for name in settings.pipelines},
        trust=project.trust,
        datasets=tuple(settings.datasets),
        views=settings.features is not None,
        ships_log=settings.stores.log is not None,
        port=settings.server.port,
        workers=settings.server.workers,
        drain_seconds=settings.server.drain_seconds,
        measured={} if bundle is None else _measured(project, bundle),
    )


def _measured(project: Project, bundle: Path) -> dict[str, Measured]:
    info, digest = verify_bundle(bundle)
    names = [name for name, each in project.settings.deployments.items() if each.model_name == info.model]
    if not names:
        raise InvalidInput(
            f"{bundle} is a bundle of '{info.model}', which no deployment serves.",
            remedy=did_you_mean(info.model, {each.model_name for each in project.settings.deployments.values()}),
        )
    need = measured(bundle, digest)
    return dict.fromkeys(names, need)


def _document(project: Project, name: str) -> dict[str, Any]:
    """A pipeline as the document that `modelyard pipeline export` writes."""
    settings, folder = project.pipelines.settings(name), project.file.folder
    pipeline = load_pipeline(name, settings, folder)
    document = export_pipeline(pipeline, folder)
    for parameter, value in settings.params.items():
        if parameter in document["parameters"]:
            told = {key: each for key, each in document["parameters"][parameter].items() if key != "required"}
            document["parameters"][parameter] = told | {"default": value}
    return document
