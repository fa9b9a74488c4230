"""What a column is described as, and its values in the form that is described."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .records import Kind

KEPT = 120
"""So many characters of a string tell it from others, where levels are counted and shown."""


def kind_of(kind: pa.DataType) -> Kind:
    """By the type of a column that is `ready`."""
    if pa.types.is_null(kind):
        return "empty"
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    return "text" if _is_string(kind) else "other"


def ready(column: pa.Array) -> pa.Array:
    """The column in a type that every function here reads, with the same values."""
    if pa.types.is_dictionary(column.type):
        return ready(column.dictionary_decode())
    if isinstance(column.type, pa.BaseExtensionType):
        return ready(column.storage)
    if pa.types.is_float16(column.type):
        return column.cast(pa.float32())
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    return column.cast(pa.large_binary()) if pa.types.is_binary_view(column.type) else column


def plain(column: pa.Array) -> pa.Array:
    """The column as described: strings and flags as strings of at most `KEPT` characters, the rest as it is."""
    kind = kind_of(column.type)
    if kind == "flag":
        return column.cast(pa.string())
    return pc.utf8_slice_codeunits(column.cast(pa.large_string()), 0, KEPT) if kind == "text" else column


def quantities(column: pa.Array) -> NDArray[np.float64]:
    """The values that are there as float64 (n,), NaN and infinities among them; instants as microseconds of UTC.

    Integers and decimals beyond 2^53 lose their last digits.
    """
    there = column.drop_null()
    if kind_of(there.type) == "time":
        there = there.cast(pa.timestamp("us"), safe=False) if pa.types.is_date(there.type) else _micros(there)
        return np.asarray(there.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.asarray(there.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _micros(column: pa.Array) -> pa.Array:
    return column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind)) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
