"""Tree ensembles as the walker reads them: `trees.npz`, written by the builder, checked before it is walked.

Nodes of a tree lie together, brothers side by side. A node is two whole numbers: the place of its threshold among all
float64 (or, for a split by category, where its set begins), and its first child · 2^32 + its lane · 8 + 1 if it asks
for a category. Whatever is not greater, and a code in the set, goes to the first child, the rest to the one behind it.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernel as k

TREES_FILE = "trees.npz"
"""The trees of a bundle for compiled code, proved to answer as the model does; its other runtime file does so too."""

TREES_VERSION = 1
"""The version of this file that this code writes and walks. One of another version is left alone: the bundle serves.

To change the arrays or their meaning: raise this number.
"""

_LARGEST_DEPTH = 1 << 20

Whole = NDArray[np.int64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class TreeArrays:
    """An ensemble and what stands before and behind it.

    `shape`: by the names in `kernel`, from FIELDS on. `lanes`: (lanes, 4), what a row's fields become, see `kernel`.
    `stages` (stages, lanes, 5) and `tables` (tables, LEVELS) as in `explain.Columns`, by lane. `nodes`: (nodes, 2).
    `sets`: bits by code, 64 a number, the codes up to CODES, all greater ones, and missing. `values`: (nodes,) at their
    leaves, or (leaves, outputs) by `rows` (nodes,). `trees`: (trees, 4) and `scale`: (2,), see `kernel`. `base`:
    (outputs,).
    """

    shape: Whole
    lanes: Whole
    stages: Matrix
    tables: Matrix
    nodes: Whole
    sets: Whole
    values: Matrix
    rows: Whole
    trees: Whole
    base: Matrix
    scale: Matrix

    @cached_property
    def trees_padded(self) -> Whole:
        """The trees, with copies of the last behind it up to a multiple of eight: a row walks eight at once."""
        return np.concatenate([self.trees, np.repeat(self.trees[-1:], -len(self.trees) % 8, axis=0)])

    def problem(self) -> str:  # noqa: PLR0911 - one sentence for each thing that can be wrong
        """What is wrong with these arrays, so that walking them would leave them; empty when nothing is."""
        if self.shape.shape != (k.ROWS + 1,) or (self.shape < 0).any():
            return "its shape is none"
        shape = self.shape.tolist()
        count, lanes, width = len(self.nodes), shape[k.LANES], shape[k.OUTPUTS]
        wanted = {
            "lanes": (lanes, 4),
            "stages": (shape[k.STAGES], lanes, 5),
            "nodes": (count, 2),
            "trees": (shape[k.TREES], 4),
            "base": (width,),
            "scale": (2,),
        }
        for name, size in wanted.items():
            if getattr(self, name).shape != size:
                return f"{name} has the shape {getattr(self, name).shape}, not {size}"
        if not (count and lanes and width and shape[k.TREES] and shape[k.FIELDS] and shape[k.LINK] <= k.EXPONENTIAL):
            return "there are no trees, lanes, fields or outputs, or no such link"
        if not (shape[k.ROWS] and shape[k.ROWS] % 8 == 0 and shape[k.ROWS] * lanes <= k.MOST_KEYS + 8 * lanes):
            return "it takes no such number of rows together"
        if self.tables.ndim != 2 or (len(self.tables) and self.tables.shape[1] != shape[k.LEVELS]):
            return "tables has another width"
        if len(self.tables) and not shape[k.LEVELS]:
            return "tables are empty"
        return self._lanes_problem() or self._nodes_problem() or self._leaves_problem()

    def _lanes_problem(self) -> str:
        source, table, _, coded = self.lanes.T
        if source.min() < 0 or source.max() >= self.shape[k.FIELDS]:
            return "a lane takes a field that there is not"
        if table.min() < -1 or table.max() >= len(self.tables) or not np.isin(coded, (0, 1)).all():
            return "a lane has a table that there is not"
        return ""

    def _nodes_problem(self) -> str:  # noqa: PLR0911 - as above
        test, word = self.nodes.T
        child, lane, categorical = word >> 32, (word & 0xFFFFFFFF) >> 3, word & 7
        if child.min() < 0 or (child + (test != k.NEVER)).max() >= len(self.nodes):
            return "a node leads to one that there is not"
        if lane.max() >= len(self.lanes) or categorical.max() > 1:
            return "a node asks for a lane that there is not"
        if (self.lanes[lane, k.CODED] != categorical)[test != k.NEVER].any():
            return "a node takes a number for a category, or a category for a number"
        words = (int(self.shape[k.CODES]) + 2 + 63) // 64
        begins = test[categorical == 1]
        if len(begins) and (begins.min() < 0 or begins.max() > self.sets.size - words or self.shape[k.SETS] != 1):
            return "a node asks for a set that there is not"
        if self.sets.ndim != 1:
            return "the sets are no row of bits"
        root, sure, depth, target = self.trees.T
        if root.min() < 0 or root.max() >= len(self.nodes) or target.min() < 0 or target.max() >= len(self.base):
            return "a tree begins at a node, or adds to an output, that there is not"
        if sure.min() < 0 or depth.min() < 0 or depth.max() > _LARGEST_DEPTH:
            return "a tree has no such depth"
        return ""

    def _leaves_problem(self) -> str:
        vector = int(self.shape[k.VECTOR])
        if vector == 1:
            fits = self.values.shape == (len(self.nodes),)
        else:
            fits = vector == len(self.base) and self.values.ndim == 2 and self.values.shape[1] == vector
            fits = fits and self.rows.shape == (len(self.nodes),) and len(self.values) > 0
            fits = fits and self.rows.min() >= 0 and self.rows.max() < len(self.values)
        if not fits:
            return "the values are not those of the leaves"
        if not all(np.isfinite(each).all() for each in (self.values, self.base, self.scale)):
            return "a leaf has no value"
        return ""


def pack_trees(arrays: TreeArrays) -> bytes:
    """The bytes of `trees.npz`: arrays only. Equal structure gives equal bytes."""
    file = io.BytesIO()
    parts = {each.name: getattr(arrays, each.name) for each in fields(arrays)}
    np.savez_compressed(file, allow_pickle=False, version=np.array(TREES_VERSION), **parts)
    return file.getvalue()


def unpack_trees(data: bytes) -> TreeArrays | None:
    """The trees of `trees.npz`, None when they are of another version. ValueError says what is wrong with the file."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError(f"{TREES_FILE} is no archive of arrays")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            given: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{TREES_FILE} cannot be read ({error})") from error
    if "version" in given and given["version"].shape == () and given["version"] != TREES_VERSION:
        return None
    if missing := [each.name for each in fields(TreeArrays) if each.name not in given]:
        raise ValueError(f"{TREES_FILE} lacks {', '.join(missing)}")
    wanted = {"shape", "lanes", "nodes", "sets", "rows", "trees"}
    for each in fields(TreeArrays):
        kind = np.int64 if each.name in wanted else np.float64
        if given[each.name].dtype != kind:
            raise ValueError(f"{each.name} holds {given[each.name].dtype} instead of {np.dtype(kind)}")
    arrays = TreeArrays(**{each.name: np.ascontiguousarray(given[each.name]) for each in fields(TreeArrays)})
    if problem := arrays.problem():
        raise ValueError(problem)
    return arrays
