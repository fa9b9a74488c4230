"""Columns of Arrow as expressions compute with them, and back: exact, or an error."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import InvalidInput, Scalar
from modelyard.online import DerivedInput, OutputKind
from modelyard.online.expressions import EXACT, Column, Kind

from .errors import InvalidDefinition
from .instants import INSTANT, as_instants

ARROW: dict[Kind, pa.DataType] = {
    "number": pa.float64(),
    "text": pa.string(),
    "truth": pa.bool_(),
    "instant": INSTANT,
}
"""The type of a computed column, by its kind."""

ARROW_OUTPUTS: dict[OutputKind, pa.DataType] = {
    "number": pa.float64(),
    "whole": pa.int64(),
    "text": pa.string(),
    "truth": pa.bool_(),
    "instant": INSTANT,
}
"""The same of what functions give."""


def kind_of(type_: pa.DataType, what: str) -> Kind:
    """The kind of the values of a type; `what` names the column in the InvalidDefinition for types that have none.

    A column that is null throughout counts as numbers.
    """
    if pa.types.is_dictionary(type_):
        return kind_of(type_.value_type, what)
    if pa.types.is_boolean(type_):
        return "truth"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_null(type_):
        return "number"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return "text"
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return "instant"
    raise InvalidDefinition(
        f"The {what} is {str(type_)[:60]}, which expressions do not compute with.",
        remedy='They take numbers, texts, flags and times: cast it in the source, or declare Feature("…", "float64").',
    )


def to_column(column: pa.ChunkedArray, kind: Kind, what: str) -> Column:
    """A column of a table as one of expressions, (n,). InvalidInput for whole numbers that no double holds.

    Texts of times count as times where instants are wanted.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kind == "instant":
        return _floats(as_instants(column, what).cast(pa.int64()), what)
    if kind_of(column.type, what) != kind and not pa.types.is_null(column.type):
        raise InvalidDefinition(
            f"The {what} is {str(column.type)[:60]}, where expressions want a {kind}.",
            remedy="Cast it, so that it has the type that was declared.",
        )
    if kind == "text":
        texts: Column = column.cast(pa.string()).to_numpy()
        return texts
    return _floats(column.cast(pa.int8()) if kind == "truth" else column, what)


def plain_values(column: pa.ChunkedArray, each: DerivedInput, view: str) -> list[Scalar]:
    """A column as plain values: times as microseconds since 1970 (UTC). InvalidDefinition for one of another kind."""
    what = f"input '{each.name}' of on-demand view '{view}'"
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if each.kind == "instant":
        column = as_instants(column, what).cast(pa.int64())
    elif kind_of(column.type, what) != each.kind and not pa.types.is_null(column.type):
        raise InvalidDefinition(
            f"The {what} is {str(column.type)[:60]}, where its function takes a {each.kind}.",
            remedy="Cast it, so that it has the type that was declared.",
        )
    values: list[Scalar] = column.to_pylist()
    return values


def from_column(column: Column, kind: Kind) -> pa.Array:
    """The same back: null where a value is missing."""
    if kind == "text":
        return pa.array(column, pa.string())
    missing = ~np.isfinite(column)
    if kind == "number":
        return pa.array(column, pa.float64(), mask=missing)
    whole = np.where(missing, 0, column)
    if kind == "truth":
        return pa.array(whole != 0, pa.bool_(), mask=missing)
    return pa.array(whole.astype(np.int64), INSTANT, mask=missing)


def _floats(column: pa.ChunkedArray, what: str) -> Column:
    if pa.types.is_integer(column.type):
        ends = pc.min_max(column)
        for end in (ends["min"].as_py(), ends["max"].as_py()):
            if end is not None and abs(end) > EXACT:
                raise InvalidInput(
                    f"The {what} has {end}, which is beyond the whole numbers that expressions compute with, 2^53.",
                    code="NUMBER_TOO_LARGE",
                    remedy="Leave such values, which are names rather than amounts, out of expressions; or make them "
                    "text.",
                )
    floats: Column = column.cast(pa.float64()).fill_null(float("nan")).to_numpy()
    return floats
