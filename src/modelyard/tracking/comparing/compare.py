"""Runs side by side: what differs in what they were made with, and how they did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec

from modelyard.core import InvalidInput

from ..errors import TrackingUnavailable
from ..evaluation import CurvePoints, Evaluation
from ..tracker import Tracker
from .courses import Course, course_of
from .read import RunView, find_run

Value = TypeVar("Value", str, float)

_MOST = 20
"""Runs in one comparison, and metrics whose course is read."""

_EVALUATION = "evaluation/evaluation.json"


class Comparison(msgspec.Struct, frozen=True):
    """Rows of values in the order of `runs`, None where a run has none.

    `params` and `facts` (code, data, machine) hold only what differs; `same_params` counts the others. `curves`: of
    metrics with several steps, (step, value) by run. `roc`: of runs whose evaluation has one curve.
    """

    runs: tuple[RunView, ...]
    metrics: dict[str, tuple[float | None, ...]]
    params: dict[str, tuple[str | None, ...]]
    same_params: int
    facts: dict[str, tuple[str | None, ...]]
    curves: dict[str, tuple[tuple[tuple[float, float], ...], ...]]
    roc: tuple[CurvePoints | None, ...]

    @property
    def labels(self) -> list[str]:
        """What the runs are called: their names, with the beginning of the id where two have one name."""
        names = [each.name or each.id[:8] for each in self.runs]
        return [
            f"{name} ({each.id[:6]})" if names.count(name) > 1 else name
            for name, each in zip(names, self.runs, strict=True)
        ]


def compare_runs(tracker: Tracker, texts: Sequence[str]) -> Comparison:
    """Compare two runs or more, each found as `find_run` does; InvalidInput for fewer, or for too many."""
    if not 2 <= len(texts) <= _MOST:
        raise InvalidInput(
            f"{len(texts)} run{'s' if len(texts) != 1 else ''} to compare; it takes 2 to {_MOST}.",
            context={"path": "runs"},
            remedy="Name them: modelyard run compare RUN RUN. See what there is: modelyard run list",
        )
    runs = tuple(find_run(tracker, each) for each in texts)
    params = _table([each.params for each in runs])
    metrics = _table([each.metrics for each in runs])
    differing = _differing(params)
    return Comparison(
        runs=runs,
        metrics=metrics,
        params=differing,
        same_params=len(params) - len(differing),
        facts=_differing(_table([_facts(each) for each in runs])),
        curves=_curves(tracker, runs, list(metrics)),
        roc=tuple(_roc(tracker, each) for each in runs),
    )


def _table(columns: Sequence[Mapping[str, Value]]) -> dict[str, tuple[Value | None, ...]]:
    names = sorted({name for column in columns for name in column})
    return {name: tuple(column.get(name) for column in columns) for name in names}


def _differing(table: dict[str, tuple[str | None, ...]]) -> dict[str, tuple[str | None, ...]]:
    return {name: values for name, values in table.items() if len(set(values)) > 1}


def _facts(run: RunView) -> dict[str, str]:
    found = {f"dataset {name}": digest[:12] for name, digest in run.datasets.items()}
    found |= {"commit": run.commit[:12]} if run.commit else {}
    names = ("git.dirty", "python", "platform", "cpus", "memory_gb", "gpus")
    tags = {each.replace("git.dirty", "changed since commit"): f"modelyard.{each}" for each in names}
    return found | {name: run.tags[tag] for name, tag in tags.items() if tag in run.tags} | {"status": run.status}


def _curves(
    tracker: Tracker, runs: Sequence[RunView], metrics: Sequence[str]
) -> dict[str, tuple[tuple[tuple[float, float], ...], ...]]:
    own = [each for each in metrics if "slice/" not in each and not each.startswith("system/")]
    found = {}
    for name in own[:_MOST]:
        courses = tuple(_course(tracker, run, name) for run in runs)
        if any(len(each) > 1 for each in courses):
            found[name] = courses
    return found


def _course(tracker: Tracker, run: RunView, metric: str) -> Course:
    if metric not in run.metrics:
        return ()
    return course_of(tracker, run.id, metric)


def _roc(tracker: Tracker, run: RunView) -> CurvePoints | None:
    """The curve of an evaluation that the run keeps; none of another program's file of that name."""
    if "evaluation" not in run.files:
        return None
    with TemporaryDirectory() as folder:
        try:
            file = tracker.ask(lambda client: client.download_artifacts(run.id, _EVALUATION, folder))
            found = msgspec.json.decode(Path(file).read_bytes(), type=Evaluation)
        except (TrackingUnavailable, OSError, msgspec.MsgspecError):
            return None
    return found.roc[0] if len(found.roc) == 1 else None
