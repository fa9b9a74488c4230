"""Values as expressions compute with them: columns of one kind, whose missing values are marked inside."""

import sys
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from modelyard.core import InvalidInput, Value, shown

Kind = Literal["number", "text", "truth", "instant"]
"""Of a value: a float64; a text; true or false; microseconds since 1970 (UTC)."""

Column: TypeAlias = NDArray[Any]
"""Values of one kind, (n,). Texts are objects, and None where missing. All others are float64, and NaN where missing:
truths are 1 and 0, instants whole numbers. A number that is not finite is missing, too."""

EXACT = 2**53
"""Whole numbers beyond this are not all doubles."""

LARGEST = sys.float_info.max

_TURNED: dict[Kind, type[float | bool | int]] = {"number": float, "truth": bool, "instant": int}

_IS_NONE = np.frompyfunc(lambda value: value is None, 1, 1)


def as_column(values: Sequence[Value], kind: Kind) -> Column:
    """Python values as a column. InvalidInput for a whole number that a double does not hold."""
    if kind == "text":
        texts = np.empty(len(values), dtype=object)
        texts[:] = values
        return texts
    for each in values:
        if isinstance(each, int) and abs(each) > EXACT:
            raise InvalidInput(
                f"{shown(str(each))} has more digits than expressions compute with: whole numbers end at 2^53.",
                code="NUMBER_TOO_LARGE",
                remedy="Leave such values, which are names rather than amounts, out of expressions; or make them text.",
            )
    return np.array(values, dtype=np.float64)  # None becomes NaN


def as_values(column: Column, kind: Kind) -> list[Value]:
    """A column as Python values: float, str, bool, or int of microseconds; None where missing."""
    if kind == "text":
        return list(column)
    turned = _TURNED[kind]
    return [turned(each) if each - each == 0 else None for each in column.tolist()]


def missing(column: Column) -> Column:
    """Where no value is, as booleans (n,)."""
    if column.dtype.char == "O":
        absent: Column = _IS_NONE(column).astype(np.bool_)
        return absent
    return ~np.isfinite(column)


def nulls(kind: Kind) -> Column:
    """One missing value, to be spread over any number of rows."""
    return np.array([None], dtype=object) if kind == "text" else np.array([np.nan])
