"""Rows by when they happened, and by when they were known."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import InvalidInput, did_you_mean, to_micros

_INSTANT = pa.timestamp("us", tz="UTC")


def split_by_time(table: pa.Table, time: str, holdout: timedelta, until: datetime) -> tuple[pa.Table, pa.Table]:
    """Rows before `until - holdout`, and rows from there on before `until`: the past to learn, the present to judge.

    Naive times are UTC, on both sides; rows without a time are in neither part. InvalidInput when `time` names no
    column of instants or dates.
    """
    at = instants(table, time)
    border, end = (pa.scalar(to_micros(each), pa.int64()).cast(_INSTANT) for each in (until - holdout, until))
    return table.filter(pc.less(at, border)), table.filter(pc.and_(pc.greater_equal(at, border), pc.less(at, end)))


def known_by(table: pa.Table, known_at: str, as_of: datetime) -> pa.Table:
    """The rows whose label was known at `as_of`; rows that never learned theirs are left out.

    Naive times are UTC. InvalidInput when `known_at` names no column of instants or dates.
    """
    at = instants(table, known_at)
    return table.filter(pc.less_equal(at, pa.scalar(to_micros(as_of), pa.int64()).cast(_INSTANT)))


def instants(table: pa.Table, time: str) -> pa.ChunkedArray:
    """A column of instants or dates as microseconds of UTC; InvalidInput when there is none of this name."""
    if time not in table.column_names:
        raise InvalidInput(f"The table has no column '{time}'.", remedy=did_you_mean(time, table.column_names))
    column = table.column(time)
    if not pa.types.is_timestamp(column.type) and not pa.types.is_date(column.type):
        raise InvalidInput(f"Column '{time}' is of type {column.type}, which is no time.", remedy="Cast it first.")
    return column.cast(_INSTANT, safe=False)
