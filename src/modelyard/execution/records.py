"""What goes from room to worker and back, and how tasks that did not end by themselves are told."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from modelyard.core import ModelyardError

from .contract import State
from .errors import TaskCancelled, TaskCrashed, TaskTimedOut


@dataclass(frozen=True)
class Demand:
    """What one task takes: `gpus` may be a share where the executor can share them."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: float = 0.0


@dataclass(frozen=True)
class Job:
    """A task as it travels: `call` is the pickle of its function and arguments.

    `demand` is what it was given; `cluster`, the address of the Ray cluster that it runs on.
    """

    call: bytes
    environment: Mapping[str, str] = field(repr=False)
    log: str | None
    demand: Demand = field(default_factory=Demand)
    cluster: str | None = None


@dataclass(frozen=True)
class Raised:
    """A failure as it travels: `exception` is a pickle, or None when it cannot be pickled."""

    type: str
    message: str
    traceback: str
    exception: bytes | None


@dataclass(frozen=True)
class Answer:
    """What became of a job: the pickle of its value, or why there is none."""

    value: bytes | None
    raised: Raised | None
    seconds: float


@dataclass(frozen=True)
class Waiting:
    """A task that waits for a worker: `timeout` in seconds."""

    id: str
    job: Job
    demand: Demand
    timeout: float | None
    generation: str


@dataclass(frozen=True)
class Ended:
    """How a task ended: by an answer, or by an error of ours."""

    id: str
    state: State
    seconds: float
    answer: Answer | None = None
    error: ModelyardError | None = None


@dataclass(frozen=True)
class Setup:
    """How a worker begins.

    `environment` is added to this process's; `initialize` is the pickle of a call; modules are found in `path`, and
    its working directory is `folder`, unless there is none here; it has `start_seconds` to become ready. With `guarded`
    a second process ends its group, for an owner that may kill the worker alone before it ends.
    """

    environment: Mapping[str, str]
    initialize: bytes | None
    path: tuple[str, ...]
    folder: str
    start_seconds: float
    guarded: bool = False


def answered(task: str, answer: Answer) -> Ended:
    """A task that ended by itself."""
    return Ended(task, "done" if answer.raised is None else "failed", answer.seconds, answer)


_REMEDIES: Mapping[int, str] = {
    signal.SIGKILL: "The system kills what uses up its memory: look there, or declare the task's memory.",
    signal.SIGSEGV: "Native code failed: its log has the Python traceback.",
    signal.SIGABRT: "Native code gave up: its log has the Python traceback.",
}


def crashed(task: str, how: str, *, by: int = 0) -> TaskCrashed:
    """The error of a task whose process ended under it, by a signal or otherwise."""
    return TaskCrashed(
        f"The process of task '{task}' {how}.",
        context={"task": task, "signal": by},
        remedy=_REMEDIES.get(by, "What it wrote last is in its log."),
    )


def ended_with(task: str, code: int, when: str) -> TaskCrashed:
    """The same, by the process's return code; negative ones are signals."""
    if code >= 0:
        return crashed(task, f"ended with exit code {code}{when}")
    return crashed(task, f"was ended by {_signal_name(-code)}{when}", by=-code)


def timed_out(task: str, seconds: float) -> TaskTimedOut:
    """The error of a task that was ended for its timeout."""
    return TaskTimedOut(
        f"Task '{task}' did not end within {seconds:g} s and was ended.",
        context={"task": task, "seconds": seconds},
        remedy="Give it more time, or less to do.",
    )


def cancelled(task: str) -> TaskCancelled:
    """The error of a task that was called off."""
    return TaskCancelled(f"Task '{task}' was cancelled.", context={"task": task})


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
