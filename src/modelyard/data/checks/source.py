"""Files as a stream of batches, for checks that look at each once."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.core import InvalidInput
from modelyard.data.errors import UnreadableData
from modelyard.data.source import read_table

_ROWS = 32_768
"""Small enough that the memory of one batch serves the next."""


@dataclass(frozen=True)
class Rows:
    """The rows of files, one file after another; the columns are those of each."""

    sources: tuple[str, ...]
    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, anew with each call. Local Parquet is read a batch at a time."""
        for source in self.sources:
            yield from _batches(source)


def open_rows(sources: Sequence[str | Path]) -> Rows:
    """The files as one table. UnreadableData for what cannot be read, InvalidInput when their columns differ."""
    names = tuple(str(each) for each in sources)
    schemas = [_schema(each) for each in names]
    for name, schema in zip(names[1:], schemas[1:], strict=True):
        if schema != schemas[0]:
            raise InvalidInput(
                f"{name} and {names[0]} differ in their columns or types.",
                code="DIFFERENT_COLUMNS",
                remedy="Check files of one kind at a time.",
            )
    return Rows(names, schemas[0])


def _is_local_parquet(source: str) -> bool:
    return source.endswith(".parquet") and "://" not in source


def _schema(source: str) -> pa.Schema:
    if not _is_local_parquet(source):
        return read_table(source).schema
    with ExitStack() as stack:
        return _opened(source, stack).schema_arrow


def _batches(source: str) -> Iterator[pa.RecordBatch]:
    if not _is_local_parquet(source):
        yield from read_table(source).to_batches(max_chunksize=_ROWS)
        return
    with ExitStack() as stack:
        file = _opened(source, stack)
        try:
            yield from file.iter_batches(batch_size=_ROWS)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(source, error) from error


def _opened(source: str, stack: ExitStack) -> pq.ParquetFile:
    try:
        file = stack.enter_context(pq.ParquetFile(source, pre_buffer=False))  # which would hold all of the file
        few = _of_few_levels(file)
        coded = pq.ParquetFile(source, pre_buffer=False, read_dictionary=few) if few else file
        return stack.enter_context(coded) if few else file
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(source, error) from error


def _of_few_levels(file: pq.ParquetFile) -> list[str]:
    """Text columns that take under two bytes a value: they are stored as dictionaries, and are best left so."""
    names = [
        each.name for each in file.schema_arrow if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)
    ]
    groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
    return [name for name in names if groups and all(_is_small(group, name) for group in groups)]


def _is_small(group: pq.RowGroupMetaData, name: str) -> bool:
    chunks = [group.column(at) for at in range(group.num_columns)]
    found = [each for each in chunks if each.path_in_schema == name]
    return len(found) == 1 and found[0].has_dictionary_page and found[0].total_uncompressed_size < 2 * group.num_rows


def _unreadable(source: str, error: Exception) -> UnreadableData:
    said = str(error)
    return UnreadableData(f"Cannot read {source}: {said[:300]}.", context={"source": source})
