"""Evaluating a feature plan: request fields as sent, the rest from the online store as of an instant."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from modelyard.core import Micros, ModelyardError, Scalar, Value, did_you_mean

from .called import Called, Functions, derivations
from .contract import OnlineStore
from .derived import Derivation, Found
from .errors import InvalidRequestField, StaleFeatures
from .lookup import ViewColumns, ViewLookup
from .records import DerivedInput, FeaturePlan, Presence, RequestField, ViewPlan

_LARGEST = sys.float_info.max
"""No number beyond this is one to a model; a comparison also tells infinities and NaN from numbers."""


@dataclass(frozen=True)
class FeatureRow:
    """`values` of every feature of the plan by name; `presence` of each view's features, and of those on demand."""

    values: Mapping[str, Value]
    presence: Mapping[str, Presence]


class FeatureReader:
    """Makes feature rows for one plan. Safe for any thread that the store is safe for."""

    def __init__(self, store: OnlineStore, plan: FeaturePlan, functions: Functions | None = None) -> None:
        """`functions` runs those of the plan. NoFunctions when it has some, and they are not there."""
        self._store = store
        self._fields = {field.name: field for field in plan.request}
        self._views = [ViewLookup(view) for view in plan.views]
        self._derivations = derivations(plan, functions)
        self._places = {
            (view.name, name): at for view in plan.views for at, name in enumerate(view.read) if plan.on_demand
        }

    def row(self, request: Mapping[str, Value], at: Micros) -> FeatureRow:
        """The features of one request as known at `at`.

        Raises InvalidRequestField for a field that is missing, unknown or of the wrong type, and StaleFeatures when a
        view with `stale="error"` has nothing fresh. A stored value whose event time or availability lies after `at`
        counts as missing. UnusableFeature when it is nothing that an expression computes with.
        """
        values = self._checked(request)
        presence: dict[str, Presence] = {}
        read: dict[str, list[Scalar]] = {}
        for lookup in self._views:
            found, how = lookup.one(self._store, _key(lookup.view, request), at)
            values.update(zip(lookup.view.features, found, strict=False))  # behind them stands what expressions need
            presence.update(zip(lookup.view.features, how, strict=False))
            read[lookup.view.name] = found
        if self._derivations:
            self._derive(values, presence, read)
        return FeatureRow(values, presence)

    def rows(self, requests: Sequence[Mapping[str, Value]], at: Sequence[Micros]) -> list[FeatureRow | ModelyardError]:
        """As `row` for each request as of its instant, with one read of the store for each view.

        What `row` would raise for a request stands in the place of its row.
        """
        made: list[FeatureRow | ModelyardError] = [self._begun(request) for request in requests]
        left = [index for index, each in enumerate(made) if isinstance(each, FeatureRow)]
        read: dict[str, ViewColumns] = {}
        for lookup in self._views if left else ():
            keys = [_key(lookup.view, requests[index]) for index in left]
            instants = np.array([at[index] for index in left], dtype=np.int64)
            found = lookup.many(self._store, list(zip(*keys, strict=True)), instants)
            read[lookup.view.name] = found
            for place, index in enumerate(left):
                made[index] = _extended(made[index], lookup, found, place)
        if self._derivations and left:
            self._derive_many(made, left, read)
        return made

    def _derive(
        self, values: dict[str, Value], presence: dict[str, Presence], read: Mapping[str, Sequence[Scalar]]
    ) -> None:
        """Add the on-demand features of one row."""

        def found(each: DerivedInput) -> Sequence[Value]:
            if each.view is None:
                return (values[each.feature],)
            return (read[each.view][self._places[each.view, each.feature]],)

        for derivation in self._derivations:
            for name, (value,) in zip(derivation.features, derivation.columns(found, 1), strict=True):
                values[name], presence[name] = value, _presence(value)

    def _derive_many(
        self, made: list[FeatureRow | ModelyardError], left: Sequence[int], read: Mapping[str, ViewColumns]
    ) -> None:
        """Add the on-demand features of the rows that have all others; what was read is there for all in `left`."""
        places = [(place, index) for place, index in enumerate(left) if isinstance(made[index], FeatureRow)]
        rows = [cast("FeatureRow", made[index]) for _, index in places]

        def found(each: DerivedInput) -> Sequence[Value]:
            if each.view is None:
                return [row.values[each.feature] for row in rows]
            column = read[each.view].values[self._places[each.view, each.feature]]
            return [column[place] for place, _ in places]

        for derivation in self._derivations:
            for (_, index), new in zip(places, _once(derivation, found, len(rows)), strict=True):
                made[index] = _with(made[index], derivation.features, new)

    def _begun(self, request: Mapping[str, Value]) -> FeatureRow | ModelyardError:
        try:
            return FeatureRow(self._checked(request), {})
        except InvalidRequestField as error:
            return error

    def _checked(self, request: Mapping[str, Value]) -> dict[str, Value]:
        if request.keys() - self._fields.keys():
            stranger = min(request.keys() - self._fields.keys())
            raise InvalidRequestField(
                f"The request has a field '{stranger}' that the model does not take.",
                context={"path": stranger},
                remedy=did_you_mean(stranger, self._fields),
            )
        return {name: _typed(field, request.get(name)) for name, field in self._fields.items()}


def _once(derivation: Derivation | Called, found: Found, rows: int) -> list[list[Value] | ModelyardError]:
    """Each row's on-demand features; what an input is, is looked up once."""
    known: dict[str, Sequence[Value]] = {}

    def remembered(each: DerivedInput) -> Sequence[Value]:
        if each.name not in known:
            known[each.name] = found(each)
        return known[each.name]

    return derivation.each(remembered, rows)


def _with(
    row: FeatureRow | ModelyardError, names: Sequence[str], new: Sequence[Value] | ModelyardError
) -> FeatureRow | ModelyardError:
    if not isinstance(row, FeatureRow):
        return row
    if isinstance(new, ModelyardError):
        return new
    values = dict(zip(names, new, strict=True))
    presence = {name: _presence(value) for name, value in values.items()}
    return FeatureRow({**row.values, **values}, {**row.presence, **presence})


def _presence(value: Value) -> Presence:
    return Presence.NULL if value is None else Presence.PRESENT


def _key(view: ViewPlan, request: Mapping[str, Value]) -> tuple[Scalar, ...]:
    return cast("tuple[Scalar, ...]", tuple([request.get(name) for name in view.entity_keys]))


def _extended(
    row: FeatureRow | ModelyardError, lookup: ViewLookup, found: ViewColumns, place: int
) -> FeatureRow | ModelyardError:
    """A row with the features of one more view; its error when it has one, or gets one from this view's policy."""
    if not isinstance(row, FeatureRow):
        return row
    try:
        lookup.check(found.rows[place])
    except StaleFeatures as error:
        return error
    names = lookup.view.features
    values = {name: column[place] for name, column in zip(names, found.values, strict=False)}
    presence = {name: column[place] for name, column in zip(names, found.presence, strict=False)}
    return FeatureRow({**row.values, **values}, {**row.presence, **presence})


def _typed(field: RequestField, value: Value) -> Value:
    if value is None:
        if field.required:
            raise InvalidRequestField(
                f"The request lacks the field '{field.name}' ({field.kind}).",
                context={"path": field.name},
                remedy=f"Send '{field.name}' with every row.",
            )
        return None
    if field.kind == "tensor":
        return value
    if field.kind != "number":
        fits = isinstance(value, str)
    else:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
    if fits:
        return value
    raise InvalidRequestField(
        f"The field '{field.name}' is {value!r:.60}; expected a {'number' if field.kind == 'number' else 'string'}.",
        context={"path": field.name},
        remedy="Send it in this type: nothing is cast silently.",
    )
