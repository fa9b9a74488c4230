"""Models that run in a worker process of their own: asked in turn, started again when it ended."""

import threading
import time
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelyard.core import log_event

from ..errors import IsolatedModelFailed
from ..isolated import IsolationLimits, WorkerProcess

ROWS_A_CALL = 1024
"""A deadline is for so many rows at most; more are asked in several calls."""

_AT_ONCE = 2
"""So many failures in a row are followed by a new process at once: a row that kills it must not fail its neighbours."""

_LONGEST_PAUSE = 30.0


class IsolatedRuntime:
    """A model in a worker process. Safe for several threads, which wait for each other.

    A call that raises leaves the worker as it is. One that crashes it, hangs or runs out of memory fails, and the next
    starts another; when they go on failing, later and later, and calls in between fail without being tried. The worker
    ends with `close`, when nobody holds this any more, and when this process ends.
    """

    def __init__(self, kind: str, folder: Path, limits: IsolationLimits) -> None:
        self._kind, self._folder, self._limits = kind, folder, limits
        self._lock = threading.Lock()
        self._failures = 0
        self._not_before = 0.0
        self._none = np.empty((0, 1))
        self._holder = _Holder()
        self._holder.worker = WorkerProcess(kind, folder, limits)
        self._release = weakref.finalize(self, self._holder.end)

    @property
    def pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        worker = self._holder.worker
        return None if worker is None else worker.pid

    def scores(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Runtime`; IsolatedModelFailed when there are no scores."""
        parts = [matrix[at : at + ROWS_A_CALL] for at in range(0, len(matrix), ROWS_A_CALL)]
        with self._lock:
            answers = [self._ask(part) for part in parts]
        return answers[0] if len(answers) == 1 else np.concatenate([self._none, *answers])

    def close(self) -> None:
        """End the worker; who waits for it is told. Repeating it is harmless."""
        self._holder.closed = True
        if (worker := self._holder.worker) is not None:
            worker.kill()
        with self._lock:
            self._release()

    def _ask(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        try:
            answer = self._running().ask(matrix)
        except IsolatedModelFailed as error:
            if error.context["why"] not in ("raised", "waiting", "closed"):
                self._failed(error)
            raise
        self._failures = 0
        self._none = answer[:0]
        return answer

    def _running(self) -> WorkerProcess:
        if self._closed():
            raise IsolatedModelFailed("The model's worker process was closed.", context={"why": "closed"})
        if self._holder.worker is not None:
            return self._holder.worker
        if (left := self._not_before - time.monotonic()) > 0:
            raise IsolatedModelFailed(
                f"The model's worker process ended {self._failures} times in a row; the next starts in {left:.1f} s.",
                context={"why": "waiting", "failures": self._failures},
                remedy="See the log for why; roll the model back.",
            )
        worker = self._holder.worker = WorkerProcess(self._kind, self._folder, self._limits)
        if self._closed():  # while it started
            worker.kill()
        return worker

    def _closed(self) -> bool:
        return self._holder.closed

    def _failed(self, error: IsolatedModelFailed) -> None:
        self._holder.end()
        self._failures += 1
        pause = 0.0 if self._failures <= _AT_ONCE else min(_LONGEST_PAUSE, 0.25 * 2 ** (self._failures - _AT_ONCE))
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


def load_isolated(folder: Path, limits: IsolationLimits | None = None, *, kind: str) -> IsolatedRuntime:
    """Start the worker of a bundle; IsolatedModelFailed says why its model cannot be loaded."""
    return IsolatedRuntime(kind, folder, limits or IsolationLimits())
