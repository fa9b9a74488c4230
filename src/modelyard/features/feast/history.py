"""The point-in-time join of a Feast repository's views."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelyard.features.definitions import Entity, FeatureView
from modelyard.features.errors import InvalidDefinition
from modelyard.features.instants import instants_of
from modelyard.features.join import Entities, Wanted, check_names, joined, prepare
from modelyard.features.tables import as_table

from .sources import DUMMY, FeastSource, between, columns_of, in_source, with_dummy

EVENT_TIME = "event_timestamp"
_EVENT, _CREATED = "__event_time", "__created"


@dataclass(frozen=True)
class Asked:
    """Features of one view, the join keys it has in the entity rows by the names it has in the view, and its name."""

    view: Any
    features: Sequence[str]
    keys: Mapping[str, str]
    prefix: str

    @classmethod
    def of(cls, view: Any, features: Sequence[str], *, full_feature_names: bool) -> "Asked":
        """Of a view as Feast projects it: under another name, with other join keys."""
        name = view.projection.name_to_use()
        others = view.projection.join_key_map
        keys = {each.name: others.get(each.name, each.name) for each in view.entity_columns}
        return cls(view, features, keys, f"{name}__" if full_feature_names else "")

    @property
    def names(self) -> tuple[str, ...]:
        """What the features are called in the answer."""
        return tuple(f"{self.prefix}{each}" for each in self.features)

    def wanted(self, repository: Path | None) -> Wanted:
        """As the join takes it; the source is read when it is prepared."""
        source = self.view.batch_source
        there = in_source(source)
        columns = columns_of(source, list(self.keys))
        features = {f"feature_{at}": there.get(each, each) for at, each in enumerate(self.features)}
        view = FeatureView(
            name=re.sub(r"[^A-Za-z0-9._-]|^[^A-Za-z0-9]+", "-", self.view.name)[:128].strip("-") or "view",
            entities=[Entity("entity", join_keys=list(self.keys.values()))],
            source=lambda: self._table(repository, features),
            event_time=_EVENT,
            available_at=_CREATED if columns.created else None,
            features=list(features),
            ttl=self.view.ttl if self.view.ttl and self.view.ttl > timedelta(0) else None,
        )
        return Wanted(view, view.feature_names, self.names)

    def _table(self, repository: Path | None, features: Mapping[str, str]) -> pa.Table:
        source = self.view.batch_source
        columns = columns_of(source, list(self.keys))
        created = [columns.created] if columns.created else []
        real = [key for key in columns.keys if key != DUMMY]
        table = FeastSource(source, repository).table([*real, columns.event, *created, *features.values()])
        table = with_dummy(table) if DUMMY in columns.keys else table
        names = {**dict(zip(self.keys.values(), columns.keys, strict=True)), _EVENT: columns.event}
        if columns.created:
            names[_CREATED] = columns.created
        names |= features
        return pa.table({name: table.column(column) for name, column in names.items()})


def features_as_they_were(
    entities: object, asked: Sequence[Asked], repository: Path | None, *, event_time: str, as_known: bool
) -> pa.Table:
    """The rows of `entities` with the features of views; see `point_in_time_join` for the rules."""
    rows = as_table(entities, "entity rows")
    wanted = [each.wanted(repository) for each in asked]
    check_names(rows.column_names, wanted)
    table = with_dummy(rows) if any(DUMMY in each.keys for each in asked) else rows
    found = joined(Entities.of(table, event_time), list(prepare(wanted, as_known=as_known)))
    return found if DUMMY in rows.column_names or DUMMY not in found.column_names else found.drop_columns([DUMMY])


def everybody(asked: Sequence[Asked], repository: Path | None, start: datetime, end: datetime) -> pa.Table:
    """The different keys that the sources know between two instants, each asking at the end.

    InvalidDefinition when the views do not share their join keys.
    """
    keys = list(asked[0].keys.values())
    if any(sorted(each.keys.values()) != sorted(keys) for each in asked):
        raise InvalidDefinition(
            "Without entity rows all views must have the same join keys, and these do not.",
            remedy="Give an entity_df, or ask for the views one at a time.",
        )
    found = pa.concat_tables([_keys(each, repository, start, end) for each in asked], promote_options="permissive")
    known = found.drop_null().group_by(keys, use_threads=False).aggregate([])
    return known.append_column(EVENT_TIME, pa.array([end] * len(known), pa.timestamp("us", tz="UTC")))


def _keys(asked: Asked, repository: Path | None, start: datetime, end: datetime) -> pa.Table:
    columns = columns_of(asked.view.batch_source, list(asked.keys))
    real = [key for key in columns.keys if key != DUMMY]
    table = between(
        FeastSource(asked.view.batch_source, repository).table([*real, columns.event]), columns.event, start, end
    )
    table = with_dummy(table) if DUMMY in columns.keys else table
    return table.select(list(columns.keys)).rename_columns(list(asked.keys.values()))


def time_column(columns: Sequence[str], times: Sequence[str]) -> str:
    """The column of entity rows that says when they ask: `event_timestamp`, or the only one of `times`."""
    if EVENT_TIME in columns:
        return EVENT_TIME
    if len(times) == 1:
        return times[0]
    raise InvalidDefinition(
        f"Which column of the entity rows says when they ask is not to be told: {len(times)} are times.",
        remedy=f"Call one of them {EVENT_TIME}.",
    )


def time_range(table: pa.Table, event_time: str) -> tuple[Any, Any]:
    """The earliest and the latest instant at which rows ask; None without any."""
    times, dated = instants_of(table.column(event_time), f"column '{event_time}' of the entity rows")
    if not dated.any():
        return None, None
    ends = pa.array([int(times[dated].min()), int(times[dated].max())]).cast(pa.timestamp("us", tz="UTC"))
    return ends[0].as_py(), ends[1].as_py()
