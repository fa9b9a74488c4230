"""What can go wrong with executing tasks."""

from modelyard.core import Conflict, Failed, Forbidden, InvalidInput, Unavailable


class NotSupported(InvalidInput):
    """The executor lacks an option or resource that the task asks for."""

    code = "NOT_SUPPORTED"


class DoesNotFit(InvalidInput):
    """The task asks for more than the executor has in all."""

    code = "DOES_NOT_FIT"


class NotPicklable(InvalidInput):
    """A function, its arguments or its value cannot go from one process to another."""

    code = "NOT_PICKLABLE"


class TaskExists(Conflict):
    """A task of this id is unfinished."""

    code = "TASK_EXISTS"


class ExecutorClosed(Conflict):
    """The executor was closed."""

    code = "EXECUTOR_CLOSED"


class TaskCrashed(Failed):
    """The process of a task ended before the task did."""

    code = "TASK_CRASHED"


class TaskTimedOut(Failed):
    """A task took longer than it may."""

    code = "TASK_TIMED_OUT"


class TaskCancelled(Failed):
    """A task was called off."""

    code = "TASK_CANCELLED"


class RayMissing(Unavailable):
    """Ray is not installed."""

    code = "RAY_MISSING"


class RayUnavailable(Unavailable):
    """The Ray cluster does not answer."""

    code = "RAY_UNAVAILABLE"


class PublicPorts(Forbidden):
    """Ray would open its ports on every interface."""

    code = "PUBLIC_PORTS"
