"""Runs of pipelines: each step's state, time, result and log, live; and runs side by side."""

from typing import Any

from modelyard.operations import runs

from .frame import Ask, Document, Page, Params, number

_EACH, _LOG = 50, 60_000


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    skip, pipeline = number(params, "skip", 0), params.get("pipeline") or None
    found = ask(runs.list_pipeline_runs, runs.Runs(pipeline, limit=_EACH + 1, skip=skip))
    return {"found": found[:_EACH], "more": len(found) > _EACH, "skip": skip, "size": _EACH, "pipeline": pipeline}


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    return {"run": ask(runs.run_status, runs.OneRun(params["run"]))}


def _log(ask: Ask, params: Params) -> str:
    """The end of what a step wrote."""
    (found,) = ask(runs.show_logs, runs.Logs(params["run"], params["step"]))
    text = str(found["log"])
    return text[-_LOG:] or "This step wrote nothing."


def _compared(ask: Ask, params: Params) -> dict[str, Any]:
    """Two to six runs side by side: those that are ticked (`r.ID=on`)."""
    chosen = [key[2:] for key in params if key.startswith("r.")][:6]
    found = [ask(runs.run_status, runs.OneRun(each)) for each in chosen]
    steps = list(dict.fromkeys(step["name"] for run in found for step in run["steps"]))
    names = list(dict.fromkeys(name for run in found for name in run["params"]))
    metrics = [_metrics(run) for run in found]
    return {
        "runs": [{**run, "by_name": {step["name"]: step for step in run["steps"]}} for run in found],
        "steps": steps,
        "params": [(name, len({str(run["params"].get(name)) for run in found}) > 1) for name in names],
        "metrics": list(dict.fromkeys(name for each in metrics for name in each)),
        "values": metrics,
    }


def _metrics(run: dict[str, Any]) -> dict[str, float]:
    """What the last step that evaluated found."""
    results = [
        step["result"] for step in run["steps"] if step["kind"] == "evaluate" and isinstance(step["result"], dict)
    ]
    return {name: value for name, value in results[-1].items() if isinstance(value, float | int)} if results else {}


PAGES = (
    Page("/runs", "runs.html.j2", "runs", _all),
    Page("/runs/compare", "runs_compare.html.j2", "runs", _compared),
    Page("/runs/{run}", "run.html.j2", "runs", _one),
)
DOCUMENTS = (Document("/runs/{run}/log/{step}", "text/plain; charset=utf-8", _log),)
