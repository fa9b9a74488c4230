"""The workers of a local pool and what each does now. Belongs to the pool's thread alone."""

import selectors
import socket
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from modelyard.core import ModelyardError

from .contract import State
from .process import WorkerProcess
from .records import Ended, Setup, Waiting, answered, cancelled, crashed, ended_with, timed_out
from .resources import Capacity
from .wire import ANSWERED, BEGUN, READY

_LAST_WORDS = 0.1
"""Seconds between the end of a worker's connection and that of its process, before it is killed."""

_FAREWELL = 1.0
"""Seconds that an idle worker has to end by itself."""

_LOOK = 0.5
"""Seconds between looks at busy workers: one whose children keep its connection open ends without a word."""


@dataclass(frozen=True)
class Kind:
    """Which tasks a worker may run: those of one state of the code, on the GPUs that it sees."""

    restarts: int
    generation: str
    devices: tuple[int, ...]


@dataclass(eq=False)
class Worker:
    """One worker; `task` is what it has been given, `begun` when it took that up."""

    process: WorkerProcess
    kind: Kind
    deadline: float | None
    task: Waiting | None = None
    ready: bool = False
    begun: float | None = None


@dataclass
class Leaving:
    """A worker that is to end by itself until `kill_at`, and what that means for its task."""

    worker: Worker
    kill_at: float
    state: State | None
    killed: bool = False


@dataclass
class Crew:
    """At most `most` busy workers, started when needed. `act` and `listen` take turns.

    `devices`: the GPUs of the capacity as CUDA_VISIBLE_DEVICES names them; without any, workers see what this process
    sees.
    """

    most: int
    capacity: Capacity
    setup: Setup
    devices: tuple[str, ...]
    wakeup: socket.socket
    _waiting: OrderedDict[str, Waiting] = field(default_factory=OrderedDict)
    _workers: list[Worker] = field(default_factory=list)
    _leaving: list[Leaving] = field(default_factory=list)
    _ended: list[Ended] = field(default_factory=list)
    _busy: int = 0
    _restarts: int = 0
    _closing: bool = False

    def __post_init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.wakeup, selectors.EVENT_READ)

    def add(self, waiting: Waiting) -> None:
        """Queue a task."""
        self._waiting[waiting.id] = waiting

    def cancel(self, task: str) -> None:
        """End a task, if it has not ended."""
        if self._waiting.pop(task, None) is not None:
            self._ended.append(Ended(task, "cancelled", 0.0, error=cancelled(task)))
        for worker in list(self._workers):
            if worker.task is not None and worker.task.id == task:
                self._leave(worker, "cancelled", 0.0)

    def restart(self) -> None:
        """Use no worker again that exists now."""
        self._restarts += 1
        for worker in [each for each in self._workers if each.task is None]:
            self._dismiss(worker)

    def close(self) -> None:
        """End all workers, whatever they do."""
        self._closing = True
        self._waiting.clear()
        for worker in list(self._workers):
            if worker.task is None:
                self._dismiss(worker)
            else:
                self._leave(worker, None, 0.0)

    @property
    def is_gone(self) -> bool:
        """Whether it was closed and all workers have ended."""
        return self._closing and not self._workers and not self._leaving

    def abandon(self) -> None:
        """Kill all workers at once, without a word to anybody."""
        for worker in [*self._workers, *(each.worker for each in self._leaving)]:
            worker.process.kill()

    def release(self) -> None:
        """Let go of the selector and of the end that wakes it."""
        self._selector.close()
        self.wakeup.close()

    def act(self) -> list[Ended]:
        """Notice what ended, end what is late, start what fits; the tasks that ended since the last turn."""
        for worker in [each for each in self._workers if each.process.has_ended()]:
            self._hear_the_last(worker)
        self._expire(time.monotonic())
        self._collect(time.monotonic())
        self._dispatch()
        ended, self._ended = self._ended, []
        return ended

    def listen(self) -> None:
        """Sleep until somebody says something or something is due."""
        for key, events in self._selector.select(self._patience()):
            if key.data is None:
                self.wakeup.recv(4096)
                continue
            if events & selectors.EVENT_WRITE:
                self._push(key.data)
            if events & selectors.EVENT_READ:
                self._hear(key.data)

    def _patience(self) -> float | None:
        if self._leaving:
            return 0.003
        if self._busy == 0:
            return None
        now = time.monotonic()
        due = [each.deadline - now for each in self._workers if each.deadline is not None]
        return max(0.0, min([_LOOK, *due]))

    def _hear(self, worker: Worker) -> None:
        """Take what it said."""
        messages = worker.process.receive()
        if messages is None:
            return self._lost(worker)
        for kind, answer in messages:
            self._understand(worker, kind, answer)
        return None

    def _hear_the_last(self, worker: Worker) -> None:
        while worker in self._workers:
            self._hear(worker)
            if worker in self._workers and worker.process.is_silent:
                self._lost(worker)

    def _understand(self, worker: Worker, kind: int, answer: Any) -> None:
        if kind == READY:
            worker.ready, worker.deadline = True, None
        if kind == BEGUN and worker.task is not None:
            worker.begun = time.monotonic()
            worker.deadline = None if worker.task.timeout is None else worker.begun + worker.task.timeout
        if kind == ANSWERED and worker.task is not None:
            self._ended.append(answered(worker.task.id, answer))
            self._free(worker)
            if worker.kind.restarts == self._restarts:
                self._workers.remove(worker)
                self._workers.append(worker)  # the warmest is the last
            else:
                self._dismiss(worker)

    def _lost(self, worker: Worker) -> None:
        """Its connection ended. What it had not taken up, another does."""
        task = worker.task
        if task is None:
            return self._leave(worker, None, _LAST_WORDS)
        if worker.ready and worker.begun is None:
            self._free(worker)
            self._waiting[task.id] = task
            self._waiting.move_to_end(task.id, last=False)
            return self._leave(worker, None, _LAST_WORDS)
        return self._leave(worker, "crashed", _LAST_WORDS)

    def _expire(self, now: float) -> None:
        for worker in list(self._workers):
            if worker.deadline is not None and worker.deadline <= now:
                self._leave(worker, "timed_out" if worker.ready else "crashed", 0.0)

    def _dismiss(self, worker: Worker) -> None:
        worker.process.dismiss()
        self._leave(worker, None, _FAREWELL)

    def _leave(self, worker: Worker, state: State | None, grace: float) -> None:
        self._selector.unregister(worker.process.connection)
        self._workers.remove(worker)
        leaving = Leaving(worker, time.monotonic() + grace, state)
        if grace <= 0:
            _kill(leaving)
        self._leaving.append(leaving)

    def _collect(self, now: float) -> None:
        for leaving in list(self._leaving):
            code = leaving.worker.process.collect()
            if code is None:
                if leaving.kill_at <= now:
                    _kill(leaving)
                continue
            self._leaving.remove(leaving)
            self._account_for(leaving, code)

    def _account_for(self, leaving: Leaving, code: int) -> None:
        worker = leaving.worker
        if worker.task is None:
            return
        if leaving.state is not None:
            seconds = 0.0 if worker.begun is None else time.monotonic() - worker.begun
            error = _error(leaving, worker.task, code, self.setup.start_seconds)
            self._ended.append(Ended(worker.task.id, leaving.state, seconds, error=error))
        self._free(worker)

    def _free(self, worker: Worker) -> None:
        if worker.task is not None:
            self.capacity.give_back(worker.task.demand, worker.kind.devices)
            self._busy -= 1
        worker.task = worker.begun = worker.deadline = None

    def _dispatch(self) -> None:
        while self._busy < self.most and (found := self._next()) is not None:
            task, devices = found
            del self._waiting[task.id]
            self._busy += 1
            try:
                worker = self._worker(Kind(self._restarts, task.generation, devices))
            except OSError as error:
                self.capacity.give_back(task.demand, devices)
                self._busy -= 1
                self._ended.append(Ended(task.id, "crashed", 0.0, error=_not_started(task, error)))
                continue
            worker.task = task
            worker.process.send(task.job)
            self._watch(worker)

    def _next(self) -> tuple[Waiting, tuple[int, ...]] | None:
        """The first task that fits, with the GPUs taken for it."""
        for task in self._waiting.values():
            devices = self.capacity.take(task.demand)
            if devices is not None:
                return task, devices
        return None

    def _worker(self, kind: Kind) -> Worker:
        """An idle worker that may run this; else a new one, in the place of an idle one if need be."""
        idle = [each for each in self._workers if each.task is None]
        if fitting := [each for each in idle if each.kind == kind]:
            return fitting[-1]
        if len(self._workers) >= self.most and idle:
            self._dismiss(idle[0])
        shown = {"CUDA_VISIBLE_DEVICES": ",".join(self.devices[each] for each in kind.devices)} if self.devices else {}
        process = WorkerProcess(self.setup, shown)
        worker = Worker(process, kind, time.monotonic() + self.setup.start_seconds)
        self._workers.append(worker)
        self._selector.register(process.connection, selectors.EVENT_READ, worker)
        return worker

    def _push(self, worker: Worker) -> None:
        worker.process.push()
        self._watch(worker)

    def _watch(self, worker: Worker) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.process.has_unsent else 0)
        with suppress(KeyError):  # it left meanwhile
            if self._selector.get_key(worker.process.connection).events != events:
                self._selector.modify(worker.process.connection, events, worker)


def _kill(leaving: Leaving) -> None:
    leaving.killed = True
    leaving.worker.process.kill()


def _error(leaving: Leaving, task: Waiting, code: int, start_seconds: float) -> ModelyardError:
    if leaving.state == "cancelled":
        return cancelled(task.id)
    if leaving.state == "timed_out":
        return timed_out(task.id, task.timeout or 0.0)
    late = leaving.worker.deadline is not None and leaving.worker.deadline <= time.monotonic()
    if late and not leaving.worker.ready:
        return crashed(task.id, f"was not ready within {start_seconds:g} s")
    if leaving.killed:
        return crashed(task.id, "closed its connection and was ended")
    return ended_with(task.id, code, "" if leaving.worker.ready else " while it started")


def _not_started(task: Waiting, error: OSError) -> ModelyardError:
    return crashed(task.id, f"could not be started: {error.strerror or error}")
