"""The past of a view: every row that a key ever had, to tell which of them was served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import Scalar
from modelyard.features.definitions import AVAILABLE, EVENT, FeatureView
from modelyard.features.instants import instants_of
from modelyard.features.join import Flags, Ints, KeyIndex

from .values import as_served

_UNNOTED = np.iinfo(np.int64).min


@dataclass(frozen=True)
class PastRow:
    """When a row was true, and from when on it could be used; µs."""

    event: int
    usable: int


class ViewPast:
    """A source's rows by key, each key's from old to new. Holds the features that it was made with."""

    def __init__(self, view: FeatureView, features: Sequence[str]) -> None:
        table = view.table(features)
        self.name = view.name
        self._keys = KeyIndex(view.name, [(key, table.column(key)) for key in view.keys])
        events, _ = instants_of(table.column(EVENT), "event time")
        available, noted = instants_of(table.column(AVAILABLE), "availability")
        known = np.where(noted, available, _UNNOTED)
        order = np.lexsort((known, events, self._keys.codes))
        self._starts = np.searchsorted(self._keys.codes[order], np.arange(self._keys.size + 1))
        self._events, self._usable = events[order], np.maximum(events, known)[order]
        taken = table.select(list(features)).take(pa.array(order))
        self._values = {name: _searchable(taken.column(name)) for name in features}
        self._ttl = view.ttl // timedelta(microseconds=1) if view.ttl else None

    def codes(self, columns: Sequence[pa.ChunkedArray]) -> Ints:
        """The number of each entity's key, negative for those that the source does not have; shape (n_rows,)."""
        return self._keys.find(columns)

    def known(self, code: int, at: int) -> PastRow | None:
        """The row that a point-in-time join takes at an instant, if there is one."""
        there = self._range(code)
        usable = (self._usable[there] <= at) & (self._events[there] <= at)
        return self._fresh(self._last(there, usable), at)

    def served(self, code: int, at: int, values: Mapping[str, Scalar], tolerance: float) -> PastRow | None:
        """The newest row that had these values and could be used at an instant, however old; None without one."""
        there = self._range(code)
        found = (self._usable[there] <= at) & (self._events[there] <= at)
        for name, value in values.items():
            found &= _equal(self._values[name][there], value, tolerance)
        return self._last(there, found)

    def expired(self, row: PastRow, at: int) -> bool:
        """Whether a row is older than the view's ttl."""
        return self._ttl is not None and at - row.event > self._ttl

    def _fresh(self, row: PastRow | None, at: int) -> PastRow | None:
        return None if row is None or self.expired(row, at) else row

    def _range(self, code: int) -> slice:
        return slice(0, 0) if code < 0 else slice(int(self._starts[code]), int(self._starts[code + 1]))

    def _last(self, there: slice, found: Flags) -> PastRow | None:
        places = np.flatnonzero(found)
        if not len(places):
            return None
        place = there.start + int(places[-1])
        return PastRow(int(self._events[place]), int(self._usable[place]))


def _searchable(column: pa.ChunkedArray) -> NDArray[Any]:
    """Numbers as floats, NaN for none; texts as objects."""
    values = as_served(column)
    if any(isinstance(each, str) for each in values):
        return np.array(values, dtype=object)
    return np.array([np.nan if each is None else each for each in values], dtype=np.float64)


def _equal(column: NDArray[Any], value: Scalar, tolerance: float) -> Flags:
    if column.dtype == object or isinstance(value, str):
        return np.array([each == value for each in column], dtype=np.bool_)
    if value is None:
        return np.asarray(np.isnan(column))
    number = float(value)
    near = np.isclose(column, number, rtol=tolerance, atol=tolerance) if tolerance else column == number
    return np.asarray(near)
