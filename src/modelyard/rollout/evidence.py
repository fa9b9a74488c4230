"""What speaks for and against a canary now: what servers say of it, what the log says, and what is still missing."""

from datetime import datetime, timedelta

import pyarrow.compute as pc

from modelyard.core import Clock, SystemClock, to_micros
from modelyard.core.durations import format_duration
from modelyard.history import PredictionLog
from modelyard.routing import FeedFolder
from modelyard.storage import RecordStore

from .analysis import PROMOTE_AT, Analysis, analyse
from .records import Rollout
from .routes import generations
from .settings import DeploymentSettings
from .state import CANARY, canary_share


class Evidence:
    """Reads servers' status and the prediction log; changes nothing."""

    def __init__(self, records: RecordStore, feed: FeedFolder, log: PredictionLog, clock: Clock) -> None:
        self._records = records
        self._feed = feed
        self._log = log
        self._clock = clock

    def missing(self, rollout: Rollout, settings: DeploymentSettings, analysis: Analysis) -> str:
        """What the next step still needs, or nothing. No data is never a reason to go on."""
        waited = self._clock.now() - datetime.fromisoformat(rollout.step_at)
        if waited < settings.dwell:
            return f"{format_duration(settings.dwell - waited)} of this step's time"
        if analysis.requests == 0:
            return "any canary request"
        if settings.steps[rollout.step + 1] < 100:
            return ""
        if analysis.requests < settings.min_requests:
            return f"{settings.min_requests - analysis.requests} more canary requests"
        return (
            "" if analysis.promotion >= PROMOTE_AT else f"an e-value of {PROMOTE_AT:g} (now {analysis.promotion:.3g})"
        )

    def analyse(self, rollout: Rollout, settings: DeploymentSettings) -> Analysis:
        with self._records.snapshot() as view:
            routes = generations(view, rollout.deployment, since=rollout.first_generation)
        shares = {route.generation: canary_share(route) for route in routes}
        start = datetime.fromisoformat(rollout.started_at) - timedelta(days=1)
        predictions = self._log.predictions(rollout.deployment, start=start)
        return analyse(
            predictions.filter(pc.field("generation") >= rollout.first_generation),
            shares,
            canary=CANARY,
            objective_ms=settings.latency_objective_ms,
            acceptable=settings.acceptable,
            sticky=settings.assign_by is not None,
        )

    def failed_load(self, rollout: Rollout) -> str:
        """Why some server could not load the canary, or nothing."""
        # Servers beat by the wall clock, whatever clock events follow.
        now = to_micros(SystemClock().now())
        wanted = (rollout.deployment, CANARY, str(rollout.version))
        arms = [arm for status in self._feed.statuses(now) for arm in status.arms]
        refused = [arm for arm in arms if (arm.deployment, arm.arm, arm.version) == wanted and not arm.loaded]
        return next((arm.why_not for arm in refused if arm.why_not), "")
