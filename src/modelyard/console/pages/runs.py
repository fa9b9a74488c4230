"""Runs of pipelines: each step's state, time, result, log and artifacts, live; metrics by step; runs side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.core import Unavailable
from modelyard.operations import artifacts, runs
from modelyard.tracking import measure_of

from ..later import Worked
from . import charts
from .frame import Ask, Document, Download, Page, Params, number

_EACH, _LOG, _MOST, _CHARTS = 50, 60_000, 6, 12
_ENDED = ("done", "skipped")


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    skip, pipeline = number(params, "skip", 0), params.get("pipeline") or None
    found = ask(runs.list_pipeline_runs, runs.Runs(pipeline, limit=_EACH + 1, skip=skip))
    return {"found": found[:_EACH], "more": len(found) > _EACH, "skip": skip, "size": _EACH, "pipeline": pipeline}


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    run = ask(runs.run_status, runs.OneRun(params["run"]))
    steps = run["steps"]
    return {
        "run": run,
        "ended": sum(step["state"] in _ENDED for step in steps),
        "cached": sum(step["cached"] for step in steps),
        "seconds": sum(step["seconds"] for step in steps),
        "artifacts": ask(artifacts.list_artifacts, runs.OneRun(run["id"])),
        "metrics": _metrics(run),
        **_by_step(ask, [run], named=False),
    }


def _by_step(ask: Ask, found: Sequence[Mapping[str, Any]], *, named: bool) -> dict[str, Any]:
    """Charts of the metrics that have several steps in MLflow, which may be elsewhere and slow: they come later."""
    told: list[tuple[Mapping[str, Any], Worked]] = []
    try:
        for run in found:
            here = all(each.done for _, each in told)
            told.append((run, ask.later(artifacts.run_metrics, runs.OneRun(run["id"]), wait=here)))
    except Unavailable as error:
        return {"charts": {}, "awaited": False, "untold": error.message}
    lines: dict[str, dict[str, Any]] = {}
    for run, each in told:
        for step, courses in (each.value["courses"] if each.done else {}).items():
            for metric, course in courses.items():
                words = (run["id"] if named else "", "" if step == run["pipeline"] else step, metric)
                lines.setdefault(measure_of(metric), {})[" ".join(filter(None, words))] = course
    return {
        "charts": {measure: charts.courses(each, measure) for measure, each in list(lines.items())[:_CHARTS]},
        "awaited": not all(each.done for _, each in told),
        "untold": "",
    }


def _log(ask: Ask, params: Params) -> str:
    """The end of what a step wrote."""
    (found,) = ask(runs.show_logs, runs.Logs(params["run"], params["step"]))
    text = str(found["log"])
    return text[-_LOG:] or "This step wrote nothing."


def _artifact(ask: Ask, params: Params) -> tuple[str, str, str]:
    found = ask(artifacts.fetch_artifact, artifacts.FetchArtifact(params["run"], params.get("name", "")))
    return found["file"], found["name"], found["media"]


def _compared(ask: Ask, params: Params) -> dict[str, Any]:
    """Two to six runs side by side: those that are ticked (`r.ID=on`)."""
    chosen = [key[2:] for key in params if key.startswith("r.")][:_MOST]
    found = [ask(runs.run_status, runs.OneRun(each)) for each in chosen]
    steps = list(dict.fromkeys(step["name"] for run in found for step in run["steps"]))
    names = list(dict.fromkeys(name for run in found for name in run["params"]))
    values = [_metrics(run) for run in found]
    metrics = list(dict.fromkeys(name for each in values for name in each))
    metric = params.get("metric", "") if params.get("metric") in metrics else charts.usual(metrics)
    rows = [{"label": run["id"], "metrics": each} for run, each in zip(found, values, strict=True)]
    several = len(found) > 1
    return {
        "runs": [{**run, "by_name": {step["name"]: step for step in run["steps"]}} for run in found],
        "steps": steps,
        "params": [(name, _differs(found, name)) for name in names],
        "metrics": [(name, _apart(values, name)) for name in metrics],
        "metric": metric,
        "values": values,
        "chart": charts.metric_bars(rows, metric) if metric else None,
        **_by_step(ask, found if several else [], named=True),
    }


def _differs(found: Sequence[Mapping[str, Any]], name: str) -> bool:
    return len({str(run["params"].get(name)) for run in found}) > 1


def _apart(values: Sequence[Mapping[str, float]], name: str) -> float:
    """How far the runs are apart in a metric."""
    known = [each[name] for each in values if name in each]
    return max(known) - min(known)


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
DOWNLOADS = (Download("/runs/{run}/artifact", _artifact),)
