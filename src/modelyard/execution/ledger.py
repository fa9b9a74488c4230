"""Which tasks are under way, and the outcomes that nobody has fetched yet. For several threads."""

import threading

from .errors import ExecutorClosed, TaskExists
from .records import Ended


class Ledger:
    """Every task that is entered is settled once and taken once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ids: set[str] = set()
        self._ended: list[Ended] = []
        self._closed = False
        self._broken: BaseException | None = None

    def enter(self, task: str) -> None:
        """Note a task that is under way; TaskExists, ExecutorClosed."""
        with self._changed:
            if self._closed or self._broken is not None:
                raise ExecutorClosed("The executor is closed.", remedy="Open another.")
            if task in self._ids:
                raise TaskExists(
                    f"A task '{task}' was submitted already, and its outcome not fetched.",
                    context={"task": task},
                    remedy="Give each task an id of its own.",
                )
            self._ids.add(task)

    def settle(self, ended: list[Ended]) -> None:
        """Keep outcomes until somebody takes them; none after `close`."""
        with self._changed:
            if ended and not self._closed:
                self._ended += ended
                self._changed.notify_all()

    def withdraw(self, task: str) -> None:
        """Forget a task that could not be started after all."""
        with self._changed:
            self._ids.discard(task)
            self._changed.notify_all()

    def take(self, timeout: float | None) -> list[Ended]:
        """What was settled; waits until there is something, or nothing is under way, or for `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._ids or self._broken, timeout)
            if self._broken is not None:
                raise ExecutorClosed("The executor broke down.", remedy="Open another.") from self._broken
            ended, self._ended = self._ended, []
            self._ids.difference_update(each.id for each in ended)
            if ended:
                self._changed.notify_all()
        return ended

    def close(self) -> bool:
        """Drop everything; whether this was the first time."""
        with self._changed:
            first, self._closed = not self._closed, True
            self._ids.clear()
            self._ended.clear()
            self._changed.notify_all()
        return first

    def breaks(self, error: BaseException) -> None:
        """Tell everybody who waits that nothing will come."""
        with self._changed:
            self._broken = error
            self._changed.notify_all()
