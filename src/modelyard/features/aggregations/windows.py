"""Events and the boundaries between which they are in a window, and what is made of those that are.

Boundaries are counted: number b stands for the instant b * slide. An event is in a window from the first boundary at
which it is both true and known, until the first at which the window has moved past it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .exact import Floats, Ints, running_counts, running_sums, running_wholes

Flags = NDArray[np.bool_]
NOTHING = -1
"""The rank of no event."""


@dataclass(frozen=True)
class Events:
    """Events by the number of their key (negative: none), event time and availability, microseconds; arrays (n,)."""

    keys: Ints
    times: Ints
    known: Ints


@dataclass(frozen=True)
class Spans:
    """Which events are ever in a window, and from which position (included) until which (excluded); arrays (m,)."""

    events: Ints
    starts: Ints
    ends: Ints

    def only(self, chosen: Flags) -> "Spans":
        """Those of the events that are `chosen`, (n,)."""
        kept = chosen[self.events]
        return Spans(self.events[kept], self.starts[kept], self.ends[kept])


@dataclass(frozen=True)
class Changes:
    """The positions at which an event enters or leaves a window: by key, then boundary; arrays (places,).

    After the last event of a key has left, its windows are empty, so running totals need no end of a key.
    """

    keys: Ints
    boundaries: Ints
    spans: Mapping[int, Spans]

    @property
    def places(self) -> int:
        """How many there are."""
        return len(self.keys)


def changes_of(events: Events, windows: Sequence[int], slide: int) -> Changes:
    """The changes of windows of these lengths; all in microseconds. Cost: a sort of all entries and exits."""
    enters = _after(np.maximum(events.times, events.known), slide)
    leaves = {window: _after(events.times + window, slide) for window in windows}
    inside = {window: np.flatnonzero((enters < leaves[window]) & (events.keys >= 0)) for window in windows}
    keys = np.concatenate([events.keys[each] for each in inside.values()] * 2)
    boundaries = np.concatenate(
        [*(enters[each] for each in inside.values()), *(leaves[window][each] for window, each in inside.items())]
    )
    instants, ranks = np.unique(boundaries, return_inverse=True)
    packed, places = np.unique(keys * len(instants) + ranks, return_inverse=True)
    spans, at, half = {}, 0, len(keys) // 2
    for window, each in inside.items():
        spans[window] = Spans(each, places[at : at + len(each)], places[half + at : half + at + len(each)])
        at += len(each)
    return Changes(packed // max(1, len(instants)), instants[packed % max(1, len(instants))], spans)


def counts(spans: Spans, places: int) -> Ints:
    """How many events are in the window."""
    return running_counts(spans.starts, spans.ends, places)


def sums(spans: Spans, values: Floats, places: int) -> Floats:
    """The sum of those in the window, exact but for one rounding; infinities as in IEEE 754: opposite ones give NaN."""
    held = values[spans.events]
    finite = np.isfinite(held)
    found = running_sums(held[finite], spans.starts[finite], spans.ends[finite], places)
    if finite.all():
        return found
    for endless in (np.inf, -np.inf):
        these = held == endless
        covered = running_counts(spans.starts[these], spans.ends[these], places) > 0
        with np.errstate(invalid="ignore"):
            found = np.where(covered, found + endless, found)
    return found


def whole_sums(spans: Spans, values: Ints, places: int) -> tuple[Ints, Floats]:
    """The same of whole numbers, modulo 2^64, and as doubles, which tell where that is not the sum."""
    held = values[spans.events]
    wrapped = running_wholes(held, spans.starts, spans.ends, places)
    high, low = held >> 32, held & 0xFFFFFFFF
    above = running_wholes(high, spans.starts, spans.ends, places).astype(np.float64)
    below = running_wholes(low, spans.starts, spans.ends, places).astype(np.float64)
    return wrapped, above * 2.0**32 + below


def highest(spans: Spans, ranks: Ints, places: int) -> Ints:
    """The highest rank (n,) of those in the window; NOTHING where it is empty.

    Each span is covered by two of the next shorter power of two, and these by their halves, from the longest down.
    """
    held, lengths = ranks[spans.events], spans.ends - spans.starts
    levels = np.frexp(lengths.astype(np.float64))[1].astype(np.int64) - 1
    best = np.full(places, NOTHING, np.int64)
    for level in range(int(levels.max(initial=0)), -1, -1):
        these, size = levels == level, 1 << level
        np.maximum.at(best, spans.starts[these], held[these])
        np.maximum.at(best, spans.ends[these] - size, held[these])
        if level:
            half = size >> 1
            longer = best
            best = longer.copy()
            np.maximum(best[half:], longer[:-half], out=best[half:])
    return best


def distinct(spans: Spans, values: Ints, keys: Ints, places: int) -> Ints:
    """How many different values (n,), numbered from 0, are in the window: spans of equal ones are joined first."""
    if not len(spans.events):
        return np.zeros(places, np.int64)
    size = int(values.max(initial=0)) + 1
    groups = keys[spans.events] * size + values[spans.events]
    order = np.lexsort((spans.starts, groups))
    groups, starts, ends = groups[order], spans.starts[order], spans.ends[order]
    fresh = np.append(True, groups[1:] != groups[:-1])
    numbers = np.cumsum(fresh) - 1
    reach = np.maximum.accumulate(ends + numbers * (places + 1)) - numbers * (places + 1)  # groups do not mix
    begins = fresh.copy()
    begins[1:] |= starts[1:] > reach[:-1]
    lasts = np.append(begins[1:], True)
    return running_counts(starts[begins], reach[lasts], places)


def _after(times: Ints, slide: int) -> Ints:
    """The number of the first boundary at or after each instant."""
    return -(-times // slide)
