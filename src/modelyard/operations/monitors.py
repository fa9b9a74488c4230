"""Operations on monitors: judge windows, tell of them, declare them, and look at the live log for drift."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import Conflict, InvalidInput, ModelyardError, NotFound, atomic_write, did_you_mean
from modelyard.core.durations import format_duration, parse_duration
from modelyard.monitoring import Window, monitor_page, ranked
from modelyard.wiring import FILE_NAME, Project, load_project_file

from .contract import Call, Option, operation
from .times import instant_of

_LOOKS = timedelta(days=1)
"""How far back pages show what servers used."""


@dataclass(frozen=True)
class RunMonitors:
    """Which monitors to run."""

    deployment: Annotated[str | None, Option("Deployment; by default every one that is watched.")] = None
    since: Annotated[str | None, Option("Judge windows from then on too: 2026-01-31, or how long ago, such as 7d.")] = (
        None
    )
    html: Annotated[Path | None, Option("Also write a page with everything monitors know, which opens offline.")] = None


@dataclass(frozen=True)
class Watch:
    """Which windows to show."""

    deployment: Annotated[str | None, Option("Deployment; by default the newest window of each.")] = None
    all: Annotated[bool, Option("Every window, oldest first.")] = False
    last: Annotated[int | None, Option("The newest so many windows, oldest first.")] = None


@dataclass(frozen=True)
class Schedule:
    """How often to judge."""

    deployment: Annotated[str | None, Option("Deployment; by default every one that is not watched yet.")] = None
    weekly: Annotated[bool, Option("Windows of a week.")] = False
    daily: Annotated[bool, Option("Windows of a day.")] = False


@dataclass(frozen=True)
class Analyze:
    """Which stretch of the live log to look at."""

    model: Annotated[str, Option("Model.")]
    window: Annotated[str, Option("How far back to look, such as 7d.")] = "7d"
    deployment: Annotated[str | None, Option("Deployment, where the model has several.")] = None


@operation("monitor", "run", Permission.DEVELOP, local=True)
def run_monitors(call: Call[RunMonitors]) -> Any:
    """Judge the windows that have closed since the last time."""
    project, names = call.project, _watched(call.project, call.input.deployment)
    since = instant_of(call.input.since, project.clock.now())
    found = [window for name in names for window in project.monitors.run(name, since=since)]
    if call.input.html is not None:
        atomic_write(call.input.html, _page(project, names).encode())
    return [msgspec.to_builtins(each) for each in found]


@operation("monitor", "status", Permission.READ)
def monitor_status(call: Call[Watch]) -> Any:
    """The newest window of a deployment: drift, performance, verdict."""
    project, names = call.project, _watched(call.project, call.input.deployment)
    if call.input.last is not None:
        if call.input.last < 1:
            raise InvalidInput("--last counts from 1.", remedy="modelyard monitor status --last 10")
        found = [window for name in names for window in project.monitors.windows(name, last=call.input.last)]
        return [msgspec.to_builtins(each) for each in found]
    if call.input.all:
        return [msgspec.to_builtins(each) for name in names for each in project.monitors.windows(name)]
    newest = [project.monitors.latest(name) for name in names]
    if call.input.deployment is not None:
        return msgspec.to_builtins(newest[0]) if newest[0] is not None else None
    return [msgspec.to_builtins(each) for each in newest if each is not None]


@operation("monitor", "schedule", Permission.DEVELOP, local=True)
def schedule(call: Call[Schedule]) -> Any:
    """Declare monitors in modelyard.yaml; `modelyard up` judges each window when it closes."""
    given, project = call.input, call.project
    if given.weekly and given.daily:
        raise InvalidInput("--weekly and --daily exclude each other.", code="USAGE", remedy="Give one of them.")
    length = timedelta(days=1) if given.daily else timedelta(days=7)
    declared, deployments = project.settings.monitoring, project.settings.deployments
    if given.deployment is not None and given.deployment not in deployments:
        raise NotFound(
            f"There is no deployment '{given.deployment[:80]}'.",
            code="NO_DEPLOYMENT",
            remedy=did_you_mean(given.deployment[:80], deployments),
        )
    wanted = [given.deployment] if given.deployment is not None else list(deployments)
    for name in wanted:
        if name in declared and (given.deployment or given.weekly or given.daily) and _differs(declared[name], length):
            raise Conflict(
                f"'{name}' is watched in windows of {_length(declared[name])} already.",
                code="ALREADY_SCHEDULED",
                remedy=f"Change monitoring.{name}.window in {FILE_NAME}.",
            )
    added = [name for name in wanted if name not in declared]
    if added:
        _declare(project, added, length)
    windows = {name: _length(declared[name]) if name in declared else format_duration(length) for name in wanted}
    return {"windows": windows, "added": added, "run_by": "modelyard up"}


@operation("drift", "analyze", Permission.READ)
def analyze_drift(call: Call[Analyze]) -> Any:
    """Look for drift in the last days of the live log: 0 no drift, 3 drift, 6 too little data to tell."""
    project, now = call.project, call.project.clock.now()
    deployment = _serving(project, call.input.model, call.input.deployment)
    window = project.monitors.judge(deployment, now - parse_duration(call.input.window), now)
    if window is None:
        raise NotFound(
            f"Nothing was asked of '{deployment}' in the last {call.input.window}.",
            code="NOTHING_LOGGED",
            remedy=f"Look further back with --window, or see: modelyard log stats {deployment}.",
        )
    return {"model": call.input.model, **_drift(project, window)}


def _drift(project: Project, window: Window) -> dict[str, Any]:
    """The part of a window that is about drift, in the words of `drift compare`."""
    judged = [*window.features, *([window.predictions] if window.predictions is not None else [])]
    telling = [each for each in window.features if each.verdict != "inconclusive"]
    together = window.together is not None and window.together.verdict == "fail"
    drifted = together or any(each.verdict == "fail" for each in judged)
    importance = project.monitors.told_importance(window)
    return {
        "deployment": window.deployment,
        "version": window.version,
        "from": window.start,
        "to": window.end,
        "rows": window.requests,
        "drifted": drifted,
        "verdict": "fail" if drifted else "pass" if telling else "inconclusive",
        "share": len(window.drifted) / len(telling) if telling else None,
        "drift_score": window.drift_score if telling else None,
        "predictions": msgspec.to_builtins(window.predictions),
        "multivariate": msgspec.to_builtins(window.together),
        "concept": [msgspec.to_builtins(each) for each in window.concept],
        "columns": {each.name: msgspec.to_builtins(each) for each in ranked(window.features, importance)},
    }


def _serving(project: Project, model: str, deployment: str | None) -> str:
    """The deployment of a model."""
    serving = [name for name, each in project.settings.deployments.items() if each.model_name == model]
    if not serving:
        models = sorted({each.model_name for each in project.settings.deployments.values()})
        raise NotFound(
            f"No deployment serves a model '{model[:80]}'.",
            code="NOT_DEPLOYED",
            remedy=did_you_mean(model[:80], models),
        )
    if deployment is None and len(serving) > 1:
        raise InvalidInput(
            f"'{model}' is served by {len(serving)} deployments: {', '.join(serving[:10])}.",
            code="WHICH_DEPLOYMENT",
            remedy="Say which: --deployment NAME.",
        )
    if deployment is not None and deployment not in serving:
        raise NotFound(
            f"The deployment '{deployment[:80]}' does not serve '{model}'.",
            code="NOT_DEPLOYED",
            remedy=did_you_mean(deployment[:80], serving),
        )
    return deployment or serving[0]


def _page(project: Project, names: Sequence[str]) -> str:
    deployments = project.settings.deployments
    since = project.clock.now() - _LOOKS
    return monitor_page(
        [
            replace(
                project.monitors.told(name, deployments[name].model_name), resources=project.resources.told(name, since)
            )
            for name in names
        ]
    )


def _watched(project: Project, name: str | None) -> list[str]:
    """The deployments that a monitor watches, or this one if it is one of them."""
    monitors = project.settings.monitoring
    if name is None:
        return list(monitors)
    if name not in monitors:
        raise NotFound(
            f"No monitor watches a deployment '{name[:80]}'.",
            code="NOT_MONITORED",
            remedy=f"{did_you_mean(name[:80], monitors)} Declare one under monitoring in {FILE_NAME}, or with: "
            "modelyard monitor schedule.",
        )
    return [name]


def _differs(monitor: Any, length: timedelta) -> bool:
    return monitor.count is not None or monitor.window != length


def _length(monitor: Any) -> str:
    return f"{monitor.count} answers" if monitor.count is not None else format_duration(monitor.window)


def _declare(project: Project, names: Sequence[str], length: timedelta) -> None:
    """Write monitors into the project file, beside what stands there; one that would then be wrong stays as it was."""
    file = project.file.folder / FILE_NAME
    before = file.read_text(encoding="utf-8")
    added = "".join(f"  {name}: {{window: {format_duration(length)}}}\n" for name in names)
    lines = before.splitlines(keepends=True)
    place = next((at for at, line in enumerate(lines) if line.partition(" #")[0].rstrip() == "monitoring:"), None)
    if place is not None:
        after = "".join([*lines[: place + 1], added, *lines[place + 1 :]])
    else:
        after = before.rstrip("\n") + f"\n\nmonitoring:\n{added}"
    atomic_write(file, after.encode())
    try:
        load_project_file(file)
    except ModelyardError as error:
        atomic_write(file, before.encode())
        raise Conflict(
            f"{FILE_NAME} is not written in a way that a monitor can be added to it.",
            code="NOT_ADDED",
            remedy=f"Write it yourself, under monitoring: {names[0]}: {{window: {format_duration(length)}}}",
        ) from error
