"""Vectors: which are nearest, among those that may be found.

Owns ids and unit vectors, exact search and search by a graph, allow-lists, and their files. Knows nothing of texts or
of what made the vectors (`inference`'s embedders), or of who may read what (`llm`).
"""

from .contract import Hits, Ids, Matrix, VectorIndex
from .errors import DuplicateId, InvalidVector, NoVectorLibrary, VectorsDamaged
from .exact import ExactIndex
from .files import VECTORS_FILE
from .hnsw import HnswIndex
from .open import KINDS, load_index, new_index

__all__ = [
    "KINDS",
    "VECTORS_FILE",
    "DuplicateId",
    "ExactIndex",
    "Hits",
    "HnswIndex",
    "Ids",
    "InvalidVector",
    "Matrix",
    "NoVectorLibrary",
    "VectorIndex",
    "VectorsDamaged",
    "load_index",
    "new_index",
]
