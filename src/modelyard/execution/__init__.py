"""Execution: functions called in other processes, on this machine or on a Ray cluster, behind one contract.

Owns processes: starting, feeding, limiting, ending them, and saying how a task ended. Does not own what the tasks are,
when one is tried again, or what is cached: that is `pipelines`'.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .choose import ENGINES, EngineName, check_engine, open_executor
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
from .parts import Share, open_cluster, open_own, own_share
from .ray_cluster import RayExecutor

if TYPE_CHECKING:
    from .settings import ExecutionSettings, LocalSettings, RaySettings

__all__ = [
    "ENGINES",
    "DoesNotFit",
    "EngineName",
    "ExecutionSettings",
    "Executor",
    "ExecutorClosed",
    "Failure",
    "LocalPool",
    "LocalSettings",
    "NotPicklable",
    "NotSupported",
    "Outcome",
    "PublicPorts",
    "RayExecutor",
    "RayMissing",
    "RaySettings",
    "RayUnavailable",
    "Share",
    "State",
    "Task",
    "TaskCancelled",
    "TaskCrashed",
    "TaskExists",
    "TaskTimedOut",
    "check_engine",
    "deterministic_environment",
    "open_cluster",
    "open_executor",
    "open_own",
    "own_share",
]

_SETTINGS = ("ExecutionSettings", "LocalSettings", "RaySettings")


def __getattr__(name: str) -> object:
    """Settings come when they are asked for: worker processes would start later by what they import."""
    if name not in _SETTINGS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.settings"), name)
