"""Tables, whatever they come in: data frames, matrices, mappings of columns."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.core import InvalidInput


def table_of(given: Any) -> pa.Table:
    """The content of a dataset, whatever it came in: a table, a data frame, a matrix, or a mapping of columns.

    InvalidInput for what is none of these.
    """
    if isinstance(given, pa.Table):
        return given
    readers: tuple[tuple[bool, Callable[[], pa.Table]], ...] = (
        (hasattr(given, "to_arrow"), lambda: _of_polars(given)),
        (hasattr(given, "iloc"), lambda: _of_frame(given)),
        (isinstance(given, Mapping), lambda: pa.table(dict(given))),
        (True, lambda: _of_matrix(np.asarray(given))),
    )
    try:
        return next(read for fits, read in readers if fits)()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"A {type(given).__name__} is no dataset: {str(error).partition(chr(10))[0][:200]}",
            context={"path": "dataset"},
            remedy="Give a table, a data frame, a matrix, a mapping of columns, or a version as name@3.",
        ) from error


def _of_polars(given: Any) -> pa.Table:
    found: pa.Table = given.to_arrow()
    return found


def _of_frame(given: Any) -> pa.Table:
    frame = given.to_frame() if given.ndim == 1 else given
    return pa.Table.from_pandas(frame.rename(columns=str), preserve_index=False)


def _of_matrix(given: Any) -> pa.Table:
    if given.ndim not in (1, 2):
        raise ValueError(f"it has {given.ndim} dimensions")
    columns = given.reshape(len(given), -1).T
    return pa.table({f"column {place}": pa.array(column) for place, column in enumerate(columns)})
