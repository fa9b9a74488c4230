"""Metrics on their way to MLflow: a tight loop's many calls become few writes."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from modelyard.core import ModelyardError, log_event

Item = TypeVar("Item")

BATCH = 1_000
"""So many are written at once: as many as MLflow takes in one call."""

HELD = 100_000
"""So many wait, at most, while MLflow does not answer; then whoever logs more is told."""


class Outbox(Generic[Item]):
    """Items that wait to be written, in the order in which they came. Safe for several threads.

    They are written by a thread of its own after `delay` seconds, at once when `BATCH` of them wait, and by `flush` and
    `close`. What could not be written goes on waiting and is tried again; nothing is dropped, and nothing written twice
    unless a write fails halfway. A process that is killed loses what came in its last `delay` seconds.
    """

    def __init__(self, write: Callable[[Sequence[Item]], object], *, delay: float) -> None:
        """`write` takes at most `BATCH` items and raises ModelyardError when it could not write them."""
        self._write = write
        self._delay = delay
        self._waiting: list[Item] = []
        self._state = threading.Condition()
        self._turn = threading.Lock()  # one writer at a time, so that the order is kept
        self._thread: threading.Thread | None = None
        self._closed = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def put(self, items: Sequence[Item]) -> None:
        """Let items wait. Raises what writing raised when too many do."""
        with self._state:
            before = len(self._waiting)
            self._waiting.extend(items)
            full, crowded = len(self._waiting) // BATCH > before // BATCH, len(self._waiting) >= HELD
            if self._thread is None and not self._closed and self._waiting:
                self._thread = threading.Thread(target=self._keep_writing, daemon=True, name="tracking")
                self._thread.start()
        if crowded:
            self.flush()
        elif full:
            self._try()

    def flush(self) -> None:
        """Write all that wait now; raises what writing raised, and what was not written goes on waiting."""
        with self._turn:
            while batch := self._waiting[:BATCH]:
                self._write(batch)
                with self._state:
                    del self._waiting[: len(batch)]

    def close(self) -> None:
        """End the thread, and write what waits; see `flush`."""
        with self._state:
            self._closed = True
            self._state.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self.flush()

    def _keep_writing(self) -> None:
        while not self._closed:
            with self._state:
                self._state.wait_for(lambda: self._closed, timeout=self._delay)
            if not self._closed:
                self._try()

    def _try(self) -> None:
        try:
            self.flush()
        except ModelyardError as error:  # it waits, and is tried again
            log_event("tracking", "not written yet", waiting=len(self), error=error.message)
