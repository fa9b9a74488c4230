"""Segment files: who writes one, which are finished, and reading them."""

import fcntl
from dataclasses import dataclass
from pathlib import Path

from .frames import FAMILIES, SegmentRead, decode_segment
from .records import Family

OPEN, CLOSED = ".open", ".seg"


@dataclass(frozen=True, order=True)
class Segment:
    """One file of the journal, in the order of its name."""

    path: Path
    family: Family

    @property
    def closed(self) -> bool:
        """A closed segment is never written again."""
        return self.path.suffix == CLOSED


def segments(folder: Path, family: Family) -> tuple[Segment, ...]:
    """The segments of a family, oldest first."""
    found = (each for each in (folder / family).glob("*") if each.suffix in (OPEN, CLOSED))
    return tuple(sorted(Segment(path, family) for path in found))


def read_segment(segment: Segment, *, after: int = 0) -> SegmentRead:
    """The records of a segment beyond byte `after`."""
    return decode_segment(segment.path.read_bytes(), segment.family, after=after)


def adopt_orphans(folder: Path) -> tuple[Path, ...]:
    """Close the open segments whose writer is gone; returns their new paths. Safe while other writers are at work.

    A living writer holds a lock on its open file, and the system drops the lock when the writer dies.
    """
    adopted = []
    for family in FAMILIES:
        for path in sorted((folder / family).glob(f"*{OPEN}")):
            with path.open("rb") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                adopted.append(path.rename(path.with_suffix(CLOSED)))
    return tuple(adopted)
