"""Small files of every format, and what reading them says."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.data import Reading, ReadOptions, UnreadableData, read_table

ROWS = "id,name\n1,Zoë\n2,NA\n3,\n"
EXPECTED = {"id": [1, 2, 3], "name": ["Zoë", None, None]}
TABLE = pa.table(EXPECTED)


def bytes_of(write: Callable[[Any], object]) -> bytes:
    """What a writer writes."""
    sink = io.BytesIO()
    write(sink)
    return sink.getvalue()


def ipc(table: pa.Table, new: Callable[..., Any], compression: str | None = None) -> bytes:
    """A table as an Arrow file or stream."""

    def write(sink: io.BytesIO) -> None:
        with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(table)

    return bytes_of(write)


def zipped(**files: str) -> bytes:
    """A zip archive with a folder entry and CSV files."""

    def write(sink: io.BytesIO) -> None:
        with zipfile.ZipFile(sink, "w") as archive:
            archive.writestr("data/", "")
            for name, text in files.items():
                archive.writestr(f"data/{name}.csv", text)

    return bytes_of(write)


PARQUET = bytes_of(lambda sink: pq.write_table(TABLE, sink))
LINES = '{"id":1,"name":"Zoë"}\n\n{"id":2,"name":null}\n{"id":3}\n'
FILES = {
    "csv": ROWS.encode(),
    "tsv": ROWS.replace(",", "\t").encode(),
    "json": json.dumps(TABLE.to_pylist()).encode(),
    "jsonl": LINES.encode(),
    "parquet": PARQUET,
    "arrow": ipc(TABLE, pa.ipc.new_file),
    "arrows": ipc(TABLE, pa.ipc.new_stream),
    "feather": ipc(TABLE, pa.ipc.new_file, "zstd"),
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": partial(gzip.compress, mtime=0),
    ".zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
}


def wrote(path: Path, data: str | bytes) -> Path:
    """A file with that content."""
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def why(reading: Reading) -> dict[str, str]:
    """The reasons of the types by column."""
    return {each.name: each.why for each in reading.columns}


def refusal(source: Any, options: ReadOptions | None = None) -> UnreadableData:
    """The error of reading a source."""
    with pytest.raises(UnreadableData) as caught:
        read_table(source, options)
    return caught.value
