"""The values of one aggregation at each change of its windows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.features.errors import InvalidDefinition

from .aggregation import Aggregation, Function
from .exact import Ints
from .windows import NOTHING, Changes, Events, Flags, Spans, counts, distinct, highest, sums, whole_sums

_LARGEST = 2.0**63 - 2048
"""Sums near or beyond this may not fit 64 bits: the doubles that watch them are not exact."""


@dataclass(frozen=True)
class ChangingColumn:
    """A feature at each change: numbers, and where there is one; with `levels` the numbers are places in it."""

    numbers: NDArray[Any]
    valid: Flags
    levels: pa.Array | None = None

    def taken(self, kept: Ints, type_: pa.DataType) -> pa.Array:
        """The values at some changes, as a column of a table."""
        numbers, missing = self.numbers[kept], ~self.valid[kept]
        if self.levels is None:
            return pa.array(numbers, mask=missing).cast(type_)
        return self.levels.take(pa.array(numbers, pa.int64(), mask=missing)).cast(type_)

    def differs(self) -> Flags:
        """Whether each value but the first is other than the one before; NaN is NaN."""
        now, before = self.numbers[1:], self.numbers[:-1]
        other: Flags = now != before
        if self.numbers.dtype.kind == "f":
            other &= ~(np.isnan(now) & np.isnan(before))
        found: Flags = (self.valid[1:] != self.valid[:-1]) | (self.valid[1:] & other)
        return found


@dataclass(frozen=True)
class Making:
    """What all aggregations of a view's events share. `recency` ranks the events from the oldest, (n,)."""

    events: Events
    changes: Changes
    recency: Ints
    view: str

    def column(self, each: Aggregation, values: pa.ChunkedArray) -> ChangingColumn:
        """One aggregation of a column of the events."""
        bare = _bare(values)
        spans = self.changes.spans[each.window_us].only(bare.is_valid().to_numpy())
        return _MAKERS[each.function](self, each, bare, spans)

    def count(self, _each: Aggregation, _values: pa.ChunkedArray, spans: Spans) -> ChangingColumn:
        """How many values there are."""
        return self._always(counts(spans, self.changes.places))

    def distinct(self, _each: Aggregation, values: pa.ChunkedArray, spans: Spans) -> ChangingColumn:
        """How many different ones."""
        _, codes = _levels(values)
        return self._always(distinct(spans, codes, self.events.keys, self.changes.places))

    def sum(self, each: Aggregation, values: pa.ChunkedArray, spans: Spans) -> ChangingColumn:
        """Their sum."""
        if not _is_whole(values.type):
            floats = values.cast(pa.float64()).fill_null(0.0).to_numpy()
            return self._always(sums(spans, floats, self.changes.places))
        try:
            wholes = values.cast(pa.int64()).fill_null(0).to_numpy()
        except pa.ArrowInvalid as error:
            raise self._too_large(each) from error
        found, near = whole_sums(spans, wholes, self.changes.places)
        if np.abs(near).max(initial=0.0) > _LARGEST:
            raise self._too_large(each)
        return self._always(found)

    def mean(self, each: Aggregation, values: pa.ChunkedArray, spans: Spans) -> ChangingColumn:
        """Their sum by their count."""
        how_many = counts(spans, self.changes.places)
        with np.errstate(all="ignore"):
            return ChangingColumn(self.sum(each, values, spans).numbers / how_many, how_many > 0)

    def max(self, _each: Aggregation, values: pa.ChunkedArray, spans: Spans) -> ChangingColumn:
        """The largest."""
        levels, ranks = _levels(values)
        top = highest(spans, ranks, self.changes.places)
        return ChangingColumn(top, top != NOTHING, levels)

    def min(self, _each: Aggregation, values: pa.ChunkedArray, spans: Spans) -> ChangingColumn:
        """The smallest."""
        levels, ranks = _levels(values)
        low = highest(spans, len(levels) - 1 - ranks, self.changes.places)
        return ChangingColumn(len(levels) - 1 - low, low != NOTHING, levels)

    def last(self, _each: Aggregation, values: pa.ChunkedArray, spans: Spans) -> ChangingColumn:
        """That of the latest event."""
        levels, ranks = _levels(values)
        newest = highest(spans, self.recency, self.changes.places)
        by_recency = np.empty(len(self.recency), np.int64)
        by_recency[self.recency] = ranks
        found = newest != NOTHING
        return ChangingColumn(by_recency[newest] if len(by_recency) else newest, found, levels)

    def _always(self, numbers: NDArray[Any]) -> ChangingColumn:
        return ChangingColumn(numbers, np.ones(self.changes.places, np.bool_))

    def _too_large(self, each: Aggregation) -> InvalidDefinition:
        return InvalidDefinition(
            f"The {each.function} of '{each.column[:80]}' in view '{self.view}' is beyond whole numbers of 64 bits.",
            context={"view": self.view, "column": each.column[:80]},
            remedy="Cast the column to float64 in the source.",
        )


_MAKERS: dict[Function, Callable[[Making, Aggregation, pa.ChunkedArray, Spans], ChangingColumn]] = {
    "count": Making.count,
    "distinct": Making.distinct,
    "sum": Making.sum,
    "mean": Making.mean,
    "max": Making.max,
    "min": Making.min,
    "last": Making.last,
}


def _is_whole(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_boolean(type_))


def _bare(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionary, and NaN as null."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), None, column)
    return column


def _levels(column: pa.ChunkedArray) -> tuple[pa.Array, Ints]:
    """The different values in order, and the place of each row's among them (anything for nulls); at least one."""
    if pa.types.is_null(column.type) or column.null_count == len(column):
        return pa.nulls(1, column.type), np.zeros(len(column), np.int64)
    encoded = column.combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    places = np.zeros(len(order) + 1, np.int64)
    places[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), places[pc.fill_null(encoded.indices, len(order)).to_numpy()]
