"""A worker process that is kept: started again when it has ended, later and later when it goes on ending."""

import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeVar

from modelyard.core import log_event

from ..errors import IsolatedModelFailed
from .process import WorkerProcess

_LONGEST_PAUSE = 30.0

Answer = TypeVar("Answer")


class KeptWorker:
    """A worker process, asked by several threads, which wait for each other.

    A question that raises leaves the worker as it is. One that crashes it, hangs or runs out of memory fails, and the
    next starts another; when they go on failing, later and later, and questions in between fail without being tried.
    The worker ends with `close`, when nobody holds this any more, and when this process ends.
    """

    def __init__(self, start: Callable[[], WorkerProcess], kind: str, what: str, at_once: int = 2) -> None:
        """Start it at once. `kind` is told in the log, `what` messages call that which is loaded.

        So many failures as `at_once` says are followed by a new process without a pause: a row that kills it must not
        fail its neighbours.
        """
        self._start, self._kind, self._what, self._at_once = start, kind, what, at_once
        self.lock = threading.RLock()
        self._failures = 0
        self._not_before = 0.0
        self._holder = _Holder()
        self._holder.worker = start()
        self._release = weakref.finalize(self, self._holder.end)

    @property
    def pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        worker = self._holder.worker
        return None if worker is None else worker.pid

    def ask(self, question: Callable[[WorkerProcess], Answer]) -> Answer:
        """The answer to a question; IsolatedModelFailed when there is none. Hold `lock` to ask several in a row."""
        with self.lock:
            try:
                answer = question(self._running())
            except IsolatedModelFailed as error:
                if error.context["why"] not in ("raised", "waiting", "closed"):
                    self._failed(error)
                raise
            self._failures = 0
            return answer

    def close(self) -> None:
        """End the worker; who waits for it is told. Repeating it is harmless."""
        self._holder.closed = True
        if (worker := self._holder.worker) is not None:
            worker.kill()
        with self.lock:
            self._release()

    def _running(self) -> WorkerProcess:
        if self._closed():
            raise IsolatedModelFailed(f"The {self._what}'s worker process was closed.", context={"why": "closed"})
        if self._holder.worker is not None:
            return self._holder.worker
        if (left := self._not_before - time.monotonic()) > 0:
            raise IsolatedModelFailed(
                f"The {self._what}'s worker process ended {self._failures} times in a row; the next starts in "
                f"{left:.1f} s.",
                context={"why": "waiting", "failures": self._failures},
                remedy="See the log for why; roll the model back.",
            )
        worker = self._holder.worker = self._start()
        if self._closed():  # while it started
            worker.kill()
        return worker

    def _closed(self) -> bool:
        return self._holder.closed

    def _failed(self, error: IsolatedModelFailed) -> None:
        self._holder.end()
        self._failures += 1
        beyond = self._failures - self._at_once
        pause = 0.0 if beyond <= 0 else min(_LONGEST_PAUSE, 0.25 * 2**beyond)
        self._not_before = time.monotonic() + pause
        if not self._closed():
            log_event("inference", "worker process ended", kind=self._kind, why=error.message, failures=self._failures)


class _Holder:
    """The worker, apart from what is held by others: it must be reached when those are gone."""

    def __init__(self) -> None:
        self.worker: WorkerProcess | None = None
        self.closed = False

    def end(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.end()
