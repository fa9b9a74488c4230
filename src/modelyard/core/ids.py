"""Ids that sort by time: UUID version 7 (RFC 9562, section 5.7)."""

import os
import random
from typing import Protocol

from .clock import Micros

_WHOLE = (1 << 128) - 1


class IdSource(Protocol):
    """Makes ids. Implementations are safe to call from any thread."""

    def new(self, at: Micros) -> str:
        """A fresh UUIDv7 in canonical text for an event at `at`."""


class SystemIds:
    """Ids whose random bits come from the operating system."""

    def new(self, at: Micros) -> str:
        return uuid7(at, os.urandom(10))


class SeededIds:
    """Ids that repeat under the same seed, for replays and tests; never for secrets."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - ids of a replay must repeat, and are no secret

    def new(self, at: Micros) -> str:
        return uuid7(at, self._random.randbytes(10))


def uuid7(at: Micros, randomness: bytes) -> str:
    """A UUIDv7: 48 bits of milliseconds since the epoch, then 74 of the 80 bits of `randomness` (10 bytes)."""
    milliseconds = at // 1000
    value = (milliseconds << 80) | int.from_bytes(randomness, "big")
    value &= ~(0xF << 76) & ~(0x3 << 62)
    value |= (0x7 << 76) | (0x2 << 62)
    text = f"{value & _WHOLE:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
