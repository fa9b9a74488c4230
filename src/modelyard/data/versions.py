"""Dataset versions: which rows, exactly, a model was made from."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Digest, InvalidInput, did_you_mean, digest_of, to_micros

_INSTANT = pa.timestamp("us", tz="UTC")


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


def split_by_time(table: pa.Table, time: str, holdout: timedelta, until: datetime) -> tuple[pa.Table, pa.Table]:
    """Rows before `until - holdout`, and rows from there on before `until`: the past to learn, the present to judge.

    Naive times are UTC, on both sides; rows without a time are in neither part. InvalidInput when `time` names no
    column of instants or dates.
    """
    at = _instants(table, time)
    border, end = (pa.scalar(to_micros(each), pa.int64()).cast(_INSTANT) for each in (until - holdout, until))
    return table.filter(pc.less(at, border)), table.filter(pc.and_(pc.greater_equal(at, border), pc.less(at, end)))


def known_by(table: pa.Table, known_at: str, as_of: datetime) -> pa.Table:
    """The rows whose label was known at `as_of`; rows that never learned theirs are left out.

    Naive times are UTC. InvalidInput when `known_at` names no column of instants or dates.
    """
    at = _instants(table, known_at)
    return table.filter(pc.less_equal(at, pa.scalar(to_micros(as_of), pa.int64()).cast(_INSTANT)))


def _instants(table: pa.Table, time: str) -> pa.ChunkedArray:
    if time not in table.column_names:
        raise InvalidInput(f"The table has no column '{time}'.", remedy=did_you_mean(time, table.column_names))
    column = table.column(time)
    if not pa.types.is_timestamp(column.type) and not pa.types.is_date(column.type):
        raise InvalidInput(f"Column '{time}' is of type {column.type}, which is no time.", remedy="Cast it first.")
    return column.cast(_INSTANT, safe=False)
