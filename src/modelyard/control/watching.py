"""What is watched between windows: requests each minute, and alerts that time alone moves on.

It has a thread and a project of its own, so that a training that takes an hour keeps nobody from seeing an outage.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging import WARNING
from pathlib import Path

from modelyard.core import ModelyardError, log_event
from modelyard.monitoring import AlertState
from modelyard.storage import Transaction
from modelyard.wiring import Project

from .leading import Leads, always

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JOIN_SECONDS = 2.0

Fence = Callable[[Transaction], None]
"""Asked in a write transaction; what it raises stops the write."""


def tell_held(project: Project, deployment: str) -> list[AlertState]:
    """Tell the rules for how long a rollout is held; returns what changed."""
    every, held = project.settings.alerts.every, {"rollout_held": project.rollouts.held_s(deployment)}
    return project.alerts.tell("rollout", deployment, held, at=project.clock.now(), every=every)


class Watching:
    """Looks when `alerts.every` has passed; whatever it does can be done again after a crash."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._looked: datetime | None = None

    def look(self) -> list[AlertState]:
        """Tell the rules how requests were answered, and put what changed into the outbox; returns what changed."""
        project = self._project
        now, every = project.clock.now(), project.settings.alerts.every
        minute = _EPOCH + (now - _EPOCH) // every * every
        changed: list[AlertState] = []
        if minute != self._looked:
            for deployment in project.settings.deployments:
                changed += project.requests.look(deployment)
                changed += tell_held(project, deployment)
            changed += project.resources.look(list(project.settings.deployments))
            changed += project.alerts.evaluate(now)
            self._looked = minute
        project.outbox.compose()
        return changed


@contextmanager
def watching(folder: Path, *, every: float = 1.0, leads: Leads = always, fence: Fence | None = None) -> Iterator[None]:
    """Watch the project in a folder from a thread, while the block lasts and this process leads.

    `fence` is asked in each of its writes to the record store.
    """
    stopping = threading.Event()
    arguments = (folder, stopping, every, leads, fence)
    thread = threading.Thread(target=_watch, args=arguments, daemon=True, name="watching")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_JOIN_SECONDS)


def _watch(folder: Path, stopping: threading.Event, every: float, leads: Leads, fence: Fence | None) -> None:
    project = Project(folder, fence=fence)
    watching = Watching(project)
    while not stopping.wait(every):
        if not leads():
            continue
        try:
            changed = watching.look()
        except ModelyardError as error:
            log_event("control", "watching failed, will be tried again", level=WARNING, error=str(error))
            continue
        for each in changed:
            log_event("control", "alert resolved" if each.until else "alert fires", alert=each.alert.message)
    project.close()
