"""A source as a stream of batches."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from modelyard.core import InvalidInput

from .source import read_table

_ROWS = 65_536


def batches_of(files: Sequence[Path]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The rows of one file or of several of one schema, in their order; InvalidInput when schemas differ."""
    tables = [read_table(each) for each in files]
    for file, table in zip(files, tables, strict=True):
        if not table.schema.equals(tables[0].schema):
            raise InvalidInput(
                f"{file} has other columns than {files[0]}.",
                remedy="Give files of one schema.",
            )
    whole = pa.concat_tables(tables)
    return whole.schema, iter(whole.to_batches(max_chunksize=_ROWS))
