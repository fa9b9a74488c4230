"""Evaluating a feature plan: request fields as sent, the rest from the online store as of an instant."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from modelyard.core import Micros, ModelyardError, Scalar, Value, did_you_mean

from .contract import OnlineStore
from .errors import InvalidRequestField, StaleFeatures
from .lookup import ViewColumns, ViewLookup
from .records import FeaturePlan, Presence, RequestField, ViewPlan

_LARGEST = sys.float_info.max
"""No number beyond this is one to a model; a comparison also tells infinities and NaN from numbers."""


@dataclass(frozen=True)
class FeatureRow:
    """`values` of every feature of the plan by name; `presence` of each view's features."""

    values: Mapping[str, Value]
    presence: Mapping[str, Presence]


class FeatureReader:
    """Makes feature rows for one plan. Safe for any thread that the store is safe for."""

    def __init__(self, store: OnlineStore, plan: FeaturePlan) -> None:
        self._store = store
        self._fields = {field.name: field for field in plan.request}
        self._views = [ViewLookup(view) for view in plan.views]

    def row(self, request: Mapping[str, Value], at: Micros) -> FeatureRow:
        """The features of one request as known at `at`.

        Raises InvalidRequestField for a field that is missing, unknown or of the wrong type, and StaleFeatures when a
        view with `stale="error"` has nothing fresh. A stored value whose event time or availability lies after `at`
        counts as missing.
        """
        values = self._checked(request)
        presence: dict[str, Presence] = {}
        for lookup in self._views:
            found, how = lookup.one(self._store, _key(lookup.view, request), at)
            values.update(zip(lookup.view.features, found, strict=True))
            presence.update(zip(lookup.view.features, how, strict=True))
        return FeatureRow(values, presence)

    def rows(self, requests: Sequence[Mapping[str, Value]], at: Sequence[Micros]) -> list[FeatureRow | ModelyardError]:
        """As `row` for each request as of its instant, with one read of the store for each view.

        What `row` would raise for a request stands in the place of its row.
        """
        made: list[FeatureRow | ModelyardError] = [self._begun(request) for request in requests]
        left = [index for index, each in enumerate(made) if isinstance(each, FeatureRow)]
        for lookup in self._views if left else ():
            keys = [_key(lookup.view, requests[index]) for index in left]
            instants = np.array([at[index] for index in left], dtype=np.int64)
            found = lookup.many(self._store, list(zip(*keys, strict=True)), instants)
            for place, index in enumerate(left):
                made[index] = _extended(made[index], lookup, found, place)
        return made

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
    values = {name: column[place] for name, column in zip(names, found.values, strict=True)}
    presence = {name: column[place] for name, column in zip(names, found.presence, strict=True)}
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
