"""The ends of ranges in the units of a column's type, exactly: no bound is rounded past a value."""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, inf, nextafter
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa

from modelyard.core import to_micros
from modelyard.data.errors import CannotKeep
from modelyard.data.schema.settings import instant

End = Literal["minimum", "maximum"]
Limit: TypeAlias = pa.Scalar | Literal["none", "every"]
"""A value of the column's type; or none of its values, or every one, lies outside the range."""

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def limit(kind: pa.DataType, bound: int | float | date, end: End) -> Limit:
    """The smallest value that is not below a minimum, or the largest that is not above a maximum.

    CannotKeep when values of the type are not ordered like the bound: text and numbers, numbers and instants.
    """
    if _is_instant(kind) != isinstance(bound, date) or not (_is_number(kind) or _is_instant(kind)):
        raise CannotKeep(f"a {end} of {written(bound)}")
    if pa.types.is_floating(kind):
        return pa.scalar(_float(Fraction(bound), end), pa.float64())  # type: ignore[arg-type]
    ticks, lowest, highest = _ticks(kind, bound)
    whole = ceil(ticks) if end == "minimum" else floor(ticks)
    if not lowest <= whole <= highest:
        return "every" if (whole > highest) == (end == "minimum") else "none"
    return _scalar(kind, whole)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _float(bound: Fraction, end: End) -> float:
    """The double nearest to a bound that is not on its wrong side."""
    try:
        near = float(bound)
    except OverflowError:
        near = inf if bound > 0 else -inf
    if near in (inf, -inf):
        beyond = (near == inf) == (end == "minimum")
        return near if beyond else nextafter(near, 0.0)
    if end == "minimum" and Fraction(near) < bound:
        return nextafter(near, inf)
    return nextafter(near, -inf) if end == "maximum" and Fraction(near) > bound else near


def _ticks(kind: pa.DataType, bound: int | float | date) -> tuple[Fraction, int, int]:
    """The bound in the whole numbers that the type stores, and the smallest and largest of these."""
    if pa.types.is_integer(kind):
        information = np.iinfo(kind.to_pandas_dtype())
        return Fraction(bound), int(information.min), int(information.max)  # type: ignore[arg-type]
    if pa.types.is_decimal(kind):
        most = 10**kind.precision - 1
        return Fraction(bound) * Fraction(10) ** kind.scale, -most, most  # type: ignore[arg-type]
    assert isinstance(bound, date)  # noqa: S101 - `limit` has seen to it
    bits = 32 if pa.types.is_date32(kind) else 64
    return instant_ticks(kind, instant(bound)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def instant_ticks(kind: pa.DataType, at: datetime) -> Fraction:
    """An instant in the units of a timestamp or date type."""
    micros = to_micros(at)
    if pa.types.is_date32(kind):
        return Fraction(micros, 86_400 * 10**6)
    return Fraction(micros * _PER_SECOND["ms" if pa.types.is_date(kind) else kind.unit], 10**6)


def _scalar(kind: pa.DataType, whole: int) -> pa.Scalar:
    if pa.types.is_decimal(kind):
        return pa.scalar(Decimal(whole).scaleb(-kind.scale), kind)
    if pa.types.is_integer(kind):
        return pa.scalar(whole, kind)
    return pa.scalar(whole, pa.int32() if pa.types.is_date32(kind) else pa.int64()).cast(kind)


def written(bound: object) -> str:
    """A bound as people write it."""
    if isinstance(bound, float):
        short = f"{bound:g}"
        return short if float(short) == bound else repr(bound)
    return bound.isoformat() if isinstance(bound, date) else str(bound)
