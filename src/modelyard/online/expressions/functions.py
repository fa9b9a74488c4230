"""Operators and functions: total, so that no row can fail, and null where an operand is missing or no result exists.

Exceptions: `and`, `or` and `not` are Kleene's (false and null is false), `coalesce` takes the first value that is
there, and `is_null` always answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .columns import Column, Kind, missing, nulls

Any_ = Literal["any"]
"""A parameter of any kind, the same for all of a call."""

DAY_US = 86_400_000_000

_NULL, _NULL_TEXT = nulls("number"), nulls("text")


@dataclass(frozen=True)
class Function:
    """`takes`: the kind of each argument; with `more`, the last of them may come any number of times."""

    takes: tuple[Kind | Any_, ...]
    gives: Kind | Any_
    run: Callable[..., Column]
    more: bool = False

    @property
    def shape(self) -> str:
        """As a reader is told."""
        return ", ".join(self.takes) + (", …" if self.more else "")


def _where(condition: Column, then: Column, otherwise: Column) -> Column:
    """numpy's `where`, which costs a single row more than the rest of an expression; that takes a side as it is."""
    if len(condition) == 1:
        return then if condition.item() else otherwise
    return np.where(condition, then, otherwise)


def _finite(function: Callable[..., Column]) -> Callable[..., Column]:
    """Without results that are infinite: those are none."""

    def run(*columns: Column) -> Column:
        found = function(*columns)
        return _where(np.isfinite(found), found, _NULL)

    return run


def _texts(function: Callable[..., object], arguments: int) -> Callable[..., Column]:
    """A function of Python texts as one of columns; null where any is missing."""

    def one(*texts: Any) -> object:
        return None if None in texts else function(*texts)

    columns: Callable[..., Column] = np.frompyfunc(one, arguments, 1)
    return columns


def _numbers(function: Callable[..., object], arguments: int) -> Callable[..., Column]:
    """The same, where it gives numbers or truths."""
    objects = _texts(function, arguments)
    return lambda *columns: np.asarray(objects(*columns), dtype=np.float64)


def _compared(numbers: Callable[..., Column], texts: Callable[[Any, Any], bool]) -> Callable[..., Column]:
    of_texts = _numbers(texts, 2)

    def run(left: Column, right: Column) -> Column:
        if left.dtype.char == "O":
            return of_texts(left, right)
        known = np.isfinite(left) & np.isfinite(right)
        return _where(known, numbers(left, right).astype(np.float64), _NULL)

    return run


def _power(base: Column, exponent: Column) -> Column:
    """Powers; squares, roots and inverses always as such.

    numpy computes these three in a way of their own where one exponent serves for all rows, and that differs from the
    other way in the last bit: one row must give what it gives among many.
    """
    if len(exponent) == 1:
        plain = _PLAIN_POWERS.get(exponent.item())
        return np.power(base, exponent) if plain is None else plain(base)
    found = np.power(base, exponent)
    for special, function in _PLAIN_POWERS.items():
        if (exponent == special).any():
            found = np.where(exponent == special, function(base), found)
    return found


_PLAIN_POWERS: dict[float, Callable[[Column], Column]] = {2.0: np.square, 0.5: np.sqrt, -1.0: np.reciprocal}


COMPARISONS: dict[str, Callable[..., Column]] = {
    "==": _compared(np.equal, lambda left, right: left == right),
    "!=": _compared(np.not_equal, lambda left, right: left != right),
    "<": _compared(np.less, lambda left, right: left < right),
    "<=": _compared(np.less_equal, lambda left, right: left <= right),
    ">": _compared(np.greater, lambda left, right: left > right),
    ">=": _compared(np.greater_equal, lambda left, right: left >= right),
}

ARITHMETIC: dict[str, Callable[..., Column]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _finite(np.divide),
    "//": _finite(np.floor_divide),
    "%": _finite(np.mod),
    "**": _finite(_power),
}

joined = _texts(lambda left, right: left + right, 2)


def both(left: Column, right: Column) -> Column:
    """Kleene's and."""
    return np.where((left == 0) | (right == 0), 0.0, left * right)


def either(left: Column, right: Column) -> Column:
    """Kleene's or."""
    return np.where((left == 1) | (right == 1), 1.0, np.maximum(left, right))


def choose(condition: Column, then: Column, otherwise: Column) -> Column:
    """By a condition; null where it is."""
    null = _NULL_TEXT if then.dtype.char == "O" else _NULL
    return _where(condition == 1, then, _where(condition == 0, otherwise, null))


def one_of(column: Column, levels: frozenset[str | float]) -> Column:
    """Whether values are among some."""
    return _numbers(lambda value: value in levels, 1)(np.where(missing(column), nulls("text"), column))


def _coalesce(first: Column, *others: Column) -> Column:
    for each in others:
        first = _where(missing(first), each, first)
    return first


def _of_days(unit: str, since: int) -> Callable[[Column], Column]:
    """The calendar year, or the month or day within what holds it."""
    within = {"Y": None, "M": "Y", "D": "M"}[unit]

    def run(instants: Column) -> Column:
        known = np.isfinite(instants)
        days = np.where(known, instants, 0).astype("datetime64[us]")
        counted = days.astype(f"datetime64[{unit}]")
        start = counted.astype(f"datetime64[{within}]").astype(counted.dtype).astype(np.int64) if within else 0
        return np.where(known, counted.astype(np.int64) - start + since, np.nan)

    return run


def _clipped(column: Column, low: Column, high: Column) -> Column:
    return np.minimum(np.maximum(column, low), high)


def _smallest(*columns: Column) -> Column:
    return _reduced(np.minimum, columns)


def _largest(*columns: Column) -> Column:
    return _reduced(np.maximum, columns)


def _reduced(two: Callable[..., Column], columns: tuple[Column, ...]) -> Column:
    found = columns[0]
    for each in columns[1:]:
        found = two(found, each)
    return found


FUNCTIONS: dict[str, Function] = {
    "abs": Function(("number",), "number", np.abs),
    "sign": Function(("number",), "number", np.sign),
    "sqrt": Function(("number",), "number", _finite(np.sqrt)),
    "exp": Function(("number",), "number", _finite(np.exp)),
    "log": Function(("number",), "number", _finite(np.log)),
    "log1p": Function(("number",), "number", _finite(np.log1p)),
    "log10": Function(("number",), "number", _finite(np.log10)),
    "floor": Function(("number",), "number", np.floor),
    "ceil": Function(("number",), "number", np.ceil),
    "round": Function(("number",), "number", np.rint),
    "sin": Function(("number",), "number", _finite(np.sin)),
    "cos": Function(("number",), "number", _finite(np.cos)),
    "min": Function(("number", "number"), "number", _smallest, more=True),
    "max": Function(("number", "number"), "number", _largest, more=True),
    "clip": Function(("number", "number", "number"), "number", _clipped),
    "coalesce": Function(("any", "any"), "any", _coalesce, more=True),
    "is_null": Function(("any",), "truth", lambda column: missing(column).astype(np.float64)),
    "number": Function(("truth",), "number", np.positive),
    "lower": Function(("text",), "text", _texts(str.lower, 1)),
    "upper": Function(("text",), "text", _texts(str.upper, 1)),
    "strip": Function(("text",), "text", _texts(str.strip, 1)),
    "length": Function(("text",), "number", _numbers(len, 1)),
    "contains": Function(("text", "text"), "truth", _numbers(lambda text, part: part in text, 2)),
    "starts_with": Function(("text", "text"), "truth", _numbers(str.startswith, 2)),
    "year": Function(("instant",), "number", _of_days("Y", 1970)),
    "month": Function(("instant",), "number", _of_days("M", 1)),
    "day": Function(("instant",), "number", _of_days("D", 1)),
    "hour": Function(("instant",), "number", lambda at: np.floor(np.mod(at, DAY_US) / 3_600_000_000)),
    "weekday": Function(("instant",), "number", lambda at: np.mod(np.floor(at / DAY_US) + 3, 7)),
}
"""By name. `round` goes to the even neighbour at a half, times of day and calendar are UTC's, Monday is weekday 0, and
lengths count characters."""
