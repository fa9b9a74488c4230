"""Operations on runs as MLflow has them: those of pipelines, of `modelyard.run`, and of plain MLflow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound, SystemClock
from modelyard.tracking import (
    Tracker,
    compare_runs,
    comparison_page,
    comparison_picture,
    find_run,
    read_runs,
)

from .contract import Call, Option, operation


@dataclass(frozen=True)
class TrackedList:
    """Which runs to list."""

    experiment: Annotated[str | None, Option("Only of this experiment.")] = None
    limit: Annotated[int, Option("At most so many.")] = 20
    steps: Annotated[bool, Option("Also runs that stand below others, such as the steps of a pipeline.")] = False


@dataclass(frozen=True)
class TrackedOne:
    """One run."""

    run: Annotated[str, Option("Id, its beginning, or name, whose newest run is meant.", positional=True)]


@dataclass(frozen=True)
class TrackedSeveral:
    """Runs to set side by side."""

    runs: Annotated[tuple[str, ...], Option("Ids, their beginnings, or names.", positional=True)]


@operation("run", "list", Permission.READ)
def list_tracked(call: Call[TrackedList]) -> Any:
    """List runs in MLflow, newest first, whoever made them."""
    return listed(call.project.tracker, call.input)


@operation("run", "show", Permission.READ)
def show_tracked(call: Call[TrackedOne]) -> Any:
    """Show a run: metrics, parameters, data, code, machine, files."""
    return shown(call.project.tracker, call.input)


@operation("run", "compare", Permission.READ)
def compare_tracked(call: Call[TrackedSeveral]) -> Any:
    """Set runs side by side: metrics, what differs in parameters, data, code and machine; also as a picture."""
    return compared(call.project.tracker, call.input)


def listed(tracker: Tracker, wanted: TrackedList) -> Any:
    """See `list_tracked`."""
    if wanted.limit < 1:
        raise InvalidInput(f"--limit is {wanted.limit}.", context={"path": "limit"}, remedy="Give 1 or more.")
    found = read_runs(tracker, wanted.experiment, limit=wanted.limit, inner=wanted.steps)
    return [_without(msgspec.to_builtins(each), "files") for each in found]


def shown(tracker: Tracker, wanted: TrackedOne) -> Any:
    """See `show_tracked`."""
    return msgspec.to_builtins(find_run(tracker, wanted.run))


def compared(tracker: Tracker, wanted: TrackedSeveral) -> Any:
    """See `compare_tracked`. `svg` and `html` hold the picture, and the page around it."""
    found = compare_runs(tracker, wanted.runs)
    told = {**msgspec.to_builtins(found), "labels": found.labels}
    return told | {"svg": comparison_picture(found), "html": comparison_page(found)}


def outside(ask: Callable[[Tracker, Any], Any]) -> Callable[[Any], Any]:
    """The same of the MLflow that MLflow itself points at, for folders that are no project."""
    return lambda wanted: ask(_mlflows_own(), wanted)


def _mlflows_own() -> Tracker:
    """NotFound when MLflow has kept nothing where it points, rather than beginning a store there."""
    tracker = Tracker.of_mlflow(SystemClock())
    if tracker.is_empty:
        raise NotFound(
            f"This folder is no project, and MLflow has kept nothing at {tracker.uri}.",
            code="NO_RUNS",
            remedy="Go to the folder of a modelyard.yaml, or say where MLflow is: MLFLOW_TRACKING_URI=http://…",
        )
    return tracker


def _without(told: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != name}
