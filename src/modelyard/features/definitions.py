"""Entities and feature views, as users write them. The words are Feast's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from modelyard.core import Scalar, check_name, did_you_mean
from modelyard.core.settings import Section
from modelyard.data import load_module, read_table

from .errors import InvalidDefinition, UnknownFeature

Source: TypeAlias = str | Path | pa.Table | Callable[[], pa.Table]


class FeaturesSettings(Section):
    """Where the project's feature views are defined."""

    module: str = Field("features.py", description="Python file with entities and feature views, beside this one.")


@dataclass(frozen=True)
class Entity:
    """What features are about; `join_keys` are the columns that identify one, by default the entity's name."""

    name: str
    join_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name("entity", self.name)
        object.__setattr__(self, "join_keys", tuple(self.join_keys) or (self.name,))


@dataclass(frozen=True)
class FeatureView:
    """Features of an entity over time.

    `event_time` names the column that says when a row was true, `available_at` the one that says when it was known
    (None: at once). A row is used for `ttl` after its event time (None: for ever). `stale` says what a missing or
    expired value becomes in serving: null, its default, or an error.
    """

    name: str
    entities: Sequence[Entity]
    source: Source = field(repr=False)
    event_time: str
    features: Sequence[str]
    ttl: timedelta | None = None
    available_at: str | None = None
    stale: Literal["null", "default", "error"] = "null"
    defaults: Mapping[str, Scalar] = field(default_factory=dict)
    description: str = ""

    def __post_init__(self) -> None:
        check_name("feature view", self.name)
        if not self.entities or not self.features:
            raise InvalidDefinition(
                f"View '{self.name}' needs at least one entity and one feature.",
                remedy="FeatureView(name=…, entities=[Entity(…)], features=[…], …)",
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that identify a row's entity."""
        return tuple(key for entity in self.entities for key in entity.join_keys)

    def table(self) -> pa.Table:
        """The source's rows: keys, then `__event` and `__available` (UTC, microseconds), then the features."""
        raw = self._read()
        wanted = [*self.keys, self.event_time, *([self.available_at] if self.available_at else []), *self.features]
        for name in wanted:
            if name not in raw.column_names:
                raise InvalidDefinition(
                    f"View '{self.name}' wants the column '{name}', which its source does not have.",
                    remedy=did_you_mean(name, raw.column_names),
                )
        event = as_instant(raw.column(self.event_time))
        available = as_instant(raw.column(self.available_at)) if self.available_at else event
        columns = {key: raw.column(key) for key in self.keys} | {"__event": event, "__available": available}
        table = pa.table(columns | {name: raw.column(name) for name in self.features})
        return table.filter(pc.is_valid(table.column("__event")))

    def _read(self) -> pa.Table:
        if isinstance(self.source, pa.Table):
            return self.source
        return self.source() if callable(self.source) else read_table(self.source)


def as_instant(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A time column as UTC instants in microseconds; naive times are UTC, text is ISO 8601."""
    if pa.types.is_string(column.type):
        column = pc.cast(column, pa.timestamp("us"))
    return column.cast(pa.timestamp("us", tz="UTC"), safe=False)


@dataclass(frozen=True)
class Definitions:
    """The views of a project, by name."""

    views: Mapping[str, FeatureView]

    def view(self, name: str) -> FeatureView:
        """The view of a name; UnknownFeature gives the nearest."""
        if name not in self.views:
            raise UnknownFeature(f"There is no feature view '{name}'.", remedy=did_you_mean(name, self.views))
        return self.views[name]

    def names(self) -> list[str]:
        """Every feature as `view:feature`."""
        return [f"{view.name}:{feature}" for view in self.views.values() for feature in view.features]

    def resolve(self, reference: str) -> tuple[FeatureView, str]:
        """The view and the feature behind `view:feature`."""
        view, _, feature = reference.partition(":")
        if reference not in self.names():
            raise UnknownFeature(f"There is no feature '{reference}'.", remedy=did_you_mean(reference, self.names()))
        return self.views[view], feature


def load_definitions(path: Path) -> Definitions:
    """The feature views that a project's Python file defines."""
    module = load_module(path)
    found = [value for value in vars(module).values() if isinstance(value, FeatureView)]
    views: dict[str, FeatureView] = {}
    for view in found:
        if views.setdefault(view.name, view) is not view:
            raise InvalidDefinition(f"{path.name} defines two views named '{view.name}'.", remedy="Rename one.")
    return Definitions(views)
