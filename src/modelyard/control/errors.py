"""What can go wrong with processes."""

from modelyard.core import Conflict, Unavailable


class PortInUse(Conflict):
    """Something else listens where a server should."""

    code = "PORT_IN_USE"


class AlreadyRunning(Conflict):
    """This workspace has a supervisor already."""

    code = "ALREADY_RUNNING"


class StartFailed(Unavailable):
    """A process ended, or was not ready in time, right after it was started."""

    code = "START_FAILED"


class NotPurged(Conflict):
    """What was to be removed is not only the workspace's own, or is in use."""

    code = "NOT_PURGED"
