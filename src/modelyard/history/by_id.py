"""Records of one family by prediction id: files sorted by it, of which each row group is decoded once while there is
room.

Predictions are joined a row group at a time, and the truths of one may lie in a part of a row group of each of many
files. What was decoded for the last one is what the next one needs, for both go by time.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .catalog import Entry
from .files import DAMAGE, group_bounds, overlaps, read_group
from .reading import Selection, Snapshot
from .small import SMALL

ROOM = 256 << 20
"""Bytes of decoded row groups that are kept; those asked for last stay."""

_ID = "prediction_id"
_Bounds = Sequence[Any]


class ById:
    """Looks records of a snapshot up by their prediction ids. Not for several threads."""

    def __init__(
        self, snapshot: Snapshot, selection: Selection, columns: Sequence[str], only: pc.Expression | None = None
    ) -> None:
        """Of the records of a selection of one deployment, for which `only` holds, these columns."""
        self._snapshot = snapshot
        self._files = snapshot.files(selection)
        self._columns = list(columns)
        self._only = only
        self._bounds: dict[str, _Bounds] = {}
        self._groups: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()
        self._size = 0
        loose = [part.table.select(self._columns) for part in snapshot.loose_parts(selection)]
        self._loose = [self._kept(table.combine_chunks()).sort_by(_ID) for table in loose]

    def between(self, first: str, last: str) -> Iterator[pa.Table]:
        """Records whose ids lie between two, both included, in tables sorted by id. A file that is not what was written
        hides no other: the snapshot's `on_damage` is told.
        """
        for entry in self._files:
            if not overlaps((entry.first_id, entry.last_id), first, last):
                continue
            try:
                for table in self._tables(entry, first, last):
                    yield _slice(table, first, last)
            except DAMAGE as error:
                self._snapshot.on_damage(entry, error)
        yield from (_slice(table, first, last) for table in self._loose)

    def _tables(self, entry: Entry, first: str, last: str) -> Iterator[pa.Table]:
        """The records of a file, in pieces, that may have such ids."""
        if entry.size <= SMALL:
            for table in self._snapshot.read(entry, self._columns, _ID, first, last):
                yield self._kept(table.select(self._columns))
            return
        if entry.name not in self._bounds:
            self._bounds[entry.name] = group_bounds(self._snapshot.folder, entry, _ID)
        for group, bounds in enumerate(self._bounds[entry.name]):
            if overlaps(bounds, first, last):
                yield self._group(entry, group)

    def _group(self, entry: Entry, group: int) -> pa.Table:
        key = (entry.name, group)
        if key in self._groups:
            self._groups.move_to_end(key)
            return self._groups[key]
        table = self._kept(read_group(self._snapshot.folder, entry, group, self._columns))
        self._groups[key] = table
        self._size += table.nbytes
        while self._size > ROOM and len(self._groups) > 1:
            self._size -= self._groups.popitem(last=False)[1].nbytes
        return table

    def _kept(self, table: pa.Table) -> pa.Table:
        return table if self._only is None else table.filter(self._only)


def _slice(table: pa.Table, first: str, last: str) -> pa.Table:
    """The rows of a table sorted by id with ids from first to last."""
    ids, rows = table.column(_ID), range(len(table))
    begin = bisect_left(rows, first, key=lambda row: ids[row].as_py())
    return table.slice(begin, bisect_right(rows, last, key=lambda row: ids[row].as_py()) - begin)
