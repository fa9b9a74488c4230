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
        self._counts = [np.zeros(len(edges) + 2, dtype=np.int64) for _, edges in self._columns]
        self.rows = 0

    def update(self, matrix: NDArray[np.float64]) -> None:
        """Count the rows of an encoded matrix (n_rows, n_fields), in the profile's column order."""
        for index, (_, edges) in enumerate(self._columns):
            values = matrix[:, index]
            bins = np.searchsorted(edges, values, side="left")
            bins[np.isnan(values)] = len(edges) + 1
            self._counts[index] += np.bincount(bins, minlength=len(edges) + 2)
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
