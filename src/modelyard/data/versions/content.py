"""The content of a table: which rows, exactly, a model was made from."""

from dataclasses import dataclass

import pyarrow as pa

from modelyard.core import Digest, digest_of


@dataclass(frozen=True)
class DatasetVersion:
    """The content of a table under a name; equal content has an equal digest."""

    name: str
    digest: Digest
    rows: int
    columns: tuple[str, ...]


def version_of(name: str, table: pa.Table) -> DatasetVersion:
    """The version of a table: the SHA-256 of its schema and columns as one Arrow stream.

    Of the content alone: chunks, slices, metadata, and what happens to lie in memory where a value is missing, do not
    count. Inside lists and structs the latter does.
    """
    columns = [_plain(column) for column in table.columns]
    missing = [column.is_null().combine_chunks() for column in table.columns if column.null_count]
    names = [*table.column_names, *(f"missing {at}" for at in range(len(missing)))]
    content = pa.Table.from_arrays([*columns, *missing], names=names)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content)
    return DatasetVersion(name, digest_of(sink.getvalue().to_pybytes()), len(table), tuple(table.column_names))


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array of its own, a present value standing where one is missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    whole = pa.concat_arrays([column.combine_chunks()])
    if whole.null_count == 0 or pa.types.is_nested(whole.type):
        return whole
    return whole.fill_null(whole.drop_null()[0]) if whole.null_count < len(whole) else pa.nulls(len(whole), whole.type)
