"""Rows as a model reads them, by column: for slices, and to shuffle one at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import InvalidInput, did_you_mean


class Rows:
    """A matrix (n, f), a data frame, an Arrow table, or a mapping of names to columns; the last two become data frames.

    `given` is what the model is asked with. InvalidInput for anything else.
    """

    def __init__(self, given: Any, names: Sequence[str] | None = None) -> None:
        self.given = _frame(given) if isinstance(given, pa.Table | Mapping) else given
        if not hasattr(self.given, "iloc"):
            self.given = np.asarray(self.given)
            if self.given.ndim != 2:
                raise InvalidInput(
                    f"Rows have {self.given.ndim} dimensions; they are a matrix (rows, columns) or a table.",
                    context={"path": "rows"},
                    remedy="Give a 2-D array, a data frame, an Arrow table, or a mapping of names to columns.",
                )
        self.names = self._names(names)

    def __len__(self) -> int:
        return len(self.given)

    def column(self, name: str) -> NDArray[Any]:
        """A column's values (n,); InvalidInput when there is none of this name."""
        if name not in self.names:
            raise InvalidInput(
                f"The rows have no column '{name[:80]}'.",
                context={"path": "slices"},
                remedy=did_you_mean(name, self.names),
            )
        return self._at(self.names.index(name))

    def taken(self, places: NDArray[np.int64]) -> "Rows":
        """Some of the rows."""
        return Rows(self.given.iloc[places] if hasattr(self.given, "iloc") else self.given[places], self.names)

    def shuffled(self, place: int, order: NDArray[np.int64]) -> Any:
        """What the model reads, with one column in another order."""
        copy = self.given.copy()
        if hasattr(copy, "iloc"):
            copy.isetitem(place, self.given.iloc[order, place].array)
        else:
            copy[:, place] = self.given[order, place]
        return copy

    def _at(self, place: int) -> NDArray[Any]:
        if hasattr(self.given, "iloc"):
            return np.asarray(self.given.iloc[:, place])
        return np.asarray(self.given[:, place])

    def _names(self, names: Sequence[str] | None) -> tuple[str, ...]:
        width = self.given.shape[1]
        if names is not None and len(names) != width:
            raise InvalidInput(
                f"There are {len(names)} names for {width} columns.",
                context={"path": "names"},
                remedy="Give one name for every column, in their order.",
            )
        if names is not None:
            return tuple(map(str, names))
        if hasattr(self.given, "columns"):
            return tuple(map(str, self.given.columns))
        return tuple(f"column {place}" for place in range(width))


def _frame(given: Any) -> Any:
    import pandas as pd  # noqa: PLC0415 - only evaluations of tables pay for it

    return given.to_pandas() if isinstance(given, pa.Table) else pd.DataFrame(dict(given))
