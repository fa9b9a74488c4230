"""Verification: every file has the bytes that were written, every record can be read, none is there twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from modelyard.journal import FAMILIES, Family, NotASegment, read_segment, segments

from .catalog import Entry
from .files import DAMAGE, part_batches
from .reading import LogFiles, Snapshot
from .sound import is_sound


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the log."""

    file: str
    what: str


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong.

    `doubled` counts records that are there more than once, by where they were written; `torn_bytes` unfinished last
    records of segments, which are no damage: nobody was told that they were written.
    """

    files: int
    segments: int
    records: dict[str, int]
    doubled: int
    torn_bytes: int
    problems: tuple[Problem, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems and self.doubled == 0


def verify(files: LogFiles) -> Verified:
    """Read the whole log: Parquet files against their digests, segments against the checksum of each record.

    Memory is bounded by a partition's records, 16 bytes each. Damaged segments that were set aside are problems too.
    """
    problems: list[Problem] = []
    records: dict[str, int] = {}
    counts = {"files": 0, "segments": 0, "doubled": 0, "torn": 0}
    for family in FAMILIES:
        with files.snapshot(family) as snapshot:
            problems += [problem for entry in snapshot.entries for problem in _file(snapshot, entry)]
            records[family] = sum(each.rows for each in snapshot.entries) + len(snapshot.loose)
            counts["doubled"] += sum(_doubled(snapshot, each) for each in _partitions(snapshot.entries))
            counts["files"] += len(snapshot.entries)
        for torn, found in _segments(files, family):
            counts["segments"] += 1
            counts["torn"] += torn
            problems += found
    set_aside = (name for name in files.damage() if name.endswith(".damaged"))
    problems += [
        Problem(name, "a damaged segment that was set aside; its whole records are sealed") for name in set_aside
    ]
    return Verified(counts["files"], counts["segments"], records, counts["doubled"], counts["torn"], tuple(problems))


def _file(snapshot: Snapshot, entry: Entry) -> Iterator[Problem]:
    path = snapshot.folder / entry.name
    if not path.exists():
        yield Problem(entry.name, f"the file is gone, and {entry.rows} records with it")
    elif not is_sound(snapshot.folder, entry):
        yield Problem(entry.name, f"its bytes are not those that were written; it held {entry.rows} records")
    elif (rows := sum(len(each) for each in _where(snapshot, entry))) != entry.rows:
        yield Problem(entry.name, f"it has {rows} records, and the catalog says {entry.rows}")


def _segments(files: LogFiles, family: Family) -> Iterator[tuple[int, list[Problem]]]:
    """Of each segment the torn bytes at its end, and what is wrong with it."""
    for segment in segments(files.journal, family):
        try:
            found = read_segment(segment)
        except FileNotFoundError:
            continue
        except (NotASegment, OSError) as error:
            yield 0, [Problem(str(segment.path), str(error))]
            continue
        yield found.torn_bytes, [Problem(str(segment.path), str(each)) for each in found.damage]


def _partitions(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Files whose records could be the same ones."""
    found: dict[tuple[str, str, str, str], list[Entry]] = {}
    for each in entries:
        found.setdefault(each.partition, []).append(each)
    return list(found.values())


def _doubled(snapshot: Snapshot, entries: Sequence[Entry]) -> int:
    """How many records of a partition are there more than once."""
    names: dict[str, int] = {}
    codes = [np.empty(0, np.int64)]
    for entry in entries:
        for table in _where(snapshot, entry):
            encoded = table.column("segment").combine_chunks().dictionary_encode()
            numbers = np.array(
                [names.setdefault(each, len(names)) for each in encoded.dictionary.to_pylist()], np.int64
            )
            codes.append((numbers[encoded.indices.to_numpy()] << 32) + table.column("position").to_numpy())
    every = np.concatenate(codes)
    return len(every) - len(np.unique(every))


def _where(snapshot: Snapshot, entry: Entry) -> Iterator[pa.Table]:
    """Where the records of a file were written; nothing of one that cannot be read."""
    try:
        for batch in part_batches(snapshot.folder, entry, ("segment", "position"), "segment", None, None):
            yield pa.Table.from_batches([batch])
    except DAMAGE:
        return
