"""The columns that a model sees behind a pipeline's transformers, each made of one field."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

STEPS = 5
"""What a stage does to a number, in this order: fill a missing one, subtract, divide, multiply, add."""


@dataclass(frozen=True)
class Columns:
    """From encoded rows to a model's columns.

    `source`: int64 (columns,), the field each is made of. `stages`: float64 (stages, 5, columns), numbers as they pass
    through imputers and scalers; a NaN in the first place fills nothing. `table`: int64 (columns,), the row of `tables`
    for a column made of a category, else -1. `tables`: float64 (tables, levels + 1), a value a level, then for missing.
    """

    source: NDArray[np.int64]
    stages: Matrix
    table: NDArray[np.int64]
    tables: Matrix

    @classmethod
    def plain(cls, fields: int) -> "Columns":
        """The fields as they are, for models without a pipeline in front."""
        none = np.full(fields, -1, dtype=np.int64)
        return cls(np.arange(fields, dtype=np.int64), np.empty((0, STEPS, fields)), none, np.empty((0, 1)))

    def __call__(self, matrix: Matrix) -> Matrix:
        """Encoded rows (n, fields) to columns (n, columns)."""
        made = matrix[:, self.source]
        for fill, subtract, divide, multiply, add in self.stages:
            made = np.where(np.isnan(made), fill, made)
            made = (made - subtract) / divide * multiply + add  # each as its library does it, to the last bit
        coded = np.flatnonzero(self.table >= 0)
        if len(coded):
            codes = matrix[:, self.source[coded]]
            missing = self.tables.shape[1] - 1
            made[:, coded] = self.tables[self.table[coded], np.where(np.isnan(codes), missing, codes).astype(np.int64)]
        return made

    def problem(self, levels: Sequence[int]) -> str:
        """What is wrong with these arrays for fields of so many levels each; empty when nothing is."""
        width = len(self.source)
        if self.stages.ndim != 3 or self.stages.shape[1:] != (STEPS, width) or self.table.shape != (width,):
            return "columns, stages and tables do not belong together"
        if width and not (self.source.min() >= 0 and self.source.max() < len(levels)):
            return "a column is made of a field that there is not"
        if self.tables.ndim != 2 or (width and not (self.table.min() >= -1 and self.table.max() < len(self.tables))):
            return "a column has a table that there is not"
        if any(levels[at] >= self.tables.shape[1] for at in self.source[self.table >= 0].tolist()):
            return "a table lacks levels"
        return ""
