"""What can go wrong with a retraining loop."""

from modelyard.core import Conflict, NotFound


class NoPolicy(NotFound):
    """The model has no section under `retraining`."""

    code = "NO_POLICY"


class NoTrigger(NotFound):
    """The policy declares no such trigger to be fired."""

    code = "NO_TRIGGER"


class LoopBusy(Conflict):
    """A cycle is under way."""

    code = "LOOP_BUSY"


class LoopMovedOn(Conflict):
    """Another process moved the loop since it was read."""

    code = "LOOP_MOVED_ON"
