"""Rows of a view as the online store takes them: the newest of each entity, packed by the column."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.online import Column, KeyColumn, RowBatch, bool_column, column_of, float_column, int_column, text_column

from .definitions import AVAILABLE, EVENT, FeatureView
from .errors import InvalidDefinition
from .instants import as_instants
from .join import KeyIndex

Ints = NDArray[np.int64]

UNNOTED = -(2**63)
"""The availability of a row of which nobody noted when it was known: it loses against any that was noted."""


def newest_rows(view: FeatureView, table: pa.Table) -> RowBatch:
    """The newest row of each entity among rows of `view.rows()`: by event time, then availability, then the last.

    Rows whose key has a null are left out. InvalidDefinition for types that do not go online.
    """
    events, available = instants_of_rows(table)
    chosen = newest_places(view.name, [(name, table.column(name)) for name in view.keys], events, available)
    if len(chosen) < len(table):
        table, events, available = table.take(chosen), events[chosen], available[chosen]
    keys = [_key(view, name, table.column(name)) for name in view.keys]
    columns = [_column(view, name, table.column(name)) for name in view.feature_names]
    return RowBatch.of_columns(keys, events, available, columns)


def newest_places(view: str, keys: Sequence[tuple[str, pa.ChunkedArray]], events: Ints, available: Ints) -> Ints:
    """The places of the newest row of each key, in the order of the rows; `view` names it in errors.

    By event time, then availability, then the last; arrays are (n_rows,). Rows whose key has a null are left out.
    """
    codes = _codes(view, keys)
    order = np.argsort(codes, kind="stable")
    if not (np.diff(codes[order]) == 0).any():
        return np.flatnonzero(codes >= 0)
    order = np.lexsort((available, events, codes))
    ordered = codes[order]
    last = np.append(ordered[1:] != ordered[:-1], [True] * (len(ordered) > 0))
    return np.sort(order[last & (ordered >= 0)])


def instants_of_rows(table: pa.Table) -> tuple[Ints, Ints]:
    """Event times and availabilities in microseconds, shape (n_rows,)."""
    events = table.column(EVENT).cast(pa.int64()).to_numpy()
    available = pc.fill_null(table.column(AVAILABLE).cast(pa.int64()), UNNOTED).to_numpy()
    return events, available


def _codes(view: str, keys: Sequence[tuple[str, pa.ChunkedArray]]) -> Ints:
    """A number for each row's key, the same for the same key; negative where a part is null."""
    if len(keys) == 1 and (codes := _small_numbers(keys[0][1])) is not None:
        return codes
    return KeyIndex(view, keys).codes


def _small_numbers(column: pa.ChunkedArray) -> Ints | None:
    """Whole numbers themselves serve as codes, counted from the smallest; None for other keys."""
    if not pa.types.is_integer(column.type) or pa.types.is_uint64(column.type) or column.null_count or not len(column):
        return None
    numbers: Ints = column.cast(pa.int64()).to_numpy()
    smallest = int(numbers.min())
    return None if int(numbers.max()) - smallest >= 2**63 else numbers - smallest


def _key(view: FeatureView, name: str, column: pa.ChunkedArray) -> KeyColumn:
    column = _decoded(column)
    if pa.types.is_integer(column.type) and not pa.types.is_uint64(column.type):
        numbers: Ints = column.cast(pa.int64()).to_numpy()
        return numbers
    if _is_text(column.type) or pa.types.is_boolean(column.type) or _is_number(column.type):
        return list(column.to_pylist())
    raise InvalidDefinition(
        f"The key '{name}' of view '{view.name}' is of type {str(column.type)[:80]}, which no request can carry.",
        context={"view": view.name, "column": name},
        remedy="Keys that go online are numbers, texts or flags: cast it in the source.",
    )


def _column(view: FeatureView, name: str, column: pa.ChunkedArray) -> Column:
    column = _decoded(column)
    for test, make in _MAKERS:
        if test(column.type):
            return make(column)
    raise InvalidDefinition(
        f"Feature '{name}' of view '{view.name}' is of type {str(column.type)[:80]}, which does not go online.",
        context={"view": view.name, "feature": name},
        remedy="Online values are numbers, texts, flags and times: cast it in the source, or take it out of the view.",
    )


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _nothing(column: pa.ChunkedArray) -> Column:
    return float_column(np.full(len(column), np.nan))


def _floats(column: pa.ChunkedArray) -> Column:
    return float_column(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy())


def _integers(column: pa.ChunkedArray) -> Column:
    valid = column.is_valid().to_numpy() if column.null_count else None
    return int_column(pc.fill_null(column.cast(pa.int64()), 0).to_numpy(), valid)


def _flags(column: pa.ChunkedArray) -> Column:
    return bool_column(pc.fill_null(column, False).to_numpy(), column.is_valid().to_numpy())  # noqa: FBT003 - a value


def _texts(column: pa.ChunkedArray) -> Column:
    return text_column(column.cast(pa.large_string()).cast(pa.large_binary()).to_pylist())


def _times(column: pa.ChunkedArray) -> Column:
    """Microseconds of UTC since 1970."""
    return _integers(as_instants(column, "feature").cast(pa.int64()))


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


_MAKERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.ChunkedArray], Column]], ...] = (
    (pa.types.is_null, _nothing),
    (pa.types.is_floating, _floats),
    (pa.types.is_uint64, lambda column: column_of(column.to_pylist())),
    (pa.types.is_integer, _integers),
    (pa.types.is_boolean, _flags),
    (_is_text, _texts),
    (_is_time, _times),
)
