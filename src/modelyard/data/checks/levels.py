"""Allowed levels, which a schema writes as text, as values of a column's type."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

import numpy as np
import pyarrow as pa

from modelyard.data.errors import CannotKeep
from modelyard.data.schema.settings import instant

from .bounds import instant_ticks
from .seen import positive_zero, seen_type

_KEPT = (
    pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_string,
    pa.types.is_large_string, pa.types.is_timestamp, pa.types.is_date,
)  # fmt: skip


def levels_of(kind: pa.DataType, allowed: Sequence[str]) -> pa.Array:
    """The levels as an array of the type that checks see; CannotKeep when one is no value of it."""
    seen = seen_type(kind)
    if not any(is_one(seen) for is_one in _KEPT):
        raise CannotKeep("a set of allowed levels")
    return positive_zero(pa.concat_arrays([pa.array([], seen), *(_level(kind, seen, each) for each in allowed)]))


def _level(kind: pa.DataType, seen: pa.DataType, level: str) -> pa.Array:
    try:
        if pa.types.is_timestamp(seen) or pa.types.is_date(seen):
            return _instant(seen, level)
        if pa.types.is_float16(kind):
            return pa.array([np.float16(level)], pa.float16()).cast(seen)
        return pa.array([level], pa.string()).cast(seen)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, OverflowError):
        raise CannotKeep(f"the level {level[:40]!r}") from None


def _instant(kind: pa.DataType, level: str) -> pa.Array:
    ticks = instant_ticks(kind, instant(datetime.fromisoformat(level)))
    if ticks != Fraction(int(ticks)):
        raise ValueError(f"{level} lies between two values of {kind}")
    return pa.array([int(ticks)], pa.int32() if pa.types.is_date32(kind) else pa.int64()).cast(kind)
