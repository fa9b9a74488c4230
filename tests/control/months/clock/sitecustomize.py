"""On the path of every process of an accelerated project: there it is what a file says, and Python reads this first.

The file holds seconds since 1970. Time stands still until it is replaced; durations pass with both clocks.
"""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from modelyard.core import Micros, SystemClock

_FILE = Path(os.environ["ACCELERATED_CLOCK"])


def _seconds() -> int:
    return int(_FILE.read_bytes())


def _now(_clock: SystemClock) -> datetime:
    return datetime.fromtimestamp(_seconds(), UTC)


def _micros(_clock: SystemClock) -> Micros:
    return Micros(_seconds() * 1_000_000)


def _monotonic(_clock: SystemClock) -> float:
    return time.monotonic() + _seconds()


SystemClock.now = _now  # type: ignore[method-assign,assignment]
SystemClock.micros = _micros  # type: ignore[method-assign,assignment]
SystemClock.monotonic = _monotonic  # type: ignore[method-assign,assignment]
