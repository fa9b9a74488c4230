"""Appending to the journal: one write per family and call, acknowledged when the system has the bytes."""

import fcntl
import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from modelyard.core import Clock, check_name, to_micros

from .errors import JournalUnavailable
from .frames import HEADER, encode_frames, family_of
from .records import Family, Record
from .segments import CLOSED, OPEN

Durability = Literal["process", "power"]


class _OpenSegment:
    """One segment being written, under an exclusive lock that dies with this process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.size = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self.write(HEADER, durable=False)

    def write(self, data: bytes, *, durable: bool) -> None:
        """Write all of it, or leave the file as it was before and raise OSError."""
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                raise OSError(f"only {written} of {len(data)} bytes were written")
            if durable:
                os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def close(self) -> None:
        self.path.rename(self.path.with_suffix(CLOSED))
        os.close(self._descriptor)


class Journal:
    """What one server writes down.

    When `append` returns, the records survive `kill -9` of this process (`durability="process"`) or also a power cut
    (`"power"`, a disk flush for each call). When it raises, none of the call's family is there. A restarted server
    begins new files; it never appends to an old one. Safe for several threads.
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
        self._open: dict[Family, _OpenSegment] = {}
        self._count = 0
        self._lock = threading.Lock()
        self.written = 0
        self.refused = 0

    def append(self, records: Sequence[Record]) -> None:
        """Write records; JournalUnavailable when the disk refuses."""
        by_family: dict[Family, list[Record]] = defaultdict(list)
        for record in records:
            by_family[family_of(record)].append(record)
        with self._lock:
            for family, group in by_family.items():
                self._append_family(family, group)

    def rotate(self) -> None:
        """Close the segments being written; the next record opens new ones."""
        with self._lock:
            for segment in self._open.values():
                segment.close()
            self._open.clear()

    def close(self) -> None:
        """Close every segment. Idempotent."""
        self.rotate()

    def _append_family(self, family: Family, group: list[Record]) -> None:
        try:
            segment = self._open.get(family) or self._open_segment(family)
            segment.write(encode_frames(group), durable=self._durable)
        except OSError as error:
            self.refused += len(group)
            raise JournalUnavailable(
                f"The journal in {self._folder} cannot be written: {error}.",
                context={"folder": str(self._folder), "records": len(group)},
                remedy="Check free space and permissions: modelyard doctor.",
            ) from error
        self.written += len(group)
        if segment.size >= self._segment_bytes:
            self._open.pop(family).close()

    def _open_segment(self, family: Family) -> _OpenSegment:
        self._count += 1
        opened = to_micros(self._clock.now())
        name = f"{opened:016d}-{self._server}-{os.getpid()}-{self._count:06d}{OPEN}"
        segment = self._open[family] = _OpenSegment(self._folder / family / name)
        return segment
