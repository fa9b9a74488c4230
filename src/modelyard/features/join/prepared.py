"""A view made ready to be joined to any number of tables of entities."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Scalar, did_you_mean
from modelyard.features.definitions import AVAILABLE, EVENT, FeatureView
from modelyard.features.errors import InvalidDefinition
from modelyard.features.instants import instants_of
from modelyard.online import FALLS_BACK, SERVES_EXPIRED

from .columns import FeatureColumns
from .keys import Flags, Ints, KeyIndex
from .timeline import Timeline


@dataclass(frozen=True)
class Wanted:
    """The features of a view that are joined, and what they are called in the result."""

    view: FeatureView
    features: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Entities:
    """Rows that ask: their table, the instants at which they ask, and where there is one; arrays are (n_rows,)."""

    table: pa.Table
    times: Ints
    dated: Flags

    @classmethod
    def of(cls, table: pa.Table, event_time: str) -> "Entities":
        """Of a table. InvalidDefinition when it has no such column, or the column no times."""
        times, dated = instants_of(entity_column(table, event_time), f"column '{event_time}' of the entity rows")
        return cls(table, times, dated)


class PreparedView:
    """A view's source, read once and sorted. Read-only afterwards: any threads may join with it at once."""

    def __init__(self, wanted: Wanted, *, as_known: bool = True, spill: Path | None = None) -> None:
        """Read the source. With `spill` its features go to that folder when they are large, and are mapped from there.

        Keys and times stay in memory: some 40 bytes a row, and the different keys.
        """
        view = wanted.view
        self._wanted = wanted
        ttl = None if view.stale in SERVES_EXPIRED else view.ttl
        self._ttl = ttl // timedelta(microseconds=1) if ttl else None
        rows = view.rows(wanted.features)
        digest = hashlib.blake2b(str(rows.schema).encode(), digest_size=16)
        self._columns = FeatureColumns(rows.schema.names[-len(wanted.features) :], spill)
        keys: list[pa.RecordBatch] = []
        times = [*view.keys, EVENT, AVAILABLE]
        for batch in rows.batches():
            if spill is not None:
                digest.update(batch.serialize())
            keys.append(batch.select(times))
            self._columns.add(batch)
        self._columns.close(rows.schema)
        types = {name: field.type for name, field in zip(wanted.features, self._columns.fields, strict=True)}
        self._defaults = _defaults(view, types)
        table = pa.Table.from_batches(keys, pa.schema([rows.schema.field(each) for each in times]))
        del keys
        self.rows = len(table)
        self.digest = digest.hexdigest()
        self._index = KeyIndex(view.name, [(key, table.column(key)) for key in view.keys])
        events, _ = instants_of(table.column(EVENT), "event time")
        available, noted = instants_of(table.column(AVAILABLE), "availability")
        codes, size = self._index.codes, self._index.size
        self._timeline = Timeline.of(codes, size, events, available, noted, as_known=as_known)
        del self._index.codes

    def choose(self, entities: Entities) -> Ints:
        """The number of the source row that each entity row gets, negative for none; shape (n_entities,)."""
        columns = [entity_column(entities.table, key) for key in self._wanted.view.keys]
        codes = self._index.find(columns)
        return self._timeline.find(np.where(entities.dated, codes, -1), entities.times, self._ttl)

    def fields(self) -> list[pa.Field]:
        """The columns that joining adds."""
        return [each.with_name(name) for each, name in zip(self._columns.fields, self._wanted.names, strict=True)]

    def columns(self, entities: Entities) -> list[pa.ChunkedArray]:
        """The features of each entity row, in the order of `fields`.

        Where nothing was known, or it was too old, they are null, or the view's defaults where its policy says so.
        """
        chosen = self.choose(entities)
        taken = self._columns.take(chosen)
        if not self._defaults or not (absent := chosen < 0).any():
            return taken
        return [
            column if name not in self._defaults else _filled(column, pa.array(absent), self._defaults[name])
            for name, column in zip(self._wanted.features, taken, strict=True)
        ]


def _defaults(view: FeatureView, types: Mapping[str, pa.DataType]) -> dict[str, pa.Scalar]:
    """What stands for each feature that is not there, as in the server; only where it is something."""
    given = {name: value for name, value in view.defaults.items() if name in types and value is not None}
    return {name: _fitting(view, name, value, types[name]) for name, value in given.items()
            if view.stale in FALLS_BACK}  # fmt: skip


def _filled(column: pa.ChunkedArray, absent: pa.Array, default: pa.Scalar) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type):
        return pc.if_else(absent, default, column)
    plain = pc.if_else(absent, default, column.cast(column.type.value_type))
    return plain.dictionary_encode().cast(column.type)


def _fitting(view: FeatureView, name: str, value: Scalar, type_: pa.DataType) -> pa.Scalar:
    kept = type_.value_type if pa.types.is_dictionary(type_) else type_
    try:
        if pa.types.is_temporal(kept):
            return pa.scalar(value, pa.int64()).cast(kept)
        scalar = pa.scalar(value, kept)
        fits = scalar.as_py() == value
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise InvalidDefinition(
            f"The default of feature '{name[:80]}' of view '{view.name}' is {value!r:.60}, which is no {kept}.",
            context={"view": view.name, "feature": name[:80]},
            remedy="Give a default of the feature's type, or declare the type with Feature(name, type).",
        )
    return scalar


def prepare(wanted: Sequence[Wanted], *, as_known: bool = True, spill: Path | None = None) -> Iterator[PreparedView]:
    """Make views ready, one after the other."""
    for each in wanted:
        yield PreparedView(each, as_known=as_known, spill=spill)


def joined(entities: Entities, views: Sequence[PreparedView]) -> pa.Table:
    """The entities' table with the columns of each view behind it."""
    fields, columns = list(entities.table.schema), list(entities.table.columns)
    for view in views:
        fields += view.fields()
        columns += view.columns(entities)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=entities.table.schema.metadata))


def check_names(columns: Sequence[str], wanted: Sequence[Wanted]) -> None:
    """InvalidDefinition when a feature would have the name of a column that is there already."""
    taken = dict.fromkeys(columns, "the entity rows")
    for each in wanted:
        for name in each.names:
            if name in taken:
                raise InvalidDefinition(
                    f"Feature '{name[:80]}' of view '{each.view.name}' has the name of a column that is there already, "
                    f"in {taken[name]}.",
                    context={"view": each.view.name, "feature": name[:80]},
                    remedy="Rename one of them, join them one at a time, or ask for full_feature_names=True.",
                )
            taken[name] = f"view '{each.view.name}'"


def entity_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column of the entities' table. InvalidDefinition says which there are."""
    if name in table.column_names:
        return table.column(name)
    raise InvalidDefinition(
        f"The entity rows have no column '{name[:80]}'.",
        context={"column": name[:80]},
        remedy=did_you_mean(name, table.column_names),
    )
