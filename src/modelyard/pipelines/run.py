"""Running a pipeline: its nodes in order, in this process, each on record."""

import time
from collections.abc import Mapping
from math import isfinite
from typing import Any, Literal

import msgspec

from modelyard.core import Judgement, ModelyardError, Verdict, log_event
from modelyard.storage import RecordStore

from .authoring import Pipeline
from .context import RunContext, enter, leave
from .errors import StepFailed
from .graph import Node, Output, Parameter

KIND = "pipeline-run"


class StepRecord(msgspec.Struct, frozen=True):
    """One step of a run."""

    name: str
    kind: str
    state: Literal["done", "failed"]
    seconds: float
    detail: str = ""
    result: Any = None


class PipelineRun(msgspec.Struct, frozen=True):
    """One run of a pipeline. `verdict` is `fail` when a check or gate said no; `state` is then `stopped`."""

    id: str
    pipeline: str
    state: Literal["running", "done", "stopped", "failed"]
    started_at: str
    params: dict[str, Any]
    steps: tuple[StepRecord, ...] = ()
    verdict: Literal["pass", "fail", "inconclusive"] = "inconclusive"
    reasons: tuple[str, ...] = ()

    def result(self, kind: str) -> Any:
        """What the last step of a kind gave, as far as it is JSON; None without one."""
        return next((each.result for each in reversed(self.steps) if each.kind == kind), None)


def run_pipeline(
    pipeline: Pipeline, given: Mapping[str, Any], context: RunContext, records: RecordStore
) -> PipelineRun:
    """Run every node in order; the first Judgement that does not pass stops the run before anything later runs.

    Values pass between steps in memory. Every step is recorded as it ends. StepFailed names a step that raised and
    keeps the cause; the record then says `failed`.
    """
    params = pipeline.bind(given)
    run = PipelineRun(
        id=context.run_id,
        pipeline=pipeline.name,
        state="running",
        started_at=context.clock.now().isoformat(),
        params={name: _json(value) for name, value in params.items()},
    )
    _save(records, run)
    values: dict[str, Any] = {}
    for node in pipeline.graph().nodes:
        record, value = _run_node(node, values, params, context)
        values[node.name] = value
        run = _with(run, record, value)
        _save(records, run)
        if record.state == "failed":
            cause = value
            raise StepFailed(
                f"Step '{node.name}' of '{pipeline.name}' failed: {record.detail}",
                context={"step": node.name, "run": run.id},
                remedy="Correct the step and run the pipeline again.",
            ) from cause
        if run.state == "stopped":
            return run
    run = msgspec.structs.replace(run, state="done", verdict="pass")
    _save(records, run)
    return run


def find_run(records: RecordStore, run_id: str) -> PipelineRun | None:
    """A run by its id."""
    with records.snapshot() as view:
        document = view.get(KIND, run_id)
    return msgspec.convert(document.body, PipelineRun) if document is not None else None


def _run_node(
    node: Node, values: Mapping[str, Any], params: Mapping[str, Any], context: RunContext
) -> tuple[StepRecord, Any]:
    inputs = {name: _resolve(each, values, params) for name, each in node.inputs.items()}
    began = time.perf_counter()
    token = enter(context)
    try:
        value = node.function(**inputs)
    except Exception as error:  # a step is the user's code and may raise anything; the record names it
        log_event("pipelines", "step failed", step=node.name, error=repr(error))
        detail = error.message if isinstance(error, ModelyardError) else f"{type(error).__name__}: {error}"
        return StepRecord(node.name, node.kind, "failed", time.perf_counter() - began, detail), error
    finally:
        leave(token)
    return StepRecord(node.name, node.kind, "done", time.perf_counter() - began, _detail(value), _json(value)), value


def _resolve(value: Any, values: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
    if isinstance(value, Output):
        found = values[value.node]
        for key in value.path:
            found = found[key]
        return found
    if isinstance(value, Parameter):
        return params[value.name]
    if isinstance(value, list | tuple):
        return [_resolve(each, values, params) for each in value]
    if isinstance(value, dict):
        return {key: _resolve(each, values, params) for key, each in value.items()}
    return value


def _with(run: PipelineRun, record: StepRecord, value: Any) -> PipelineRun:
    run = msgspec.structs.replace(run, steps=(*run.steps, record))
    if record.state == "failed":
        return msgspec.structs.replace(run, state="failed", verdict="fail", reasons=(record.detail,))
    if isinstance(value, Judgement) and value.verdict is not Verdict.PASS:
        return msgspec.structs.replace(run, state="stopped", verdict=value.verdict.value, reasons=value.reasons)
    return run


def _detail(value: Any) -> str:
    return "; ".join(value.reasons) if isinstance(value, Judgement) else ""


def _json(value: Any) -> Any:
    """A value for the record: JSON as it is (without NaN and infinities), a judgement in full, else its type's name."""
    if isinstance(value, Judgement):
        return {"verdict": value.verdict.value, "reasons": list(value.reasons)}
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Mapping) and all(isinstance(each, str | int | float | bool) for each in value.values()):
        return {str(name): _json(each) for name, each in value.items()}
    return str(value) if hasattr(value, "isoformat") else type(value).__name__


def _save(records: RecordStore, run: PipelineRun) -> None:
    with records.transaction() as tx:
        tx.put(KIND, run.id, msgspec.to_builtins(run))
