"""Inferring a signature from training rows."""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.inference import Field, Signature


def infer_signature(rows: pa.Table, *, required: Collection[str] = ()) -> Signature:
    """The signature of training rows, a field for each column: levels of strings, ranges of numbers.

    `required` names the fields in which a missing value is an error; the others are nullable.
    """
    return Signature(
        tuple(_field(name, rows.column(name), nullable=name not in required) for name in rows.column_names)
    )


def _field(name: str, column: pa.ChunkedArray, *, nullable: bool) -> Field:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        levels = sorted(level for level in pc.unique(column).to_pylist() if level is not None)
        return Field(name, "category", nullable, tuple(levels))
    ends = pc.min_max(column.cast(pa.float64()))
    return Field(name, "number", nullable, minimum=ends["min"].as_py(), maximum=ends["max"].as_py())
