"""Feature views: features of an entity over time, where they are read, and how long they hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Scalar, did_you_mean
from modelyard.features.errors import InvalidDefinition, SourceUnreadable, UnknownFeature
from modelyard.features.instants import as_instants

from .definition import Definition, check_definition, wrong_labels, wrong_mapping
from .entity import Entity
from .feature import Feature, features_of
from .pushes import PushSource
from .rows import Rows
from .sources import Source, is_source, open_source

EVENT, AVAILABLE = "__event", "__available"
"""The columns of instants in what a view gives."""

Stale = Literal["null", "default", "error", "serve"]
_REMEDY = 'FeatureView(name="…", entities=[Entity("…")], source=…, event_time="COLUMN", features=["…"])'


@dataclass(frozen=True, eq=False)
class FeatureView(Definition):
    """Features of an entity over time.

    `event_time` names the column that says when a row was true, `available_at` the one that says when it was known
    (None: at once; a null in it: nobody noted when, so at once too). A row is used for `ttl` after its event time
    (None or zero: for ever). `stale` says what a missing or expired value becomes in serving: null, its default, an
    error, or, when it is expired, itself (`serve`). InvalidDefinition lists all that is wrong with it.
    """

    kind: ClassVar[str] = "feature view"
    aggregates: ClassVar[bool] = False
    """Whether rows are made of the source's rows together, rather than one of one."""

    name: str
    entities: Sequence[Entity] = ()
    source: Source = field(default="", repr=False)
    event_time: str = ""
    features: Sequence[str | Feature] = ()
    ttl: timedelta | None = None
    available_at: str | None = None
    stale: Stale = "null"
    defaults: Mapping[str, Scalar] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    _folder: list[Path] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        check_definition(self.kind, self.name, [*self._wrong_shape(), *self._wrong_options()], _REMEDY)
        object.__setattr__(self, "features", features_of(list(self.features)))
        object.__setattr__(self, "entities", tuple(self.entities))
        check_definition(self.kind, self.name, list(self._wrong_names()), _REMEDY)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that identify a row's entity."""
        return tuple(key for entity in self.entities for key in entity.join_keys)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features' names, in their order."""
        return tuple(each.name if isinstance(each, Feature) else each for each in self.features)

    @property
    def declared(self) -> dict[str, pa.DataType | None]:
        """The declared type of each feature; None where it is the source's."""
        return {each.name: each.arrow for each in features_of(list(self.features))}

    def __getitem__(self, names: Sequence[str]) -> "ViewPart":
        """Some of the features: `view[["a", "b"]]`. UnknownFeature for a name that is none of them."""
        if not isinstance(names, str | list | tuple) or not names:
            raise InvalidDefinition(
                f"{str(names)[:80]} names no features of view '{self.name}'.", remedy='Write view[["a", "b"]].'
            )
        return ViewPart(self, (names,) if isinstance(names, str) else tuple(names))

    def anchor(self, folder: Path, pushed: Path | None) -> None:
        """Learn where relative paths begin."""
        self._folder[:] = [folder]
        if isinstance(self.source, PushSource):
            self.source.anchor(folder, pushed)

    def open(self) -> Rows:
        """The source as it is. UnreadableData or SourceUnreadable when it cannot be read."""
        types = {name: type_ for name, type_ in self.declared.items() if type_ is not None}
        return open_source(
            self.source, self._folder[0] if self._folder else None, types, f"source of view '{self.name}'"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the source that it reads: the keys, the times, and what features are made of."""
        return tuple(dict.fromkeys([*self.keys, self.event_time, *filter(None, [self.available_at]), *self._read()]))

    def schema(self) -> pa.Schema:
        """The types of the keys and the features, as declared or else as the source has them."""
        return self.rows().schema.remove(len(self.keys)).remove(len(self.keys))

    def rows(self, features: Sequence[str] | None = None) -> Rows:
        """The source's rows as a stream: the keys, then `__event` and `__available`, then all features or some.

        Rows without event time are left out; `__available` is null where nobody noted when a row was known, and equal
        to `__event` in a view without `available_at`. Raises as `open`, and InvalidDefinition when a column is not
        there, is no time, or does not have its declared type.
        """
        opened, names = self.open(), tuple(self.feature_names if features is None else features)
        wanted = dict.fromkeys([*self.keys, self.event_time, *filter(None, [self.available_at]), *names])
        for name in wanted:
            if name not in opened.schema.names:
                raise InvalidDefinition(
                    f"View '{self.name}' wants the column '{name[:80]}', which its source does not have.",
                    context={"view": self.name, "column": name[:80]},
                    remedy=did_you_mean(name, opened.schema.names),
                )
        narrowed = opened.only(list(wanted))
        schema = self._given(pa.Table.from_batches([], narrowed.schema), names).schema

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in narrowed.batches():
                yield from self._given(pa.Table.from_batches([batch]), names).to_batches()

        return Rows(schema, batches)

    def table(self, features: Sequence[str] | None = None) -> pa.Table:
        """All of `rows` in memory."""
        return self.rows(features).table()

    def _read(self) -> Sequence[str]:
        return self.feature_names

    def _given(self, raw: pa.Table, names: Sequence[str]) -> pa.Table:
        event = self._instants(raw, self.event_time)
        available = self._instants(raw, self.available_at) if self.available_at else event
        declared = self.declared
        columns = {key: raw.column(key) for key in self.keys} | {EVENT: event, AVAILABLE: available}
        columns |= {name: self._kept(raw.column(name), name, declared.get(name)) for name in names}
        table = pa.table(columns)
        return table if not event.null_count else table.filter(pc.is_valid(event))

    def _instants(self, raw: pa.Table, name: str) -> pa.ChunkedArray:
        return as_instants(raw.column(name), f"column '{name}' of view '{self.name}'")

    def _kept(self, column: pa.ChunkedArray, name: str, declared: pa.DataType | None) -> pa.ChunkedArray:
        if declared is None or column.type == declared:
            return column
        if _family(column.type) == _family(declared) or pa.types.is_null(column.type):
            try:
                return column.cast(declared)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise self._unkept(name, column.type, declared, f": {str(error)[:120]}") from error
        raise self._unkept(name, column.type, declared, "")

    def _unkept(self, name: str, found: pa.DataType, declared: pa.DataType, why: str) -> SourceUnreadable:
        return SourceUnreadable(
            f"Feature '{name}' of view '{self.name}' is declared {declared}, and its source has {found}{why}.",
            context={"view": self.name, "feature": name},
            remedy="Declare the type that the source has, or cast it there.",
        )

    def _wrong_shape(self) -> Iterator[str]:
        if isinstance(self.entities, Entity | str) or not all(isinstance(each, Entity) for each in self.entities):
            yield 'entities is a list of entities, such as [Entity("origin")].'
        elif not self.entities:
            yield "it needs at least one entity: what are its features about?"
        if isinstance(self.features, str) or not self.features:
            yield "features is a list of at least one column."
        if not isinstance(self.event_time, str) or not self.event_time:
            yield "it needs an event_time: the column that says when a row was true."
        if self.available_at is not None and (not isinstance(self.available_at, str) or not self.available_at):
            yield "available_at is the column that says when a row was known, or None."
        if isinstance(self.source, str) and not self.source:
            yield "it needs a source: a path, a query, a table."
        elif not is_source(self.source):
            yield f"its source is {type(self.source).__name__}: give a path, a query or a table."

    def _wrong_options(self) -> Iterator[str]:
        if self.ttl is not None and (not isinstance(self.ttl, timedelta) or self.ttl < timedelta(0)):
            yield f"its ttl is {str(self.ttl)[:40]}: give a timedelta that is not negative, or None."
        if self.stale not in get_args(Stale):
            yield f"stale is {str(self.stale)[:40]!r}. {did_you_mean(str(self.stale), get_args(Stale))}"
        yield from wrong_mapping(self.defaults)
        yield from wrong_labels(self.description, self.tags, self.owner)

    def _wrong_names(self) -> Iterator[str]:
        names, keys = self.feature_names, self.keys
        twice = sorted({each for each in (*names, *keys) if (*names, *keys).count(each) > 1})
        if twice:
            yield f"these stand twice among its keys and features: {', '.join(twice)[:120]}."
        for name in self.defaults:
            if name not in names:
                near = did_you_mean(str(name), names)
                yield f"it has a default for '{str(name)[:80]}', which is no feature of it. {near}"


@dataclass(frozen=True, eq=False)
class ViewPart:
    """Some features of a view, as feature services and joins take them."""

    view: FeatureView
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in self.view.feature_names:
                raise UnknownFeature(
                    f"View '{self.view.name}' has no feature {str(name)[:80]!r}.",
                    remedy=did_you_mean(str(name), self.view.feature_names),
                )


def _family(kind: pa.DataType) -> str:
    """Types between which values may be cast when nothing is lost."""
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "instant"
    if pa.types.is_dictionary(kind):
        return _family(kind.value_type)
    return "text" if kind in (pa.string(), pa.large_string(), pa.string_view()) else str(kind)
