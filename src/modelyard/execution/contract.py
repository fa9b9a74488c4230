"""What may be asked of an executor, and what it promises."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

State = Literal["done", "failed", "crashed", "timed_out", "cancelled"]
"""How a task ended: it returned; it raised; its process ended under it; it took too long; it was called off."""


@dataclass(frozen=True)
class Task:
    """One call of a function in another process.

    `function` is pickled by reference: it stands at the top of a module that a fresh process can import, never in
    `__main__`, never inside another function. `arguments` are pickled by value and small (at most 64 MiB in all):
    hand on paths and digests, not tables.

    `resources`: `cpus` (1 when not named), `gpus`, `memory` in bytes. They are accounts, not limits: a task waits
    until they are free, and no one stops it from using more.

    `timeout` counts from when the function's process takes it up, not while it waits.

    `environment` holds variables that this task alone sees: they are taken away after it, and so is whatever it
    changed in its environment or working directory itself.

    `log` is a file to which all it writes to standard output and error is appended: by descriptor, so what C code and
    child processes write is there too, line by line while it runs. Without one it goes to the owner's standard error.

    `generation` names the state of the code: a process that ran tasks of one generation never runs those of another,
    so modules imported from files that changed since are not used again.
    """

    id: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    resources: Mapping[str, float] = field(default_factory=dict)
    timeout: timedelta | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    log: Path | None = None
    generation: str = ""


@dataclass(frozen=True)
class Failure:
    """Why a task gave no value: the name of the type, the message (at most 2000 characters), the traceback.

    `exception` is what was raised, when it can be pickled and unpickled here; for tasks that did not end by themselves
    it is this room's error. Its traceback and causes stay behind: `traceback` has them as text, its end when long.
    """

    type: str
    message: str
    traceback: str = ""
    exception: BaseException | None = None


@dataclass(frozen=True)
class Outcome:
    """How a task ended: `value` for `done`, `error` for everything else; `seconds` that it ran, 0 if not or unknown."""

    id: str
    state: State
    value: Any = None
    error: Failure | None = None
    seconds: float = 0.0


class Executor(Protocol):
    """Runs tasks in other processes and tells how each ended, exactly once.

    - Every submitted task has exactly one outcome, whatever it does: raising, exiting, crashing, hanging, returning
      what cannot be pickled. The exceptions are tasks unfinished at `close`. Nothing is tried again, except a task that
      no process had taken up.
    - A task that crashes, is cancelled or times out harms no other. Its process is ended by SIGKILL, and so are the
      processes that it started, unless they began a session of their own; when the outcome is given it has ended.
    - Tasks start in the order of submission, except that one which does not fit yet lets later ones pass. They go on
      whether or not anybody waits.
    - Processes are used again: modules, threads and child processes that a task leaves behind stay for later tasks of
      the same generation; environment and working directory do not.
    - When the owner ends, however it does, `kill -9` included, its local processes end within a second.
    - All methods may be called from several threads. An executor does not survive `fork`.
    """

    @property
    def supports(self) -> frozenset[str]:
        """The options and resources of `Task` that mean something here."""
        ...

    def submit(self, task: Task) -> None:
        """Take a task; returns at once.

        NotSupported for an option or resource it lacks; DoesNotFit when it could never have the resources;
        NotPicklable for a function or arguments that cannot be sent; TaskExists while a task of this id is unfinished
        or its outcome was not fetched; ExecutorClosed after `close`.
        """
        ...

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """Outcomes not yet given, in the order in which tasks ended; waits until there is one.

        Empty when `timeout` seconds passed without any, and at once when no task is unfinished. Each outcome is given
        to one caller. Values and exceptions are unpickled here, in the caller's thread.
        """
        ...

    def cancel(self, id: str) -> None:  # noqa: A002 - as Task has it
        """End a task, waiting or running; its outcome is `cancelled`. Without effect on one that ended or never was."""
        ...

    def close(self) -> None:
        """End all tasks and processes; returns when they have ended. Repeating it is harmless."""
        ...
