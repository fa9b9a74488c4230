"""What was known of each key, and from when on: a source's rows in the one order that answers each question of time."""

from dataclasses import dataclass

import numpy as np

from .keys import Flags, Ints
from .sorting import counted_below, different, stable_order

_UNKNOWN = np.iinfo(np.int64).min
NO_ROW = -1
"""The answer where nothing was known."""


@dataclass(frozen=True)
class Timeline:
    """For each key the rows that were ever the newest known, each from the instant at which it became so.

    A row can be used from the later of its event time and its availability on. At that instant it is the answer for
    its key unless a row with a later event time is known already; then it never is, and is dropped. What remains is in
    order of key, instant, and age at once, so one binary search finds an answer, however late rows arrive.
    `packed` (n,) are key and rank of the instant in one number, `instants` the ranked instants, `starts` (n_keys + 1,)
    where each key begins, `events` and `rows` (n,) event time and number of the source row.
    """

    packed: Ints
    instants: Ints
    starts: Ints
    events: Ints
    rows: Ints

    @classmethod
    def of(cls, codes: Ints, keys: int, events: Ints, available: Ints, noted: Flags, *, as_known: bool) -> "Timeline":
        """Of source rows (n_rows,): key numbers, negative for none, event times, availability where it was `noted`.

        Microseconds. The latest event time wins, then the latest availability (one that nobody noted loses), then the
        last row. Without `as_known` availability only breaks ties. Cost: O(n log n), 60 bytes a row at the most.
        """
        rows = np.flatnonzero(codes >= 0)
        codes, events = codes[rows], events[rows]
        known = np.where(noted[rows], available[rows], _UNKNOWN)
        order = _ordered(codes, events, known)
        rows, codes, events = rows[order], codes[order], events[order]
        usable = np.maximum(events, known[order]) if as_known else events
        del known, order
        instants = different(usable)
        packed = codes * (len(instants) + 1)
        if len(rows):
            packed += counted_below(instants, usable)
        del codes, usable
        packed, newest = _ever_newest(packed)
        starts = np.searchsorted(packed, np.arange(keys + 1) * (len(instants) + 1))
        return cls(packed, instants, starts, events[newest], rows[newest])

    def find(self, codes: Ints, times: Ints, ttl: int | None) -> Ints:
        """The number of the source row for each key and instant, NO_ROW for none; shape (n_rows,).

        `ttl` in microseconds: rows whose event time is longer ago are too old.
        """
        if not len(self.packed):
            return np.full(len(codes), NO_ROW, np.int64)
        needles = counted_below(self.instants, times)
        needles += codes * (len(self.instants) + 1)
        places = counted_below(self.packed, needles) - 1
        found = (codes >= 0) & (places >= self.starts[codes])
        if ttl is not None:
            oldest = np.where(times >= np.iinfo(np.int64).min + ttl, times - ttl, np.iinfo(np.int64).min)
            found &= self.events[places] >= oldest
        return np.where(found, self.rows[places], NO_ROW)


def _ordered(codes: Ints, events: Ints, known: Ints) -> Ints:
    """The order by key, event time, availability and place; places of equal rows stay in order."""
    same = events[1:] == events[:-1]
    rises = (events[1:] > events[:-1]) | (same & (known[1:] >= known[:-1]))
    if rises.all():  # as most logs are written
        return stable_order(codes)
    return np.lexsort((known, events, codes))


def _ever_newest(packed: Ints) -> tuple[Ints, Ints]:
    """Of rows from old to new, when each can be used: those that are the newest of their key at some instant.

    Returns their packed instants, ascending, and their places. Where two become the newest at one instant, the newer.
    """
    if np.all(packed[1:] > packed[:-1]):
        return packed, np.arange(len(packed))
    order = stable_order(packed)
    newest = np.maximum.accumulate(order)  # keys ascend in both orders: no row of one key outruns those of the next
    packed = packed[order]
    last = np.append(packed[1:] != packed[:-1], True)
    packed, newest = packed[last], newest[last]
    fresh = np.append(True, newest[1:] != newest[:-1])
    return packed[fresh], newest[fresh]
