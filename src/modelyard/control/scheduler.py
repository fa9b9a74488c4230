"""What the control plane does again and again: look at what happened, and act on it."""

from dataclasses import dataclass
from datetime import datetime

from modelyard.core import ModelyardError
from modelyard.features import Materialized
from modelyard.monitoring import AlertState, Window, series
from modelyard.pipelines import Turn
from modelyard.retraining import LoopEvent
from modelyard.rollout import Outside, RolloutEvent
from modelyard.wiring import Project


@dataclass(frozen=True)
class Happenings:
    """What one look decided, in the order in which it was decided."""

    rollouts: tuple[RolloutEvent, ...] = ()
    windows: tuple[Window, ...] = ()
    alerts: tuple[AlertState, ...] = ()
    loops: tuple[LoopEvent, ...] = ()
    outside: tuple[Outside, ...] = ()
    turns: tuple[Turn, ...] = ()


def materialize_when_due(project: Project) -> list[Materialized]:
    """Bring the views online that have not been for as long as `features.materialize_every` says.

    When that was stands in the online store, so that restarts, other processes and a lost store change nothing. The
    files of pushed rows, which this reads, are then merged where they are many.
    """
    section = project.settings.features
    if section is None or section.materialize_every is None:
        return []
    now, done = project.clock.now(), []
    for name, until in project.features.materializer.freshness().items():
        if until is None or now - until >= section.materialize_every:
            done += project.features.materializer.materialize(now, name, incremental=True)
    if done:
        project.features.compact_pushed()
    return done


def tell_freshness(project: Project) -> list[AlertState]:
    """Tell the rules how long ago each feature view was last known, every `alerts.every`; one that never was has no
    value.
    """
    section, every, now = project.settings.features, project.settings.alerts.every, project.clock.now()
    if section is None:
        return []
    told = project.alerts.told_at("features", "")
    if told is not None and now - told < every:
        return []
    ages = {
        series("feature_freshness", feature_view=view): (now - until).total_seconds()
        for view, until in project.features.materializer.freshness().items()
        if until is not None
    }
    return project.alerts.tell("features", "", ages, at=now, every=every, speaks_for=("feature_freshness",))


def look(project: Project, *, since: datetime | None = None) -> Happenings:
    """Finish what a crash cut off, keep the log, take in labels, judge closed windows, move rollouts and loops as far
    as they go, run what pipelines have on their calendar, remove what old runs of pipelines handed on, and vouch for
    the audit record when that is due.

    Everything it does is recorded by the rooms that do it, and may be repeated: two looks in a row do no harm. What is
    wrong with one deployment's windows, or with the audit record, keeps none of the others waiting; it is raised in the
    end.
    """
    project.intents.reconcile()
    outside = project.outside.notice()
    project.log.seal()
    project.log.compact()
    project.retire_log()
    rollouts = project.rollouts.tick()
    before = project.alerts.last
    windows: list[Window] = []
    troubles: list[ModelyardError] = []
    try:
        project.labels.sync_when_due()
    except ModelyardError as error:
        troubles.append(error)
    for name in project.settings.monitoring:
        try:
            windows += project.monitors.run(name, since=since)
        except ModelyardError as error:
            troubles.append(error)
    alerts = project.alerts.history(after=before)
    loops = project.retraining.tick()
    turns = tuple(project.pipelines.calendar.run_due())
    for upkeep in (project.pipelines.clean_when_due, project.checkpoints.write_when_due):
        try:
            upkeep()
        except ModelyardError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return Happenings(tuple(rollouts), tuple(windows), tuple(alerts), tuple(loops), tuple(outside), turns)
