"""Materializing: bringing to the online store what has become known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.core import Clock, Micros, Scalar, from_micros, to_micros
from modelyard.online import EntityKey, OnlineStore, StoredRow, table_of
from modelyard.storage import RecordStore

from .definitions import AVAILABLE, EVENT, Definitions, FeatureView

KIND = "materialization"


@dataclass(frozen=True)
class Materialized:
    """One view brought up to an instant: how many rows were new and how many entities changed."""

    view: str
    until: datetime
    rows: int
    stored: int


class _OrderedSource:
    """A view's rows in the order in which they became available, kept so that each step reads only what is new."""

    def __init__(self, view: FeatureView) -> None:
        table = view.table()
        known = pc.coalesce(table.column(AVAILABLE), table.column(EVENT))  # nobody noted when: at once
        available = known.cast(pa.int64()).to_numpy()
        order = np.argsort(available, kind="stable")
        self._table = table.take(order)
        self.available: NDArray[np.int64] = available[order]
        self._events: NDArray[np.int64] = self._table.column(EVENT).cast(pa.int64()).to_numpy()
        self._view = view

    def rows(self, start: int, stop: int) -> list[tuple[EntityKey, StoredRow]]:
        part = self._table.slice(start, stop - start)
        keys = zip(*(part.column(name).to_pylist() for name in self._view.keys), strict=True)
        values = zip(*(part.column(name).to_pylist() for name in self._view.feature_names), strict=True)
        instants = zip(self._events[start:stop].tolist(), self.available[start:stop].tolist(), strict=True)
        return [
            (key, StoredRow(event, known, _plain(row)))
            for key, (event, known), row in zip(keys, instants, values, strict=True)
        ]


class Materializer:
    """Moves what became available into the online store, step by step.

    Idempotent and resumable: the position of each view is in the record store and never runs ahead of what was
    written; writing the same rows again changes nothing. One process at a time (the online store has one writer).
    """

    def __init__(self, definitions: Definitions, online: OnlineStore, records: RecordStore, clock: Clock) -> None:
        self._definitions = definitions
        self._online = online
        self._records = records
        self._clock = clock
        self._sources: dict[str, _OrderedSource] = {}
        self._positions: dict[str, Micros] = {}

    def materialize(self, until: datetime, view: str | None = None) -> list[Materialized]:
        """Bring all views, or one, up to `until`: every row available by then is in the online store afterwards."""
        steps = self.step(until, view)
        self.save_positions()
        return steps

    def step(self, until: datetime, view: str | None = None) -> list[Materialized]:
        """As `materialize`, but positions are only remembered; `save_positions` writes them down.

        For callers that take many small steps: after a crash some rows are written a second time, which is harmless.
        """
        chosen = [self._definitions.view(view)] if view else list(self._definitions.views.values())
        return [self._step_view(each, until) for each in chosen]

    def save_positions(self) -> None:
        """Write the position of each view to the record store."""
        with self._records.transaction() as tx:
            for table, position in self._positions.items():
                tx.put(KIND, table, {"until_us": position, "at": self._clock.now().isoformat()})

    def freshness(self) -> Mapping[str, datetime | None]:
        """Up to when each view is materialized."""
        return {
            name: from_micros(position) if (position := self._position(_table(view))) is not None else None
            for name, view in self._definitions.views.items()
        }

    def _step_view(self, view: FeatureView, until: datetime) -> Materialized:
        source = self._sources.get(view.name) or self._sources.setdefault(view.name, _OrderedSource(view))
        table = _table(view)
        position, target = self._position(table), to_micros(until)
        start = 0 if position is None else int(np.searchsorted(source.available, position, side="right"))
        stop = int(np.searchsorted(source.available, target, side="right"))
        stored = self._online.write(table, source.rows(start, stop)) if stop > start else 0
        self._positions[table] = max(target, position or target)
        return Materialized(view.name, until, max(0, stop - start), stored)

    def _position(self, table: str) -> Micros | None:
        if table not in self._positions:
            with self._records.snapshot() as records:
                document = records.get(KIND, table)
            if document is None:
                return None
            self._positions[table] = Micros(document.body["until_us"])
        return self._positions[table]


def _table(view: FeatureView) -> str:
    return table_of(view.name, view.keys, view.feature_names)


def _plain(row: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    """NaN is no value: it travels as null."""
    return tuple(None if value != value else value for value in row)  # noqa: PLR0124 - only NaN differs from itself
