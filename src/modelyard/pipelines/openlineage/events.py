"""OpenLineage's events, made of records alone: what is not on record is left out of them.

Facts from the specification 2-0-2 and its facets: https://openlineage.io/spec/2-0-2/OpenLineage.json. A pipeline is a
job, and each of its steps one, named PIPELINE.STEP, whose run has the pipeline's as its parent. Datasets of the project
are inputs; what a step gives is a dataset named like the step; a registered version is one of type MODEL.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from ..kept_code import RunCode
from ..running import PipelineRun, StepRecord

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_FACETS = "https://openlineage.io/spec/facets"
_VERSION = version("modelyard")
PRODUCER = f"urn:modelyard:{_VERSION}"
_MESSAGE = 4_000

EventType = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL"]
Body = dict[str, Any]


@dataclass(frozen=True)
class Registered:
    """A model version that a step registered."""

    model: str
    number: int
    label: str
    bundle: str | None
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Origins:
    """What of a run the run itself does not say.

    `sources`: where a dataset comes from, by name. `registered`: the version that a step of the run registered.
    `mask` takes secrets out of text.
    """

    namespace: str
    sources: Mapping[str, str] = field(default_factory=dict)
    registered: Callable[[str, str], Registered | None] = lambda run, step: None  # noqa: ARG005 - nothing is known
    code: RunCode | None = None
    mask: Callable[[str], str] = str


def run_events(run: PipelineRun, origins: Origins) -> list[Body]:
    """All events of a run that is over: its own around those of its steps, in the order of their times."""
    begun = run_event("START", run, origins, run.started_at)
    steps = [event for step in run.steps if step.state != "skipped" for event in step_events(run, step, origins)]
    ended = [run_event(ended_as(run), run, origins, run.ended_at or run.started_at)] if run.state != "running" else []
    return [begun, *sorted(steps, key=lambda event: str(event["eventTime"])), *ended]


def step_events(run: PipelineRun, step: StepRecord, origins: Origins) -> Iterator[Body]:
    """A step's beginning, and its end when it has ended."""
    began = step.started_at or run.started_at
    yield step_event("START", run, step, origins, began)
    if step.state != "running":
        yield step_event(step_ended_as(step), run, step, origins, _later(began, step.seconds))


def run_event(kind: EventType, run: PipelineRun, origins: Origins, at: str) -> Body:
    """An event of a pipeline's run; at its end with all that its steps read, and the versions they registered."""
    facets = {"processing_engine": _engine()}
    if kind in ("FAIL", "ABORT"):
        failed = [each for each in run.steps if each.state == "failed"]
        facets |= _error(origins, "; ".join(each.detail for each in failed) or "; ".join(run.reasons) or run.state)
    event = _event(kind, at, str(run_uuid(run, origins)), facets, _job(origins, run.pipeline, "PIPELINE"))
    if kind in ("START", "RUNNING"):
        return event
    read = {name: (digest, step) for step in run.steps for name, digest in step.reads.items()}
    inputs = [_source(origins, name, digest, step.schemas.get(name)) for name, (digest, step) in read.items()]
    outputs = [made for step in run.steps if (made := _model(origins, run, step)) is not None]
    return {**event, "inputs": inputs, "outputs": outputs}


def step_event(kind: EventType, run: PipelineRun, step: StepRecord, origins: Origins, at: str) -> Body:
    """An event of a step's run; at its end with what it read and took, and what it gave."""
    whole = {"namespace": origins.namespace, "name": run.pipeline}
    parent = {"run": {"runId": str(run_uuid(run, origins))}, "job": whole}
    facets = {"parent": _facet("1-2-0/ParentRunFacet", "ParentRunFacet", {**parent, "root": parent})}
    facets["processing_engine"] = _engine()
    if kind in ("FAIL", "ABORT"):
        facets |= _error(origins, step.detail or step.state)
    job = _job(origins, f"{run.pipeline}.{step.name}", step.kind.upper())
    event = _event(kind, at, str(uuid5(run_uuid(run, origins), step.name)), facets, job)
    if kind == "START":
        return event
    inputs = [_source(origins, name, digest, step.schemas.get(name)) for name, digest in step.reads.items()]
    inputs += [given for name in step.takes if (given := _given(origins, run, name)) is not None]
    outputs = [each for each in (_output(origins, run, step), _model(origins, run, step)) if each is not None]
    return {**event, "inputs": inputs, "outputs": outputs}


def dataset_event(found: Registered, namespace: str, at: str) -> Body:
    """A model version that no run is known of."""
    return {
        "eventTime": at,
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}#/$defs/DatasetEvent",
        "dataset": _version(namespace, found),
    }


def ended_as(run: PipelineRun) -> EventType:
    """How a run ended; one that a gate stopped did what it was to do."""
    return {"failed": "FAIL", "interrupted": "ABORT"}.get(run.state, "COMPLETE")  # type: ignore[return-value]  # of these


def step_ended_as(step: StepRecord) -> EventType:
    """How a step ended."""
    return {"failed": "FAIL", "cancelled": "ABORT"}.get(step.state, "COMPLETE")  # type: ignore[return-value]  # as above


def run_uuid(run: PipelineRun, origins: Origins) -> UUID:
    """The run's own id where it is a UUID; otherwise one made of it and the namespace."""
    try:
        return UUID(run.id)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"modelyard:{origins.namespace}/{run.id}")


def _event(kind: EventType, at: str, run_id: str, facets: Body, job: Body) -> Body:
    return {
        "eventType": kind,
        "eventTime": at,
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}#/$defs/RunEvent",
        "run": {"runId": run_id, "facets": facets},
        "job": job,
        "inputs": [],
        "outputs": [],
    }


def _job(origins: Origins, name: str, kind: str) -> Body:
    told = {"processingType": "BATCH", "integration": "MODELYARD", "jobType": kind}
    facets = {"jobType": _facet("2-0-4/JobTypeJobFacet", "JobTypeJobFacet", told)}
    code = origins.code
    if code is not None and code.commit and (url := _web(code.remote)):
        where = {
            "type": "git",
            "url": url,
            "repoUrl": code.remote,
            "path": code.below,
            "version": code.commit,
            "branch": code.branch,
        }
        told = {name: each for name, each in where.items() if each}
        facets["sourceCodeLocation"] = _facet("1-1-0/SourceCodeLocationJobFacet", "SourceCodeLocationJobFacet", told)
    return {"namespace": origins.namespace, "name": name, "facets": facets}


def _web(remote: str) -> str:
    """A repository's address as a URI: also for `git@host:path`, as people clone over SSH."""
    if "://" in remote:
        return remote
    host, colon, path = remote.rpartition("@")[2].partition(":")
    return f"ssh://{host}/{path.lstrip('/')}" if colon and host and path and "/" not in host else ""


def _source(origins: Origins, name: str, digest: str, schema: Mapping[str, str] | None) -> Body:
    """A dataset of the project, in the version that was read."""
    facets = _versioned(digest)
    if schema:
        fields = [{"name": column, "type": kind} for column, kind in schema.items()]
        facets["schema"] = _facet("1-2-0/SchemaDatasetFacet", "SchemaDatasetFacet", {"fields": fields})
    if source := origins.sources.get(name):
        told = {"name": name, "uri": origins.mask(source)}
        facets["dataSource"] = _facet("1-0-1/DatasourceDatasetFacet", "DatasourceDatasetFacet", told)
    return {"namespace": origins.namespace, "name": name, "facets": facets}


def _given(origins: Origins, run: PipelineRun, name: str) -> Body | None:
    """What another step gave; nothing for a judgement."""
    giver = run.step(name)
    output = giver.output if giver is not None else None
    if output is not None and output.form == "judgement":
        return None
    facets = _versioned(output.digest if output is not None else "")
    return {"namespace": origins.namespace, "name": f"{run.pipeline}.{name}", "facets": facets}


def _output(origins: Origins, run: PipelineRun, step: StepRecord) -> Body | None:
    """What a step gave; judgements are told by the verdicts, and are no data."""
    if step.output is None or step.output.form == "judgement":
        return None
    statistics = {"size": step.output.size}
    return {
        "namespace": origins.namespace,
        "name": f"{run.pipeline}.{step.name}",
        "facets": _versioned(step.output.digest),
        "outputFacets": {
            "outputStatistics": _facet(
                "1-0-2/OutputStatisticsOutputDatasetFacet", "OutputStatisticsOutputDatasetFacet", statistics
            )
        },
    }


def _versioned(digest: str) -> Body:
    if not digest:
        return {}
    told = {"datasetVersion": digest}
    return {"version": _facet("1-0-1/DatasetVersionDatasetFacet", "DatasetVersionDatasetFacet", told)}


def _model(origins: Origins, run: PipelineRun, step: StepRecord) -> Body | None:
    found = origins.registered(run.id, step.name) if step.kind == "register" and step.state == "done" else None
    return None if found is None else _version(origins.namespace, found)


def _version(namespace: str, found: Registered) -> Body:
    facets = _versioned(found.bundle or f"{found.model}/{found.number}")
    told = {"datasetType": "MODEL", "subType": found.label}
    facets["datasetType"] = _facet("1-0-1/DatasetTypeDatasetFacet", "DatasetTypeDatasetFacet", told)
    if found.inputs:
        fields = [{"name": name, "type": kind} for name, kind in found.inputs.items()]
        facets["schema"] = _facet("1-2-0/SchemaDatasetFacet", "SchemaDatasetFacet", {"fields": fields})
    return {"namespace": namespace, "name": f"models/{found.model}", "facets": facets}


def _engine() -> Body:
    told = {"name": "modelyard", "version": _VERSION}
    return _facet("1-1-1/ProcessingEngineRunFacet", "ProcessingEngineRunFacet", told)


def _error(origins: Origins, message: str) -> Body:
    told = {"message": origins.mask(message)[:_MESSAGE], "programmingLanguage": "PYTHON"}
    return {"errorMessage": _facet("1-0-1/ErrorMessageRunFacet", "ErrorMessageRunFacet", told)}


def _facet(document: str, definition: str, told: Mapping[str, Any]) -> Body:
    url = f"{_FACETS}/{document}.json#/$defs/{definition}"
    return {"_producer": PRODUCER, "_schemaURL": url, **told}


def _later(began: str, seconds: float) -> str:
    return (datetime.fromisoformat(began) + timedelta(seconds=seconds)).isoformat()
