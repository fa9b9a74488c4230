"""Segment files: listing them, reading them, and taking over those whose writer is gone.

A segment keeps one name from its creation until it is sealed, so that no listing can miss it or see it twice. Whether
it is finished is not in the name: its writer holds a lock on it, which the system drops when the writer dies.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelyard.core.locks import is_still, unlock

from .frames import HEADER_SIZE, SegmentRead, decode_frames, decode_segment, sync_of
from .records import Family

SUFFIX = ".seg"
"""The suffix of a segment; what has another is not read."""

DAMAGED = ".damaged"
"""The suffix of a segment that is set aside, its whole records sealed."""

_SUFFIXES = (SUFFIX, ".open")
"""`.open` is what segments being written were called until format version 2."""


@dataclass(frozen=True, order=True)
class Segment:
    """One file of the journal, in the order of its name."""

    path: Path
    family: Family


def segments(folder: Path, family: Family) -> tuple[Segment, ...]:
    """The segments of a family, oldest first: all that exist throughout the call, being written or not."""
    found = (each for each in (folder / family).glob("*") if each.suffix in _SUFFIXES)
    return tuple(sorted(Segment(path, family) for path in found))


def quarantined(folder: Path, family: Family) -> tuple[Segment, ...]:
    """The segments that were damaged when they were sealed: nothing reads them as part of the log again."""
    return tuple(sorted(Segment(path, family) for path in (folder / family).glob(f"*{DAMAGED}")))


def read_segment(segment: Segment, *, after: int = 0) -> SegmentRead:
    """The records of a segment beyond byte `after`, an earlier `valid_bytes`.

    Raises NotASegment when it is none, FileNotFoundError when it was sealed meanwhile, OSError when the disk fails.
    """
    with segment.path.open("rb") as stream:
        sync = sync_of(stream.read(HEADER_SIZE))
        if sync is not None and after >= HEADER_SIZE:
            stream.seek(after)
            found = decode_frames(stream.read(), segment.family, sync, at=after)
            if found.records or not found.damage:
                return found
        stream.seek(0)
        return decode_segment(stream.read(), segment.family, after=after)


@contextmanager
def claimed(segment: Segment) -> Iterator[bool]:
    """Whether, for the length of the block, this caller alone may seal, move or delete the segment.

    False while its writer lives or another claims it, and when it is gone already.
    """
    try:
        descriptor = os.open(segment.path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield locked(descriptor, segment.path)
    finally:
        unlock(descriptor)


def locked(descriptor: int, path: Path) -> bool:
    """Take the lock of an open file without waiting; False when another has it, or `path` no longer is that file.

    Both are needed: between opening a file and locking it, whoever held the lock may have moved or deleted it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return is_still(descriptor, path)
