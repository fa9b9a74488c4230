"""On-demand features of a plan, computed of what was sent and what was stored: one row, or many at once."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np

from modelyard.core import InvalidInput, Micros, ModelyardError, Value, shown, to_micros

from .errors import InvalidRequestField, UnusableFeature
from .expressions import Column, Program, as_column, as_values
from .records import DerivedInput, DerivedPlan

Found: TypeAlias = Callable[[DerivedInput], Sequence[Value]]
"""The values of an input, one a row."""

_NUMBERS: frozenset[type] = frozenset({float, int, type(None)})
_TYPES: Mapping[str, frozenset[type]] = {
    "number": _NUMBERS,
    "instant": _NUMBERS,
    "truth": frozenset({bool, type(None)}),
    "text": frozenset({str, type(None)}),
}
_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?)?)\d*(Z|[+-]\d{2}(?::?\d{2})?)?", re.ASCII
)


class Derivation:
    """The on-demand features of one definition. Immutable; safe for any thread."""

    def __init__(self, plan: DerivedPlan) -> None:
        """InvalidExpression when an expression is none."""
        self.features = plan.features
        self._program = Program(dict(plan.expressions), {each.name: each.kind for each in plan.inputs})
        self._inputs = tuple(each for each in plan.inputs if each.name in self._program.inputs)

    def columns(self, found: Found, rows: int) -> list[list[Value]]:
        """The values of each of `features`, one a row.

        InvalidRequestField or UnusableFeature when a row has a value that expressions cannot compute with.
        """
        given = self._one(found) if rows == 1 else {each.name: _column(each, found(each)) for each in self._inputs}
        made = self._program.run(given, rows)
        return [as_values(made[name], self._program.kinds[name]) for name in self.features]

    def _one(self, found: Found) -> dict[str, Column]:
        """The columns of a single row: its floats become one array, of which each takes a part."""
        given: dict[str, Column] = {}
        names, floats = [], []
        for each in self._inputs:
            values = found(each)
            if type(values[0]) is float and each.kind == "number":
                names.append(each.name)
                floats.append(values[0])
            else:
                given[each.name] = _column(each, values)
        block = np.array(floats)
        for at, name in enumerate(names):
            given[name] = block[at : at + 1]
        return given

    def each(self, found: Found, rows: int) -> list[list[Value] | ModelyardError]:
        """The values of `features` row by row, or why a row has none; one such row does not spoil the others."""
        try:
            return [list(row) for row in zip(*self.columns(found, rows), strict=True)]
        except ModelyardError as error:
            if rows == 1:
                return [error]
        return [self.each(_only(found, at), 1)[0] for at in range(rows)]


def _only(found: Found, at: int) -> Found:
    return lambda each: [found(each)[at]]


def _column(each: DerivedInput, values: Sequence[Value]) -> Column:
    if each.kind == "instant" and each.view is None:
        values = [_instant(each, value) for value in values]
    types = set(map(type, values))
    if not types <= _TYPES[each.kind]:
        raise _unusable(each, next(value for value in values if type(value) not in _TYPES[each.kind]))
    try:
        return as_column(values, each.kind)
    except InvalidInput as error:
        raise _refused(each, error.message, error.remedy) from error


def _instant(each: DerivedInput, value: Value) -> Micros | None:
    """A time as requests write it; naive ones are UTC, what is finer than microseconds is cut off."""
    if value is None:
        return None
    match = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _unusable(each, value)
    try:
        at = datetime.fromisoformat(match[1] + (match[2] or ""))
    except ValueError as error:
        raise _unusable(each, value) from error
    return to_micros(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def _unusable(each: DerivedInput, value: object) -> ModelyardError:
    wanted = {"instant": "time in ISO 8601", "truth": "flag"}.get(each.kind, each.kind)
    remedy = "Send it so." if each.view is None else f"modelyard features materialize --feature-view {each.view}"
    return _refused(each, f"{shown(str(value))} is no {wanted}, which expressions compute with.", remedy)


def _refused(each: DerivedInput, why: str, remedy: str) -> ModelyardError:
    if each.view is None:
        return InvalidRequestField(f"The field '{each.feature}': {why}", context={"path": each.feature}, remedy=remedy)
    where = {"view": each.view, "feature": each.feature}
    return UnusableFeature(f"Feature '{each.feature}' of view '{each.view}': {why}", context=where, remedy=remedy)
