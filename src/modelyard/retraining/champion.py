"""What is known of the champion, the version that is live: its windows, and when its training began."""

from datetime import datetime

from modelyard.core import NotFound
from modelyard.monitoring import Monitors, Window
from modelyard.pipelines import find_run
from modelyard.registry import Registry
from modelyard.rollout import Rollouts
from modelyard.storage import RecordStore


def window_of_champion(monitors: Monitors, rollouts: Rollouts, deployment: str) -> Window | None:
    """The newest window, unless it is of an earlier champion: what that one met calls for nothing."""
    window, route = monitors.latest(deployment), rollouts.route(deployment)
    if window is None or route is None or window.version != route.live.version:
        return None
    return window


def trained_at(records: RecordStore, registry: Registry, rollouts: Rollouts, deployment: str) -> datetime | None:
    """When the run that made the live version began, or else when that was registered; None while nothing is live."""
    route = rollouts.route(deployment)
    if route is None:
        return None
    try:
        version = registry.get(rollouts.settings(deployment).model_name, route.live.version)
    except NotFound:  # it was deleted since
        return None
    run = find_run(records, version.made_in.rpartition("/")[0]) if version.made_in else None
    return datetime.fromisoformat(run.started_at if run is not None else version.created_at)
