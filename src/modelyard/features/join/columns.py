"""The feature values of a source by row number: in memory, or mapped from files when they are large."""

from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from weakref import finalize

import numpy as np
import pyarrow as pa

from .keys import Flags, Ints

BUDGET = 256 << 20
"""Bytes of feature values that are kept in memory before a source is spilled."""


class FeatureColumns:
    """Columns that are gathered batch by batch, then taken by row number.

    With a folder to spill to, what is beyond `budget` bytes goes to files there, which go with this object.
    """

    def __init__(self, names: Sequence[str], spill: Path | None, budget: int = BUDGET) -> None:
        self._names = list(names)
        self._spill, self._budget = spill, budget
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._folder: Path | None = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self._columns: list[pa.Array] = []
        self.fields: list[pa.Field] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep the rows behind those from before."""
        some = batch.select(self._names)
        if self._writer is not None:
            self._writer.write_batch(_plain(some))
            return
        self._held.append(some)
        self._bytes += some.nbytes
        if self._spill is not None and self._bytes > self._budget:
            self._start_to_spill()

    def close(self, schema: pa.Schema) -> None:
        """Nothing more comes: make the rows ready to be taken."""
        self.fields = [schema.field(name) for name in self._names]
        if self._writer is None:
            table = pa.Table.from_batches(self._held, pa.schema(self.fields))
            self._columns = [_whole(each) for each in table.columns]
        else:
            self._writer.close()
            self._columns = [self._mapped(at) for at in range(len(self.fields))]
            self._rows_file.unlink()
        self._held = []

    def take(self, rows: Ints) -> list[pa.ChunkedArray]:
        """The values of rows (n,) by number, null for negative numbers."""
        found = rows >= 0
        taken = _taken_all if found.all() else _taken_found
        return [
            pa.chunked_array([_typed(taken(each, rows, found), field.type)])
            for each, field in zip(self._columns, self.fields, strict=True)
        ]

    @property
    def _rows_file(self) -> Path:
        assert self._folder is not None  # noqa: S101 - it was made when spilling began
        return self._folder / "rows.arrow"

    def _start_to_spill(self) -> None:
        assert self._spill is not None  # noqa: S101 - else nothing is ever spilled
        self._spill.mkdir(parents=True, exist_ok=True)
        self._folder = Path(mkdtemp(dir=self._spill, prefix="source-"))
        finalize(self, rmtree, self._folder, ignore_errors=True)
        self._writer = pa.ipc.new_file(str(self._rows_file), _plain(self._held[0]).schema)
        for each in self._held:
            self._writer.write_batch(_plain(each))
        self._held = []

    def _mapped(self, at: int) -> pa.Array:
        """One column as one array in a file of its own; only one is in memory at a time."""
        file = self._rows_file.with_name(f"{at}.arrow")
        with pa.memory_map(str(self._rows_file)) as source:
            reader = pa.ipc.open_file(source)
            parts = [reader.get_batch(each).column(at) for each in range(reader.num_record_batches)]
            whole = _whole(pa.chunked_array(parts))
            schema = pa.schema([("value", whole.type)])
            with pa.ipc.new_file(str(file), schema) as writer:
                writer.write_batch(pa.record_batch([whole], schema=schema))
        mapped = pa.ipc.open_file(pa.memory_map(str(file)))
        return mapped.get_batch(0).column(0)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Without dictionaries, of which a file could hold only one a column."""
    columns = [each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _typed(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if values.type == kind:
        return values
    return values.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else values.cast(kind)


def _taken_all(column: pa.Array, rows: Ints, _found: Flags) -> pa.Array:
    return column.take(pa.array(rows))


def _taken_found(column: pa.Array, rows: Ints, found: Flags) -> pa.Array:
    """As above, null where nothing is found. Places without nulls are taken four times faster than those with."""
    if column.null_count or not len(column) or not pa.types.is_primitive(column.type):
        return column.take(pa.array(rows, mask=~found))
    values = column.take(pa.array(np.maximum(rows, 0)))
    present = pa.array(found).buffers()[1]
    return pa.Array.from_buffers(column.type, len(rows), [present, *values.buffers()[1:]])


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """As one array; text beyond 2 GiB needs wider offsets."""
    wide = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    if column.type in wide and column.nbytes >= 2**30:
        column = column.cast(wide[column.type])
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    combined = column.combine_chunks()
    return combined.combine_chunks() if isinstance(combined, pa.ChunkedArray) else combined
