"""Writing a part of the log to one file: Parquet, CSV or JSON lines."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from modelyard.core import InvalidInput, sync_folder

from .errors import ExportExists


def write_batches(batches: pa.RecordBatchReader, output: Path) -> int:
    """Write a stream of batches to a file that is there whole or not at all; returns the rows.

    The format is the file's suffix: parquet, csv or jsonl. Lists are JSON in CSV. ExportExists when the file is there.
    """
    write = _FORMATS.get(output.suffix.lower())
    if write is None:
        raise InvalidInput(
            f"'{output.name[:80]}' says no format that the log is exported in.",
            code="NO_FORMAT",
            remedy=f"Name a file that ends in {', '.join(_FORMATS)}.",
        )
    if output.exists():
        raise ExportExists(f"{output} exists, and an export replaces nothing.", remedy="Choose another name.")
    if not output.parent.is_dir():
        raise InvalidInput(f"There is no folder {output.parent}.", code="NO_FOLDER", remedy="Make it first.")
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        rows = write(batches, temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(output.parent)
    return rows


def _parquet(batches: pa.RecordBatchReader, path: Path) -> int:
    return _written(batches, pq.ParquetWriter(path, batches.schema, compression="zstd"), lambda batch: batch)


def _csv(batches: pa.RecordBatchReader, path: Path) -> int:
    schema = pa.schema([pa.field(each.name, _flat_type(each.type)) for each in batches.schema])
    return _written(batches, pa.csv.CSVWriter(path, schema), lambda batch: _flat(batch, schema))


def _jsonl(batches: pa.RecordBatchReader, path: Path) -> int:
    encode, rows = msgspec.json.Encoder(enc_hook=str).encode, 0
    with path.open("wb") as stream:
        for batch in batches:
            rows += len(batch)
            stream.writelines(encode(row) + b"\n" for row in batch.to_pylist())
    return rows


def _written(
    batches: pa.RecordBatchReader,
    writer: AbstractContextManager[Any],
    made: Callable[[pa.RecordBatch], pa.RecordBatch],
) -> int:
    rows = 0
    with writer as opened:
        for batch in batches:
            rows += len(batch)
            opened.write_batch(made(batch))
    return rows


def _flat_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_nested(kind) or pa.types.is_binary(kind) else kind


def _flat(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for field, column in zip(schema, batch.columns, strict=True):
        if field.type == column.type:
            columns.append(column)
        else:
            texts = [None if each is None else msgspec.json.encode(each).decode() for each in column.to_pylist()]
            columns.append(pa.array(texts, pa.string()))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


_FORMATS: Mapping[str, Callable[[pa.RecordBatchReader, Path], int]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _jsonl,
}
