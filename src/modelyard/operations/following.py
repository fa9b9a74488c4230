"""Doing something again and again, until Ctrl-C."""

import time
from collections.abc import Callable
from logging import WARNING
from typing import NoReturn

from modelyard.core import Unavailable, log_event

_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
"""How long to rest between two times, and at most while what is needed is away."""


def followed(once: Callable[[], object], *, rest_s: float = _PAUSE_S) -> NoReturn:
    """Do it, and again after `rest_s`; while what is needed is away, at longer and longer intervals. Ctrl-C ends it."""
    pause = _PAUSE_S
    while True:
        try:
            once()
            pause, rest = _PAUSE_S, rest_s
        except Unavailable as error:
            log_event("operations", "trying again", level=WARNING, why=error.message, seconds=pause)
            rest, pause = pause, min(2 * pause, _LONGEST_PAUSE_S)
        time.sleep(rest)
