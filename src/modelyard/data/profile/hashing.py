"""64-bit hashes of values and rows, by DuckDB."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]


class Hasher:
    """Hashes the columns and the rows of batches of one schema. Equal values have equal hashes, 0.0 and -0.0 too.

    Only within one process: another version of DuckDB may hash otherwise.
    """

    def __init__(self, schema: pa.Schema) -> None:
        import duckdb  # noqa: PLC0415 - only a profile pays for it

        self._connection = duckdb.connect(config={"threads": 1})
        self._casts = [_cast(field.type) for field in schema]
        hashes = [f"{_hash(f'c{at}', field.type)} AS h{at}" for at, field in enumerate(schema)]
        whole = ", ".join(f"c{at}" for at in range(len(schema)))
        self._wanted = ", ".join([*hashes, f"hash({whole}) AS whole"])
        self._width = len(schema)

    def __call__(self, batch: pa.RecordBatch) -> tuple[list[Hashes], Hashes]:
        """The hashes of each column's values that are there, and of the rows (n_rows,)."""
        if not self._width:
            return [], np.zeros(len(batch), np.uint64)
        columns = [cast(column) for cast, column in zip(self._casts, batch.columns, strict=True)]
        table = pa.table(columns, names=[f"c{at}" for at in range(self._width)])
        found = self._connection.from_arrow(table).project(self._wanted).fetchnumpy()
        return [_present(found[f"h{at}"]) for at in range(self._width)], _present(found["whole"])

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()


def _hash(name: str, kind: pa.DataType) -> str:
    missing = f"{name} IS NULL" + (f" OR isnan({name})" if pa.types.is_floating(kind) else "")
    return f"CASE WHEN {missing} THEN NULL ELSE hash({name}) END"


def _cast(kind: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    """What DuckDB does not read becomes what it does."""
    if pa.types.is_decimal256(kind):
        return lambda column: column.cast(pa.string())
    return lambda column: column


def _present(found: "np.ma.MaskedArray[tuple[int], np.dtype[np.uint64]] | Hashes") -> Hashes:
    return found.compressed() if isinstance(found, np.ma.MaskedArray) else found
