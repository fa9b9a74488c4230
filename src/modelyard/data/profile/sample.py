"""An even sample of rows out of a stream of unknown length."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ROWS = 100_000
"""Most rows of a sample. The share of rows below any value is then off by less than 0.006 in 998 of 1,000 samples

(Dvoretzky, Kiefer, Wolfowitz; Massart's constant, 1990: 2 exp(-2 n e²))."""

CELLS = 8_000_000
"""Most values of a sample, so that a thousand columns fit as well."""


class RowSample:
    """Every row has the same chance to be kept: those with the smallest of independent random keys are.

    Which rows are kept depends on `seed` and on the rows' order alone, not on how they come in batches. All rows are
    kept, in their order, while there are no more than `size`.
    """

    def __init__(self, schema: pa.Schema, size: int, seed: int = 0) -> None:
        self._schema = schema
        self._size = size
        self._random = np.random.default_rng(seed)
        self._parts: list[pa.RecordBatch] = []
        self._keys: list[NDArray[np.float64]] = []
        self._limit = np.inf
        self._held = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """The next rows."""
        keys = self._random.random(len(batch))
        (chosen,) = np.nonzero(keys < self._limit)
        self._parts.append(batch if len(chosen) == len(batch) else batch.take(pa.array(chosen)))
        self._keys.append(keys[chosen])
        self._held += len(chosen)
        if self._held > 2 * self._size:
            self._prune()

    def table(self) -> pa.Table:
        """The sample, in the rows' order."""
        if self._held > self._size:
            self._prune()
        return pa.Table.from_batches(self._parts, self._schema).combine_chunks()

    def _prune(self) -> None:
        keys = np.concatenate(self._keys)
        kept = np.sort(np.argpartition(keys, self._size - 1)[: self._size])
        table = pa.Table.from_batches(self._parts, self._schema).take(pa.array(kept)).combine_chunks()
        self._parts, self._keys = table.to_batches(), [keys[kept]]
        self._held, self._limit = len(kept), float(keys[kept].max())


def sample_size(columns: int) -> int:
    """Rows that a sample of so many columns may have."""
    return max(1_000, min(ROWS, CELLS // max(1, columns)))
