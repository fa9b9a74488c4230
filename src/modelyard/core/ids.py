"""Ids that sort by time: UUID version 7 (RFC 9562, section 5.7)."""

import os
import random
import threading
from typing import Protocol

from .clock import Micros

_BYTES, _FETCHED = 10, 256
"""Bytes of an id that are random, and how many ids' are fetched at once: each time is a system call."""

_LATEST = (1 << 48) - 1
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class IdSource(Protocol):
    """Makes ids. Implementations are safe to call from any thread."""

    def new(self, at: Micros) -> str:
        """A fresh UUIDv7 in canonical text for an event at `at`."""


class SystemIds:
    """Ids whose random bits come from the operating system, fetched for many at once; a forked process fetches anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bits, self._used, self._process = b"", 0, 0

    def new(self, at: Micros) -> str:
        with self._lock:
            start = self._used
            if start == len(self._bits) or self._process != os.getpid():
                self._bits, self._process, start = os.urandom(_BYTES * _FETCHED), os.getpid(), 0
            self._used = start + _BYTES
            bits = self._bits[start : self._used]
        return uuid7(at, bits)


class SeededIds:
    """Ids that repeat under the same seed, for replays and tests; never for secrets."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - ids of a replay must repeat, and are no secret

    def new(self, at: Micros) -> str:
        return uuid7(at, self._random.randbytes(10))


def uuid7(at: Micros, randomness: bytes) -> str:
    """A UUIDv7: 48 bits of milliseconds since the epoch, then 74 of the 80 bits of `randomness` (10 bytes)."""
    time, noise = f"{at // 1000 & _LATEST:012x}", randomness.hex()
    variant = _VARIANTS[noise[4]]
    return f"{time[:8]}-{time[8:]}-7{noise[1:4]}-{variant}{noise[5:8]}-{noise[8:]}"
