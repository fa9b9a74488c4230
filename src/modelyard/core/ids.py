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

    def several(self, at: Micros, count: int) -> list[str]:
        """So many of them, cheaper than one by one."""


class SystemIds:
    """Ids whose random bits come from the operating system, fetched for many at once; a forked process fetches anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bits, self._used, self._process = b"", 0, 0

    def new(self, at: Micros) -> str:
        return uuid7(at, self._fresh(1))

    def several(self, at: Micros, count: int) -> list[str]:
        return uuids7(at, self._fresh(count))

    def _fresh(self, count: int) -> bytes:
        """The random bytes of so many ids."""
        with self._lock:
            start, wanted = self._used, _BYTES * count
            if start + wanted > len(self._bits) or self._process != os.getpid():
                self._bits, self._process, start = os.urandom(max(wanted, _BYTES * _FETCHED)), os.getpid(), 0
            self._used = start + wanted
            return self._bits[start : self._used]


class SeededIds:
    """Ids that repeat under the same seed, for replays and tests; never for secrets."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - ids of a replay must repeat, and are no secret

    def new(self, at: Micros) -> str:
        return uuid7(at, self._random.randbytes(_BYTES))

    def several(self, at: Micros, count: int) -> list[str]:
        return [self.new(at) for _ in range(count)]


def uuid7(at: Micros, randomness: bytes) -> str:
    """A UUIDv7: 48 bits of milliseconds since the epoch, then 74 of the 80 bits of `randomness` (10 bytes)."""
    return uuids7(at, randomness)[0]


def uuids7(at: Micros, randomness: bytes) -> list[str]:
    """As many UUIDv7 of one instant as `randomness` has ten bytes for."""
    time, noise = f"{at // 1000 & _LATEST:012x}", randomness.hex()
    head, digits = f"{time[:8]}-{time[8:]}-7", 2 * _BYTES
    each = (noise[begin : begin + digits] for begin in range(0, len(noise), digits))
    return [f"{head}{of[1:4]}-{_VARIANTS[of[4]]}{of[5:8]}-{of[8:]}" for of in each]
