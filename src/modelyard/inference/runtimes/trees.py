"""Tree ensembles on machine code of our own: no library in between, and nothing rounded that the model does not round.

No bundle names it as its runtime: it takes the place of the one that is named, where it is there and proves as good.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Digest, digest_of

from ..compiled import TREES_FILE, TreeArrays, Walk, compiled_walker, unpack_trees
from ..compiled.kernel import FIELDS, LANES, OUTPUTS, ROWS
from ..errors import BundleDamaged

TREES = "trees"
"""What reports call it."""


class TreesRuntime:
    """An ensemble and its walker, answering on the calling thread without Python's lock. Safe for several threads."""

    def __init__(self, arrays: TreeArrays, walk: Walk) -> None:
        parts = (
            arrays.shape, arrays.lanes, arrays.stages, arrays.tables, arrays.nodes, arrays.sets, arrays.values,
            arrays.rows, arrays.trees_padded, arrays.base, arrays.scale,
        )  # fmt: skip
        self._kept = parts  # what is behind the addresses
        self._model = tuple(each.ctypes.data for each in parts)
        self._walk = walk
        self._fields, self._outputs = int(arrays.shape[FIELDS]), int(arrays.shape[OUTPUTS])
        self._lanes, self._together = int(arrays.shape[LANES]), int(arrays.shape[ROWS])

    def scores(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = len(matrix)
        if matrix.shape != (rows, self._fields):
            raise ValueError(f"rows of shape {matrix.shape} for a model of {self._fields} fields")
        matrix = np.ascontiguousarray(matrix, dtype=np.float64)
        keys = np.empty(8 + self._lanes * min(self._together, (rows + 7) & ~7), dtype=np.int64)
        scores = np.empty((rows, self._outputs))
        self._walk(*self._model, matrix.ctypes.data, scores.ctypes.data, keys.ctypes.data, rows)
        return scores

    def close(self) -> None:
        """Nothing: an ensemble is memory."""


def load_trees(folder: Path) -> TreesRuntime:
    """Load `trees.npz` as the builder does, compiling the walker if need be. ValueError where there is no compiler."""
    walk = compiled_walker()
    if walk is None:
        raise ValueError(
            "there is no compiled code for it: pip install 'modelyard[fast]', or see the log if that is installed"
        )
    arrays = unpack_trees((folder / TREES_FILE).read_bytes())
    assert arrays is not None  # noqa: S101 - the builder has just written it
    return TreesRuntime(arrays, walk)


def read_trees(folder: Path, digest: Digest, fields: int) -> TreeArrays | None:
    """The trees of a bundle of so many fields; None when they are of another version.

    BundleDamaged when they are no trees, or others than those of this digest.
    """
    try:
        data = (folder / TREES_FILE).read_bytes()
        if digest_of(data) != digest:
            raise ValueError("it has changed")
        arrays = unpack_trees(data)
        if arrays is not None and arrays.shape[FIELDS] != fields:
            raise ValueError(f"it takes {arrays.shape[FIELDS]} fields instead of {fields}")
    except (OSError, ValueError) as error:
        raise BundleDamaged(
            f"{folder / TREES_FILE} cannot be walked: {error}.",
            context={"folder": str(folder)},
            remedy="Fetch the bundle again from the artifact store; never edit a bundle.",
        ) from error
    return arrays
