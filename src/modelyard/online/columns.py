"""Features of many entities by the column, for who asks for features rather than for a prediction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from modelyard.core import Micros, Scalar, did_you_mean

from .contract import OnlineStore
from .errors import InvalidRequestField, StaleFeatures
from .lookup import ViewColumns, ViewLookup
from .records import Presence, ViewPlan

_SCALARS = {str, int, float, bool, type(None)}


@dataclass(frozen=True)
class FeatureColumns:
    """What the store has of some entities: `keys`, `values` and `presence` by name, lists in the order of entities."""

    keys: Mapping[str, list[Scalar]]
    values: Mapping[str, list[Scalar]]
    presence: Mapping[str, list[Presence]]


class ColumnReader:
    """Reads the features of some views, which share no feature name. Safe for any thread that the store is safe for.

    Entities have the views' keys, and may have those in `also`.
    """

    def __init__(self, store: OnlineStore, views: Sequence[ViewPlan], also: Collection[str] = ()) -> None:
        self._also = frozenset(also)
        self._store = store
        self._views = [ViewLookup(msgspec.structs.replace(view, inputs=())) for view in views]
        self._keys = tuple(dict.fromkeys(key for view in views for key in view.entity_keys))

    def read(self, entities: Sequence[Mapping[str, Scalar]], at: Micros) -> FeatureColumns:
        """The features of entities, given by their keys, as known at an instant; one read of the store for each view.

        A key that is null matches nothing. InvalidRequestField for a key that is not given, or one that no view has;
        StaleFeatures when a view with `stale="error"` has nothing fresh for one of them.
        """
        keys = self._key_columns(entities)
        values: dict[str, list[Scalar]] = {}
        presence: dict[str, list[Presence]] = {}
        for lookup in self._views:
            found = self._found(lookup, keys, at, len(entities))
            values.update(zip(lookup.view.features, found.values, strict=True))
            presence.update(zip(lookup.view.features, found.presence, strict=True))
        return FeatureColumns(keys, values, presence)

    def _found(self, lookup: ViewLookup, keys: Mapping[str, list[Scalar]], at: Micros, count: int) -> ViewColumns:
        if not count:
            return ViewColumns([[] for _ in lookup.view.features], [[] for _ in lookup.view.features], [])
        if count == 1:
            one, its = lookup.one(self._store, [keys[name][0] for name in lookup.view.entity_keys], at)
            return ViewColumns([[value] for value in one], [[each] for each in its], [])
        found = lookup.many(self._store, [keys[name] for name in lookup.view.entity_keys], at)
        if lookup.view.stale == "error":
            for place, how in enumerate(found.rows):
                try:
                    lookup.check(how)
                except StaleFeatures as error:
                    error.context["path"] = f"entities[{place}]"
                    raise
        return found

    def _key_columns(self, entities: Sequence[Mapping[str, Scalar]]) -> dict[str, list[Scalar]]:
        try:
            keys = {name: [row[name] for row in entities] for name in self._keys}
        except (KeyError, TypeError) as error:
            raise self._wrong(entities) from error
        if any(len(row) != len(self._keys) and not self._also.issuperset(row) for row in entities):
            raise self._wrong(entities)
        for name, column in keys.items():
            if not _SCALARS.issuperset(map(type, column)):
                keys[name] = [_scalar(value, name, place) for place, value in enumerate(column)]
        return keys

    def _wrong(self, entities: Sequence[Any]) -> InvalidRequestField:
        """What is wrong with the first row that does not have the keys, all of them and no others."""
        for place, row in enumerate(entities):
            if not isinstance(row, Mapping):
                return _invalid(f"Entity {place} is {row!r:.60}, not keys with values.", place, "", "Send an object.")
            for name in self._keys:
                if name not in row:
                    near = did_you_mean(name, [str(each) for each in row])
                    remedy = f"It has: {', '.join(map(str, row))[:200] or 'nothing'}. {near if row else ''}".strip()
                    return _invalid(f"Entity {place} lacks the key '{name}'.", place, name, remedy)
            for name in row:
                if name not in self._keys and name not in self._also:
                    told = f"Entity {place} has '{str(name)[:80]}', which is no key of the features asked for."
                    return _invalid(told, place, str(name)[:80], did_you_mean(str(name), self._keys))
        raise AssertionError("nothing is wrong with the entities")  # pragma: no cover - asked only when something is


def _scalar(value: Any, name: str, place: int) -> Scalar:
    """A value, also one of NumPy's."""
    plain = value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
    if type(plain) not in _SCALARS:
        told = f"The key '{name}' of entity {place} is {value!r:.60}; a key is a number, a text or a flag."
        raise _invalid(told, place, name, "Send one of these, or null.")
    result: Scalar = plain
    return result


def _invalid(message: str, place: int, name: str, remedy: str) -> InvalidRequestField:
    path = f"entities[{place}].{name}".rstrip(".")
    return InvalidRequestField(message, context={"path": path}, remedy=remedy)
