"""Evaluating a feature plan: request fields as sent, the rest from the online store as of an instant."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from modelyard.core import Micros, Scalar, Value, did_you_mean

from .contract import OnlineStore
from .errors import InvalidRequestField, StaleFeatures
from .records import FeaturePlan, Presence, RequestField, StoredRow, ViewPlan

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
        self._plan = plan
        self._fields = {field.name: field for field in plan.request}
        self._tables = [(view, view.table) for view in plan.views]

    def row(self, request: Mapping[str, Value], at: Micros) -> FeatureRow:
        """The features of one request as known at `at`.

        Raises InvalidRequestField for a field that is missing, unknown or of the wrong type, and StaleFeatures when a
        view with `stale="error"` has nothing fresh. A stored value whose event time or availability lies after `at`
        counts as missing.
        """
        values = self._checked(request)
        presence: dict[str, Presence] = {}
        for view, table in self._tables:
            key = cast("tuple[Scalar, ...]", tuple(request.get(name) for name in view.entity_keys))
            stored = self._store.read(table, [key])[0]
            self._add_view(view, stored, at, values, presence)
        return FeatureRow(values, presence)

    def _checked(self, request: Mapping[str, Value]) -> dict[str, Value]:
        if request.keys() - self._fields.keys():
            stranger = min(request.keys() - self._fields.keys())
            raise InvalidRequestField(
                f"The request has a field '{stranger}' that the model does not take.",
                context={"path": stranger},
                remedy=did_you_mean(stranger, self._fields),
            )
        return {name: _typed(field, request.get(name)) for name, field in self._fields.items()}

    def _add_view(
        self,
        view: ViewPlan,
        stored: StoredRow | None,
        at: Micros,
        values: dict[str, Value],
        presence: dict[str, Presence],
    ) -> None:
        how = _presence(view, stored, at)
        if stored is not None and how is Presence.PRESENT:
            found = dict(zip(view.stored, stored.values, strict=True))
            for name in view.features:
                values[name] = found[name]
                presence[name] = Presence.NULL if found[name] is None else how
            return
        if view.stale == "error":
            raise StaleFeatures(
                f"View '{view.name}' has no fresh value for this entity ({how.value}).",
                context={"view": view.name, "presence": how.value},
                remedy="Materialize it: modelyard features materialize --feature-view " + view.name,
            )
        for name in view.features:
            values[name] = view.defaults.get(name) if view.stale == "default" else None
            presence[name] = how


def _presence(view: ViewPlan, stored: StoredRow | None, at: Micros) -> Presence:
    if stored is None or stored.event_us > at or stored.available_us > at:
        return Presence.MISSING
    if view.ttl_s is not None and at - stored.event_us > view.ttl_s * 1e6:
        return Presence.EXPIRED
    return Presence.PRESENT


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
