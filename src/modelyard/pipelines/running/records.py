"""Runs and steps on record: what survives the process that worked on them."""

from typing import Any, Literal

import msgspec

from modelyard.storage import RecordStore, Snapshot

from ..artifacts import Artifact
from ..datasets import DatasetState, LastRead

KIND, STEP, ELEMENT, CACHE = "pipeline-run", "pipeline-step", "pipeline-element", "step-cache"
"""Kinds of documents: a run; its steps, by place in the graph; elements of a mapped step; results by cache key."""

RunState = Literal["running", "done", "stopped", "failed", "interrupted"]
StepState = Literal["running", "done", "failed", "skipped", "cancelled"]


class StepRecord(msgspec.Struct, frozen=True):
    """One step of a run, or one element of a mapped step.

    `key`: of the cache; empty with `uncached` saying why. `components`: what the key was made of. `reads`: datasets by
    digest. `log`: file of what it wrote, relative to the workspace. `repeated`: it was trained twice, in two processes,
    with equal results. `schemas`: types by column of the datasets it read, where these are known. `takes`: the steps
    whose outputs it takes.
    """

    name: str
    kind: str
    state: StepState
    seconds: float = 0.0
    detail: str = ""
    result: Any = None
    cached: bool = False
    attempts: int = 0
    started_at: str = ""
    output: Artifact | None = None
    verdict: Literal["pass", "fail", "inconclusive"] | None = None
    reasons: tuple[str, ...] = ()
    reads: dict[str, str] = {}
    key: str = ""
    uncached: str = ""
    components: dict[str, Any] = {}
    log: str = ""
    repeated: bool = False
    schemas: dict[str, dict[str, str]] = {}
    takes: tuple[str, ...] = ()


class PipelineRun(msgspec.Struct, frozen=True):
    """One run of a pipeline. `verdict` is `fail` when a check or gate said no; `state` is then `stopped`.

    `inputs`: its parameters as artifacts. `selected`: the steps that it is about, when not all. `engine`: where its
    steps ran last. `deterministic`: steps have one thread, and what is trained is trained twice. `datasets`: those it
    read or says it reads, as they were when it ended.
    """

    id: str
    pipeline: str
    state: RunState
    started_at: str
    params: dict[str, Any]
    steps: tuple[StepRecord, ...] = ()
    verdict: Literal["pass", "fail", "inconclusive"] = "inconclusive"
    reasons: tuple[str, ...] = ()
    ended_at: str = ""
    experiment: str = ""
    seed: int = 0
    cache: bool = True
    selected: tuple[str, ...] = ()
    inputs: dict[str, Artifact] = {}
    engine: str = "local"
    deterministic: bool = False
    datasets: dict[str, DatasetState] = {}

    def result(self, kind: str) -> Any:
        """What the last step of a kind gave, as far as it is JSON; None without one."""
        return next((each.result for each in reversed(self.steps) if each.kind == kind), None)

    def step(self, name: str) -> StepRecord | None:
        """The record of a step, if it has one yet."""
        return next((each for each in self.steps if each.name == name), None)


def find_run(records: RecordStore, run_id: str) -> PipelineRun | None:
    """A run by its id, with its steps in the order of the graph."""
    with records.snapshot() as view:
        return read_run(view, run_id)


def list_runs(records: RecordStore, *, pipeline: str | None = None, limit: int | None = None) -> list[PipelineRun]:
    """Runs without their steps, those that started last first."""
    with records.snapshot() as view:
        found = view.find(KIND, "pipeline", pipeline) if pipeline else view.scan(KIND)
    runs = [msgspec.convert(each.body, PipelineRun) for each in found]
    return sorted(runs, key=lambda run: run.started_at, reverse=True)[:limit]


def last_read(records: RecordStore, pipeline: str) -> dict[str, LastRead]:
    """The datasets that the runs of a pipeline read, each as the newest of these runs found it."""
    found: dict[str, LastRead] = {}
    for run in list_runs(records, pipeline=pipeline):
        for name, state in run.datasets.items():
            found.setdefault(name, LastRead(run.id, state))
    return found


def read_run(view: Snapshot, run_id: str) -> PipelineRun | None:
    """See `find_run`."""
    document = view.get(KIND, run_id)
    if document is None:
        return None
    steps = tuple(msgspec.convert(each.body, StepRecord) for each in view.scan(STEP, prefix=f"{run_id}/"))
    return msgspec.structs.replace(msgspec.convert(document.body, PipelineRun), steps=steps)


def read_elements(view: Snapshot, run_id: str, index: int) -> dict[int, StepRecord]:
    """The elements of a mapped step, by their place."""
    found = view.scan(ELEMENT, prefix=f"{step_key(run_id, index)}/")
    return {int(each.key.rpartition("/")[2]): msgspec.convert(each.body, StepRecord) for each in found}


def step_key(run_id: str, index: int, element: int | None = None) -> str:
    """The key of a step's record by its place in the graph, or of one of its elements."""
    key = f"{run_id}/{index:05d}"
    return key if element is None else f"{key}/{element:06d}"


def to_body(value: msgspec.Struct) -> dict[str, Any]:
    """A record as the store takes it."""
    body: dict[str, Any] = msgspec.to_builtins(value)
    return body
