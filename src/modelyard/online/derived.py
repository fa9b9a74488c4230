"""On-demand features of a plan, computed of what was sent and what was stored: one row, or many at once."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec
import numpy as np

from modelyard.core import InvalidInput, Micros, ModelyardError, Value, to_micros

from .errors import InvalidRequestField, UnusableFeature
from .expressions import Column, Program, as_column, as_values, names_in, needed
from .records import DerivedInput, DerivedPlan, FeaturePlan

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

    def first_error(self, found: Found, rows: int) -> tuple[int, ModelyardError]:
        """The place of the first row that has no values, and why; asked when `columns` has raised."""
        for at in range(rows):
            try:
                self.columns(_only(found, at), 1)
            except ModelyardError as error:
                return at, error
        raise AssertionError("every row has values")  # pragma: no cover - a row gives the same alone and among others

    def each(self, found: Found, rows: int) -> list[list[Value] | ModelyardError]:
        """The values of `features` row by row, or why a row has none; one such row does not spoil the others."""
        try:
            return [list(row) for row in zip(*self.columns(found, rows), strict=True)]
        except ModelyardError as error:
            if rows == 1:
                return [error]
        return [self.each(_only(found, at), 1)[0] for at in range(rows)]


def narrowed_plan(plan: FeaturePlan, wanted: Mapping[str, Collection[str]]) -> FeaturePlan:
    """The part of a plan that makes some features, given by view; the request stays as it is."""
    derived = tuple(_narrowed(each, wanted[each.name]) for each in plan.derived if wanted.get(each.name))
    functions = tuple(
        msgspec.structs.replace(each, features=tuple(name for name in each.features if name in wanted[each.name]))
        for each in plan.functions
        if wanted.get(each.name)
    )
    needed_inputs = [each for part in derived for each in part.inputs] + [
        each for part in functions for each in part.inputs
    ]
    used = {(each.view, each.feature) for each in needed_inputs}
    views = []
    for view in plan.views:
        features = tuple(name for name in view.features if name in wanted.get(view.name, ()))
        inputs = tuple(name for name in view.read if name not in features and (view.name, name) in used)
        if features or inputs:
            views.append(msgspec.structs.replace(view, features=features, inputs=inputs))
    return FeaturePlan(plan.request, tuple(views), derived, functions)


def _narrowed(plan: DerivedPlan, wanted: Collection[str]) -> DerivedPlan:
    features = tuple(name for name in plan.features if name in wanted)
    formulas = needed(dict(plan.expressions), features)
    names = {name for text in formulas.values() for name in names_in(text)}
    inputs = tuple(each for each in plan.inputs if each.name in names)
    return DerivedPlan(plan.name, inputs, tuple(formulas.items()), features)


def _only(found: Found, at: int) -> Found:
    return lambda each: [found(each)[at]]


def _column(each: DerivedInput, values: Sequence[Value]) -> Column:
    if each.kind == "instant" and each.view is None:
        values = [instant_of(each, value) for value in values]
    types = set(map(type, values))
    if not types <= _TYPES[each.kind]:
        raise unusable(each, next(value for value in values if type(value) not in _TYPES[each.kind]))
    try:
        return as_column(values, each.kind)
    except InvalidInput as error:
        raise refused(each, error.message, error.remedy) from error


def instant_of(each: DerivedInput, value: Value) -> Micros | None:
    """A time as requests write it; naive ones are UTC, what is finer than microseconds is cut off."""
    if value is None:
        return None
    match = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise unusable(each, value)
    try:
        at = datetime.fromisoformat(match[1] + (match[2] or ""))
    except ValueError as error:
        raise unusable(each, value) from error
    return to_micros(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def unusable(each: DerivedInput, value: object) -> ModelyardError:
    wanted = {"instant": "time in ISO 8601", "truth": "flag"}.get(
        each.kind, "whole number" if each.whole else each.kind
    )
    remedy = "Send it so." if each.view is None else f"modelyard features materialize --feature-view {each.view}"
    return refused(each, f"{value!r:.60} is no {wanted}, which on-demand features are computed of.", remedy)


def refused(each: DerivedInput, why: str, remedy: str) -> ModelyardError:
    if each.view is None:
        return InvalidRequestField(f"The field '{each.feature}': {why}", context={"path": each.feature}, remedy=remedy)
    where = {"view": each.view, "feature": each.feature}
    return UnusableFeature(f"Feature '{each.feature}' of view '{each.view}': {why}", context=where, remedy=remedy)
