"""Doing something again and again, until Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import WARNING
from typing import TypeVar

from modelyard.core import Unavailable, log_event

_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
"""How long to rest between two times, and at most while what is needed is away."""

Result = TypeVar("Result")


def followed(once: Callable[[], Result], *, rest_s: float = _PAUSE_S, stop: threading.Event | None = None) -> Result:
    """Do it, and again after `rest_s`; while what is needed is away, at longer and longer intervals. Ctrl-C ends it.

    With `stop`: once that is set, it is done a last time, and what that gave is returned; Unavailable when that failed.
    """
    stop = stop or threading.Event()
    pause = _PAUSE_S
    while True:
        last = stop.is_set()
        try:
            told = once()
            if last:
                return told
            pause, rest = _PAUSE_S, rest_s
        except Unavailable as error:
            if last:
                raise
            log_event("operations", "trying again", level=WARNING, why=error.message, seconds=pause)
            rest, pause = pause, min(2 * pause, _LONGEST_PAUSE_S)
        stop.wait(rest)


@contextmanager
def signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set; the second of them ends the process as it would have."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def drain(*_: object) -> None:
        stop.set()
        for each, handler in before.items():
            signal.signal(each, handler)

    for each in before:
        signal.signal(each, drain)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
