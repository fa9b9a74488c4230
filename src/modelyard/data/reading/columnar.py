"""Parquet and Arrow: types are written in the file and pass through unchanged; what is damaged is an error."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from .complaints import clip, mapped, unreadable
from .facts import FileFacts
from .options import ReadOptions
from .recognise import Recognised
from .streams import plain, seekable

_BUFFER = 65_536
"""So many bytes of each column of a row group are read at a time: without it a group is in memory as a whole."""

_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"


@dataclass(frozen=True)
class ColumnarFile:
    """A Parquet or Arrow file whose schema is known."""

    found: Recognised
    options: ReadOptions
    schema: pa.Schema
    rows: int | None = None

    @property
    def name(self) -> str:
        """As messages have it."""
        return self.found.file.name

    @property
    def names(self) -> tuple[str, ...]:
        """The columns in the file's order."""
        return tuple(self.schema.names)

    @property
    def facts(self) -> FileFacts:
        """What was detected."""
        found = self.found
        return FileFacts(
            found.file.name, found.format, found.compression, found.bytes, notes=found.notes, rows=self.rows
        )

    def begins(self, row: int) -> int:
        """The last row up to `row` at which reading can begin; both are counted from 0."""
        if not row:
            return 0
        with mapped(self.name), _opened(self.found, self.options) as source:
            found: int = source.begins(row)
            return found

    def batches(self, schema: pa.Schema, begin: int = 0) -> Generator[pa.RecordBatch, None, None]:
        """The rows from one on at which reading can begin, columns in the order of the schema and of its types."""
        row = begin
        with mapped(self.name), _opened(self.found, self.options) as source:
            for batch in source.batches(self.options.batch_rows, schema.names, begin):
                batch.validate(full=True)
                yield self._as(schema, batch, row)
                row += len(batch)

    def _as(self, schema: pa.Schema, batch: pa.RecordBatch, row: int) -> pa.RecordBatch:
        columns = [self._cast(batch.column(batch.schema.names.index(each.name)), each, row) for each in schema]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _cast(self, values: pa.Array, wanted: pa.Field, row: int) -> pa.Array:
        if values.type == wanted.type:
            return values
        try:
            return values.cast(wanted.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            at = next(at for at in range(len(values)) if not _casts(values.slice(at, 1), wanted.type))
            value = values[at].as_py()
            what = f"{clip(value)} ({values.type}) is no {wanted.type}."
            raise unreadable(what, self.name, row=row + at + 1, column=wanted.name, value=value) from error


def _casts(values: pa.Array, wanted: pa.DataType) -> bool:
    try:
        values.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def columnar_file(found: Recognised, options: ReadOptions) -> ColumnarFile:
    """Read a file's schema. UnreadableData when names stand twice, or there are no columns."""
    with mapped(found.file.name), _opened(found, options) as source:
        schema = source.schema.remove_metadata()
        if twice := [name for name in schema.names if schema.names.count(name) > 1]:
            what = f"columns of the same name: {clip(twice[0])}."
            raise unreadable(what, found.file.name, column=twice[0], remedy="Rename them.")
        if not schema.names:
            raise unreadable("it has no columns.", found.file.name)
        return ColumnarFile(found, options, schema, source.rows)


class _Parquet:
    def __init__(self, stream: BinaryIO, *, coded: bool) -> None:
        whole = partial(pq.ParquetFile, stream, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True)
        self._file = whole()
        if coded and (few := _of_few_levels(self._file)):
            self._file = whole(read_dictionary=few)
        self.schema: pa.Schema = self._file.schema_arrow
        self.rows: int | None = self._file.metadata.num_rows

    def begins(self, row: int) -> int:
        return max(each for each in self._begins() if each <= row)

    def batches(self, rows: int, columns: list[str], begin: int) -> Iterator[pa.RecordBatch]:
        groups = [at for at, each in enumerate(self._begins()[:-1]) if each >= begin]
        yield from self._file.iter_batches(batch_size=rows, columns=columns, row_groups=groups)

    def _begins(self) -> list[int]:
        """At which row each row group begins, and behind them the number of rows."""
        groups = range(self._file.metadata.num_row_groups)
        return list(accumulate((self._file.metadata.row_group(at).num_rows for at in groups), initial=0))


def _of_few_levels(file: pq.ParquetFile) -> list[str]:
    """Text columns that take under two bytes a value: they are stored as dictionaries, and are best left so."""
    texts = [
        each.name for each in file.schema_arrow if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)
    ]
    groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
    return [name for name in texts if groups and all(_is_small(group, name) for group in groups)]


def _is_small(group: pq.RowGroupMetaData, name: str) -> bool:
    chunks = [group.column(at) for at in range(group.num_columns)]
    found = [each for each in chunks if each.path_in_schema == name]
    return len(found) == 1 and found[0].has_dictionary_page and found[0].total_uncompressed_size < 2 * group.num_rows


class _ArrowFile:
    def __init__(self, stream: BinaryIO) -> None:
        self._file = pa.ipc.open_file(pa.PythonFile(stream, "r"))
        self.schema: pa.Schema = self._file.schema
        self.rows: int | None = None

    def begins(self, _row: int) -> int:
        return 0

    def batches(self, rows: int, _columns: list[str], _begin: int) -> Iterator[pa.RecordBatch]:
        for at in range(self._file.num_record_batches):
            yield from _sliced(self._file.get_batch(at), rows)


class _ArrowStream:
    """A stream ends with a mark; one that was cut short between two batches has none."""

    def __init__(self, stream: BinaryIO) -> None:
        self._tail = _Tail(stream)
        self._file = pa.ipc.open_stream(pa.PythonFile(self._tail, "r"))
        self.schema: pa.Schema = self._file.schema
        self.rows: int | None = None

    def begins(self, _row: int) -> int:
        return 0

    def batches(self, rows: int, _columns: list[str], _begin: int) -> Iterator[pa.RecordBatch]:
        for batch in self._file:
            yield from _sliced(batch, rows)
        if self._tail.ended or self._tail.last != _STREAM_END:
            raise pa.ArrowInvalid("the stream has no end mark: it was cut short, or its writer was never closed")
        if self._tail.read(1):
            raise pa.ArrowInvalid("more follows behind the end mark of the stream")


class _Tail:
    """A stream that remembers the last bytes read, and whether more was asked for than there is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.last = b""
        self.ended = False
        self.closed = False

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    def read(self, count: int) -> bytes:
        found = self._stream.read(count)
        self.last = (self.last + found[-8:])[-8:]
        self.ended = self.ended or len(found) < count
        return found


def _sliced(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    for begin in range(0, len(batch), rows):
        yield batch.slice(begin, rows)


@contextmanager
def _opened(found: Recognised, options: ReadOptions) -> Iterator[Any]:
    if found.format == "parquet":
        with seekable(found.file, found.compression) as stream:
            yield _Parquet(stream, coded=options.coded)
        return
    with plain(found.file, found.compression) as stream:
        is_file = stream.read(6) == b"ARROW1"
    with (seekable if is_file else plain)(found.file, found.compression) as stream:
        yield _ArrowFile(stream) if is_file else _ArrowStream(stream)
