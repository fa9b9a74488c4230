"""Feast's online store: `online_store: {type: modelyard.features.feast.ModelyardOnlineStore}`."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
from feast.infra.online_stores.online_store import OnlineStore as FeastOnlineStore
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.repo_config import FeastConfigBaseModel
from pydantic import field_validator

from modelyard.core import Clock, InvalidInput, Micros, Scalar, SystemClock, from_micros, to_micros
from modelyard.features.newest import UNNOTED
from modelyard.online import (
    LOCAL,
    EntityKey,
    OnlineStore,
    RowBatch,
    StoredRow,
    check_online_address,
    column_of,
    open_online_store,
)

from .layouts import Layout, ViewLayouts, join_keys
from .values import given, kept, key_part

Row = tuple[Any, Mapping[str, Any], datetime, datetime | None]
"""What Feast writes: an entity's key, values by feature, event time and creation."""

Found = tuple[datetime | None, dict[str, Any] | None]
"""What Feast reads: the event time, and values by feature where they are to be served."""


class ModelyardOnlineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc]  # Feast publishes no types
    """The section `online_store` of `feature_store.yaml`."""

    type: Literal["modelyard.features.feast.ModelyardOnlineStore"] = "modelyard.features.feast.ModelyardOnlineStore"
    """This store."""

    path: str = "data/online"
    """The folder of the embedded store; relative ones begin in the repository."""

    address: str = LOCAL
    """`local` for the embedded store, or `redis://HOST:6379/0` for a Redis or Valkey server, or
    `postgresql://HOST/DATABASE`."""

    @field_validator("address")
    @classmethod
    def _checked(cls, address: str) -> str:
        try:
            check_online_address(address)
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return address


class ModelyardOnlineStore(FeastOnlineStore):  # type: ignore[misc]  # as above
    """The newest row of each entity, served while it is within the view's ttl; on LMDB, Redis, Valkey or PostgreSQL.

    A row never replaces a newer one. One whose ttl is over, or that is still to come true, is not served: its status is
    OUTSIDE_MAX_AGE, and its event time is told. Safe for many threads and processes; one writes at a time.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._noted: set[Layout] = set()

    def online_write_batch(
        self, config: Any, table: Any, data: Sequence[Row], progress: Callable[[int], Any] | None
    ) -> None:
        """Bring rows to the store in one step; of several rows of an entity the newest, of equals the last."""
        layouts = self._layouts(config, table)
        features = [each.name for each in table.features]
        layout = layouts.layout(features)
        if layout not in self._noted:
            layouts.remember(features)
            self._noted.add(layout)
        with layouts.store.writer(layout.table) as writer:
            if rows := _newest(layouts.keys, data):
                writer.add(_batch(table, rows))
            writer.mark(until=None, at=self._clock.micros())
        if progress is not None:
            progress(len(data))

    def online_read(
        self,
        config: Any,
        table: Any,
        entity_keys: Sequence[Any],
        requested_features: Sequence[str] | None = None,
    ) -> list[Found]:
        """The rows of entities, in their order; (None, None) for none, (event time, None) for what is not served."""
        layouts = self._layouts(config, table)
        types = {each.name: each.dtype.to_value_type().name for each in table.features}
        wanted = list(types if requested_features is None else requested_features)
        keys = [_key(each, layouts.keys) for each in entity_keys]
        rows = self._rows(layouts, layouts.layout(list(types)), keys)
        now, ttl = self._clock.micros(), _ttl(table)
        return [_found(row, wanted, types, now, ttl) for row in rows]

    def update(
        self,
        config: Any,
        tables_to_delete: Iterable[Any],
        tables_to_keep: Iterable[Any],
        entities_to_delete: Sequence[Any],  # noqa: ARG002 - entities have nothing here
        entities_to_keep: Sequence[Any],  # noqa: ARG002 - as above
        partial: bool,  # noqa: ARG002, FBT001 - what is not named stays as it is, either way
    ) -> None:
        """Forget the rows of views that are gone. Views that are new or changed need nothing: rows are self-telling."""
        for table in tables_to_keep:
            self._layouts(config, table).known()  # tells at `feast apply` that the store cannot be reached
        self.teardown(config, list(tables_to_delete), [])

    def teardown(self, config: Any, tables: Sequence[Any], entities: Sequence[Any]) -> None:  # noqa: ARG002 - as above
        """Forget the rows of views."""
        for table in tables:
            self._layouts(config, table).forget()
        self._noted.clear()

    def _layouts(self, config: Any, table: Any) -> ViewLayouts:
        return ViewLayouts(_opened(config), config.project, table.name, join_keys(table))

    def _rows(
        self, layouts: ViewLayouts, current: Layout, keys: Sequence[EntityKey]
    ) -> list[tuple[StoredRow, Layout] | None]:
        """The newest row of each key, in whatever layout it was written, and that layout."""
        others = [each for each in layouts.known() if each != current]
        best: list[tuple[StoredRow, Layout] | None] = [None] * len(keys)
        for layout in (current, *others):
            for at, row in enumerate(layouts.store.read(layout.table, keys)):
                before = best[at]
                if row is not None and (before is None or _age(row) > _age(before[0])):
                    best[at] = (row, layout)
        return best

    def _read_features_per_fv(
        self,
        config: Any,
        grouped_refs: Any,
        join_key_values: Any,
        entity_name_to_join_key_map: Any,
        online_features_response: Any,
        *others: Any,
        **named: Any,
    ) -> None:
        """As Feast does, and then says of what has an event time but no value that it is too old."""
        before = len(online_features_response.results)
        super()._read_features_per_fv(
            config,
            grouped_refs,
            join_key_values,
            entity_name_to_join_key_map,
            online_features_response,
            *others,
            **named,
        )
        for vector in online_features_response.results[before:]:
            for at, status in enumerate(vector.statuses):
                if status == FieldStatus.NOT_FOUND and vector.event_timestamps[at].ByteSize():
                    vector.statuses[at] = FieldStatus.OUTSIDE_MAX_AGE


_OPEN: dict[tuple[int, str, str], OnlineStore] = {}
_OPENING = threading.Lock()


def _opened(config: Any) -> OnlineStore:
    """The store of a repository: one for all its users in a process, as LMDB wants it, and another after a fork."""
    settings = config.online_store
    folder = Path(settings.path)
    if config.repo_path is not None and not folder.is_absolute():
        folder = Path(config.repo_path) / folder
    name = (os.getpid(), settings.address, str(folder.resolve()) if settings.address == LOCAL else "")
    with _OPENING:
        if name not in _OPEN:
            _OPEN[name] = open_online_store(settings.address, folder)
        return _OPEN[name]


def _key(key: Any, names: Sequence[str]) -> EntityKey:
    parts = dict(zip(key.join_keys, key.entity_values, strict=True))
    return tuple(key_part(parts[name], name) if name in parts else None for name in names)


def _newest(names: Sequence[str], data: Sequence[Row]) -> dict[EntityKey, tuple[int, int, Mapping[str, Any]]]:
    """The newest row of each key that has no null, as event time, creation, values."""
    newest: dict[EntityKey, tuple[int, int, Mapping[str, Any]]] = {}
    for entity, values, event, created in data:
        key = _key(entity, names)
        row = (_micros(event), _noted(created), values)
        if None not in key and not (key in newest and newest[key][:2] > row[:2]):
            newest[key] = row
    return newest


def _batch(table: Any, rows: Mapping[EntityKey, tuple[int, int, Mapping[str, Any]]]) -> RowBatch:
    keys: list[list[Scalar]] = [list(column) for column in zip(*rows, strict=True)]
    events = np.array([row[0] for row in rows.values()], dtype=np.int64)
    created = np.array([row[1] for row in rows.values()], dtype=np.int64)
    columns = []
    for feature in table.features:
        name, type_ = feature.name, feature.dtype.to_value_type().name
        what = f"feature '{name}' of view '{table.name}'"
        values = [row[2].get(name) for row in rows.values()]
        columns.append(column_of([None if each is None else kept(each, type_, what) for each in values]))
    return RowBatch.of_columns(keys, events, created, columns)


def _found(
    found: tuple[StoredRow, Layout] | None, wanted: Sequence[str], types: Mapping[str, str], now: Micros, ttl: int
) -> Found:
    if found is None:
        return None, None
    row, layout = found
    event = from_micros(Micros(row.event_us))
    if row.event_us > now or now - row.event_us > ttl:
        return event, None
    values = dict(zip(layout.features, row.values, strict=True))
    return event, {name: given(values.get(name), types[name]) for name in wanted}


def _age(row: StoredRow) -> tuple[int, int]:
    return row.event_us, row.available_us


def _ttl(table: Any) -> int:
    """Microseconds; without a ttl, or with one of zero, for ever."""
    ttl = getattr(table, "ttl", None)
    return ttl // timedelta(microseconds=1) if ttl and ttl > timedelta(0) else 1 << 62


def _noted(created: datetime | None) -> int:
    """When a row was created; Feast brings what nobody noted as None, or as the NaT of pandas."""
    return UNNOTED if created is None or created.year != created.year else _micros(created)


def _micros(instant: datetime) -> int:
    return to_micros(instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant)
