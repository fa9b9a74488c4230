"""Orders and places of integers. To sort values is seven times faster than to sort their places: so both go in one."""

import numpy as np

from .keys import Ints

_BLOCK_BITS = 17
"""Needles are looked up in blocks of so many rows (2^17): a megabyte, which a processor keeps close."""

_BITS = 63


def stable_order(values: Ints) -> Ints:
    """The places of values (n,) from the smallest on, equal ones in their order: a stable argsort."""
    if not len(values):
        return np.empty(0, np.int64)
    low, high = int(values.min()), int(values.max())
    bits = len(values).bit_length()
    if (high - low).bit_length() + bits > _BITS:
        return np.argsort(values, kind="stable")
    mixed = ((values - low) << bits) | np.arange(len(values))
    mixed.sort()
    order: Ints = mixed & ((1 << bits) - 1)
    return order


def different(values: Ints) -> Ints:
    """The different values, ascending; NumPy's own goes by a hash table, which is slower where most differ."""
    ascending = np.sort(values)
    return ascending[np.append(True, ascending[1:] != ascending[:-1])] if len(values) else ascending


def counted_below(known: Ints, needles: Ints) -> Ints:
    """How many of `known` (ascending, not empty) are at most as large as each needle; shape of `needles` (n,)."""
    found = np.empty(len(needles), np.int64)
    block = 1 << _BLOCK_BITS
    for begin in range(0, len(needles), block):
        found[begin : begin + block] = _counted(known, needles[begin : begin + block])
    return found


def _counted(known: Ints, needles: Ints) -> Ints:
    """Ascending needles are found quickly: each is near the one before it."""
    if bool(np.all(needles[1:] >= needles[:-1])):
        return np.searchsorted(known, needles, side="right")
    below, high = int(known[0]) - 1, int(known[-1])
    if (high - below).bit_length() + _BLOCK_BITS > _BITS or below < np.iinfo(np.int64).min:
        return np.searchsorted(known, needles, side="right")
    mixed = (np.clip(needles, below, high) - below << _BLOCK_BITS) | np.arange(len(needles))
    mixed.sort()
    found = np.empty(len(needles), np.int64)
    found[mixed & ((1 << _BLOCK_BITS) - 1)] = np.searchsorted(known, (mixed >> _BLOCK_BITS) + below, side="right")
    return found
