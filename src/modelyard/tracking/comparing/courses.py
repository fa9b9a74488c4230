"""How the metrics of a run and of those below it went, step by step, as MLflow has them."""

from typing import Any

import msgspec

from ..tracker import Tracker

_RUNS, _METRICS, _POINTS = 60, 20, 400

Course = tuple[tuple[float, float], ...]
"""(step, value), in the order of the steps."""


class TrackedCourses(msgspec.Struct, frozen=True):
    """A run in MLflow: its id, and of it and each run below it what was logged, by the run's name.

    `metrics` are the newest values; `courses` those with several steps. At most 60 runs, 20 courses each, 400 points.
    """

    id: str
    metrics: dict[str, dict[str, float]]
    courses: dict[str, dict[str, Course]]


def courses_of(tracker: Tracker, experiment: str, tag: str, value: str) -> TrackedCourses | None:
    """Of the newest run of an experiment with a tag; None when MLflow has none. Nothing is made."""
    if tracker.is_empty:
        return None
    place = tracker.ask(lambda client: client.get_experiment_by_name(experiment))
    if place is None:
        return None
    own = _search(tracker, place.experiment_id, f"tags.`{tag}` = '{value}'", 1)
    if not own:
        return None
    below = _search(tracker, place.experiment_id, f"tags.`mlflow.parentRunId` = '{own[0].info.run_id}'", _RUNS)
    runs = [own[0], *sorted(below, key=lambda each: each.info.start_time)]
    return TrackedCourses(
        id=own[0].info.run_id,
        metrics={_name(each): dict(sorted(each.data.metrics.items())) for each in runs},
        courses={_name(each): found for each in runs if (found := _courses(tracker, each))},
    )


def course_of(tracker: Tracker, run_id: str, metric: str) -> Course:
    """The last value at each step, at most a few hundred of them."""
    history = tracker.ask(lambda client: client.get_metric_history(run_id, metric))
    points = sorted({each.step: each.value for each in sorted(history, key=lambda one: one.timestamp)}.items())
    stride = -(-len(points) // _POINTS)
    return tuple((float(step), float(number)) for step, number in points[:: max(1, stride)])


def _search(tracker: Tracker, experiment_id: str, wanted: str, most: int) -> list[Any]:
    return list(tracker.ask(lambda client: client.search_runs([experiment_id], wanted, max_results=most)))


def _name(run: Any) -> str:
    return str(run.info.run_name or run.info.run_id[:8])


def _courses(tracker: Tracker, run: Any) -> dict[str, Course]:
    own = [each for each in sorted(run.data.metrics) if not each.startswith("system/")]
    found = {name: course_of(tracker, run.info.run_id, name) for name in own[:_METRICS]}
    return {name: course for name, course in found.items() if len(course) > 1}
