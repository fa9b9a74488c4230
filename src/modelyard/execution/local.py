"""The local pool: persistent worker processes on this machine."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .contract import Outcome, Task
from .engine import Engine
from .errors import DoesNotFit
from .options import OPTIONS, waiting_for
from .records import Setup
from .resources import RESOURCES, Capacity, cpu_count, memory_size, visible_devices
from .shipping import outcome_of, pack_call


class LocalPool:
    """An `Executor` of worker processes on this machine.

    Workers are fresh interpreters (never forked), started when a task first needs one and kept. They find modules where
    this process did when the pool was opened, begin in its working directory then, and have its environment.
    """

    supports = frozenset({*RESOURCES, *OPTIONS})

    def __init__(
        self,
        workers: int | None = None,
        *,
        cpus: float | None = None,
        gpus: int = 0,
        devices: Sequence[str] | None = None,
        memory: float | None = None,
        environment: Mapping[str, str] | None = None,
        initialize: Callable[[], object] | None = None,
        start_seconds: float = 120.0,
    ) -> None:
        """At most `workers` processes work at once (by default one a processor), on `cpus` (by default as many as
        workers), `gpus` and `memory` bytes (by default the machine's).

        `environment` is added to every worker's from its start: for what is read only then, see
        `deterministic_environment`. `initialize` is called once in each worker before its first task: a function at the
        top of a module, or a partial of one. If it raises, so does the task. A worker has `start_seconds` for it.
        With `gpus`, a task sees those that it was given (CUDA_VISIBLE_DEVICES), and none without. They are the
        `devices`, numbers or identifiers as that variable has them, by default the first that this process sees.
        """
        most = cpu_count() if workers is None else workers
        if most < 1:
            raise DoesNotFit(f"A pool of {most} workers runs nothing.", remedy="Give it at least one.")
        shown = visible_devices(gpus) if devices is None else tuple(devices)
        cpus, memory = most if cpus is None else cpus, memory_size() if memory is None else memory
        self._capacity = Capacity(cpus, len(shown), memory)
        setup = Setup(
            environment=dict(environment or {}),
            initialize=None if initialize is None else pack_call(initialize, (), "The pool's `initialize`"),
            path=tuple(map(str, sys.path)),
            folder=str(Path.cwd()),
            start_seconds=start_seconds,
        )
        self._engine = Engine(most, self._capacity, setup, devices=shown)

    def __enter__(self) -> "LocalPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, task: Task) -> None:
        """See `Executor.submit`."""
        waiting = waiting_for(task)
        self._capacity.check(task.id, waiting.demand)
        self._engine.add(waiting)

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """See `Executor.wait`."""
        return [outcome_of(each) for each in self._engine.take(timeout)]

    def cancel(self, id: str) -> None:  # noqa: A002 - as the contract has it
        """See `Executor.cancel`."""
        self._engine.cancel(id)

    def restart(self) -> None:
        """Run nothing more on the workers that exist now: when code that they imported has changed."""
        self._engine.restart()

    def close(self) -> None:
        """See `Executor.close`."""
        self._engine.close()
