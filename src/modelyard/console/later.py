"""What takes longer than a page may: worked out beside the requests, and kept for a while."""

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from logging import ERROR
from typing import Any

from modelyard.core import ModelyardError, log_event

from .errors import InternalError, TooMuchAsked

_MOST_WAITING, _MOST_KEPT, _REST = 8, 64, 20.0


@dataclass(frozen=True)
class Worked:
    """What became of a piece of work: not yet `done`, or its value."""

    done: bool
    value: Any = None


@dataclass
class _Entry:
    ready: threading.Event = field(default_factory=threading.Event)
    waiting: bool = False
    value: Any = None
    error: ModelyardError | None = None
    good_until: float = 0.0


class Later:
    """Works things out one after another in a thread of its own, and keeps what came out. Safe for several threads.

    Who asks waits no longer than `patience` seconds. What is older than `good` seconds, and than twenty times what it
    took, is still told, and worked out anew meanwhile: a page that stays open takes a twentieth of the thread. At most
    8 pieces wait; what came out of 64 is kept.
    """

    def __init__(
        self, *, patience: float = 0.08, good: float = 60.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience = patience
        self._good = good
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}
        self._queue: queue.SimpleQueue[tuple[_Entry, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, key: Hashable, work: Callable[[], Any], *, wait: bool = True) -> Worked:
        """What `work` gives, asked for under a key that says all that it depends on; its error is raised.

        Without `wait` only what is there is told. TooMuchAsked when too much waits already.
        """
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry()
            due = not entry.waiting and (not entry.ready.is_set() or self._monotonic() > entry.good_until)
            if due and self._queue.qsize() < _MOST_WAITING:
                self._put(entry, work)
            elif due and not entry.ready.is_set():
                raise TooMuchAsked(
                    f"{_MOST_WAITING} questions are being worked out already.", remedy="Ask again in a minute."
                )
            self._entries[key] = entry
            self._forget()
        entry.ready.wait(self._patience if wait else 0)
        with self._lock:
            if not entry.ready.is_set():
                return Worked(done=False)
            if entry.error is not None:
                raise entry.error
            return Worked(done=True, value=entry.value)

    def close(self) -> None:
        """The thread ends with what it is at; nothing else is worked out."""
        with self._lock:
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put(None)

    def _put(self, entry: _Entry, work: Callable[[], Any]) -> None:
        context = contextvars.copy_context()
        entry.waiting = True
        self._queue.put((entry, lambda: context.run(work)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="console-later", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (piece := self._queue.get()) is not None:
            (entry, work), value, error = piece, None, None
            began = self._monotonic()
            try:
                value = work()
            except ModelyardError as refused:
                error = refused
            except Exception as broken:  # the thread must live: whoever asked is told
                log_event("console", "working out failed", level=ERROR, error=repr(broken))
                error = InternalError("The console failed.", remedy="See console.log in the workspace's folder run.")
            now = self._monotonic()
            with self._lock:
                entry.value, entry.error, entry.waiting = value, error, False
                entry.good_until = now + max(self._good, _REST * (now - began))
                entry.ready.set()

    def _forget(self) -> None:
        """The oldest that nobody waits for go first."""
        idle = [key for key, each in self._entries.items() if not each.waiting]
        for key in idle[: max(0, len(self._entries) - _MOST_KEPT)]:
            del self._entries[key]
