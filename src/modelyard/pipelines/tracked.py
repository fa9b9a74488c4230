"""Runs and steps as MLflow shows them: a run of its own for each, with parameters, metrics, tags and its log."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, assert_never

from modelyard.tracking import Run, Status, Tracker, concealed, gathered

from .code import mentions
from .running import PipelineRun, RunState, StepRecord, StepState, pictures_of

RUN_TAG = "modelyard.run"
"""The tag that leads from an MLflow run to ours."""

_NAME = re.compile(r"[/\w.\- :]{1,250}")
"""What MLflow takes as a name of a metric or parameter."""


class TrackedRuns:
    """An `Observer` that shows one run of a pipeline in MLflow; a resumed run goes on where it stood there.

    Where the project's code mentions MLflow or opens a run, each step's run is there before the step begins, and its
    own `mlflow.log_…` calls and `modelyard.run` land in it; otherwise all of a step is written once it has ended.
    """

    def __init__(self, tracker: Tracker, folder: Path, workspace: Path, secrets: Collection[str] = ()) -> None:
        """`secrets`: variables whose values are kept out of what the run shows of the code."""
        self._secrets = secrets
        self._tracker = tracker
        self._folder = folder
        self._workspace = workspace
        self._lock = Lock()  # the runner's thread asks for environments while another tells of steps
        self._run: Run | None = None
        self._steps: dict[str, Run] = {}
        self._logs_itself: bool | None = None
        self._new = False

    def run_started(self, run: PipelineRun) -> None:
        """See `Observer`."""
        facts = gathered(self._folder, partial(concealed, names=self._secrets))
        with self._lock:
            shown = self._shown(run)
            if self._new:
                self._new = False
                shown.log(tags=facts[0])
                shown.log_texts(facts[1], "environment")

    def step_started(self, run: PipelineRun, step: StepRecord) -> None:
        """See `Observer`: written when it has ended."""

    def step_ended(self, run: PipelineRun, step: StepRecord) -> None:
        """See `Observer`."""
        with self._lock:
            shown = self._step(run, step)
            params = _params(step)
            if self._logs_itself:  # a parameter that it logged itself stays as it did
                own = shown.params()
                params = {name: value for name, value in params.items() if name not in own}
            shown.log(params=params, metrics=_numbers(step.result), tags=_step_tags(step))
            log = self._workspace / step.log
            if step.log and log.is_file() and log.stat().st_size:
                shown.log_file(log, "log.txt")
            for picture in self._pictures(run, step):
                shown.log_file(picture, picture.name)
            began = _instant(step.started_at)
            shown.end(_step_status(step.state), began and began + timedelta(seconds=step.seconds))

    def run_ended(self, run: PipelineRun) -> None:
        """See `Observer`."""
        with self._lock:
            shown = self._shown(run)
            tags: dict[str, str] = {"modelyard.state": run.state, "modelyard.verdict": run.verdict}
            tags |= {"modelyard.deterministic": "true"} if run.deterministic else {}
            shown.log(metrics=_numbers(run.result("evaluate")), tags=tags)
            shown.end(_run_status(run.state), _instant(run.ended_at))

    def environment_for(self, run: PipelineRun, step: StepRecord) -> Mapping[str, str]:
        """See `Observer`: what makes plain MLflow calls of the step land in its run."""
        if self._logs_itself is None:
            self._logs_itself = any(mentions(self._folder, each) for each in ("mlflow", ".run(", " run("))
        if not self._logs_itself:
            return {}
        with self._lock:
            return self._tracker.environment(self._step(run, step))

    def _pictures(self, run: PipelineRun, step: StepRecord) -> list[Path]:
        return pictures_of(self._workspace, run.id, step.name) if not step.cached else []

    def _shown(self, run: PipelineRun) -> Run:
        if self._run is None:
            experiment = run.experiment or run.pipeline
            self._run = self._tracker.tagged(experiment, RUN_TAG, run.id)
            if self._run is None:
                tags = {RUN_TAG: run.id, "modelyard.pipeline": run.pipeline}
                self._new = True
                self._run = self._tracker.begin(experiment, run.pipeline, tags, at=_instant(run.started_at))
                params = {name: value for name, value in run.params.items() if _NAME.fullmatch(name)}
                self._run.log(params={**params, "seed": run.seed})
        return self._run

    def _step(self, run: PipelineRun, step: StepRecord) -> Run:
        if step.name not in self._steps:
            tags = {"modelyard.step": step.name, "modelyard.kind": step.kind}
            at = _instant(step.started_at)
            experiment = run.experiment or run.pipeline
            parent = self._shown(run)
            self._steps[step.name] = self._tracker.begin(experiment, step.name, tags, parent=parent, at=at)
        return self._steps[step.name]


def _params(step: StepRecord) -> dict[str, Any]:
    """The plain values among the inputs."""
    shown = step.components.get("shown", {})
    return {name: each for name, each in shown.items() if _NAME.fullmatch(name) and not isinstance(each, dict | list)}


def _numbers(result: Any) -> dict[str, float]:
    """The metrics in what a step gave."""
    if not isinstance(result, Mapping):
        return {}
    return {
        str(name): float(value)
        for name, value in result.items()
        if isinstance(value, int | float) and _NAME.fullmatch(str(name))
    }


def _step_tags(step: StepRecord) -> dict[str, str]:
    tags = {"modelyard.state": step.state, "modelyard.cached": str(step.cached).lower()}
    if step.output is not None and step.output.digest:
        tags["modelyard.output"] = step.output.digest
    if step.verdict is not None:
        tags |= {"modelyard.verdict": step.verdict, "modelyard.reasons": "; ".join(step.reasons)[:5000]}
    if step.detail and step.state == "failed":
        tags["modelyard.error"] = step.detail[:5000]
    return tags | {f"modelyard.dataset.{name}": digest for name, digest in step.reads.items()}


def _step_status(state: StepState) -> Status:
    match state:
        case "done" | "skipped":
            return "FINISHED"
        case "failed":
            return "FAILED"
        case "running" | "cancelled":
            return "KILLED"
        case _:
            assert_never(state)


def _run_status(state: RunState) -> Status:
    match state:
        case "done" | "stopped":
            return "FINISHED"
        case "failed":
            return "FAILED"
        case "running" | "interrupted":
            return "KILLED"
        case _:
            assert_never(state)


def _instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
