"""Tables of other libraries in and out: Arrow as it is, polars by the Arrow stream protocol, pandas."""

from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelyard.core import InvalidInput, Unavailable

if TYPE_CHECKING:
    import pandas as pd


def is_table(value: object) -> bool:
    """Whether `as_table` takes it as rows."""
    return isinstance(value, pa.Table | pa.RecordBatch | pa.RecordBatchReader) or hasattr(value, "__arrow_c_stream__")


def as_table(value: object, what: str) -> pa.Table:
    """The rows of Arrow, polars and pandas objects, and of whatever speaks the Arrow stream protocol.

    `what` names them in errors. A pandas index is left out. InvalidInput for other objects, for columns whose values
    have no common type, and for names that stand twice.
    """
    try:
        table = _converted(value)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidInput(
            f"The {what} cannot be read as a table: {' '.join(str(error).split())[:300]}.",
            code="NO_TABLE",
            remedy="Give each column values of one type, and each a name that is text.",
        ) from error
    if table is None:
        raise InvalidInput(
            f"The {what} is {type(value).__name__}, which is no table.",
            code="NO_TABLE",
            remedy="Give an Arrow table, or a pandas or polars DataFrame.",
        )
    twice = [name for name, count in Counter(table.column_names).items() if count > 1]
    if twice:
        raise InvalidInput(f"The {what} has two columns '{twice[0][:80]}'.", code="NO_TABLE", remedy="Rename one.")
    return table


def _converted(value: Any) -> pa.Table | None:
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    if isinstance(value, pa.RecordBatchReader):
        return value.read_all()
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns"):
        return pa.Table.from_pandas(value, preserve_index=False).replace_schema_metadata(None)
    return pa.table(value) if hasattr(value, "__arrow_c_stream__") else None


def to_pandas(table: pa.Table) -> "pd.DataFrame":
    """As a pandas DataFrame."""
    frame: pd.DataFrame = table.to_pandas()
    return frame


def to_polars(table: pa.Table) -> Any:
    """As a polars DataFrame. Unavailable when polars is not installed."""
    try:
        polars = import_module("polars")
    except ImportError as error:
        raise Unavailable(
            "polars is not installed.", code="NOT_INSTALLED", remedy="pip install polars; or use .to_arrow()."
        ) from error
    return polars.from_arrow(table)
