"""Appending to the journal: one write per family and call, acknowledged when the system has the bytes."""

import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Literal

from modelyard.core import Clock, check_name, to_micros

from .errors import JournalUnavailable
from .frames import encode_frame, family_of
from .records import Family, Record
from .segments import SUFFIX
from .writing import OpenSegment

_NUMBERS = count(1)
"""Of the segments that this process opens, whatever the journal."""

Durability = Literal["process", "power"]
"""What an acknowledged record survives: the end of the process, or of the power."""


class Journal:
    """What one server writes down.

    When `append` returns, the records survive `kill -9` of this process (`durability="process"`) or also a power cut
    (`"power"`, a disk flush for each call). When it raises, none of the call's records is there, of whatever family;
    only a disk that refuses to take them back as well may keep some, and that is logged. A restarted server begins
    new files, and so does a process forked from this one; neither ever appends to an old one. Safe for several threads.
    """

    def __init__(
        self,
        folder: Path,
        server: str,
        clock: Clock,
        *,
        durability: Durability = "process",
        segment_bytes: int = 32 << 20,
    ) -> None:
        self._folder = folder
        self._server = check_name("server", server)
        self._clock = clock
        self._durable = durability == "power"
        self._segment_bytes = segment_bytes
        self._open: dict[Family, OpenSegment] = {}
        self._lock = threading.Lock()
        self.written = 0
        self.refused = 0
        _JOURNALS.add(self)

    def append(self, records: Sequence[Record]) -> None:
        """Write records; JournalUnavailable when the disk refuses, Unrecordable when a value cannot be written."""
        frames: dict[Family, list[bytes]] = {}
        for record in records:
            frames.setdefault(family_of(record), []).append(encode_frame(record))
        with self._lock:
            try:
                self._write(frames)
            except OSError as error:
                self.refused += len(records)
                raise JournalUnavailable(
                    f"The journal in {self._folder} cannot be written: {error}.",
                    context={"folder": str(self._folder), "records": len(records)},
                    remedy="Check free space and permissions: modelyard doctor.",
                ) from error
            self.written += len(records)

    def rotate(self) -> None:
        """Close the segments being written; the next record opens new ones."""
        with self._lock:
            for segment in self._open.values():
                segment.close()
            self._open.clear()

    def close(self) -> None:
        """Close every segment. Idempotent."""
        self.rotate()

    def _write(self, frames: Mapping[Family, Sequence[bytes]]) -> None:
        """Write all families' frames, or take back what was written of them.

        Also an interrupt may leave half a frame, and so the segments of any failed call are given up.
        """
        before: dict[Family, int] = {}
        try:
            for family, group in frames.items():
                segment = self._open.get(family) or self._open_segment(family)
                before[family] = segment.size
                segment.write(group)
        except BaseException:
            for family, size in before.items():
                self._open.pop(family).abandon(size)
            raise
        for family in before:
            if self._open[family].size >= self._segment_bytes:
                self._open.pop(family).close()

    def _open_segment(self, family: Family) -> OpenSegment:
        segment = self._open[family] = OpenSegment(self._folder / family, self._name, durable=self._durable)
        return segment

    def _name(self) -> str:
        """Never that of an earlier segment, which a reader may know as sealed: not even when the clock stands still."""
        return f"{to_micros(self._clock.now()):016d}-{self._server}-{os.getpid()}-{next(_NUMBERS):06d}{SUFFIX}"

    def _forget(self) -> None:
        """In a forked process: leave the segments to the process that opened them, and the lock to its threads."""
        for segment in self._open.values():
            segment.forget()
        self._open.clear()
        self._lock = threading.Lock()


_JOURNALS: "weakref.WeakSet[Journal]" = weakref.WeakSet()


def _forget_all() -> None:
    for journal in list(_JOURNALS):
        journal._forget()


os.register_at_fork(after_in_child=_forget_all)
