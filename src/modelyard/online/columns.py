"""Features of many entities by the column, for who asks for features rather than for a prediction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from modelyard.core import Micros, ModelyardError, Scalar, Value, did_you_mean

from .called import Called, Functions, derivations
from .contract import OnlineStore
from .derived import Derivation, Found
from .errors import InvalidRequestField, StaleFeatures
from .lookup import ViewColumns, ViewLookup
from .records import DerivedInput, FeaturePlan, Presence

Sent: TypeAlias = Scalar | datetime
"""A key, or a field of the request; times may also be text."""

_SCALARS = {str, int, float, bool, type(None)}


@dataclass(frozen=True)
class FeatureColumns:
    """What is known of some entities: `keys`, `values` and `presence` by name, lists in the order of entities.

    An on-demand feature is present or null. Times are microseconds since 1970 (UTC).
    """

    keys: Mapping[str, list[Scalar]]
    values: Mapping[str, list[Scalar]]
    presence: Mapping[str, list[Presence]]


def keys_of(plan: FeaturePlan) -> tuple[str, ...]:
    """The keys of all views of a plan."""
    return tuple(dict.fromkeys(key for view in plan.views for key in view.entity_keys))


def fields_of(plan: FeaturePlan) -> dict[str, DerivedInput]:
    """The fields of requests that the on-demand features of a plan are computed of, also where they are keys."""
    return {each.feature: each for derived in plan.on_demand for each in derived.inputs if each.view is None}


class ColumnReader:
    """Reads the features of a plan, whose names differ, in the `order` given or that of the plan.

    Safe for any thread that the store is safe for. Entity rows have the keys of the views and the fields of requests
    that on-demand features are computed of, and may have those in `also`. They may lack a field that the plan's request
    does not require, and any may be null.
    """

    def __init__(
        self,
        store: OnlineStore,
        plan: FeaturePlan,
        also: Collection[str] = (),
        order: Sequence[str] = (),
        functions: Functions | None = None,
    ) -> None:
        """`functions` runs those of the plan; see `derivations` for what is raised."""
        self._store = store
        self._views = [ViewLookup(view) for view in plan.views]
        self._derivations = derivations(plan, functions)
        self._places = {(view.name, name): at for view in plan.views for at, name in enumerate(view.read)}
        self._keys = keys_of(plan)
        self._fields = {name: each for name, each in fields_of(plan).items() if name not in self._keys}
        self._optional = {field.name for field in plan.request if not field.required} & self._fields.keys()
        self._needed = (*self._keys, *(name for name in self._fields if name not in self._optional))
        self._allowed = {*self._keys, *self._fields, *also}
        self._order = tuple(order)

    def read(self, entities: Sequence[Mapping[str, Sent]], at: Micros) -> FeatureColumns:
        """The features of entities as known at an instant; one read of the store for each view.

        A key that is null matches nothing. InvalidRequestField for a key or field that is not given, that expressions
        cannot compute with, or that nothing takes; StaleFeatures when a view with `stale="error"` has nothing fresh for
        one of them; UnusableFeature for a stored value that is nothing that an expression computes with.
        """
        given = self._given(entities)
        values: dict[str, list[Any]] = {}
        presence: dict[str, list[Presence]] = {}
        read: dict[str, list[list[Scalar]]] = {}
        for lookup in self._views:
            found = self._found(lookup, given, at, len(entities))
            values.update(zip(lookup.view.features, found.values, strict=False))  # then what expressions alone need
            presence.update(zip(lookup.view.features, found.presence, strict=False))
            read[lookup.view.name] = found.values
        if self._derivations:
            self._derive(values, presence, given, read, len(entities))
        if self._order:
            values = {name: values[name] for name in self._order}
        return FeatureColumns({name: given[name] for name in self._keys}, values, presence)

    def _found(self, lookup: ViewLookup, given: Mapping[str, list[Scalar]], at: Micros, count: int) -> ViewColumns:
        if not count:
            return ViewColumns([[] for _ in lookup.view.read], [[] for _ in lookup.view.read], [])
        if count == 1:
            try:
                one, its = lookup.one(self._store, [given[name][0] for name in lookup.view.entity_keys], at)
            except StaleFeatures as error:
                raise _at(error, 0) from error
            return ViewColumns([[value] for value in one], [[each] for each in its], [])
        found = lookup.many(self._store, [given[name] for name in lookup.view.entity_keys], at)
        if lookup.view.stale == "error":
            for place, how in enumerate(found.rows):
                try:
                    lookup.check(how)
                except StaleFeatures as error:
                    raise _at(error, place) from error
        return found

    def _derive(
        self,
        values: dict[str, list[Any]],
        presence: dict[str, list[Presence]],
        given: Mapping[str, list[Scalar]],
        read: Mapping[str, list[list[Scalar]]],
        count: int,
    ) -> None:
        """Add the on-demand features."""

        def found(each: DerivedInput) -> Sequence[Value]:
            if each.view is None:
                return given[each.feature]
            return read[each.view][self._places[each.view, each.feature]]

        for derivation in self._derivations:
            made = _made(derivation, found, count) if count else [[] for _ in derivation.features]
            for name, column in zip(derivation.features, made, strict=True):
                values[name] = column
                presence[name] = [Presence.NULL if value is None else Presence.PRESENT for value in column]

    def _given(self, entities: Sequence[Mapping[str, Sent]]) -> dict[str, list[Scalar]]:
        """The columns of keys and fields that the entities have."""
        try:
            given: dict[str, list[Any]] = {name: [row[name] for row in entities] for name in self._needed}
            for name in self._optional:
                given[name] = [row.get(name) for row in entities]
        except (KeyError, TypeError, AttributeError) as error:
            raise self._wrong(entities) from error
        if any(len(row) != len(self._needed) and not self._allowed.issuperset(row) for row in entities):
            raise self._wrong(entities)
        for name, column in given.items():
            if not _SCALARS.issuperset(map(type, column)):
                what = self._fields.get(name)
                given[name] = [_scalar(value, what, name, place) for place, value in enumerate(column)]
        return given

    def _wrong(self, entities: Sequence[Any]) -> InvalidRequestField:
        """What is wrong with the first row that does not have what it needs, all of it and no more."""
        for place, row in enumerate(entities):
            if not isinstance(row, Mapping):
                return _invalid(f"Entity {place} is {row!r:.60}, not keys with values.", place, "", "Send an object.")
            for name in self._needed:
                if name not in row:
                    near = did_you_mean(name, [str(each) for each in row])
                    remedy = f"It has: {', '.join(map(str, row))[:200] or 'nothing'}. {near if row else ''}".strip()
                    return _invalid(f"Entity {place} lacks {self._called(name)}.", place, name, remedy)
            for name in row:
                if name not in self._allowed:
                    what = "no key of the features asked for, and no field that they are computed of"
                    told = f"Entity {place} has '{str(name)[:80]}', which is {what}."
                    remedy = did_you_mean(str(name), [*self._keys, *self._fields])
                    return _invalid(told, place, str(name)[:80], remedy)
        raise AssertionError("nothing is wrong with the entities")  # pragma: no cover - asked only when something is

    def _called(self, name: str) -> str:
        if name in self._keys:
            return f"the key '{name}'"
        takers = [name for each in self._derivations for name in each.features]
        return f"the request field '{name}', which on-demand features asked for take ({', '.join(takers)[:120]})"


def _made(derivation: Derivation | Called, found: Found, count: int) -> list[list[Value]]:
    if isinstance(derivation, Called):
        return _given(derivation.each(found, count))
    try:
        return derivation.columns(found, count)
    except ModelyardError:
        place, error = derivation.first_error(found, count)
        raise _at(error, place) from error


def _given(rows: Sequence[Sequence[Value] | ModelyardError]) -> list[list[Value]]:
    """The columns of rows; the first that has no values is the error."""
    for place, row in enumerate(rows):
        if isinstance(row, ModelyardError):
            raise _at(row, place) from row
    return [list(column) for column in zip(*(row for row in rows if not isinstance(row, ModelyardError)), strict=True)]


def _at(error: ModelyardError, place: int) -> ModelyardError:
    """The same error, which now says of which entity it is."""
    path = error.context.get("path")
    error.context["path"] = f"entities[{place}].{path}" if path else f"entities[{place}]"
    return error


def _scalar(value: Any, field: DerivedInput | None, name: str, place: int) -> Scalar:
    """A value, also one of NumPy's; a time as text where a field is one."""
    plain = value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
    if field is not None and field.kind == "instant" and isinstance(value, datetime):
        return value.isoformat()
    if type(plain) not in _SCALARS:
        what = "key" if field is None else "field"
        told = f"The {what} '{name}' of entity {place} is {value!r:.60}; a {what} is a number, a text or a flag."
        raise _invalid(told, place, name, "Send one of these, or null.")
    result: Scalar = plain
    return result


def _invalid(message: str, place: int, name: str, remedy: str) -> InvalidRequestField:
    path = f"entities[{place}].{name}".rstrip(".")
    return InvalidRequestField(message, context={"path": path}, remedy=remedy)
