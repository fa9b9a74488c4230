"""Sealing: finished segments become Parquet files, each exactly once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import WARNING
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.core import log_event, sync_folder
from modelyard.journal import (
    DAMAGED,
    FAMILIES,
    Damage,
    NotASegment,
    Segment,
    SegmentRead,
    claimed,
    make_folder,
    read_segment,
    segments,
    unlock,
)

from .tables import to_table


@dataclass(frozen=True)
class Sealed:
    """What one sealing did.

    `damaged` names each segment with bytes that are no record, and why; `lost_bytes` counts those bytes. `torn_bytes`
    counts unfinished last records of writers that were killed: nobody was told that these were written.
    """

    segments: int
    records: int
    damaged: tuple[str, ...]
    lost_bytes: int = 0
    torn_bytes: int = 0


def seal(journal: Path, folder: Path) -> Sealed:
    """Turn every finished segment into `<folder>/<family>/<segment>.parquet`, then delete the segment.

    Finished is what no living writer holds. Written, flushed, renamed, and only then is the segment removed: a crash
    in between leaves both, and readers go by the Parquet file. All whole records of a damaged segment are sealed, and
    the segment is kept as `.damaged`; one that the disk does not give back is reported and left alone. Safe while
    writers, readers and others who seal are at work: of several processes that seal, one works and the others wait.
    """
    done: list[tuple[Segment, SegmentRead]] = []
    make_folder(folder, durable=True)
    with _alone(folder):
        for family in FAMILIES:
            for segment in segments(journal, family):
                with claimed(segment) as ours:
                    if ours:
                        done.append((segment, _seal(segment, folder)))
    return Sealed(
        segments=len(done),
        records=sum(len(found.records) for _, found in done),
        damaged=tuple(f"{segment.path.name}: {each}" for segment, found in done for each in found.damage),
        lost_bytes=sum(found.lost_bytes for _, found in done),
        torn_bytes=sum(found.torn_bytes for _, found in done),
    )


def parquet_path(folder: Path, segment: Segment) -> Path:
    """Where a segment's records go."""
    return folder / segment.family / f"{segment.path.stem}.parquet"


def _seal(segment: Segment, folder: Path) -> SegmentRead:
    """Seal one segment that is ours."""
    found, readable = _read(segment)
    if found.records:
        _write(to_table(found.records, segment.family), parquet_path(folder, segment))
    if found.damage:
        _report(segment, found)
    if readable and found.damage:
        segment.path.rename(segment.path.with_suffix(DAMAGED))
    elif readable:
        segment.path.unlink()
    return found


def _read(segment: Segment) -> tuple[SegmentRead, bool]:
    """What is in a segment, and whether it could be read at all: what could not may be on another day."""
    size = segment.path.stat().st_size
    try:
        return read_segment(segment), True
    except NotASegment as error:
        return SegmentRead((), 0, damage=(Damage(0, size, error.message),)), True
    except OSError as error:
        return SegmentRead((), 0, damage=(Damage(0, size, str(error)),)), False


def _report(segment: Segment, found: SegmentRead) -> None:
    log_event(
        "history",
        "segment damaged",
        level=WARNING,
        segment=segment.path.name,
        damage=[str(each) for each in found.damage[:10]],
        lost_bytes=found.lost_bytes,
        records=len(found.records),
    )


def _write(table: pa.Table, path: Path) -> None:
    """Write a Parquet file that is there whole, also after a power cut, or not at all.

    One that is there already, from a sealing cut short, stays unless it has less: the power cut that ended that
    sealing may have cost the segment bytes which the file has.
    """
    if _rows(path) >= len(table):
        return
    make_folder(path.parent, durable=True)
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as stream:
            pq.write_table(table, stream, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _rows(path: Path) -> int:
    """How many rows a Parquet file has, by its own word; -1 when it is not there or is none."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (FileNotFoundError, pa.ArrowInvalid):
        return -1


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other thread or process seals into this folder, and keep them out."""
    descriptor = os.open(folder / ".sealing", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        unlock(descriptor)
