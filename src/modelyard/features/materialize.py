"""Materializing: bringing to the online store what has become known."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import numpy as np
import pyarrow as pa

from modelyard.core import Clock, InvalidInput, Micros, from_micros, to_micros
from modelyard.online import OnlineStore, ViewState, table_of
from modelyard.storage import RecordStore

from .definitions import Definitions, FeatureView
from .newest import Ints, instants_of_rows, newest_rows

KIND, STREAM = "materialization", "materializations"
"""The kind of the documents that say when each view was last materialized, and with what; the stream of every time."""

_CELLS = 4_000_000
"""So many values are held at once, whatever the source's size."""

_FEWEST_ROWS = 10_000
_MOST_TIMES = 100_000

Progress = Callable[[str, int], None]
"""Is told a view's name and how many of its rows have been read so far."""


@dataclass(frozen=True)
class Materialized:
    """One view brought up to an instant: how many rows were read, how many entities changed, and how long it took."""

    view: str
    until: datetime
    rows: int
    stored: int
    seconds: float = 0.0
    rows_per_second: int = 0


class Brought(msgspec.Struct, frozen=True):
    """One time that a view was brought up `until` an instant, done `at_us`; both in µs."""

    view: str
    until_us: int
    at_us: int


@dataclass(frozen=True)
class Span:
    """Which rows of a source are wanted.

    A row counts from when it was both true and known. `after` (excluded) and `until` (included) bound that instant,
    `start` (included) the event time.
    """

    until: Micros
    after: Micros | None = None
    start: Micros | None = None

    def of(self, events: Ints, available: Ints) -> Ints:
        """The places of the rows that are wanted."""
        counts = np.maximum(events, available)
        wanted = counts <= self.until
        if self.after is not None:
            wanted &= counts > self.after
        if self.start is not None:
            wanted &= events >= self.start
        return np.flatnonzero(wanted)


class Materializer:
    """Moves what became known into the online store.

    Each view is written in one step: readers see it as it was or as it is, and a materialization that was cut off has
    written nothing and is simply made again. Up to when a view is known stands with its rows, so that an online store
    that was lost is filled anew. Idempotent; rows never replace newer ones. Memory is bounded by some million values.
    """

    def __init__(self, definitions: Definitions, online: OnlineStore, records: RecordStore, clock: Clock) -> None:
        self._definitions = definitions
        self._online = online
        self._records = records
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._done: dict[str, Materialized] = {}

    def materialize(
        self,
        until: datetime,
        view: str | None = None,
        *,
        start: datetime | None = None,
        incremental: bool = False,
        progress: Progress | None = None,
    ) -> list[Materialized]:
        """Bring all views, or one, up to `until`: every row true and known by then is considered.

        `start` leaves out rows with an earlier event time, and then nothing is noted of up to when the view is known.
        `incremental` reads only what came to count since the last time, which overlooks rows that were added to a
        source later than they say they were known.
        """
        if start is not None and (incremental or start > until):
            raise InvalidInput(
                "A start does not go together with incremental." if incremental else f"{start} is after {until}.",
                remedy="Give --start and --end, the earlier first; or --incremental alone.",
            )
        done = [self._brought(each, until, start, progress, incremental=incremental) for each in self._chosen(view)]
        self._record(done, known=start is None)
        return done

    def step(self, until: datetime, view: str | None = None) -> list[Materialized]:
        """As `materialize` with `incremental`, for callers that take many small steps: sources are kept in memory.

        What was done is only remembered; `save_positions` writes it down. After a crash some rows are written a second
        time, which is harmless.
        """
        return [self._step_view(each, until) for each in self._chosen(view)]

    def save_positions(self) -> None:
        """Write down up to when the steps have brought each view."""
        for name, done in self._done.items():
            with self._online.writer(_table(self._definitions.view(name))) as writer:
                writer.mark(until=to_micros(done.until), at=self._clock.micros())
        self._record(list(self._done.values()), known=True)
        self._done.clear()

    def push(self, view: FeatureView, rows: pa.Table) -> int:
        """Put rows into the online store at once, those that are true and known by now; how many entities changed."""
        given = replace(view, source=rows).table()
        left = given.take(Span(self._clock.micros()).of(*instants_of_rows(given)))
        with self._online.writer(_table(view)) as writer:
            writer.add(newest_rows(view, left))
            writer.mark(until=None, at=self._clock.micros())
        return writer.stored

    def freshness(self) -> Mapping[str, datetime | None]:
        """Up to when each view is materialized."""
        return {
            name: None if (until := self._until(view)) is None else from_micros(until)
            for name, view in self._definitions.views.items()
        }

    def state(self, view: str) -> ViewState:
        """What the online store has of a view."""
        return self._online.state(_table(self._definitions.view(view)))

    def _chosen(self, view: str | None) -> list[FeatureView]:
        return [self._definitions.view(view)] if view else list(self._definitions.views.values())

    def _brought(
        self,
        view: FeatureView,
        until: datetime,
        start: datetime | None,
        progress: Progress | None,
        *,
        incremental: bool,
    ) -> Materialized:
        began, rows = self._clock.monotonic(), 0
        after = self._until(view) if incremental else None
        span = Span(to_micros(until), after, None if start is None else to_micros(start))
        with self._online.writer(_table(view)) as writer:
            for table in _chunks(view):
                left = table.take(span.of(*instants_of_rows(table)))
                if len(left):
                    writer.add(newest_rows(view, left))
                rows += len(left)
                if progress is not None:
                    progress(view.name, rows)
            writer.mark(until=None if start is not None else span.until, at=self._clock.micros())
        seconds = self._clock.monotonic() - began
        return Materialized(view.name, until, rows, writer.stored, seconds, _rate(rows, seconds))

    def _step_view(self, view: FeatureView, until: datetime) -> Materialized:
        kept = self._kept.get(view.name) or self._kept.setdefault(view.name, _Kept(view))
        before = self._done.get(view.name)
        after = self._until(view) if before is None else to_micros(before.until)
        rows = kept.between(after, to_micros(until))
        stored = 0
        if len(rows):
            with self._online.writer(_table(view)) as writer:
                writer.add(newest_rows(view, rows))
            stored = writer.stored
        self._done[view.name] = Materialized(
            view.name, max(until, before.until) if before else until, len(rows), stored
        )
        return self._done[view.name]

    def _until(self, view: FeatureView) -> Micros | None:
        until = self._online.state(_table(view)).until_us
        return None if until is None else Micros(until)

    def _record(self, done: list[Materialized], *, known: bool) -> None:
        """Note when each view was materialized, and how much of it; for people: what counts stands with the rows.

        `known`: every row up to then is there.
        """
        at = self._clock.now().isoformat()
        with self._records.transaction() as tx:
            for each in done:
                tx.put(
                    KIND,
                    each.view,
                    {"until_us": to_micros(each.until), "rows": each.rows, "stored": each.stored, "at": at},
                )
                if known:
                    brought = Brought(each.view, to_micros(each.until), self._clock.micros())
                    tx.append(STREAM, msgspec.to_builtins(brought))


def materializations(records: RecordStore) -> list[Brought]:
    """The newest times that views were brought up to an instant, oldest first; a hundred thousand at the most."""
    with records.snapshot() as view:
        entries = view.entries(STREAM, descending=True, limit=_MOST_TIMES)
    return [msgspec.convert(each.body, Brought) for each in reversed(entries)]


class _Kept:
    """A view's rows in the order in which they came to count, so that a step reads only what is new."""

    def __init__(self, view: FeatureView) -> None:
        table = view.table()
        counts = np.maximum(*instants_of_rows(table))
        order = np.argsort(counts, kind="stable")
        self._table = table.take(order)
        self._counts: Ints = counts[order]

    def between(self, after: Micros | None, until: Micros) -> pa.Table:
        """The rows that came to count after an instant (excluded), until another (included)."""
        start = 0 if after is None else int(np.searchsorted(self._counts, after, side="right"))
        stop = int(np.searchsorted(self._counts, until, side="right"))
        return self._table.slice(start, max(0, stop - start))


def _chunks(view: FeatureView) -> Iterator[pa.Table]:
    """The rows of a view, some million values at a time."""
    rows = view.rows()
    most = max(_FEWEST_ROWS, _CELLS // len(rows.schema.names))
    waiting: list[pa.RecordBatch] = []
    for batch in rows.batches():
        for start in range(0, len(batch), most):
            part = batch.slice(start, most)
            if waiting and sum(map(len, waiting)) + len(part) > most:
                yield pa.Table.from_batches(waiting)
                waiting = []
            waiting.append(part)
    if waiting:
        yield pa.Table.from_batches(waiting)


def _rate(rows: int, seconds: float) -> int:
    return round(rows / seconds) if seconds > 0 else 0


def _table(view: FeatureView) -> str:
    return table_of(view.name, view.keys, view.feature_names)
