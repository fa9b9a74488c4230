"""A window's records as one stream of batches whose features have names."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from modelyard.core import did_you_mean

from .errors import InvalidQuery
from .features import TYPES, Kind, NamesOf, column_name, unify
from .reading import FIXED, MARKS, Selection, Snapshot
from .tables import INSTANT, SCHEMAS
from .truths import Truths

_LABEL = (pa.field("label", pa.string()), pa.field("label_available_us", INSTANT))
TAKEN = {*FIXED["predictions"], *MARKS, *(each.name for each in _LABEL)}
"""Names that features of the same name give way to."""


class Named:
    """The batches of a selection and their schema, which is known before anything is read."""

    def __init__(
        self,
        snapshot: Snapshot,
        selection: Selection,
        names: NamesOf,
        columns: Sequence[str],
        features: Sequence[str] | None,
        *,
        labels: bool,
    ) -> None:
        """InvalidQuery when a column or feature is asked for that no record of the selection has."""
        self._snapshot = snapshot
        self._selection = selection
        self._columns = _known(columns)
        self._with_features = features is None or len(features) > 0
        self._labels = labels
        versions = snapshot.kinds(selection) if self._with_features else {}
        self._places = {each: _named(snapshot, selection, names, each, len(versions[each])) for each in versions}
        self._kinds = _kinds(versions, self._places, features)
        self.schema = self._schema()

    def batches(self, truths: Truths | None) -> Iterator[pa.RecordBatch]:
        """The records, a row group at a time, with labels from `truths`."""
        names = list(dict.fromkeys((*self._columns, *(["prediction_id"] if truths is not None else []))))
        for table, version in self._snapshot.tables(self._selection, names, features=self._with_features):
            with_label = table if truths is None else truths.joined(table)
            yield from self._fitted(with_label, version).to_batches()

    def _fitted(self, table: pa.Table, version: str) -> pa.Table:
        places = {name: place for place, name in self._places.get(version, {}).items()}
        columns = []
        for field in self.schema:
            place = places.get(field.name)
            if field.name in self._kinds:
                name = column_name(-1 if place is None else place)
                found = name in table.column_names
                columns.append(table.column(name).cast(field.type) if found else pa.nulls(len(table), field.type))
            else:
                columns.append(table.column(field.name))
        return pa.table(columns, schema=self.schema).combine_chunks()

    def _schema(self) -> pa.Schema:
        fixed = [SCHEMAS["predictions"].field(name) for name in self._columns]
        marks = [pa.field("has_features", MARKS["has_features"])] if self._with_features else []
        features = [pa.field(name, TYPES[kind]) for name, kind in self._kinds.items()]
        return pa.schema([*fixed, *(_LABEL if self._labels else ()), *marks, *features])


def named_places(names: Sequence[str] | None, count: int) -> dict[int, str]:
    """What the columns of so many features are called, by place."""
    own = list(names or ())[:count]
    called = [*own, *(column_name(place) for place in range(len(own), count))]
    return {place: f"features.{name}" if name in TAKEN else name for place, name in enumerate(called)}


def _named(snapshot: Snapshot, selection: Selection, names: NamesOf, version: str, count: int) -> dict[int, str]:
    """The features of a version that are not redacted, by place."""
    known = names(selection.deployment, version) if selection.deployment is not None else None
    hidden = snapshot.redacted(selection, version)
    return {place: name for place, name in named_places(known, count).items() if place not in hidden}


def _kinds(
    versions: Mapping[str, Sequence[Kind]], places: Mapping[str, Mapping[int, str]], wanted: Sequence[str] | None
) -> dict[str, Kind]:
    """The kind of each feature over all versions, in the order of the first; those that fit together."""
    found: dict[str, list[Kind]] = {}
    for version, named in places.items():
        for place, name in named.items():
            found.setdefault(name, []).append(versions[version][place])
    for name in wanted or ():
        if name not in found and any(places.values()):
            raise InvalidQuery(f"No record has a feature '{name[:80]}'.", remedy=did_you_mean(name[:80], found))
    kinds = {name: unify(each) for name, each in found.items() if wanted is None or name in wanted}
    return {name: kind for name, kind in kinds.items() if kind != "packed"}


def _known(columns: Sequence[str]) -> Sequence[str]:
    for name in columns:
        if name not in FIXED["predictions"]:
            raise InvalidQuery(
                f"Predictions have no column '{name[:80]}'.", remedy=did_you_mean(name[:80], FIXED["predictions"])
            )
    return columns
