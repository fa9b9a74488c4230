"""How many different values there are, and how many rows repeat an earlier one."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from .records import Count

_SPACE = float(2**64)


class Distinct:
    """Keeps the `size` smallest hashes with the number of times each came: exact up to so many different values.

    Beyond, (size - 1) / (the greatest kept hash as a share of the hashes' range) estimates how many there are, with a
    relative standard error of 1/√(size - 2) (Beyer and others, *On synopses for distinct-value estimation under
    multiset operations*, SIGMOD 2007). The kept values are an even sample of the different ones, so that their repeats
    tell of all (Gibbons, *Distinct sampling*, VLDB 2001). Parts may be added in any order. Two values that share a
    64-bit hash count as one: among a million, once in 30,000 tables.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._hashes = np.empty(0, np.uint64)
        self._counts = np.empty(0, np.int64)
        self._full = False

    def add(self, hashes: NDArray[np.uint64]) -> None:
        """The hashes (n,) of further values."""
        if self._full:
            hashes = hashes[hashes <= self._hashes[-1]]
        if not len(hashes):
            return
        new, times = np.unique(hashes, return_counts=True)
        merged, inverse = np.unique(np.concatenate([self._hashes, new]), return_inverse=True)
        counts = np.zeros(len(merged), np.int64)
        np.add.at(counts, inverse, np.concatenate([self._counts, times]))
        self._full = self._full or len(merged) > self._size
        self._hashes, self._counts = merged[: self._size], counts[: self._size]

    def distinct(self) -> Count:
        """Different values."""
        if not self._full:
            return Count(len(self._hashes))
        share = (float(self._hashes[-1]) + 1) / _SPACE
        return Count(round((self._size - 1) / share), exact=False, error=1 / sqrt(self._size - 2))

    def repeats(self) -> Count:
        """Values that came before; where estimated, the error is that of the count of different ones."""
        spare = int(self._counts.sum()) - len(self._counts)
        if not self._full:
            return Count(spare)
        found = self.distinct()
        return Count(round(found.value * spare / len(self._counts)), exact=False, error=found.error)
