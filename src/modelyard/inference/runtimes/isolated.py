"""Models that run in a worker process of their own: asked in turn, started again when it ended."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..isolated import IsolationLimits, KeptWorker, WorkerProcess

ROWS_A_CALL = 1024
"""A deadline is for so many rows at most; more are asked in several calls."""


class IsolatedRuntime:
    """A model in a worker process. Safe for several threads, which wait for each other. See `KeptWorker`."""

    def __init__(self, kind: str, folder: Path, limits: IsolationLimits) -> None:
        self._none = np.empty((0, 1))
        self._kept = KeptWorker(partial(WorkerProcess, kind, folder, limits), kind, "model")

    @property
    def pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        return self._kept.pid

    def scores(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Runtime`; IsolatedModelFailed when there are no scores."""
        parts = [matrix[at : at + ROWS_A_CALL] for at in range(0, len(matrix), ROWS_A_CALL)]
        with self._kept.lock:
            answers = [self._ask(part) for part in parts]
        return answers[0] if len(answers) == 1 else np.concatenate([self._none, *answers])

    def close(self) -> None:
        """End the worker; who waits for it is told. Repeating it is harmless."""
        self._kept.close()

    def _ask(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        answer = self._kept.ask(lambda worker: worker.ask(matrix))
        self._none = answer[:0]
        return answer


def load_isolated(folder: Path, limits: IsolationLimits | None = None, *, kind: str) -> IsolatedRuntime:
    """Start the worker of a bundle; IsolatedModelFailed says why its model cannot be loaded."""
    return IsolatedRuntime(kind, folder, limits or IsolationLimits())
