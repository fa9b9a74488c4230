"""Rows on their way into a store: one for each entity, packed, in the order of their keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .keys import KeyColumn, encode_key, encode_keys
from .records import EntityKey, StoredRow
from .rows import Column, Ints, column_of, instants, pack


@dataclass(frozen=True)
class RowBatch:
    """Packed rows by their keys, no key twice; the instants of each row again, shape (n_rows,)."""

    keys: Sequence[bytes]
    rows: Sequence[bytes]
    events: Ints
    available: Ints

    @classmethod
    def of_columns(
        cls, keys: Sequence[KeyColumn], events: Ints, available: Ints, columns: Sequence[Column]
    ) -> "RowBatch":
        """A batch of columns. The caller sees to it that no key comes twice, and none has a null."""
        order = _order(keys)
        if order is not None:
            keys = [np.asarray(column)[order] for column in keys]
        encoded = encode_keys(keys)
        if order is None:
            order = _order_of_bytes(encoded)
            encoded = [encoded[at] for at in order.tolist()]
        taken = [column.taken(order) for column in columns]
        return cls(encoded, pack(events[order], available[order], taken), events[order], available[order])

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[EntityKey, StoredRow]]) -> "RowBatch":
        """A batch of rows as Python has them; of several rows of one key the newest stays, of equals the last."""
        newest: dict[bytes, StoredRow] = {}
        for key, row in rows:
            name = encode_key(key)
            if name is not None and not (name in newest and _instants(newest[name]) > _instants(row)):
                newest[name] = row
        packed = [packed_row(row) for row in newest.values()]
        events, available = instants(packed)
        return cls(list(newest), packed, events, available)

    def __len__(self) -> int:
        return len(self.keys)

    def taken(self, left: Ints) -> "RowBatch":
        """The rows at these places."""
        places = left.tolist()
        keys, rows = [self.keys[at] for at in places], [self.rows[at] for at in places]
        return RowBatch(keys, rows, self.events[left], self.available[left])

    def newer_than(self, stored: Sequence[bytes | None]) -> "RowBatch":
        """The rows that belong in place of what is stored, which comes in their order.

        A row does when nothing is stored, when its (event, available) is later, or when these are equal and its values
        are not: then the one written last stays.
        """
        there = [at for at, row in enumerate(stored) if row is not None]
        if not there:
            return self
        found = [row for row in stored if row is not None]
        events, available = instants(found)
        ours_event, ours_available = self.events[there], self.available[there]
        better = (ours_event > events) | ((ours_event == events) & (ours_available > available))
        for at in np.flatnonzero((ours_event == events) & (ours_available == available)).tolist():
            better[at] = self.rows[there[at]] != found[at]
        keep = np.ones(len(self), dtype=bool)
        keep[there] = better
        return self if keep.all() else self.taken(np.flatnonzero(keep))


def packed_row(row: StoredRow) -> bytes:
    """One row, packed."""
    columns = [column_of([value]) for value in row.values]
    return pack(np.array([row.event_us]), np.array([row.available_us]), columns)[0]


def _instants(row: StoredRow) -> tuple[int, int]:
    return row.event_us, row.available_us


def _order(keys: Sequence[KeyColumn]) -> Ints | None:
    """The order of keys that are all whole numbers, which is found before they are made bytes; else None."""
    numbers = [column for column in keys if isinstance(column, np.ndarray)]
    return np.lexsort(numbers[::-1]) if len(numbers) == len(keys) else None


def _order_of_bytes(keys: Sequence[bytes]) -> Ints:
    """The order of the first bytes of keys: trees grow fastest at one end."""
    first = np.array(keys, dtype="S24").view(">u8").reshape(len(keys), 3).astype(np.uint64)
    return np.lexsort((first[:, 2], first[:, 1], first[:, 0]))
