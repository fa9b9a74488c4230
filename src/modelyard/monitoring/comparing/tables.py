"""Two tables as columns that are read one by one, however large the files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.data import Reading, ReadOptions, open_data

BATCH = 1 << 18
"""Rows read at once: so few that their memory is taken again and again, and is still in the processor's cache."""

_HELD = 256 << 20

Held = Literal["number", "category", "vector", "time", "empty", "other"]


@dataclass
class Columns(AbstractContextManager["Columns"]):
    """A table whose columns may be read in any order, by several threads, each time anew."""

    schema: pa.Schema
    rows: int
    table: pa.Table | None = None
    reading: Reading | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def column(self, name: str) -> Iterator[pa.Array]:
        """The column's values in order, in arrays of at most `BATCH` where they are read from a file."""
        if self.table is not None:
            yield from self.table.column(name).chunks
        elif self.reading is not None:
            for batch in self.reading.only([name]).batches():
                yield batch.column(0)

    @classmethod
    def of_table(cls, table: pa.Table) -> Self:
        """Of a table in memory."""
        return cls(table.schema, len(table), table=table)

    @classmethod
    def of_source(cls, source: str | Path | Sequence[str | Path]) -> Self:
        """Of files that `data.open_data` reads. Parquet is read column by column where it lies.

        Other formats are read once: into memory up to 256 MB, beyond it into a temporary Parquet file.
        """
        reading = open_data(source, ReadOptions(batch_rows=BATCH, coded=True))
        if all(each.format == "parquet" and each.compression is None for each in reading.facts):
            first = reading.only(reading.schema.names[:1])
            return cls(reading.schema, sum(len(batch) for batch in first.batches()), reading=reading)
        return cls._read_once(reading)

    @classmethod
    def _read_once(cls, reading: Reading) -> Self:
        held, size = [], 0
        batches = reading.batches()
        for batch in batches:
            held.append(batch)
            size += batch.nbytes
            if size > _HELD:
                return cls._spooled(reading.schema, held, batches)
        return cls.of_table(pa.Table.from_batches(held, reading.schema))

    @classmethod
    def _spooled(cls, schema: pa.Schema, held: list[pa.RecordBatch], rest: Iterator[pa.RecordBatch]) -> Self:
        with ExitStack() as stack:
            file = Path(stack.enter_context(TemporaryDirectory(prefix="modelyard-compare-"))) / "rows.parquet"
            rows = 0
            with pq.ParquetWriter(file, schema, compression="none") as writer:
                while held:
                    rows += len(held[0])
                    writer.write_batch(held.pop(0))
                for batch in rest:
                    rows += len(batch)
                    writer.write_batch(batch)
            reading = open_data(file, ReadOptions(batch_rows=BATCH, coded=True))
            return cls(schema, rows, reading=reading, _stack=stack.pop_all())


def held_in(kind: pa.DataType) -> Held:
    """What a column of an Arrow type is compared as."""
    if pa.types.is_dictionary(kind):
        return held_in(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return held_in(kind.storage_type)
    return next((held for held, has in _HELD_IN if has(kind)), "other")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_vector(kind: pa.DataType) -> bool:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(listed) and held_in(kind.value_type) == "number"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


_HELD_IN: tuple[tuple[Held, Callable[[pa.DataType], bool]], ...] = (
    ("empty", pa.types.is_null),
    ("number", _is_number),
    ("category", lambda kind: pa.types.is_boolean(kind) or _is_text(kind)),
    ("time", lambda kind: pa.types.is_timestamp(kind) or pa.types.is_date(kind)),
    ("vector", _is_vector),
)
