"""What a model version came from, and what came of it, found in the records of every room."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec

from modelyard.access import Permission
from modelyard.core import ModelyardError, NotFound, from_micros
from modelyard.data import Version
from modelyard.inference import BundleInfo
from modelyard.online import FeaturePlan
from modelyard.pipelines import PipelineRun, code_of_run, dataset_event, find_run, run_events
from modelyard.registry import Arrow, Fact, Lineage, ModelVersion, Thing, ThingKind, lineage_lines, lineage_picture
from modelyard.tracking import RunView
from modelyard.tracking import find_run as find_tracked
from modelyard.wiring import Project

from .contract import Call, operation
from .models import OneVersion, notice

_VIEW_FEATURES = 8
_ORDER = get_args(ThingKind)


@operation("model", "lineage", Permission.READ)
def model_lineage(call: Call[OneVersion]) -> Any:
    """What a version came from, and what came of it: datasets, views, code, runs, bundle, routes, predictions."""
    notice(call.project, call.input.name)
    version = call.project.models.get(call.input.name, call.input.version)
    found = lineage_of(call.project, version)
    picture = lineage_picture(found, f"{version.name} {version.label}")
    told: dict[str, Any] = msgspec.to_builtins(found)
    events = "".join(f"{msgspec.json.encode(each).decode()}\n" for each in lineage_events(call.project, version))
    renderings = {"text": "\n".join(lineage_lines(found)) + "\n", "svg": picture, "openlineage": events}
    return {"model": version.name, "version": version.number, **told, **renderings}


def lineage_events(project: Project, version: ModelVersion) -> list[dict[str, Any]]:
    """OpenLineage's events of the run that made a version; of one without a run, an event of the version alone."""
    run = find_run(project.records, version.made_in.partition("/")[0]) if version.made_in else None
    if run is not None:
        return run_events(run, project.lineage.origins(run))
    return [dataset_event(project.lineage.registered_as(version), project.lineage.namespace, version.created_at)]


def lineage_of(project: Project, version: ModelVersion) -> Lineage:
    """The graph around one version."""
    graph = _Graph()
    told: dict[str, Fact] = {"number": version.number, "created": version.created_at[:19], "by": version.created_by}
    subject = graph.add("version", f"{version.name} {version.label}", **told)
    run = find_run(project.records, version.made_in.partition("/")[0]) if version.made_in else None
    if run is not None:
        _add_run(project, graph, run, subject, version.made_in.partition("/")[2])
    tracked = _add_tracked(project, graph, version, subject, run)
    if run is None and tracked is None:
        graph.unknown.append("The run that made it: register it from a pipeline, or with --run RUN.")
    info = bundle_info(project, version)
    if info is None:
        graph.unknown.append("A bundle: this version is metadata only.")
    else:
        _add_bundle(project, graph, version, info, subject, run)
        _add_routes(project, graph, version)
    things = tuple(sorted(graph.things.values(), key=lambda each: _ORDER.index(each.kind)))
    return Lineage(subject, things, tuple(dict.fromkeys(graph.arrows)), tuple(graph.unknown))


def bundle_info(project: Project, version: ModelVersion) -> BundleInfo | None:
    """What a version's bundle says of itself; None for metadata only."""
    document = project.models.bundle_file(version, "bundle.json")
    return None if document is None else msgspec.json.decode(document, type=BundleInfo)


def dataset_version(project: Project, state: str | None) -> Version | None:
    """The dataset version that a run read, where the dataset was one: `flights@3:0f3a…`."""
    label, _, digest = (state or "").partition(":")
    if "@" not in label or not digest:
        return None
    try:
        return project.datasets.named(label)
    except ModelyardError:  # its record is gone; the digest is still told
        return None


@dataclass
class _Graph:
    things: dict[str, Thing] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, kind: ThingKind, name: str, /, **facts: Fact) -> str:
        identity = f"{kind}:{name}"
        if identity not in self.things:
            self.things[identity] = Thing(identity, kind, name, facts)
        return identity

    def join(self, source: str, target: str, how: str) -> None:
        self.arrows.append(Arrow(source, target, how))


def _add_run(project: Project, graph: _Graph, run: PipelineRun, subject: str, step: str) -> None:
    told: dict[str, Fact] = {"run": run.id, "state": run.state, "began": run.started_at[:19], "seed": run.seed}
    run_id = graph.add("run", _run_name(run), **told, step=step, engine=run.engine)
    graph.join(run_id, subject, "registered")
    for name, digest in reads_of(run).items():
        state = run.datasets.get(name)
        kept = dataset_version(project, None if state is None else state.version)
        facts: dict[str, Fact] = {"digest": digest[:12], "columns": len(state.columns) or None if state else None}
        if kept is not None:
            facts = {"digest": kept.digest[:12], "rows": kept.rows, "columns": len(kept.columns)}
        graph.join(graph.add("dataset", kept.label if kept else name, **facts), run_id, "read by")
    _add_code(project, graph, run, run_id)


def _run_name(run: PipelineRun) -> str:
    return f"{run.pipeline} {run.id[:13]}"


def version_with(project: Project, name: str, digest: str) -> Version | None:
    """The dataset version of a name with this content, as bundles tell of the rows behind their profile."""
    try:
        kept = project.datasets.versions(name)
    except NotFound:  # nothing of this name was ever kept
        return None
    return next((each for each in kept if each.digest == digest), None)


def _add_rows(project: Project, graph: _Graph, info: BundleInfo, subject: str) -> None:
    for name, digest in info.datasets.items():
        kept = version_with(project, name, digest)
        facts: dict[str, Fact] = {"digest": digest[:12]}
        if kept is not None:
            facts |= {"rows": kept.rows, "columns": len(kept.columns)}
        graph.join(graph.add("dataset", kept.label if kept else name, **facts), subject, "rows of its profile")


def reads_of(run: PipelineRun) -> dict[str, str]:
    """The datasets of a run by name, each with the digest of the rows that were read, or of what is told of it."""
    reads = {name: digest for step in run.steps for name, digest in step.reads.items()}
    told = {name: state.version or "" for name, state in run.datasets.items()}
    return dict(sorted((told | reads).items()))


def _add_code(project: Project, graph: _Graph, run: PipelineRun, run_id: str) -> None:
    known = code_of_run(project.records, run)
    if known is None:
        graph.unknown.append("The code: no step of the run kept what it was.")
        return
    name = f"{known.commit[:12]}{' with changes' if known.dirty else ''}" if known.commit else known.fingerprint[:12]
    code = graph.add(
        "code",
        name,
        commit=known.commit or None,
        branch=known.branch or None,
        uncommitted=known.dirty,
        functions=known.functions,
        fingerprint=known.fingerprint[:12],
    )
    graph.join(code, run_id, "ran in")


def _add_tracked(
    project: Project, graph: _Graph, version: ModelVersion, subject: str, run: PipelineRun | None
) -> RunView | None:
    """MLflow's run of the version. Where a pipeline made it, its id is all that is taken: MLflow is not asked."""
    if version.run is None:
        return None
    if run is not None:
        tracked = graph.add("MLflow run", version.run[:12], run=version.run)
        graph.join(f"run:{_run_name(run)}", tracked, "logged as")
        graph.join(tracked, subject, "holds its model")
        return None
    try:
        view = find_tracked(project.tracker, version.run)
    except ModelyardError as error:
        graph.join(graph.add("MLflow run", version.run[:12], run=version.run), subject, "holds its model")
        graph.unknown.append(f"What the MLflow run was made with: {error.message}")
        return None
    told: dict[str, Fact] = {"run": view.id, "name": view.name, "experiment": view.experiment}
    tracked = graph.add("MLflow run", view.id[:12], **told, began=view.started_at[:19])
    graph.join(tracked, subject, "holds its model")
    for name, digest in view.datasets.items():
        graph.join(graph.add("dataset", name, digest=digest[:12]), tracked, "read by")
    if view.commit is not None:
        changed = view.tags.get("modelyard.git.dirty") == "true"
        code = graph.add("code", view.commit[:12], commit=view.commit, uncommitted=changed)
        graph.join(code, tracked, "ran in")
    return view


def _add_bundle(
    project: Project, graph: _Graph, version: ModelVersion, info: BundleInfo, subject: str, run: PipelineRun | None
) -> None:
    digest = str(version.bundle)
    size = project.models.bundle_size(version)
    bundle = graph.add("bundle", digest[:12], digest=digest, runtime=info.runtime, bytes=size)
    graph.join(subject, bundle, "built as")
    if run is None:
        _add_rows(project, graph, info, subject)
    for view in views_of(info):
        name = graph.add(
            "feature view",
            view.name,
            features=", ".join(view.features[:_VIEW_FEATURES]) + (" …" if len(view.features) > _VIEW_FEATURES else ""),
            keys=", ".join(view.entity_keys),
            source=_source(project, view.name),
        )
        graph.join(name, subject if run is None else f"run:{_run_name(run)}", "joined by")


def views_of(info: BundleInfo) -> Sequence[Any]:
    """The feature views of a bundle's plan."""
    return msgspec.convert(info.plan, FeaturePlan).views if info.plan else ()


def _source(project: Project, view: str) -> str | None:
    """Where a view's rows come from, as its definition says now."""
    try:
        source = project.features.definitions.view(view).source
    except ModelyardError:  # the definitions have moved on
        return None
    return getattr(source, "__qualname__", None) or (str(source) if not hasattr(source, "schema") else "a table")


def _add_routes(project: Project, graph: _Graph, version: ModelVersion) -> None:
    bundle = f"bundle:{str(version.bundle)[:12]}"
    for used in project.rollouts.uses(version.name, version.number):
        route = graph.add(
            "route",
            used.deployment,
            state=used.state,
            generations=f"{used.first}" if used.first == used.last else f"{used.first} to {used.last}",
            weight=used.weight,
        )
        graph.join(bundle, route, "served by")
        _add_predictions(project, graph, version, used.deployment, route)


def _add_predictions(project: Project, graph: _Graph, version: ModelVersion, deployment: str, route: str) -> None:
    counted = project.log.versions(deployment).get(str(version.number))
    if counted is None:
        return
    predictions = graph.add(
        "predictions",
        f"{deployment} by {version.label}",
        records=counted.records,
        answered=counted.answered,
        first=from_micros(counted.first).isoformat()[:19],
        last=from_micros(counted.last).isoformat()[:19],
    )
    graph.join(route, predictions, "answered")
