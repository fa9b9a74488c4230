"""Parts of the output as bytes, and one file of them: Parquet, CSV, JSONL or Arrow."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, BinaryIO, Literal, get_args

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from modelyard.core import did_you_mean

from .errors import NotScorable

Format = Literal["parquet", "csv", "jsonl", "arrow"]
FORMATS: tuple[Format, ...] = get_args(Format)

_SUFFIXES: dict[str, Format] = {f".{each}": each for each in FORMATS} | {".feather": "arrow", ".ndjson": "jsonl"}
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


def part_bytes(table: pa.Table, format_: Format, *, alone: bool) -> bytes:
    """A part as bytes; one that is not `alone` becomes a piece of one file, and CSV then has no header."""
    sink = pa.BufferOutputStream()
    if format_ == "parquet":
        pq.write_table(table, sink, use_dictionary=_repeating(table.schema))
    elif format_ == "arrow":
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    elif format_ == "csv":
        pa_csv.write_csv(_plain(table), sink, pa_csv.WriteOptions(include_header=alone))
    else:
        return _JSON.encode_lines(table.to_pylist())
    found: bytes = sink.getvalue().to_pybytes()
    return found


def join_parts(parts: Iterator[bytes], schema: pa.Schema, format_: Format, stream: BinaryIO) -> None:
    """Write one file of parts; one is in memory at a time. Parquet gets a row group of each."""
    if format_ in ("csv", "jsonl"):
        stream.write(part_bytes(schema.empty_table(), format_, alone=True))
        for part in parts:
            stream.write(part)
        return
    with closing(_writer(schema, format_, stream)) as writer:
        for part in parts:
            writer.write_table(_read(part, format_))


def _writer(schema: pa.Schema, format_: Format, stream: BinaryIO) -> Any:
    if format_ == "arrow":
        return pa.ipc.new_file(stream, schema)
    return pq.ParquetWriter(stream, schema, use_dictionary=_repeating(schema))


def _read(part: bytes, format_: Format) -> pa.Table:
    source = pa.BufferReader(part)
    return pa.ipc.open_file(source).read_all() if format_ == "arrow" else pq.read_table(source)


def _repeating(schema: pa.Schema) -> list[str]:
    """Columns worth a dictionary: to look for repeated values among floats costs more than it saves."""
    return [each.name for each in schema if not pa.types.is_floating(each.type)]


def _plain(table: pa.Table) -> pa.Table:
    """Without dictionaries, which CSV does not write."""
    for at, each in enumerate(table.schema):
        if pa.types.is_dictionary(each.type):
            table = table.set_column(at, each.name, table.column(at).cast(each.type.value_type))
    return table
