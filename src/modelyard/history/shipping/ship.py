"""Shipping: every record of the log is published, from where the last time ended, those written first before others.

At least once: a record is marked as shipped when the broker has vouched for it, and a crash before that sends it again
under the same name: its segment and its number there, which it keeps when it is sealed, compacted or redacted.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from logging import ERROR, WARNING
from pathlib import Path

import pyarrow as pa

from modelyard.core import log_event
from modelyard.journal import FAMILIES, Family
from modelyard.streams import Message, Stream

from ..catalog import Entry
from ..features import column_name, untyped
from ..files import DAMAGE, part_batches
from ..reading import FIXED, MARKS, LogFiles, Snapshot
from .alone import alone
from .cursor import Cursor, cursor_file, where_written
from .wire import messages

_TOGETHER = 1000


@dataclass(frozen=True)
class Shipped:
    """What one shipping brought there: records of each family, and in all.

    `lost` are records that retention deleted since the last time and that had not been shipped.
    """

    records: int
    families: dict[Family, int]
    lost: int = 0


class Shipper:
    """Publishes the log of one machine to a stream: what is sealed, and what is not yet.

    `place` names the stream in what is remembered beside the log, and in messages. One process at a time:
    ShippingInUse. Files that others replace meanwhile stay until they are read.
    """

    def __init__(self, journal: Path, folder: Path, place: str, stream: Stream) -> None:
        self._files = LogFiles(journal, folder)
        self._folder = folder
        self._place = place
        self._stream = stream

    def close(self) -> None:
        """End the connection to the stream."""
        self._stream.close()

    def ship(self) -> Shipped:
        """Publish what was not yet, up to what is there now. Raises what `Stream.publish` raises; safe to repeat."""
        path = cursor_file(self._folder, self._place)
        with alone(path.with_suffix(".lock"), "ships this log there"), closing(Cursor(path)) as cursor:
            cursor.named(self._place)
            self._stream.publish([])  # whether it is there is told also when nothing is new
            counts = {family: self._family(cursor, family) for family in FAMILIES}
            return Shipped(sum(counts.values()), counts, told_lost(cursor))

    def _family(self, cursor: Cursor, family: Family) -> int:
        with self._files.snapshot(family) as snapshot:
            passed = cursor.passed(family, snapshot.entries)
            waiting = [each for each in snapshot.entries if each.name not in passed]
            waiting.sort(key=lambda each: (each.first_segment, each.name))
            count = sum(self._file(cursor, snapshot, each) for each in waiting)
            return count + self._publish(cursor, family, _fresh(cursor, family, snapshot.loose))

    def _file(self, cursor: Cursor, snapshot: Snapshot, entry: Entry) -> int:
        """Publish the records of a file that were not shipped; one that is not what was written is told, and stays."""
        count = 0
        try:
            for table in _unshipped(cursor, snapshot.folder, entry):
                count += self._publish(cursor, entry.family, table)
        except DAMAGE as error:
            snapshot.on_damage(entry, error)
            return count
        cursor.pass_by(entry)
        return count

    def _publish(self, cursor: Cursor, family: Family, table: pa.Table) -> int:
        """Publish records, then write down that they were, some at a time."""
        for at in range(0, len(table), _TOGETHER):
            rows = table.slice(at, _TOGETHER)
            self._stream.publish(self._fitting(messages(rows, family)))
            cursor.add(family, rows)
        return len(table)

    def _fitting(self, found: Iterator[Message]) -> list[Message]:
        """Without those that no broker would take: they stay in the log, and it is told."""
        limit, kept = self._stream.limit, list[Message]()
        for each in found:
            if each.size <= limit:
                kept.append(each)
            else:
                told = dict(each.headers) | {"size": each.size, "limit": limit}
                log_event("history", "record too large to ship", level=WARNING, **told)
        return kept


def told_lost(cursor: Cursor) -> int:
    """How many records were deleted before they were shipped, which is logged, too."""
    lost = cursor.lost()
    if lost:
        log_event("history", "deleted before they were shipped", level=ERROR, records=lost, place=cursor.place)
    return lost


def _fresh(cursor: Cursor, family: Family, table: pa.Table) -> pa.Table:
    return table.filter(pa.array(cursor.fresh(family, table)))


def _unshipped(cursor: Cursor, folder: Path, entry: Entry) -> Iterator[pa.Table]:
    """Records of a file that were not shipped, as they came out of segments; little is read when there are none."""
    if not any(cursor.fresh(entry.family, each).any() for each in where_written(folder, entry)):
        return
    predictions = entry.family == "predictions"
    names = [*FIXED[entry.family]]
    if predictions:
        names += [*MARKS, *(column_name(place) for place in range(len(entry.kinds)))]
    for batch in part_batches(folder, entry, names, "segment", None, None):
        table = _fresh(cursor, entry.family, pa.Table.from_batches([batch]))
        for at in range(0, len(table), _TOGETHER):
            rows = table.slice(at, _TOGETHER)
            yield untyped(rows, len(entry.kinds)) if predictions else rows
