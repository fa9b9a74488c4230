"""Execution: functions called in other processes, on this machine or on a Ray cluster, behind one contract.

Owns processes: starting, feeding, limiting, ending them, and saying how a task ended. Does not own what the tasks are,
when one is tried again, or what is cached: that is `pipelines`'.
"""

from .contract import Executor, Failure, Outcome, State, Task
from .errors import (
    DoesNotFit,
    ExecutorClosed,
    NotPicklable,
    NotSupported,
    PublicPorts,
    RayMissing,
    RayUnavailable,
    TaskCancelled,
    TaskCrashed,
    TaskExists,
    TaskTimedOut,
)
from .local import LocalPool
from .options import deterministic_environment
from .ray_cluster import RayExecutor

__all__ = [
    "DoesNotFit",
    "Executor",
    "ExecutorClosed",
    "Failure",
    "LocalPool",
    "NotPicklable",
    "NotSupported",
    "Outcome",
    "PublicPorts",
    "RayExecutor",
    "RayMissing",
    "RayUnavailable",
    "State",
    "Task",
    "TaskCancelled",
    "TaskCrashed",
    "TaskExists",
    "TaskTimedOut",
    "deterministic_environment",
]
