"""Numbers of records as half-open ranges in order, as few as can be."""

import numpy as np

Ranges = list[tuple[int, int]]
"""Half-open, in order, never touching one another."""


def add(ranges: Ranges, number: int) -> bool:
    """Add a number; False when it is among them. They mostly come in order, so the last range is tried first."""
    for at in range(len(ranges) - 1, -1, -1):
        start, end = ranges[at]
        if number > end:
            ranges.insert(at + 1, (number, number + 1))
            return True
        if number == end:
            ranges[at] = (start, end + 1)
            if at + 1 < len(ranges) and ranges[at + 1][0] == end + 1:
                ranges[at : at + 2] = [(start, ranges[at + 1][1])]
            return True
        if number >= start:
            return False
        if number == start - 1 and (at == 0 or ranges[at - 1][1] < number):
            ranges[at] = (number, end)
            return True
    ranges.insert(0, (number, number + 1))
    return True


def ranges_of(numbers: np.ndarray) -> Ranges:
    """The ranges of numbers (n,), int64, in any order."""
    ordered = np.unique(numbers)
    starts = np.flatnonzero(np.diff(ordered, prepend=-2) > 1)
    ends = np.append(starts[1:], len(ordered)) - 1
    return [(int(ordered[start]), int(ordered[end]) + 1) for start, end in zip(starts, ends, strict=False)]


def united(first: Ranges, second: Ranges) -> Ranges:
    """What is in either."""
    found: Ranges = []
    for start, end in sorted([*first, *second]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def within(ranges: Ranges, numbers: np.ndarray) -> np.ndarray:
    """Which of the numbers (n,) are in the ranges: bool (n,)."""
    edges = np.array(ranges, np.int64).reshape(-1)
    return np.asarray(np.searchsorted(edges, numbers, side="right") % 2 == 1)


def size_without(ranges: Ranges, others: Ranges) -> int:
    """How many numbers are in `ranges` and not in `others`."""
    return _size(united(ranges, others)) - _size(others)


def _size(ranges: Ranges) -> int:
    return sum(end - start for start, end in ranges)
