"""The log's Parquet files: written whole or not at all, read a row group at a time."""

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelyard.core import is_name, make_folder, sync_folder
from modelyard.journal import Family

from .catalog import Entry
from .features import Kind
from .tables import LATER, TIMES

ROW_GROUP = 131_072
"""Rows of a row group: what is read to find one row, and what a reader holds at a time."""

SORTED_BY: dict[Family, str] = {**TIMES, "truths": "prediction_id"}
"""What the records of a file are sorted by, so that windows, and truths of a window, are few row groups."""

DAMAGE = (pa.ArrowException, OSError)
"""What reading a file that is not what was written raises, besides FileNotFoundError when it is gone."""


def write_part(
    folder: Path,
    name: str,
    table: pa.Table,
    *,
    family: Family,
    kinds: Sequence[Kind] = (),
    redacted: Sequence[int] = (),
    day: str,
    sources: Sequence[str] = (),
) -> Entry:
    """Write records of one partition, sorted, durably, under a name that no catalog names yet, and describe the file.

    A crash leaves nothing, or a file that no catalog names.
    """
    order = [(SORTED_BY[family], "ascending"), ("segment", "ascending"), ("position", "ascending")]
    table = table.sort_by(order)
    deployment = str(table.column("deployment")[0])
    version = str(table.column("model_version")[0]) if family == "predictions" else ""
    path = folder / place_of(family, deployment, day) / name
    make_folder(path.parent)
    _write(table, path)
    times, ids = pc.min_max(table.column(TIMES[family]).cast(pa.int64())).as_py(), {"min": "", "max": ""}
    if "prediction_id" in table.column_names:
        ids = pc.min_max(table.column("prediction_id")).as_py()
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Entry(
        name=str(path.relative_to(folder)),
        family=family,
        deployment=deployment,
        day=day,
        version=version,
        rows=len(table),
        size=path.stat().st_size,
        sha256=digest,
        footer=_footer(path),
        first_us=times["min"],
        last_us=times["max"],
        first_segment=pc.min(table.column("segment")).as_py(),
        first_id=ids["min"],
        last_id=ids["max"],
        answered=pc.sum(table.column("answered")).as_py() or 0 if family == "predictions" else 0,
        kinds=tuple(kinds),
        redacted=tuple(redacted),
        sources=tuple(sources),
        later=tuple(name for name in LATER[family] if name in table.column_names),
    )


def place_of(family: Family, deployment: str, day: str) -> str:
    """The folder of a partition; other tools read `key=value` as columns."""
    safe = deployment if is_name(deployment) else hashlib.sha256(deployment.encode()).hexdigest()
    return f"{family}/deployment={safe}/day={day}"


def read_part(folder: Path, entry: Entry) -> pa.Table:
    """All records of a file, in the order of columns in which files are written now; what it lacks is filled in."""
    with _opened(folder, entry) as file:
        found, absent = file.read(), _absent(entry, file)
    for name, value in absent.items():
        found = found.add_column(found.column_names.index("segment"), name, pa.repeat(value, len(found)))
    return found


def part_batches(
    folder: Path, entry: Entry, columns: Sequence[str], column: str, lowest: Any, highest: Any
) -> Iterator[pa.RecordBatch]:
    """The row groups of a file that may hold values of `column` from lowest to highest (None: no bound).

    Columns that the file is too old to have are filled in, behind the others.
    """
    with _opened(folder, entry) as file:
        groups, absent = _groups(file, column, lowest, highest), _absent(entry, file)
        if not groups:
            return
        there = [each for each in columns if each not in absent]
        filled = {name: value for name, value in absent.items() if name in columns}
        for batch in file.iter_batches(batch_size=ROW_GROUP, row_groups=groups, columns=there):
            yield _filled(batch, filled)


@contextmanager
def _opened(folder: Path, entry: Entry) -> Iterator[pq.ParquetFile]:
    """A file, for reading: pages are checked when they are read, what describes them before anything is.

    Files from before there were such checksums are taken as they are; `verify` compares every file with its digest.
    """
    path = folder / entry.name
    if entry.footer and _footer(path) != entry.footer:
        raise pa.ArrowInvalid("what describes its columns is not what was written")
    with pq.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
        yield file


def _footer(path: Path) -> str:
    """The CRC-32 of all that stands behind a file's pages; the last eight bytes tell how long it is."""
    with path.open("rb") as stream:
        size = stream.seek(-8, os.SEEK_END)
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(max(0, size - length))
        return f"{zlib.crc32(stream.read()):08x}"


def _absent(entry: Entry, file: pq.ParquetFile) -> Mapping[str, bytes | bool | str]:
    """The columns that a file is too old to have, and what stands for them."""
    there = set(file.schema_arrow.names)
    return {name: value for name, value in LATER[entry.family].items() if name not in there}


def _filled(batch: pa.RecordBatch, absent: Mapping[str, bytes | bool | str]) -> pa.RecordBatch:
    for name, value in absent.items():
        batch = batch.append_column(name, pa.repeat(value, len(batch)))
    return batch


def group_bounds(folder: Path, entry: Entry, column: str) -> list[tuple[Any, Any]]:
    """The least and greatest value of a column in each row group of a file; None where they are not known."""
    with _opened(folder, entry) as file:
        return _bounds(file, column)


def read_group(folder: Path, entry: Entry, group: int, columns: Sequence[str]) -> pa.Table:
    """Columns of one row group of a file."""
    with _opened(folder, entry) as file:
        return file.read_row_group(group, columns=list(columns))


def overlaps(bounds: tuple[Any, Any], lowest: Any, highest: Any) -> bool:
    """Whether there may be values from lowest to highest (None: no bound) between such bounds."""
    least, greatest = bounds
    below = highest is None or least is None or least <= highest
    return bool(below and (lowest is None or greatest is None or greatest >= lowest))


def _groups(file: pq.ParquetFile, column: str, lowest: Any, highest: Any) -> list[int]:
    if lowest is None and highest is None:
        return list(range(file.metadata.num_row_groups))
    return [group for group, each in enumerate(_bounds(file, column)) if overlaps(each, lowest, highest)]


def _bounds(file: pq.ParquetFile, column: str) -> list[tuple[Any, Any]]:
    at = next(index for index in range(file.metadata.num_columns) if file.schema.column(index).path == column)
    told = (file.metadata.row_group(group).column(at).statistics for group in range(file.metadata.num_row_groups))
    return [(None, None) if each is None or not each.has_min_max else (each.min, each.max) for each in told]


def _write(table: pa.Table, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as stream:
            pq.write_table(table, stream, compression="zstd", row_group_size=ROW_GROUP, write_page_checksum=True)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
