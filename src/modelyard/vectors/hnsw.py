"""A graph of near neighbours (HNSW), walked from the top: sub-millisecond among hundreds of thousands.

Malkov and Yashunin, IEEE Transactions on Pattern Analysis and Machine Intelligence 42 (2020); by usearch. Building it
and walking it mostly wait for memory, so the graph holds its vectors in a byte an element; what a walk finds is put in
order by the float32 of the table.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.core import Digest

from .contract import Hits, Ids, Matrix
from .errors import NoVectorLibrary, VectorsDamaged
from .files import save_table
from .table import Table

GRAPH_FILE = "vectors.usearch"

NEIGHBOURS, BREADTH_ADD, BREADTH_SEARCH = 18, 112, 80
"""Neighbours a vector has in the graph, and how many candidates are kept while one is added, and while searching."""

_STALE = 0.2

_SPARE = 3
"""So many times what is asked for is walked to, and ordered by float32: the bytes' order is near to that, not equal."""

_CLIP = 6.0
"""Elements of unit vectors beyond so many times their quadratic mean become the largest byte."""


class HnswIndex:
    """The contract by usearch; see `VectorIndex`. Needs the extra `llm`.

    The graph is built by one thread and from a fixed seed, so that equal calls give equal bytes. A removed vector stays
    in the graph as a way to others until a fifth of them are such; then it is built anew. Its bytes decide which
    candidates are found, never their scores or their order.
    """

    kind = "hnsw"

    def __init__(self, dimension: int, table: Table | None = None, graph: Any = None) -> None:
        self._table = table or Table(dimension)
        self._graph = graph if graph is not None else _empty(dimension)
        self._gone = 0

    @property
    def dimension(self) -> int:
        return self._table.dimension

    @property
    def ids(self) -> Ids:
        return self._table.ids

    def __len__(self) -> int:
        return len(self._table.ids)

    def add(self, ids: ArrayLike, vectors: ArrayLike) -> None:
        new, rows = self._table.add(ids, vectors)
        if len(new):
            _put(self._graph, new, rows)

    def remove(self, ids: ArrayLike) -> int:
        removed = self._table.remove(ids)
        self._gone += len(removed)
        if self._gone > _STALE * max(1, len(self)):
            self._build()
        elif len(removed):
            self._graph.remove(removed.astype(np.uint64), threads=1)
        return len(removed)

    def vectors(self, ids: ArrayLike) -> Matrix:
        return self._table.vectors(ids)

    def search(self, query: ArrayLike, k: int, *, allowed: ArrayLike | None = None) -> Hits:
        unit = self._table.query(query)
        if allowed is not None:
            return self._table.nearest(unit, k, self._table.places(allowed))
        if k < 1 or not len(self):
            return self._table.nearest(unit, 0)
        found = self._graph.search(_bytes(unit), min(_SPARE * k, len(self)), threads=1)
        return self._table.nearest(unit, k, self._table.places(np.asarray(found.keys).astype(np.int64)))

    def save(self, folder: Path) -> Mapping[str, Digest]:
        if self._gone:  # a graph with holes is no function of what the index holds
            self._build()
        path = folder / GRAPH_FILE
        self._graph.save(str(path))
        return save_table(folder, self.kind, self._table, {GRAPH_FILE: path.read_bytes()})

    def _build(self) -> None:
        self._graph, self._gone = built(self._table), 0


def built(table: Table) -> Any:
    """The graph of a table."""
    graph = _empty(table.dimension)
    if len(table.ids):
        _put(graph, table.ids, table.rows)
    return graph


def read_graph(folder: Path, table: Table) -> Any:
    """The graph of a saved index; its bytes are known to be what was saved. One of float32, as it was saved
    before, is built anew."""
    dimension, count = table.dimension, len(table.ids)
    graph = _empty(dimension)
    kind = graph.dtype
    path = folder / GRAPH_FILE
    try:
        graph.load(str(path))
    except Exception as error:  # the library raises what its C++ does
        raise VectorsDamaged(f"{path} cannot be read: {error}.", remedy="Build the index again.") from error
    if (graph.ndim, len(graph)) != (dimension, count):
        raise VectorsDamaged(
            f"{path} holds {len(graph)} vectors of dimension {graph.ndim}, not {count} of {dimension}.",
            remedy="Build the index again.",
        )
    if graph.dtype != kind:
        return built(table)
    graph.expansion_search = BREADTH_SEARCH
    return graph


def _put(graph: Any, ids: Ids, rows: Matrix) -> None:
    graph.add(ids.astype(np.uint64), _bytes(rows), threads=1)


def _bytes(units: Matrix) -> NDArray[np.int8]:
    """Unit vectors (..., dimension) in a byte an element: 127 is _CLIP times the quadratic mean, or 1."""
    largest = min(1.0, _CLIP / np.sqrt(units.shape[-1]))
    scaled: NDArray[np.int8] = np.clip(np.rint(units * np.float32(127 / largest)), -127, 127).astype(np.int8)
    return scaled


def _empty(dimension: int) -> Any:
    try:
        from usearch.index import Index  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise NoVectorLibrary(
            "Searching many vectors needs usearch, which is not installed.",
            context={"extra": "llm"},
            remedy="pip install 'modelyard[llm]'",
        ) from error
    return Index(
        ndim=dimension,
        metric="ip",
        dtype="i8",
        connectivity=NEIGHBOURS,
        expansion_add=BREADTH_ADD,
        expansion_search=BREADTH_SEARCH,
    )
