"""What can go wrong with a rollout."""

from modelyard.core import Conflict, NotFound


class RolloutActive(Conflict):
    """The deployment has a rollout in progress."""

    code = "ROLLOUT_ACTIVE"


class RolloutMovedOn(Conflict):
    """Someone else decided about the rollout between looking at it and acting."""

    code = "ROLLOUT_MOVED_ON"


class NoRollout(NotFound):
    """Nothing to act on: no such deployment, route, rollout or earlier version."""

    code = "NO_ROLLOUT"


class NotEnoughEvidence(Conflict):
    """A takeover that nothing speaks for yet, or that something speaks against."""

    code = "NOT_ENOUGH_EVIDENCE"


class NoNextStep(Conflict):
    """The next step would be the takeover, or the rollout is paused, or past the step already."""

    code = "NO_NEXT_STEP"


class NoGoldenRows(Conflict):
    """What a deployment serves keeps no golden rows that could be asked of it."""

    code = "NO_GOLDEN_ROWS"
