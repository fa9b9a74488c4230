"""Which part of a deployment's log a rollout's experiment is."""

from datetime import datetime, timedelta
from itertools import takewhile

from modelyard.storage import Snapshot

from .experiments import Trial
from .pseudonyms import pseudonyms
from .reading import BEFORE_START
from .records import Rollout
from .routes import generations
from .state import share_of
from .strategies import STRATEGIES


def trial_of(view: Snapshot, rollout: Rollout, now: datetime, within: timedelta | None = None) -> Trial:
    """The requests since the candidate has had the share that it has now, or had at the end."""
    way = STRATEGIES[rollout.plan.strategy]
    routes = generations(view, rollout.deployment, since=rollout.first_generation)
    shared = list(takewhile(lambda each: any(arm.name == way.arm for arm in each.arms), routes))
    share = share_of(shared[-1], way.arm)
    steady = list(takewhile(lambda each: share_of(each, way.arm) == share, reversed(shared)))
    return Trial(
        deployment=rollout.deployment,
        arm=way.arm,
        share=share,
        first=steady[-1].generation,
        start=datetime.fromisoformat(rollout.started_at) - BEFORE_START,
        now=now,
        last=shared[-1].generation if rollout.state != "active" else None,
        within=within,
        sticky=rollout.plan.sticky,
        logged_as=pseudonyms(rollout),
    )
