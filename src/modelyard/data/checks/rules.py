"""Rules: what a check asks of the rows of a batch. Each answers with a mask of the rows that break it."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.data.schema.relation import Operator

from .seen import Mask, Seen, positive_zero


class Rule(Protocol):
    """One check of one or two columns; batches come in order, one after another."""

    def broken(self, *columns: Seen) -> Mask | None:
        """The rows that break it; None when none does."""


class NotNull:
    """A value in every row."""

    def broken(self, *columns: Seen) -> Mask | None:
        return columns[0].missing_mask()


@dataclass(frozen=True)
class InRange:
    """No value beyond an end of a range."""

    end: Literal["minimum", "maximum"]
    bound: pa.Scalar

    def broken(self, *columns: Seen) -> Mask | None:
        (seen,) = columns
        lowest, highest, bound = (_comparable(each) for each in (*seen.extremes, self.bound))
        if lowest is None:
            return None
        if lowest >= bound if self.end == "minimum" else highest <= bound:
            return None
        outside = pc.less if self.end == "minimum" else pc.greater
        return seen.mask(lambda values: outside(values, self.bound))


def _comparable(value: pa.Scalar) -> Any:
    """A scalar as Python orders it: instants as whole numbers, since Python's end at microseconds and the year 9999."""
    whole = isinstance(value, pa.TimestampScalar | pa.Date32Scalar | pa.Date64Scalar)
    return value.value if whole else value.as_py()


class Every:
    """No value can keep it: the range lies beyond the type."""

    def broken(self, *columns: Seen) -> Mask | None:
        return pc.is_valid(columns[0].array)


@dataclass(frozen=True)
class OneOf:
    """No level but these."""

    levels: pa.Array

    def broken(self, *columns: Seen) -> Mask | None:
        return columns[0].mask(self._unknown)

    def _unknown(self, values: pa.Array) -> pa.Array:
        known = pc.is_in(positive_zero(values), value_set=self.levels)
        return pc.and_(pc.invert(known), pc.is_valid(values))


@dataclass(frozen=True)
class Matches:
    """All of every text matches a regular expression."""

    pattern: str

    def broken(self, *columns: Seen) -> Mask | None:
        return columns[0].mask(lambda values: pc.invert(pc.match_substring_regex(values, pattern=self.pattern)))


@dataclass(frozen=True)
class HasLength:
    """No length beyond an end."""

    end: Literal["minimum", "maximum"]
    bound: int

    def broken(self, *columns: Seen) -> Mask | None:
        (seen,) = columns
        shortest, longest = seen.length_extremes
        if shortest is None or longest is None:
            return None
        if shortest >= self.bound if self.end == "minimum" else longest <= self.bound:
            return None
        outside = pc.less if self.end == "minimum" else pc.greater
        return seen.spread(outside(seen.lengths, self.bound))


@dataclass
class InOrder:
    """No value before the one above it; missing ones are stepped over, across batches too."""

    descending: bool
    _last: pa.Scalar | None = field(default=None, init=False)

    def broken(self, *columns: Seen) -> Mask | None:
        array = columns[0].array
        valid = array.drop_null()
        if not len(valid):
            return None
        before = valid.slice(0, len(valid) - 1)
        first = valid.slice(0, 1) if self._last is None else pa.array([self._last], valid.type)
        self._last = valid[-1]
        wrong = (pc.greater if self.descending else pc.less)(valid, pa.concat_arrays([first, before]))
        if not pc.any(wrong).as_py():
            return None
        whole = np.zeros(len(array), dtype=bool)
        whole[array.is_valid().to_numpy(zero_copy_only=False)] = wrong.to_numpy(zero_copy_only=False)
        return pa.array(whole)


_ARROW: Mapping[Operator, Callable[[Any, Any], Any]] = {
    "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal, "==": pc.equal, "!=": pc.not_equal,
}  # fmt: skip
_PYTHON: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip

_WHOLE_DOUBLES = 2**53
"""Whole numbers up to this are doubles, each exactly."""


@dataclass(frozen=True)
class Related:
    """A comparison holds wherever both sides have a value. Numbers are compared by value, whatever their types."""

    operator: Operator
    number: int | float | None = None

    def broken(self, *columns: Seen) -> Mask | None:
        left = columns[0].array
        right = columns[-1].array if self.number is None else self.number
        wrong = pc.invert(self._compared(left, right))
        return wrong if pc.any(wrong).as_py() else None

    def _compared(self, left: pa.Array, right: pa.Array | int | float) -> pa.Array:
        if isinstance(right, pa.Array):
            left, right = _aware(left), _aware(right)
            if _inexact(left, right):
                return self._one_by_one(_values(left), _values(right))
            return _ARROW[self.operator](left, right)
        if _plain_double(left) and abs(right) <= _WHOLE_DOUBLES:
            return _ARROW[self.operator](left, pa.scalar(float(right)))
        return self._one_by_one(left.to_pylist(), [right] * len(left))

    def _one_by_one(self, left: list[Any], right: list[Any]) -> pa.Array:
        """In Python, whose numbers compare by value: for what a double would round."""
        compare = _PYTHON[self.operator]
        pairs = zip(left, right, strict=True)
        return pa.array([None if None in pair else bool(compare(*pair)) for pair in pairs], pa.bool_())


def comparable(left: pa.DataType, right: pa.DataType | int | float) -> bool:
    """Whether a relation can be between values of these types."""
    if not isinstance(right, pa.DataType):
        return _number(left)
    if _number(left) and _number(right):
        return True
    if all(pa.types.is_timestamp(each) or pa.types.is_date(each) for each in (left, right)):
        return True
    texts = [pa.types.is_string(each) or pa.types.is_large_string(each) for each in (left, right)]
    return all(texts) or (left == right and not pa.types.is_nested(left) and not pa.types.is_null(left))


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _aware(array: pa.Array) -> pa.Array:
    """Instants in UTC: naive ones are, and dates are midnights."""
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s")) if pa.types.is_date32(array.type) else array.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(array.type):
        return array.cast(pa.timestamp(array.type.unit, "UTC"))
    return array.cast(pa.large_string()) if pa.types.is_string(array.type) else array


def _inexact(left: pa.Array, right: pa.Array) -> bool:
    """Whether Arrow would have to round or overflow one side to compare it with the other."""
    if left.type == right.type:
        return False
    if _number(left.type) and _number(right.type):
        return not (_plain_double(left) and _plain_double(right))
    return bool(pa.types.is_timestamp(left.type)) and "ns" in (left.type.unit, right.type.unit)


def _values(array: pa.Array) -> list[Any]:
    """Numbers as Python has them; instants in nanoseconds."""
    if not pa.types.is_timestamp(array.type):
        return list(array.to_pylist())
    scale = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[array.type.unit]
    return [None if each is None else each * scale for each in array.cast(pa.int64()).to_pylist()]


def _plain_double(array: pa.Array) -> bool:
    """Whether every number is a double exactly."""
    if pa.types.is_floating(array.type):
        return True
    if not pa.types.is_integer(array.type):
        return False
    ends = pc.min_max(array).as_py().values()
    return all(each is None or (isfinite(each) and abs(each) <= _WHOLE_DOUBLES) for each in ends)
