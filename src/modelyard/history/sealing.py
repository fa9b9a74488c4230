"""Sealing: finished segments become Parquet files by partition, each record exactly once."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from logging import WARNING
from pathlib import Path

import msgspec
import pyarrow as pa

from modelyard.core import locks, log_event, make_folder, sync_folder
from modelyard.journal import (
    DAMAGED,
    FAMILIES,
    Damage,
    Family,
    NotASegment,
    Segment,
    SegmentRead,
    claimed,
    read_segment,
    segments,
)

from .catalog import Catalogs, Entry
from .files import write_part
from .partitions import Part, partitioned
from .sound import is_sound
from .tables import to_table

_AT_ONCE = 64 << 20
"""Bytes of segments that are sealed in one step: what is in memory at a time, and what a crash makes be done again."""


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


_Read = tuple[Segment, SegmentRead, bool]
"""A segment, what is in it, and whether it could be read at all: what could not may be on another day."""


def seal(journal: Path, folder: Path) -> Sealed:
    """Turn every finished segment into Parquet files by partition, then delete the segment.

    Finished is what no living writer holds. Files written, flushed and renamed, then the catalog that names them and
    the segments they hold, and only then are the segments removed: a crash before the catalog changes nothing that a
    reader sees, one after it leaves segments that readers and the next sealing know to be sealed. All whole records of
    a damaged segment are sealed, and the segment is kept as `.damaged`; one that the disk does not give back is
    reported and left alone. Safe while writers, readers and others who seal are at work: of several processes that
    seal, one works and the others wait.
    """
    done: list[_Read] = []
    make_folder(folder)
    with alone(folder):
        catalogs = Catalogs(folder)
        for family in FAMILIES:
            for group in _groups(segments(journal, family)):
                done += _seal(group, family, catalogs, folder)
    return Sealed(
        segments=len(done),
        records=sum(len(found.records) for _, found, _ in done),
        damaged=tuple(f"{segment.path.name}: {each}" for segment, found, _ in done for each in found.damage),
        lost_bytes=sum(found.lost_bytes for _, found, _ in done),
        torn_bytes=sum(found.torn_bytes for _, found, _ in done),
    )


def file_name(number: int, index: int) -> str:
    """The name of a file that the catalog of this number is the first to name."""
    return f"{number:012d}-{index:05d}.parquet"


def alone(folder: Path) -> AbstractContextManager[None]:
    """Wait until no other thread or process changes this log, and keep them out."""
    return locks.alone(folder / ".sealing")


def _groups(found: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Segments that are sealed in one step, oldest first."""
    group: list[Segment] = []
    size = 0
    for segment in found:
        group.append(segment)
        size += _size(segment)
        if size >= _AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group


def _seal(group: Sequence[Segment], family: Family, catalogs: Catalogs, folder: Path) -> list[_Read]:
    """Seal those of some segments that nobody else holds."""
    with ExitStack() as claims:
        ours = [each for each in group if claims.enter_context(claimed(each))]
        read = [(each, *_read(each)) for each in ours]
        if any(found.records for _, found, _ in read):
            _put(read, family, catalogs, folder)
        for segment, found, readable in read:
            if found.damage:
                _report(segment, found)
            if readable and found.damage:
                segment.path.rename(segment.path.with_suffix(DAMAGED))
            elif readable:
                segment.path.unlink()
        return read


def _put(read: Sequence[_Read], family: Family, catalogs: Catalogs, folder: Path) -> None:
    """Write the records of segments that no file of the log holds yet, and the catalog with them."""
    before = catalogs.current()
    again = {segment.path.name for segment, _, _ in read} & before.consumed
    if again:
        catalogs.settle()
    lost = (
        [each for each in before.entries if again & set(each.sources) and not is_sound(folder, each)] if again else []
    )
    fresh = _parts([each for each in read if each[0].path.name not in again], family)
    healed = [part for each in read if each[0].path.name in again for part in _healed(each, family, lost)]
    parts = [*fresh, *healed]
    if not parts:
        return
    entries = [
        write_part(
            folder,
            file_name(before.number + 1, index),
            part.table,
            family=family,
            kinds=part.kinds,
            redacted=part.redacted,
            day=part.day,
            sources=sorted(set(part.table.column("segment").to_pylist())),
        )
        for index, part in enumerate(parts)
    ]
    waiting = _not_deleted(before.consumed, read[0][0].path.parents[1])
    catalogs.commit(
        msgspec.structs.replace(
            before,
            number=before.number + 1,
            entries=(*(each for each in before.entries if each not in lost), *entries),
            consumed=waiting | {segment.path.name for segment, _, readable in read if readable},
        )
    )
    log_event("history", "sealed", family=family, segments=len(read), files=len(entries))


def _not_deleted(consumed: frozenset[str], journal: Path) -> frozenset[str]:
    """Those of sealed segments that are still there. The others are to be forgotten, and no power cut may then bring
    one back: that they are gone is on the disk, or OSError.
    """
    folders = [journal / each for each in FAMILIES if (journal / each).is_dir()]
    there = frozenset(name for name in consumed if any((each / name).exists() for each in folders))
    if there != consumed:
        for each in folders:
            sync_folder(each)
    return there


def _parts(read: Sequence[_Read], family: Family) -> list[Part]:
    tables = [to_table(found.records, family, segment.path.name) for segment, found, _ in read if found.records]
    return list(partitioned(pa.concat_tables(tables), family)) if tables else []


def _healed(read: _Read, family: Family, lost: Sequence[Entry]) -> list[Part]:
    """What files that are not what was written held of a segment which, as it happens, was not deleted yet."""
    wanted = {each.partition for each in lost if read[0].path.name in each.sources}
    return [each for each in _parts([read], family) if each.partition in wanted]


def _read(segment: Segment) -> tuple[SegmentRead, bool]:
    size = segment.path.stat().st_size
    try:
        return read_segment(segment), True
    except NotASegment as error:
        return SegmentRead((), 0, damage=(Damage(0, size, error.message),)), True
    except OSError as error:
        return SegmentRead((), 0, damage=(Damage(0, size, str(error)),)), False


def _size(segment: Segment) -> int:
    try:
        return segment.path.stat().st_size
    except FileNotFoundError:
        return 0


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
