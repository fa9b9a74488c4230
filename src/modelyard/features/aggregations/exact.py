"""Sums over spans of rows without any error but the last rounding, whatever is added and taken away in between.

Each number is written as digits of 32 bits at fixed places, as in Kulisch's long accumulator (U. Kulisch, "Computer
Arithmetic and Validity", 2013, ch. 8). Running sums of digits are exact in int64 for up to 2^31 numbers, so what has
left a window leaves nothing behind; the digits are carried and rounded once, to the nearest double, ties to even, as
`math.fsum` does.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DIGIT = 32
_MASK = (1 << DIGIT) - 1


def running_sums(values: Floats, starts: Ints, ends: Ints, places: int) -> Floats:
    """The sum, at each of `places` positions, of the values whose span [start, end) covers it; shape (places,).

    `values`, `starts`, `ends` are (n,), values finite. Memory: some 8 bytes a place for each 32 bits of the range of
    exponents that the values have; 5 to 8 digits for most data.
    """
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, 53).astype(np.int64)  # value = whole * 2^(exponent - 53)
    there = whole != 0
    if not there.any():
        return np.zeros(places)
    whole, shifts, starts, ends = whole[there], exponents[there].astype(np.int64) - 53, starts[there], ends[there]
    lowest = int(shifts.min())
    digits = [np.zeros(places, np.int64) for _ in range((int(shifts.max()) - lowest) // DIGIT + 4)]
    first, offset = np.divmod(shifts - lowest, DIGIT)
    for at, part in enumerate(_parts(whole, offset)):
        for place in np.unique(first).tolist():
            chosen = first == place
            _add(digits[place + at], part[chosen], starts[chosen], ends[chosen])
    return _rounded([np.cumsum(each) for each in digits], lowest)


def running_wholes(values: Ints, starts: Ints, ends: Ints, places: int) -> Ints:
    """The same of whole numbers, modulo 2^64."""
    changes = np.zeros(places, np.int64)
    _add(changes, values, starts, ends)
    return np.cumsum(changes)


def running_counts(starts: Ints, ends: Ints, places: int) -> Ints:
    """How many spans cover each position."""
    return np.cumsum(np.bincount(starts, minlength=places)[:places] - np.bincount(ends, minlength=places)[:places])


def _add(changes: Ints, values: Ints, starts: Ints, ends: Ints) -> None:
    inside = ends < len(changes)
    np.add.at(changes, starts, values)
    np.subtract.at(changes, ends[inside], values[inside])


def _parts(whole: Ints, offset: Ints) -> list[Ints]:
    """`whole * 2^offset` as three digits, from the lowest; each has the sign of the number."""
    sign, size = np.sign(whole), np.abs(whole)
    low, high = size & _MASK, size >> DIGIT  # high below 2^21
    low, high = low << offset, high << offset  # below 2^63, and 2^52
    middle = (low >> DIGIT) + (high & _MASK)
    return [sign * (low & _MASK), sign * (middle & _MASK), sign * ((high >> DIGIT) + (middle >> DIGIT))]


def _rounded(digits: list[Ints], lowest: int) -> Floats:
    """Digits, of which each may have any sign, as the nearest double."""
    negative = _carried(digits)
    for each in digits:
        np.negative(each, out=each, where=negative)
    _carried(digits)
    top = np.zeros(len(negative), np.int64)
    for at, each in enumerate(digits):
        top[each != 0] = at
    high, middle, low, rest = (np.zeros(len(top), np.int64) for _ in range(4))
    for at, each in enumerate(digits):
        for behind, held in enumerate((high, middle, low)):
            np.copyto(held, each, where=top - behind == at)
        rest |= np.where(at < top - 2, each, 0)
    missing = DIGIT - np.frexp(high.astype(np.float64))[1].astype(np.int64)
    missing[high == 0] = 0
    word = (high.astype(np.uint64) << (missing + DIGIT).astype(np.uint64)) | (middle << missing).astype(np.uint64)
    word |= (low >> (DIGIT - missing)).astype(np.uint64)
    sticky = ((low & ((1 << (DIGIT - missing)) - 1)) | rest) != 0
    word |= sticky.astype(np.uint64)  # 64 bits, of which 53 stay: what is lost below them only breaks ties
    with np.errstate(over="ignore"):
        found: Floats = np.ldexp(word.astype(np.float64), lowest + DIGIT * (top - 1) - missing)
    return np.where(negative, -found, found)


def _carried(digits: list[Ints]) -> NDArray[np.bool_]:
    """Carry, so that each digit but the last is from 0 to 2^32 - 1; where the number is negative."""
    for lower, upper in pairwise(digits):
        np.add(upper, lower >> DIGIT, out=upper)
        np.bitwise_and(lower, _MASK, out=lower)
    return digits[-1] < 0
