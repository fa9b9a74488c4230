"""The log since the last look: each record once, at a cost that does not grow with what was read before."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Micros, from_micros, to_micros
from modelyard.history import PredictionLog
from modelyard.journal import PredictionRecord

NEEDED = (
    "prediction_id", "event_us", "generation", "arm", "role", "answered", "entity", "latency_us", "error", "segment",
    "position",
)  # fmt: skip
"""What counting looks at; features are not read for it."""

FORCED = tuple(name for name in PredictionRecord.__struct_fields__ if name == "forced")
"""The mark of requests whose arm a tester chose; they count for nothing."""

OVERLAP = timedelta(minutes=10)
"""So much later than the newest one may a record come into the log and still be counted."""

BEFORE_START = timedelta(days=1)
"""Servers' clocks, and those of replayed requests, may be behind ours by so much when a rollout begins."""

_SEGMENTS = 1_000


class Cursor(msgspec.Struct, frozen=True):
    """How far the log has been read: by segment the next record's number, and the newest event time met."""

    segments: dict[str, int] = {}
    newest_us: int = 0
    looked_us: int = 0


def read_fresh(
    log: PredictionLog,
    deployment: str,
    cursor: Cursor,
    *,
    since: int,
    started: datetime,
    now: datetime,
    columns: Sequence[str] = (),
) -> tuple[pa.Table, Cursor]:
    """Records of route generations from `since` on that the cursor has not passed, as they were written; and the cursor
    that has. Only files of the last minutes are opened, also after wall clocks were put back.
    """
    wanted = tuple(dict.fromkeys((*NEEDED, *FORCED, *columns)))
    table = log.predictions(deployment, start=_start(cursor, started, now), columns=wanted)
    new = table.filter(pc.and_(pc.greater_equal(table.column("generation"), since), _beyond(table, cursor)))
    new = new.sort_by([("segment", "ascending"), ("position", "ascending")])
    return _unforced(new), _moved(cursor, new, to_micros(now))


def _start(cursor: Cursor, started: datetime, now: datetime) -> datetime:
    """No older event is looked at."""
    if not cursor.newest_us:
        return started - BEFORE_START
    return from_micros(min(cursor.newest_us, cursor.looked_us, to_micros(now))) - OVERLAP


def _beyond(table: pa.Table, cursor: Cursor) -> pa.ChunkedArray:
    """Which records the cursor has not passed."""
    segment, position = table.column("segment"), table.column("position")
    passed = [
        pc.and_(pc.equal(segment, name), pc.less(position, cursor.segments[name]))
        for name in pc.unique(segment).to_pylist()
        if name in cursor.segments
    ]
    nothing = pa.chunked_array([pa.repeat(pa.scalar(value=False), len(table))])
    return pc.invert(reduce(pc.or_, passed, nothing))


def _moved(cursor: Cursor, new: pa.Table, now: Micros) -> Cursor:
    """The cursor behind these records; of very many segments it remembers those it met last."""
    if not len(new):
        return msgspec.structs.replace(cursor, looked_us=now)
    ends = new.group_by("segment").aggregate([("position", "max")])
    found = zip(ends.column("segment").to_pylist(), ends.column("position_max").to_pylist(), strict=True)
    met = {name: last + 1 for name, last in sorted(found)}
    segments = {**{name: end for name, end in cursor.segments.items() if name not in met}, **met}
    newest: int = pc.max(new.column("event_us").cast(pa.int64())).as_py()  # as instants pyarrow would import pandas
    return Cursor(dict(list(segments.items())[-_SEGMENTS:]), max(newest, cursor.newest_us), now)


def _unforced(table: pa.Table) -> pa.Table:
    return table.filter(pc.invert(table.column(FORCED[0]))) if FORCED else table
