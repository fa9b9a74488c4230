"""The local pool: persistent worker processes on this machine, behind a lock and one thread."""

import pickle
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from .contract import Outcome, Task
from .crew import Crew, Ended, Waiting
from .errors import ExecutorClosed, TaskExists
from .options import OPTIONS, check_options
from .resources import RESOURCES, Capacity, cpu_count, demand_of, memory_size
from .shipping import failure_of, pack, unpacked


class LocalPool:
    """An `Executor` of worker processes on this machine.

    Workers are fresh interpreters (never forked), started when a task first needs one and kept. They find modules where
    this process does, begin in its working directory, and get its environment.
    """

    supports = frozenset({*RESOURCES, *OPTIONS})

    def __init__(
        self,
        workers: int | None = None,
        *,
        cpus: float | None = None,
        gpus: int = 0,
        memory: float | None = None,
        environment: Mapping[str, str] | None = None,
        initialize: Callable[[], object] | None = None,
        start_seconds: float = 120.0,
    ) -> None:
        """At most `workers` processes work at once (by default one a processor), on `cpus` (by default as many as
        workers), `gpus` and `memory` bytes (by default the machine's).

        `environment` is added to every worker's from its start: for what is read only then, see
        `deterministic_environment`. `initialize` is called once in each worker before its first task; a function at the
        top of a module, or a partial of one. If it raises, so does every task. A worker has `start_seconds` for it.
        With `gpus`, a task sees those that it was given (CUDA_VISIBLE_DEVICES), and none without.
        """
        most = cpu_count() if workers is None else workers
        if most < 1:
            raise ValueError(f"a pool of {most} workers")
        self._capacity = Capacity(most if cpus is None else cpus, gpus, memory_size() if memory is None else memory)
        ours, theirs = socket.socketpair()
        self._waker = ours
        self._waker.setblocking(False)  # noqa: FBT003 - its only parameter
        self._crew = Crew(
            most=most,
            capacity=self._capacity,
            shows_devices=gpus > 0,
            environment=dict(environment or {}),
            initialize=None if initialize is None else pickle.dumps((initialize, ())),
            start_seconds=start_seconds,
            wakeup=theirs,
        )
        self._changed = threading.Condition()
        self._orders: list[Callable[[], None]] = []
        self._ids: set[str] = set()
        self._ended: list[Ended] = []
        self._thread: threading.Thread | None = None
        self._broken: BaseException | None = None
        self._closed = False

    def __enter__(self) -> "LocalPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, task: Task) -> None:
        """See `Executor.submit`."""
        check_options(task)
        demand = demand_of(task)
        self._capacity.check(task, demand)
        timeout = None if task.timeout is None else task.timeout.total_seconds()
        waiting = Waiting(task.id, pack(task), demand, timeout, task.generation)
        with self._changed:
            self._check_open()
            if task.id in self._ids:
                raise TaskExists(
                    f"A task '{task.id}' was submitted already, and its outcome not fetched.",
                    context={"task": task.id},
                    remedy="Give each task an id of its own.",
                )
            self._ids.add(task.id)
            self._order(lambda: self._crew.add(waiting))

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """See `Executor.wait`."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._ids or self._broken, timeout)
            if self._broken is not None:
                raise ExecutorClosed("The pool broke down.", remedy="Open another.") from self._broken
            ended, self._ended = self._ended, []
            self._ids.difference_update(each.id for each in ended)
            if ended:
                self._changed.notify_all()
        return [_outcome(each) for each in ended]

    def cancel(self, id: str) -> None:  # noqa: A002 - as the contract has it
        """See `Executor.cancel`."""
        with self._changed:
            if not self._closed:
                self._order(lambda: self._crew.cancel(id))

    def restart(self) -> None:
        """Run nothing more on the workers that exist now: when the code they imported has changed."""
        with self._changed:
            self._check_open()
            self._order(self._crew.restart)

    def close(self) -> None:
        """See `Executor.close`."""
        with self._changed:
            first, self._closed = not self._closed, True
            self._ids.clear()
            self._ended.clear()
            if first:
                self._order(self._crew.close)
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _check_open(self) -> None:
        if self._closed or self._broken is not None:
            raise ExecutorClosed("The pool is closed.", remedy="Open another.")

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name="local-pool")
            self._thread.start()
        with suppress(BlockingIOError):  # full of wake-ups already
            self._waker.send(b"\0")

    def _work(self) -> None:
        try:
            while not self._crew.is_gone:
                self._turn()
        except BaseException as error:  # the edge of the thread: nobody may wait for one that is no more
            self._broken = error
            with self._changed:
                self._changed.notify_all()
        finally:
            self._crew.release()
            self._waker.close()

    def _turn(self) -> None:
        with self._changed:
            orders, self._orders = self._orders, []
        for order in orders:
            order()
        if ended := self._crew.act():
            with self._changed:
                if not self._closed:
                    self._ended += ended
                self._changed.notify_all()
        if not self._crew.is_gone:
            self._crew.listen()


def _outcome(ended: Ended) -> Outcome:
    if ended.answer is None:
        error = None if ended.error is None else failure_of(ended.error)
        return Outcome(ended.id, ended.state, error=error, seconds=ended.seconds)
    value, failure = unpacked(ended.answer)
    return Outcome(ended.id, "done" if failure is None else "failed", value, failure, ended.seconds)
