"""The point-in-time join: for each row, the features as they were known at its time."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.core import did_you_mean

from .definitions import FeatureView, as_instant
from .errors import InvalidDefinition

Ints = NDArray[np.int64]
_NEVER = np.iinfo(np.int64).max
_NOWHERE = np.iinfo(np.int64).min


def point_in_time_join(
    entities: pa.Table, views: Iterable[FeatureView], *, event_time: str = "event_timestamp", as_known: bool = True
) -> pa.Table:
    """`entities` with the features of each view appended, values as known at each row's time.

    A source row matches when its keys are equal, row time - ttl <= event time <= row time (both ends included, to the
    microsecond; no lower end without ttl) and, unless `as_known` is False, it was available by the row's time. The
    latest event time wins, then the latest availability (null loses), then the last row in source order. Null keys
    match nothing. Rows, order and duplicates of `entities` are kept; naive times are UTC. Cost: a sort of each source
    and a few binary searches per row.
    """
    times = _micros(as_instant(_column(entities, event_time)))
    result = entities
    for view in views:
        source = view.table()
        chosen = _choose(entities, times, source, view, as_known=as_known)
        found = pa.array(chosen, mask=chosen < 0)
        for name in view.features:
            if name in result.column_names:
                raise InvalidDefinition(
                    f"Feature '{name}' of view '{view.name}' has the name of a column that is there already.",
                    remedy="Rename one of them.",
                )
            result = result.append_column(name, source.column(name).take(found))
    return result


def _choose(entities: pa.Table, times: Ints, source: pa.Table, view: FeatureView, *, as_known: bool) -> Ints:
    """The index of the source row that each entity row gets, -1 for none; shape (n_entities,)."""
    left, right = _key_codes(entities, source, view.keys)
    events, available = _micros(source.column("__event")), _micros(source.column("__available"), missing=_NOWHERE)
    order = np.lexsort((np.arange(len(events)), available, events, right))
    order = order[right[order] >= 0]
    keys, events, available = right[order], events[order], available[order]
    if len(order) == 0:
        return np.full(len(times), -1, dtype=np.int64)
    position = _last_not_after(keys, events, left, times)
    if as_known:
        position = _step_back_to_known(position, keys, available, left, times)
    valid = (position >= 0) & (left >= 0)
    valid[valid] &= keys[position[valid]] == left[valid]
    if view.ttl:
        valid[valid] &= events[position[valid]] >= times[valid] - view.ttl // timedelta(microseconds=1)
    chosen = np.full(len(times), -1, dtype=np.int64)
    chosen[valid] = order[position[valid]]
    return chosen


def _last_not_after(keys: Ints, events: Ints, left: Ints, times: Ints) -> Ints:
    """For each entity row the last position whose (key, event time) is not beyond the row's; -1 when before all."""
    is_row = np.repeat([0, 1], [len(keys), len(left)])  # at equal instants source rows come first
    order = np.lexsort((is_row, np.concatenate([events, times]), np.concatenate([keys, left])))
    before = np.cumsum(is_row[order] == 0) - 1
    position = np.empty(len(order), dtype=np.int64)
    position[order] = before
    return position[len(keys) :]


def _step_back_to_known(position: Ints, keys: Ints, available: Ints, left: Ints, times: Ints) -> Ints:
    """Move each position back to the nearest row of its key that was available in time.

    Sources whose rows become available in the order of their event times need one step or none per row.
    """
    position = position.copy()
    while True:
        inside = (position >= 0) & (left >= 0)
        same = np.zeros(len(position), dtype=bool)
        same[inside] = keys[position[inside]] == left[inside]
        late = np.zeros(len(position), dtype=bool)
        late[same] = available[position[same]] > times[same]
        if not late.any():
            return position
        position[late] -= 1


def _key_codes(entities: pa.Table, source: pa.Table, keys: Sequence[str]) -> tuple[Ints, Ints]:
    """Each row's key as one number, equal on both sides for equal keys; -1 where a part is null."""
    left = np.zeros(len(entities), dtype=np.int64)
    right = np.zeros(len(source), dtype=np.int64)
    for key in keys:
        here, there = _column(entities, key), source.column(key)
        if here.type != there.type:
            here, there = here.cast(pa.string()), there.cast(pa.string())
        both = pa.chunked_array([*here.chunks, *there.chunks], here.type).combine_chunks().dictionary_encode()
        codes = pc.fill_null(both.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        size = len(both.dictionary) + 1
        left = np.where((left < 0) | (codes[: len(left)] < 0), -1, left * size + codes[: len(left)])
        right = np.where((right < 0) | (codes[len(left) :] < 0), -1, right * size + codes[len(left) :])
    return left, right


def _micros(column: pa.ChunkedArray, *, missing: int = _NEVER) -> Ints:
    numbers: Ints = pc.fill_null(column.cast(pa.int64()), missing).to_numpy()
    return numbers


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name in table.column_names:
        return table.column(name)
    raise InvalidDefinition(
        f"The entity rows have no column '{name}'.",
        context={"column": name},
        remedy=did_you_mean(name, table.column_names),
    )
