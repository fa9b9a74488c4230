"""Runs that are MLflow's active one: plain `mlflow.log_…` calls and autologging of the thread go to them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .tracker import Run, Status, Tracker, without_telemetry

_REGISTRY = "MLFLOW_REGISTRY_URI"

JOINED = "MLFLOW_RUN_ID"
"""The variable that names the run which a process belongs to."""


@contextmanager
def active_run(tracker: Tracker, name: str, experiment: str | None, tags: Mapping[str, str]) -> Iterator[Run]:
    """A new run, below the one that is active already, until the block ends.

    Without an experiment it is in MLflow's current one. It ends FINISHED, KILLED by Ctrl-C, or FAILED; MLflow then
    points where it did before.
    """
    with _pointing(tracker) as mlflow:
        experiment_id = tracker.experiment_id(experiment) if experiment else None
        outer = mlflow.active_run()
        with tracker.translated():
            opened = mlflow.start_run(run_name=name, experiment_id=experiment_id, nested=True, tags=dict(tags))
        status: Status = "FAILED"
        try:
            yield Run(tracker, opened.info.run_id)
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit) as error:
            status = "FINISHED" if isinstance(error, SystemExit) and not error.code else "KILLED"
            raise
        finally:
            with tracker.translated():
                _close(mlflow, opened, outer, status)


@contextmanager
def joined_run(tracker: Tracker) -> Iterator[Run]:
    """The run that the environment names, which somebody else ends: it stays the active one after the block."""
    own = os.environ[JOINED]
    with _pointing(tracker) as mlflow:
        current = mlflow.active_run()
        if current is None or current.info.run_id != own:
            with tracker.translated():
                mlflow.start_run(nested=current is not None)  # which takes the variable away
            os.environ[JOINED] = own
    yield Run(tracker, own)


@contextmanager
def _pointing(tracker: Tracker) -> Iterator[Any]:
    """MLflow itself, pointing at the tracker, and to where it did before when the block ends."""
    with undisturbed() as mlflow:
        tracker.prepare()
        yield mlflow


@contextmanager
def undisturbed() -> Iterator[Any]:
    """MLflow itself, which points where it did before when the block ends, whatever that told it."""
    mlflow = _mlflow()
    tracking = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    registry, variable = mlflow.get_registry_uri(), os.environ.get(_REGISTRY)
    apart = registry != mlflow.get_tracking_uri()
    try:
        yield mlflow
    finally:
        mlflow.set_tracking_uri(tracking)
        mlflow.set_registry_uri(registry if apart else None)  # which sets the variable, and never takes it away
        os.environ.pop(_REGISTRY, None)
        os.environ.update({} if variable is None else {_REGISTRY: variable})


def _mlflow() -> Any:
    without_telemetry()
    import mlflow  # noqa: PLC0415 - see `tracker`

    return mlflow


def _close(mlflow: Any, opened: Any, outer: Any, status: Status) -> None:
    """End a run, and what was left open above it; not the one below it, when it was ended already."""
    below = None if outer is None else outer.info.run_id
    while (current := mlflow.active_run()) is not None and current.info.run_id != below:
        mlflow.end_run(status)
        if current.info.run_id == opened.info.run_id:
            return
