"""Aggregation views: what happened in sliding windows, as features of an entity over time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import numpy as np
import pyarrow as pa

from modelyard.features.definitions import AVAILABLE, EVENT, Feature, FeatureView, Rows, check_definition
from modelyard.features.errors import SourceUnreadable
from modelyard.features.instants import INSTANT, instants_of
from modelyard.features.join import KeyIndex

from .aggregation import Aggregation
from .columns import ChangingColumn, Making
from .exact import Ints
from .windows import Changes, Events, changes_of

_REMEDY = (
    'AggregationView(name="…", entities=[Entity("…")], source=…, event_time="COLUMN", slide=timedelta(minutes=5), '
    'aggregations=[Aggregation("amount", "sum", window=timedelta(hours=1))])'
)
_FARTHEST = 2**61
"""Event times and windows beyond it (µs: 36,000 years from 1970) cannot be added."""


@dataclass(frozen=True, eq=False)
class AggregationView(FeatureView):
    """Aggregations of the events in `source` over sliding windows, by entity.

    Values stand at boundaries, the multiples of `slide` since 1970 (UTC). At a boundary b they are made of the events
    with b - window < event time <= b that were available at b. A row, true and known at b, is given for each boundary
    at which a value is other than before, from the first at which an event is in a window. A late event counts from the
    first boundary at which it is known, while it is in the window; an event of which nobody noted when it was known was
    known at once. Sums are exact but for one rounding to the nearest double, and means a division of them.

    It is a feature view whose rows are derived: the join and materializing treat it as any other, and read the whole
    source each time. Cost: some sorts of all entries to windows and exits; all events are in memory.
    """

    aggregates: ClassVar[bool] = True

    slide: timedelta = timedelta(0)
    aggregations: Sequence[Aggregation] = ()

    def __post_init__(self) -> None:
        check_definition(self.kind, self.name, list(self._wrong_aggregations()), _REMEDY)
        object.__setattr__(self, "aggregations", tuple(self.aggregations))
        object.__setattr__(self, "features", [Feature(each.feature) for each in self.aggregations])
        super().__post_init__()

    def schema(self) -> pa.Schema:
        """The types of the keys and the features."""
        return self._schema(self._events().rows().schema, self.aggregations).remove(len(self.keys)).remove(
            len(self.keys)
        )  # fmt: skip

    def rows(self, features: Sequence[str] | None = None) -> Rows:
        """The derived rows: the keys, `__event` and `__available`, which are the boundary, then the features."""
        events = self._events().rows()
        chosen = [each for each in self.aggregations if features is None or each.feature in features]
        if features is not None:
            chosen.sort(key=lambda each: list(features).index(each.feature))
        schema = self._schema(events.schema, chosen)
        return Rows(schema, lambda: iter(self._derived(events.table(), chosen, schema).to_batches()))

    def _read(self) -> Sequence[str]:
        return [each.column for each in self.aggregations]

    def _events(self) -> FeatureView:
        """The events, as a view of the columns that are aggregated."""
        columns = [name for name in dict.fromkeys(each.column for each in self.aggregations) if name not in self.keys]
        view = FeatureView(
            self.name,
            entities=self.entities,
            source=self.source,
            event_time=self.event_time,
            available_at=self.available_at,
            features=columns or [self.event_time],
        )
        view._folder[:] = self._folder
        return view

    def _schema(self, events: pa.Schema, chosen: Sequence[Aggregation]) -> pa.Schema:
        fields = [events.field(key) for key in self.keys] + [pa.field(EVENT, INSTANT), pa.field(AVAILABLE, INSTANT)]
        fields += [pa.field(each.feature, each.type_of(events.field(each.column).type, self.name)) for each in chosen]
        return pa.schema(fields)

    def _derived(self, table: pa.Table, chosen: Sequence[Aggregation], schema: pa.Schema) -> pa.Table:
        """The rows, of all aggregations even where some are asked for: which rows there are does not depend on it."""
        index = KeyIndex(self.name, [(key, table.column(key)) for key in self.keys])
        events = _events_of(index.codes, table, self.name)
        slide = self.slide // timedelta(microseconds=1)
        changes = changes_of(events, sorted({each.window_us for each in self.aggregations}), slide)
        order = np.lexsort((events.known, events.times))
        recency = np.empty(len(order), np.int64)
        recency[order] = np.arange(len(order))
        making = Making(events, changes, recency, self.name)
        columns = {each.feature: making.column(each, table.column(each.column)) for each in self.aggregations}
        kept = _changed(changes, list(columns.values()))
        one_of_each = np.zeros(index.size, np.int64)
        one_of_each[events.keys[events.keys >= 0]] = np.flatnonzero(events.keys >= 0)
        keys = table.select(list(self.keys)).take(one_of_each[changes.keys[kept]])
        at = pa.array(changes.boundaries[kept] * slide, INSTANT)
        made = [columns[each.feature].taken(kept, schema.field(each.feature).type) for each in chosen]
        return pa.table([*keys.columns, at, at, *made], schema=schema)

    def _wrong_aggregations(self) -> Iterator[str]:
        if self.features and [*self.features] != [Feature(each.feature) for each in self.aggregations]:
            yield "its features are what its aggregations make: leave features out."
        if not isinstance(self.slide, timedelta) or self.slide <= timedelta(0):
            yield "it needs a slide: a timedelta such as timedelta(minutes=5), at whose multiples its values stand."
        elif not isinstance(self.aggregations, list | tuple) or not self.aggregations:
            yield "aggregations is a list of at least one Aggregation."
        else:
            for each in self.aggregations:
                if not isinstance(each, Aggregation):
                    yield f"{str(each)[:60]!r} is no Aggregation."
                elif each.window < self.slide:
                    yield (
                        f"the window of '{each.feature[:80]}' is {each.window}, shorter than the slide of "
                        f"{self.slide}: it would overlook events."
                    )


def _events_of(codes: Ints, table: pa.Table, view: str) -> Events:
    times, _ = instants_of(table.column(EVENT), f"event time of view '{view}'")
    available, noted = instants_of(table.column(AVAILABLE), f"availability of view '{view}'")
    known = np.where(noted, available, times)
    if len(times) and max(np.abs(times).max(), np.abs(known).max()) > _FARTHEST:
        raise SourceUnreadable(
            f"The events of view '{view}' have times more than 36,000 years from 1970.",
            remedy="Correct them, or leave such rows out of the source.",
        )
    return Events(codes, times, known)


def _changed(changes: Changes, columns: Sequence[ChangingColumn]) -> Ints:
    """Where a value is other than at the change before, and the first of each key."""
    new = np.append(True, changes.keys[1:] != changes.keys[:-1])[: changes.places]
    for each in columns:
        new[1:] |= each.differs()
    return np.flatnonzero(new)
