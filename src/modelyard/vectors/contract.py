"""Vectors by id, nearest first."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.core import Digest

Ids = NDArray[np.int64]
"""(count,): what a caller calls vectors by."""

Matrix = NDArray[np.float32]
"""(count, dimension), or one number for each hit."""


class Hits(NamedTuple):
    """What is nearest: `ids` (k,) and `scores` (k,), cosines, highest first, and of equals the lower id."""

    ids: Ids
    scores: Matrix


class VectorIndex(Protocol):
    """Unit vectors of one dimension under ids of 64 bits.

    Vectors are scaled to length 1 as they come in; InvalidVector for another dimension, for elements that are not
    finite, and for a vector of no length. A call that raises has changed nothing. Scores are exact for the ids that are
    returned, however those were found; an exact index finds the very nearest, others nearly always.
    Searching is safe from several threads at once; adding and removing is one thread's, while nobody searches.
    """

    @property
    def kind(self) -> str:
        """Its name among `KINDS`."""

    @property
    def dimension(self) -> int:
        """How many elements each vector has."""

    @property
    def ids(self) -> Ids:
        """The ids it holds, ascending; not to be written to."""

    def __len__(self) -> int:
        """How many vectors it holds."""

    def add(self, ids: ArrayLike, vectors: ArrayLike) -> None:
        """Put vectors (n, dimension) in under ids (n,). DuplicateId for ids that are there or come twice."""

    def remove(self, ids: ArrayLike) -> int:
        """Take ids out; returns how many were there. No later search finds them."""

    def vectors(self, ids: ArrayLike) -> Matrix:
        """The unit vectors (n, dimension) of ids that it holds, in their order; KeyError names one that it does not."""

    def search(self, query: ArrayLike, k: int, *, allowed: ArrayLike | None = None) -> Hits:
        """The `k` nearest to `query` (dimension,), or all where there are fewer.

        With `allowed` only among these ids, chosen before anything is searched: k allowed ones are found wherever there
        are so many, and none of the others has any part in it. That search is exact.
        """

    def save(self, folder: Path) -> Mapping[str, Digest]:
        """Write it into an existing folder, as files whose names begin with `vectors.`; their digests by name."""
