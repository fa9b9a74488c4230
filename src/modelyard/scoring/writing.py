"""Parts of the output, and one file of them: Parquet, CSV, JSONL or Arrow."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from typing import Any, BinaryIO, Literal, get_args

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from modelyard.core import Digest, did_you_mean

from .answers import PREDICTION
from .errors import NotScorable

Format = Literal["parquet", "csv", "jsonl", "arrow"]
FORMATS: tuple[Format, ...] = get_args(Format)

_SUFFIXES: dict[str, Format] = {f".{each}": each for each in FORMATS} | {".feather": "arrow", ".ndjson": "jsonl"}
_SHORT = pa.ipc.IpcWriteOptions(compression="lz4")
_JSON = msgspec.json.Encoder(enc_hook=str)


def format_of(output: str, asked: str | None) -> tuple[Format, bool]:
    """The format of an output, and whether it is one file: by its ending; one without is a folder, of Parquet.

    NotScorable for an ending or a format that cannot be written.
    """
    if asked is not None and asked not in FORMATS:
        raise NotScorable(f"There is no format '{asked[:40]}' to write.", remedy=did_you_mean(asked, FORMATS))
    name = output.rstrip("/").rpartition("/")[2]
    dot = name.rfind(".")
    if dot <= 0:
        return next((each for each in FORMATS if each == asked), "parquet"), False
    found = _SUFFIXES.get(name[dot:].lower())
    if found is None or (asked is not None and asked != found):
        raise NotScorable(
            f"{output} cannot be written as {asked or name[dot + 1 :]}.",
            remedy=f"End its name with one of {', '.join(_SUFFIXES)}; without an ending it is a folder of parts.",
        )
    return found, True


def check_writable(schema: pa.Schema, format_: Format) -> None:
    """NotScorable when rows of this schema cannot be written in the format."""
    nested = [each.name for each in schema if pa.types.is_nested(each.type) or pa.types.is_binary(each.type)]
    if format_ == "csv" and nested:
        raise NotScorable(
            f"Column '{nested[0]}' is {schema.field(nested[0]).type}, which CSV does not hold.",
            remedy="Write Parquet, Arrow or JSONL, or leave it out: --keep NAME,NAME",
        )


def write_part(table: pa.Table, schema: pa.Schema, format_: Format, stream: BinaryIO, *, alone: bool) -> Digest:
    """Write a part, in columns of the schema; columns of text may come as dictionaries. The digest of its bytes.

    One that is not `alone` becomes a piece of one file: CSV then has no header, and instead of Parquet it is Arrow,
    so that what is encoded is encoded once. Bytes go on as they are made: none are kept, and the memory that they were
    made in is used again.
    """
    summed = _Summed(stream)
    sink = pa.PythonFile(summed, "w")
    if format_ == "jsonl":
        summed.write(_JSON.encode_lines(table.to_pylist()))
    elif format_ == "csv":
        pa_csv.write_csv(_plain(table), sink, pa_csv.WriteOptions(include_header=alone))
    elif format_ == "parquet" and alone:
        with closing(_parquet(sink, table.schema, schema)) as writer:
            writer.write_table(table)
    else:
        given = table if format_ == "parquet" else table.cast(schema)
        with pa.ipc.new_file(sink, given.schema, options=None if alone else _SHORT) as writer:
            writer.write_table(given)
    return Digest(summed.sum.hexdigest())


class _Summed:
    """A stream that is summed up while it is written, as Arrow writes to it; whoever opened it closes it."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sum = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sum.update(data)
        return self._stream.write(data)

    def tell(self) -> int:
        return self._stream.tell()

    def flush(self) -> None:
        """Nothing: the stream is flushed when it is closed."""

    def close(self) -> None:
        """Nothing."""


def join_parts(parts: Iterator[bytes], schema: pa.Schema, format_: Format, stream: BinaryIO) -> None:
    """Write one file of parts as `write_part` makes them, one in memory at a time. Parquet gets a row group of each."""
    if format_ in ("csv", "jsonl"):
        write_part(schema.empty_table(), schema, format_, stream, alone=True)
        for part in parts:
            stream.write(part)
        return
    first = pa.ipc.open_file(pa.BufferReader(next(parts))).read_all()
    whole = pa.ipc.new_file(stream, schema) if format_ == "arrow" else _parquet(stream, first.schema, schema)
    with closing(whole) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(pa.ipc.open_file(pa.BufferReader(part)).read_all())


def _parquet(stream: Any, given: pa.Schema, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of tables of the schema `given`, which read as those of `schema`.

    They differ in columns of text, which are given as dictionaries: so they are not looked through for repeated values
    once more. To look for such among floats costs more than it saves, and so does the least and greatest of classes.
    """
    repeating = [each.name for each in schema if not pa.types.is_floating(each.type)]
    ordered = [each for each in schema.names if each != PREDICTION or pa.types.is_floating(schema.field(each).type)]
    writer = pq.ParquetWriter(stream, given, use_dictionary=repeating, write_statistics=ordered, store_schema=False)
    writer.add_key_value_metadata({"ARROW:schema": b64encode(schema.serialize()).decode()})
    return writer


def _plain(table: pa.Table) -> pa.Table:
    """Without dictionaries, which CSV does not write."""
    for at, each in enumerate(table.schema):
        if pa.types.is_dictionary(each.type):
            table = table.set_column(at, each.name, table.column(at).cast(each.type.value_type))
    return table
