"""Runs of MLflow as values."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from modelyard.core import InvalidInput, did_you_mean

from ..errors import TrackedRunNotFound, TrackingUnavailable
from ..tracker import Tracker

_PAGE = 200
_SEARCHED = 2_000
"""Newest runs among which a name, or the beginning of an id, is looked for."""

_SHORTEST = 4
_DATASET = "modelyard.dataset."
_PARENT = "mlflow.parentRunId"


class RunView(msgspec.Struct, frozen=True):
    """A run of MLflow. Times are ISO 8601 in UTC; `seconds` is None while it goes on. `datasets`: digests by name.

    `tags` are without MLflow's own. `files`: the artifacts at its top, read by `find_run` alone.
    """

    id: str
    name: str
    experiment: str
    status: str
    started_at: str
    seconds: float | None
    parent: str | None
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]
    datasets: dict[str, str]
    commit: str | None = None
    files: tuple[str, ...] = ()


def read_runs(
    tracker: Tracker, experiment: str | None = None, *, limit: int = 20, inner: bool = False
) -> list[RunView]:
    """The newest runs, of one experiment or all; with `inner` also those that stand below others, such as steps.

    TrackedRunNotFound for an experiment that does not exist.
    """
    names = _experiments(tracker)
    if experiment is not None and experiment not in names.values():
        raise TrackedRunNotFound(
            f"There is no experiment '{experiment[:80]}'.", remedy=did_you_mean(experiment, names.values())
        )
    wanted = {key: name for key, name in names.items() if experiment in (None, name)}
    found: list[RunView] = []
    for run in _newest(tracker, wanted):
        if len(found) >= limit:
            break
        view = _view(run, wanted)
        if inner or view.parent is None:
            found.append(view)
    return found


def find_run(tracker: Tracker, text: str) -> RunView:
    """A run by its id, the beginning of it (at least 4 characters), a pipeline run's id, or the newest of a name."""
    names = _experiments(tracker)
    run = _by_id(tracker, text) or _searched(tracker, text, names)
    found = _view(run, names)
    files = tracker.ask(lambda client: client.list_artifacts(found.id))
    return msgspec.structs.replace(found, files=tuple(sorted(each.path for each in files)))


def _experiments(tracker: Tracker) -> dict[str, str]:
    """Names by id."""
    pages = _pages(lambda token: tracker.ask(lambda client: client.search_experiments(page_token=token)))
    return {str(each.experiment_id): str(each.name) for each in pages}


def _newest(tracker: Tracker, experiments: dict[str, str]) -> Iterator[Any]:
    if not experiments:
        return
    wanted = {"experiment_ids": list(experiments), "order_by": ["attributes.start_time DESC"], "max_results": _PAGE}
    yield from _pages(lambda token: tracker.ask(lambda client: client.search_runs(**wanted, page_token=token)))


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """What MLflow lists, page by page."""
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def _by_id(tracker: Tracker, text: str) -> Any:
    try:
        return tracker.ask(lambda client: client.get_run(text))
    except TrackingUnavailable as error:
        if error.context["mlflow"] in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _searched(tracker: Tracker, text: str, experiments: dict[str, str]) -> Any:
    recent = [run for _, run in zip(range(_SEARCHED), _newest(tracker, experiments), strict=False)]
    named = [run for run in recent if text in (run.info.run_name, run.data.tags.get("modelyard.run"))]
    if named:
        return named[0]
    begun = [run for run in recent if len(text) >= _SHORTEST and run.info.run_id.startswith(text)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        ids = ", ".join(run.info.run_id for run in begun[:5])
        raise InvalidInput(f"{text!r} begins the ids of several runs: {ids}.", remedy="Write more of it.")
    names = dict.fromkeys(run.info.run_name for run in recent if run.info.run_name)
    raise TrackedRunNotFound(
        f"There is no run '{text[:80]}' in MLflow.", remedy=f"{did_you_mean(text, names)} See: modelyard run list"
    )


def _view(run: Any, experiments: dict[str, str]) -> RunView:
    info, tags = run.info, run.data.tags
    ended = info.end_time is not None and info.status != "RUNNING"
    return RunView(
        id=info.run_id,
        name=info.run_name or "",
        experiment=experiments.get(info.experiment_id, info.experiment_id),
        status=info.status,
        started_at=datetime.fromtimestamp(info.start_time / 1000, UTC).isoformat(),
        seconds=(info.end_time - info.start_time) / 1000 if ended else None,
        parent=tags.get(_PARENT),
        metrics=dict(sorted(run.data.metrics.items())),
        params=dict(sorted(run.data.params.items())),
        tags={name: text for name, text in sorted(tags.items()) if not name.startswith(("mlflow.", _DATASET))},
        datasets=_datasets(run),
        commit=tags.get("mlflow.source.git.commit"),
    )


def _datasets(run: Any) -> dict[str, str]:
    """Ours with their whole digest, and what plain MLflow logged as inputs."""
    logged = {each.dataset.name: each.dataset.digest for each in run.inputs.dataset_inputs}
    own = {name.removeprefix(_DATASET): digest for name, digest in run.data.tags.items() if name.startswith(_DATASET)}
    return dict(sorted((logged | own).items()))
