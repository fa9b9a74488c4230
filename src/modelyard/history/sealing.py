"""Sealing: closed segments become Parquet files, each exactly once."""

import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.core import log_event, sync_folder
from modelyard.journal import FAMILIES, Segment, adopt_orphans, read_segment, segments

from .tables import to_table


@dataclass(frozen=True)
class Sealed:
    """What one sealing did."""

    segments: int
    records: int
    damaged: tuple[str, ...]


def seal(journal: Path, folder: Path) -> Sealed:
    """Turn every closed segment into `<folder>/<family>/<segment>.parquet`, then delete the segment.

    Written, flushed, renamed, and only then is the segment removed: a crash in between leaves both, and readers go by
    the Parquet file. The valid prefix of a damaged segment is sealed, and the segment is kept beside it as `.damaged`.
    """
    adopt_orphans(journal)
    records, damaged, count = 0, [], 0
    for family in FAMILIES:
        for segment in segments(journal, family):
            if not segment.closed:
                continue
            found = read_segment(segment)
            _write(to_table(found.records, family), parquet_path(folder, segment))
            records, count = records + len(found.records), count + 1
            if found.damage is None:
                segment.path.unlink()
                continue
            damaged.append(f"{segment.path.name}: {found.damage}")
            segment.path.rename(segment.path.with_suffix(".damaged"))
            log_event("history", "segment damaged", segment=segment.path.name, damage=found.damage)
    return Sealed(count, records, tuple(damaged))


def parquet_path(folder: Path, segment: Segment) -> Path:
    """Where a segment's records go."""
    return folder / segment.family / f"{segment.path.stem}.parquet"


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
