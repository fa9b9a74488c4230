"""The pool's thread: takes orders from other threads to the crew, and what ended back to the ledger."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from .crew import Crew
from .ledger import Ledger
from .records import Ended, Setup, Waiting
from .resources import Capacity


class Engine:
    """A crew of worker processes behind a lock. All methods may be called from several threads."""

    def __init__(self, most: int, capacity: Capacity, setup: Setup, *, devices: tuple[str, ...] = ()) -> None:
        self._waker, wakeup = socket.socketpair()
        self._waker.setblocking(False)  # noqa: FBT003 - its only parameter
        self._crew = Crew(most, capacity, setup, devices, wakeup)
        self._ledger = Ledger()
        self._lock = threading.Lock()
        self._orders: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None

    def add(self, waiting: Waiting) -> None:
        """Queue a task; TaskExists, ExecutorClosed."""
        self._ledger.enter(waiting.id)
        self._order(lambda: self._crew.add(waiting))

    def take(self, timeout: float | None) -> list[Ended]:
        """Tasks that ended; waits for one."""
        return self._ledger.take(timeout)

    def cancel(self, task: str) -> None:
        """End a task, if it has not ended."""
        self._order(lambda: self._crew.cancel(task))

    def restart(self) -> None:
        """Use no worker again that exists now."""
        self._order(self._crew.restart)

    def close(self) -> None:
        """End everything; returns when it has ended."""
        if self._ledger.close():
            self._order(self._crew.close)
        if (thread := self._thread) is not None and thread is not threading.current_thread():
            thread.join()

    def _order(self, order: Callable[[], None]) -> None:
        with self._lock:
            self._orders.append(order)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="local-pool")
                self._thread.start()
            with suppress(OSError):  # full of wake-ups already; or nobody is there any more
                self._waker.send(b"\0")

    def _work(self) -> None:
        try:
            while not self._crew.is_gone:
                self._turn()
        except BaseException as error:  # the edge of the thread: nobody may wait for one that is no more
            self._ledger.breaks(error)
            self._crew.abandon()
        finally:
            with self._lock:
                self._crew.release()
                self._waker.close()

    def _turn(self) -> None:
        with self._lock:
            orders, self._orders = self._orders, []
        for order in orders:
            order()
        self._ledger.settle(self._crew.act())
        if not self._crew.is_gone:
            self._crew.listen()
