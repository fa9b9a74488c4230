"""Mergeable histograms of what a model is asked: the reference profile's bins, counted live."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .records import NumberProfile, ReferenceProfile

Counts = dict[str, tuple[int, ...]]
"""By column: bins in order; then, for numbers, nulls; for categories, unknown-or-null together."""


class Sketch:
    """Counts of encoded rows between the reference's bin edges. One writer at a time."""

    def __init__(self, profile: ReferenceProfile) -> None:
        self._columns = [
            (each.name, np.array(each.edges) if isinstance(each, NumberProfile) else np.arange(len(each.levels) - 1.0))
            for each in profile.columns
        ]
        self._cuts = [np.append(edges, np.inf) for _, edges in self._columns]  # beyond all of them is NaN
        self._counts = [np.zeros(len(cuts) + 1, dtype=np.int64) for cuts in self._cuts]
        self.rows = 0

    def update(self, matrix: NDArray[np.float64]) -> None:
        """Count the rows of an encoded matrix (n_rows, n_fields), in the profile's column order.

        Sorts each column: among a few hundred rows a row costs less so than when the bin of each value is looked for.
        """
        ordered = np.array(matrix.T, order="C")
        ordered.sort()
        for values, cuts, counts in zip(ordered, self._cuts, self._counts, strict=False):
            ends = np.searchsorted(values, cuts, side="right")
            counts[0] += ends[0]
            counts[1:-1] += ends[1:] - ends[:-1]
            counts[-1] += len(values) - ends[-1]
        self.rows += len(matrix)

    def take(self) -> Counts:
        """The counts since the last call, which start again from zero."""
        counts = {
            name: tuple(int(each) for each in count)
            for (name, _), count in zip(self._columns, self._counts, strict=True)
        }
        for count in self._counts:
            count[:] = 0
        self.rows = 0
        return counts


def merge(parts: list[Mapping[str, tuple[int, ...]]]) -> Counts:
    """The sum of sketches of one profile."""
    return {name: tuple(int(n) for n in np.sum([part[name] for part in parts], axis=0)) for name in parts[0]}
