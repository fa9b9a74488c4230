"""Key columns brought to one form, so that equal keys have equal values whatever type they came in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.features.errors import InvalidDefinition
from modelyard.features.instants import check_zone

Family = Literal["nothing", "number", "text", "flag", "binary", "date", "instant"]
"""Keys of one family can be equal; those of two never are."""

_NOT_WHOLE, _BEYOND = 1, 2
_WHOLE = 2.0**63


@dataclass(frozen=True)
class Canonical:
    """A key column: `values` (n_rows,) with nulls where there is no key, and what tells equal values apart.

    `sorts` (n_rows,) is None when it is 0 everywhere: numbers that are int64, instants of whole microseconds.
    """

    values: pa.ChunkedArray
    sorts: NDArray[np.int64] | None = None


def family_of(kind: pa.DataType, what: str) -> Family:
    """What the values of a type can be equal to. InvalidDefinition for types that cannot be keys."""
    if pa.types.is_dictionary(kind):
        return family_of(kind.value_type, what)
    for family, tests in _FAMILIES.items():
        if any(test(kind) for test in tests):
            return family
    raise InvalidDefinition(
        f"The {what} is of type {str(kind)[:80]}, which cannot be a key.",
        remedy="Use numbers, texts, flags, bytes, dates or instants as keys.",
    )


def canonical(column: pa.ChunkedArray, family: Family, what: str) -> Canonical:
    """A column of a family in its one form; `what` names it in errors."""
    if pa.types.is_dictionary(column.type) and family != "text":
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        return Canonical(column)
    if family == "number":
        return _number(column, what)
    if family == "instant":
        return _instant(column, what)
    if family == "text" and pa.types.is_dictionary(column.type):
        return Canonical(column)
    if family == "binary":
        return Canonical(column.cast(pa.binary()).cast(pa.large_binary()))
    return Canonical(column.cast(_FORMS[family]))


def _number(column: pa.ChunkedArray, what: str) -> Canonical:
    kind = column.type
    if pa.types.is_floating(kind):
        return _float(column)
    if pa.types.is_uint64(kind):
        return _unsigned(column)
    try:
        return Canonical(column.cast(pa.int64()))
    except pa.ArrowInvalid as error:
        raise InvalidDefinition(
            f"The {what} is of type {kind}, and holds numbers that are no 64-bit integers.",
            remedy="Cast it to text on both sides.",
        ) from error


def _unsigned(column: pa.ChunkedArray) -> Canonical:
    numbers = pc.fill_null(column, 0).to_numpy()
    beyond = numbers >= np.uint64(2**63)
    values = pa.chunked_array([pa.array(numbers.view(np.int64), mask=column.is_null().to_numpy())])
    return Canonical(values, _BEYOND * beyond.astype(np.int64) if beyond.any() else None)


def _float(column: pa.ChunkedArray) -> Canonical:
    """Whole numbers as integers; others by their bits, told apart from integers with the same bits."""
    numbers: NDArray[np.float64] = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
    whole = np.floor(numbers) == numbers
    small, beyond = (
        whole & (numbers >= -_WHOLE) & (numbers < _WHOLE),
        whole & (numbers >= _WHOLE) & (numbers < 2 * _WHOLE),
    )
    values = np.where(small, 0, numbers.view(np.int64))
    values[small] = numbers[small].astype(np.int64)
    values[beyond] = numbers[beyond].astype(np.uint64).view(np.int64)
    missing = np.isnan(numbers)
    sorts = np.where(small | missing, 0, np.where(beyond, _BEYOND, _NOT_WHOLE)).astype(np.int64)
    return Canonical(pa.chunked_array([pa.array(values, mask=missing)]), sorts if sorts.any() else None)


def _instant(column: pa.ChunkedArray, what: str) -> Canonical:
    check_zone(column.type.tz, what)
    if column.type.unit != "ns":
        return Canonical(column.cast(pa.timestamp(column.type.unit)).cast(pa.timestamp("us")).cast(pa.int64()))
    numbers = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    values = pa.chunked_array([pa.array(numbers // 1000, mask=column.is_null().to_numpy())])
    rest = numbers % 1000
    return Canonical(values, rest if rest.any() else None)


_FORMS = {"text": pa.large_string(), "flag": pa.bool_(), "date": pa.date32()}
_FAMILIES: dict[Family, tuple[Callable[[pa.DataType], bool], ...]] = {
    "nothing": (pa.types.is_null,),
    "number": (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "flag": (pa.types.is_boolean,),
    "binary": (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view),
    "date": (pa.types.is_date,),
    "instant": (pa.types.is_timestamp,),
}
