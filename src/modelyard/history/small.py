"""Small files are remembered once read: a log that is sealed often has many, and windows ask for them over and over."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from .catalog import Entry
from .files import part_batches, read_part

SMALL = 256 << 10
"""Bytes of a file that is remembered whole."""

_REMEMBERED = 64 << 20
"""Bytes of tables that are remembered; those asked for last stay."""


class SmallFiles:
    """Reads files of the log, which never change. Safe for several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables: OrderedDict[str, pa.Table] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def read(self, entry: Entry, columns: Sequence[str], column: str, lowest: Any, highest: Any) -> Iterator[pa.Table]:
        """Columns of a file, and perhaps more: the row groups that may hold values of `column` from lowest to highest.

        FileNotFoundError, or one of `files.DAMAGE`, when it is not what was written.
        """
        if entry.size <= SMALL:
            yield self._table(entry)
            return
        for batch in part_batches(self._folder, entry, columns, column, lowest, highest):
            yield pa.Table.from_batches([batch])

    def _table(self, entry: Entry) -> pa.Table:
        with self._lock:
            if entry.name in self._tables:
                self._tables.move_to_end(entry.name)
                return self._tables[entry.name]
        table = read_part(self._folder, entry)
        with self._lock:
            if entry.name not in self._tables:
                self._tables[entry.name] = table
                self._size += table.nbytes
            while self._size > _REMEMBERED:
                self._size -= self._tables.popitem(last=False)[1].nbytes
        return table
