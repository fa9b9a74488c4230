"""Files of a log: written once, each whole or not there; which of them count, and what they hold.

A push is an Arrow file. Files that were merged are one Parquet file, whose metadata names those that it stands for;
they do not count any more, whether they are still there or not. A file's name begins with when its first row was
pushed, and ends with how often its rows were merged, so that names sort as rows came.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.core import is_name, shown
from modelyard.features.errors import SourceUnreadable

PUSHED_AT = "__pushed_at"
"""The column of the log that says when a row was pushed: microseconds of UTC."""

MESSAGE = "__message"
"""The column that names the message of a stream which a row came by; null for rows that were pushed otherwise."""

MERGED = b"modelyard.merged"
"""The key of a merged file's metadata: a JSON list of the names that it stands for."""

PUSHES, MERGES = ".arrow", ".parquet"
DAMAGE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, msgspec.MsgspecError)


@dataclass(frozen=True)
class Listing:
    """The files of a folder: those that count, in their order, and the names of those that were merged into them."""

    counting: list[Path]
    merged: set[str]


def listed(folder: Path) -> Listing:
    """What is there. SourceUnreadable for a merged file that is damaged."""
    if not folder.is_dir():
        return Listing([], set())
    there = [each for each in folder.iterdir() if is_name(each.name) and each.suffix in (PUSHES, MERGES)]
    merged = {name for each in there if each.suffix == MERGES for name in merged_into(each)}
    return Listing(sorted((each for each in there if each.name not in merged), key=_place), merged)


def merged_into(path: Path) -> Sequence[str]:
    """The names of the files that a merged file stands for."""
    try:
        return _merged(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return []  # merged and deleted meanwhile; its successor names what is left
    except DAMAGE as error:
        raise damaged(path, error) from error


def schema_of(path: Path) -> pa.Schema:
    """The columns of a file."""
    try:
        if path.suffix == MERGES:
            return pq.read_schema(path).remove_metadata()
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).schema
    except DAMAGE as error:
        raise damaged(path, error) from error


def batches_of(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a file, with all its columns or those of `columns` that it has. SourceUnreadable when damaged."""
    try:
        if path.suffix == MERGES:
            with pq.ParquetFile(path) as file:
                chosen = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
                yield from (each for each in file.iter_batches(columns=chosen) if len(each))
            return
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source)
            chosen = reader.schema.names if columns is None else [n for n in columns if n in reader.schema.names]
            yield from (reader.get_batch(at).select(chosen) for at in range(reader.num_record_batches))
    except DAMAGE as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> SourceUnreadable:
    """The error of a file that cannot be read."""
    return SourceUnreadable(
        f"The log of pushed rows is damaged in {shown(str(path), 200)}: {str(error)[:120]}.",
        remedy="Restore the file from a backup; or move it away, and push its rows again.",
    )


def _place(path: Path) -> tuple[str, str]:
    stem, _, merges = path.name.partition(".")
    return stem, merges


@lru_cache(maxsize=4096)
def _merged(path: Path, _changed_ns: int) -> Sequence[str]:
    told = (pq.read_schema(path).metadata or {}).get(MERGED, b"[]")
    return msgspec.json.decode(told, type=list[str])
