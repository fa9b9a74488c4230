"""Ids and unit vectors in order of the ids: what every index keeps, and what the exact one searches."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .contract import Hits, Ids, Matrix
from .errors import DuplicateId, InvalidVector


class Table:
    """Ids ascending, and a row of float32 each. Changes replace the arrays; those handed out stay as they were."""

    def __init__(self, dimension: int, ids: Ids | None = None, rows: Matrix | None = None) -> None:
        if dimension < 1:
            raise InvalidVector(f"Vectors of dimension {dimension}.", remedy="Give 1 or more.")
        self.dimension = dimension
        self.ids: Ids = np.empty(0, dtype=np.int64) if ids is None else ids
        self.rows: Matrix = np.empty((0, dimension), dtype=np.float32) if rows is None else rows

    def add(self, ids: ArrayLike, vectors: ArrayLike) -> tuple[Ids, Matrix]:
        """Put vectors in; returns them as they were taken."""
        new, rows = whole_ids(ids), self.units(vectors)
        if len(new) != len(rows):
            raise InvalidVector(f"{len(new)} ids for {len(rows)} vectors.", remedy="Give one id a vector.")
        together = np.concatenate([self.ids, new])
        order = np.argsort(together, kind="stable")
        sorted_ids = together[order]
        if (twice := sorted_ids[1:][sorted_ids[1:] == sorted_ids[:-1]]).size:
            raise DuplicateId(
                f"Id {twice[0]} is there already, or comes twice ({len(twice)} such ids).",
                context={"ids": twice[:100].tolist()},
                remedy="Remove an id before its vector is replaced.",
            )
        self.ids, self.rows = sorted_ids, np.concatenate([self.rows, rows])[order]
        return new, rows

    def remove(self, ids: ArrayLike) -> Ids:
        """Take ids out; returns those that were there."""
        gone = np.isin(self.ids, whole_ids(ids))
        removed, self.ids, self.rows = self.ids[gone], self.ids[~gone], self.rows[~gone]
        return removed

    def places(self, ids: ArrayLike) -> NDArray[np.intp]:
        """The rows of those of the ids that are here, each once, ascending."""
        wanted = np.unique(whole_ids(ids))
        if not len(self.ids):
            return np.empty(0, dtype=np.intp)
        found = np.searchsorted(self.ids, wanted).clip(max=len(self.ids) - 1)
        places: NDArray[np.intp] = found[self.ids[found] == wanted]
        return places

    def vectors(self, ids: ArrayLike) -> Matrix:
        """The rows of these ids, in their order; KeyError names one that is not here."""
        wanted = whole_ids(ids)
        if len(missing := np.setdiff1d(wanted, self.ids)):
            raise KeyError(int(missing[0]))
        rows: Matrix = self.rows[np.searchsorted(self.ids, wanted)]
        return rows

    def units(self, vectors: ArrayLike) -> Matrix:
        """Vectors (n, dimension) as float32 of length 1."""
        given = np.asarray(vectors, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != self.dimension:
            raise InvalidVector(
                f"Vectors have shape {list(given.shape)}; this index holds dimension {self.dimension}.",
                context={"shape": list(given.shape), "dimension": self.dimension},
                remedy="Vectors of one embedder belong into its own index.",
            )
        lengths = np.sqrt(np.einsum("ij,ij->i", given, given))
        if (wrong := np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))).size:
            raise InvalidVector(
                f"Vector {wrong[0]} has {'no length' if lengths[wrong[0]] == 0 else 'elements that are not finite'} "
                f"({len(wrong)} such vectors).",
                context={"rows": wrong[:100].tolist()},
                remedy="Leave such vectors out.",
            )
        units: Matrix = (given / lengths[:, None]).astype(np.float32)
        return units

    def query(self, vector: ArrayLike) -> Matrix:
        """One vector (dimension,) as float32 of length 1."""
        unit: Matrix = self.units(np.asarray(vector, dtype=np.float64)[None] if np.ndim(vector) == 1 else vector)[0]
        return unit

    def nearest(self, query: Matrix, k: int, places: NDArray[np.intp] | None = None) -> Hits:
        """The k rows of highest cosine, among `places` or all."""
        scores = (self.rows if places is None else self.rows[places]) @ query
        ids = self.ids if places is None else self.ids[places]
        if 0 < k < len(scores):
            edge = np.partition(scores, len(scores) - k)[len(scores) - k]
            near = np.flatnonzero(scores >= edge)  # all that tie with the last, so that ids decide among them
            scores, ids = scores[near], ids[near]
        order = np.lexsort((ids, -scores))[: max(0, k)]
        return Hits(ids[order], scores[order])


def whole_ids(ids: ArrayLike) -> Ids:
    """Ids (n,) as int64; InvalidVector for what is no list of whole numbers."""
    given: NDArray[Any] = np.asarray(ids)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InvalidVector(f"Ids of shape {list(given.shape)} and kind {given.dtype}.", remedy="Give whole numbers.")
    return given.astype(np.int64)
