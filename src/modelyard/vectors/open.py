"""Opening an index: a new one by its kind, a saved one by its files."""

from pathlib import Path

from .contract import VectorIndex
from .errors import InvalidVector
from .exact import ExactIndex
from .files import damaged, read_table
from .hnsw import HnswIndex, read_graph

KINDS = ("exact", "hnsw")
"""The closed list of kinds."""


def new_index(kind: str, dimension: int) -> VectorIndex:
    """An empty index. InvalidVector for a kind that there is not; NoVectorLibrary where `hnsw` lacks its library."""
    if kind == "exact":
        return ExactIndex(dimension)
    if kind == "hnsw":
        return HnswIndex(dimension)
    raise InvalidVector(f"There is no kind of index '{kind[:60]}'.", remedy=f"Kinds: {', '.join(KINDS)}.")


def load_index(folder: Path) -> VectorIndex:
    """The index that `save` wrote into a folder; VectorsDamaged when any file is another."""
    kind, table = read_table(folder)
    if kind == "exact":
        return ExactIndex(table.dimension, table)
    if kind == "hnsw":
        return HnswIndex(table.dimension, table, read_graph(folder, table))
    raise damaged(folder, f"its kind is '{kind[:60]}'; there are {', '.join(KINDS)}")
