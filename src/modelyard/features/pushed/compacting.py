"""Compaction: runs of neighbouring files become one, so that a log of many pushes is few files to read.

Runs are merged when so many files of about one size lie beside each other, each step up the sizes at most once a row
(the tiers of log-structured merge trees: O'Neil and others, "The log-structured merge-tree", 1996), so that a row is
written anew a handful of times however many pushes come.

The merged file is written beside, flushed and renamed; from then on it counts, and those that it names do not. Then
they are deleted, unless somebody reads the log: then the next compaction does it. It is safe to be killed anywhere.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from logging import WARNING
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.core import log_event, sync_folder
from modelyard.core.locks import alone, alone_at_once
from modelyard.features.errors import SourceUnreadable

from .files import DAMAGE, MERGED, MERGES, MESSAGE, batches_of, listed, merged_into, schema_of
from .locks import APPENDING, COMPACTING, READING

TOGETHER = 32
"""Files of about one size that are merged."""

FULL = 256 << 20
"""Bytes of a file that is large enough."""

_SMALL_BITS = 16
"""Files below 2^16 bytes are of one size."""

_ROWS = 131_072
"""Rows of a row group, and those that are held while files are merged."""

_MERGING = ".merging-"


@dataclass(frozen=True)
class Compacted:
    """So many files became so many, holding so many rows."""

    before: int = 0
    after: int = 0
    rows: int = 0

    def __add__(self, other: "Compacted") -> "Compacted":
        return Compacted(self.before + other.before, self.after + other.after, self.rows + other.rows)


def compact(folder: Path) -> Compacted:
    """Merge what is many in a log's folder. Nothing while another does, or where there is no log."""
    done = Compacted()
    if not folder.is_dir():
        return done
    with alone_at_once(folder / COMPACTING) as here:
        if not here:
            return done
        try:
            _sweep(folder)
            for run in _runs(listed(folder).counting):
                for group in _alike(run):
                    done += _merge(folder, group)
            _sweep(folder)
        except SourceUnreadable as error:  # readers say so; nothing is thrown away of which something may yet be got
            log_event("features", "not compacted", level=WARNING, folder=str(folder), why=error.message)
    return done


def _runs(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """The neighbours that are to be merged: smallest first, of each size the runs that are long enough."""
    tiers = [_tier(each) for each in files]
    taken = set[int]()
    for tier in sorted(set(tiers)):
        for first, end in _stretches(tiers, tier, taken):
            of_one_size = sum(each >= tier - 1 for each in tiers[first:end])
            if of_one_size >= TOGETHER and tier <= _tier_of(FULL):
                taken.update(range(first, end))
                yield files[first:end]


def _stretches(tiers: Sequence[int], most: int, taken: set[int]) -> Iterator[tuple[int, int]]:
    """Where files that are no larger than a tier lie beside each other."""
    first = 0
    for place in range(len(tiers) + 1):
        if place == len(tiers) or tiers[place] > most or place in taken:
            if place > first:
                yield first, place
            first = place + 1


def _tier(path: Path) -> int:
    try:
        return _tier_of(path.stat().st_size)
    except FileNotFoundError:
        return 0


def _tier_of(size: int) -> int:
    return ((size >> _SMALL_BITS).bit_length() + 2) // 3


def _alike(run: Sequence[Path]) -> Iterator[tuple[pa.Schema, list[Path]]]:
    """The neighbours among them whose rows fit one schema, and that schema; two of them at least."""
    group: list[Path] = []
    schema = pa.schema([])
    for file in run:
        try:
            own = schema_of(file)
        except SourceUnreadable as error:
            log_event("features", "not compacted", level=WARNING, file=file.name, why=error.message)
            own = None
        both = own if not group or own is None else _fitting(schema, own)
        if own is None or both is None:
            if len(group) > 1:
                yield schema, group
            group = []
        if own is not None:
            group.append(file)
            schema = own if both is None else both
    if len(group) > 1:
        yield schema, group


def _fitting(one: pa.Schema, other: pa.Schema) -> pa.Schema | None:
    """The schema of the rows of both, when these differ by columns that are null throughout at the most."""
    names = [name for name in one.names if name != MESSAGE]
    if names != [name for name in other.names if name != MESSAGE]:
        return None
    fields = []
    for name in names:
        types = [each.field(name).type for each in (one, other)]
        if types[0] != types[1] and pa.null() not in types:
            return None
        fields.append(pa.field(name, types[0] if types[1] == pa.null() else types[1]))
    has_messages = MESSAGE in one.names or MESSAGE in other.names
    return pa.schema([*fields, pa.field(MESSAGE, pa.string())] if has_messages else fields)


def _merge(folder: Path, alike: tuple[pa.Schema, Sequence[Path]]) -> Compacted:
    schema, group = alike
    left = [name for file in group if file.suffix == MERGES for name in merged_into(file) if (folder / name).exists()]
    told = {MERGED: msgspec.json.encode([each.name for each in group] + left)}
    beside = folder / f"{_MERGING}{os.urandom(8).hex()}"
    try:
        rows = _written(beside, schema.with_metadata(told), group)
        same = pq.read_schema(beside).remove_metadata().equals(schema)
    except (*DAMAGE, SourceUnreadable) as error:
        log_event(
            "features", "not compacted", level=WARNING, file=group[0].name, files=len(group), why=str(error)[:500]
        )
        same = False
    if not same:  # of a type that Parquet does not keep
        beside.unlink(missing_ok=True)
        return Compacted()
    beside.replace(folder / _name(group))
    sync_folder(folder)
    return Compacted(len(group), 1, rows)


def _name(group: Sequence[Path]) -> str:
    """Where the first of them was: its name, merged once more."""
    stem = group[0].name.partition(".")[0]
    _, _, merges = group[0].stem.partition(".")
    return f"{stem}.{int(merges or 0) + 1:03d}{MERGES}"


def _written(beside: Path, schema: pa.Schema, group: Sequence[Path]) -> int:
    rows = 0
    with beside.open("wb") as stream:
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for table in _gathered(group, schema):
                writer.write_table(table)
                rows += len(table)
        stream.flush()
        os.fsync(stream.fileno())
    return rows


def _gathered(group: Sequence[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of files in tables of some size."""
    waiting: list[pa.RecordBatch] = []
    for file in group:
        for batch in batches_of(file):
            waiting.append(_completed(batch, schema))
            if sum(map(len, waiting)) >= _ROWS:
                yield pa.Table.from_batches(waiting, schema)
                waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting, schema)


def _completed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """With the columns of a schema; those that it lacks, or that are null throughout, are null."""
    columns = [
        batch.column(each.name).cast(each.type) if each.name in batch.schema.names else pa.nulls(len(batch), each.type)
        for each in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _sweep(folder: Path) -> None:
    """Delete what was merged, unless somebody reads, and what killed writers left beside."""
    with alone(folder / APPENDING), alone_at_once(folder / READING) as unread:
        for each in list(folder.iterdir()):
            if each.name.startswith(_MERGING) or (each.name.startswith(".") and ".arrow." in each.name):
                each.unlink(missing_ok=True)
        for name in listed(folder).merged if unread else ():
            (folder / name).unlink(missing_ok=True)
