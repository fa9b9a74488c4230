"""Every vector compared with the query: the oracle, and quick enough for some ten thousand."""

from collections.abc import Mapping
from pathlib import Path

from numpy.typing import ArrayLike

from modelyard.core import Digest

from .contract import Hits, Ids, Matrix
from .files import save_table
from .table import Table


class ExactIndex:
    """The contract by numpy alone; see `VectorIndex`. Costs a multiplication for each element it holds."""

    kind = "exact"

    def __init__(self, dimension: int, table: Table | None = None) -> None:
        self._table = table or Table(dimension)

    @property
    def dimension(self) -> int:
        return self._table.dimension

    @property
    def ids(self) -> Ids:
        return self._table.ids

    def __len__(self) -> int:
        return len(self._table.ids)

    def add(self, ids: ArrayLike, vectors: ArrayLike) -> None:
        self._table.add(ids, vectors)

    def remove(self, ids: ArrayLike) -> int:
        return len(self._table.remove(ids))

    def vectors(self, ids: ArrayLike) -> Matrix:
        return self._table.vectors(ids)

    def search(self, query: ArrayLike, k: int, *, allowed: ArrayLike | None = None) -> Hits:
        places = None if allowed is None else self._table.places(allowed)
        return self._table.nearest(self._table.query(query), k, places)

    def save(self, folder: Path) -> Mapping[str, Digest]:
        return save_table(folder, self.kind, self._table, {})
