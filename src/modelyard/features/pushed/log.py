"""The log of pushed rows."""

import os
import time
from collections.abc import Iterator, Sequence
from logging import WARNING
from pathlib import Path

import pyarrow as pa

from modelyard.core import Micros, atomic_write, log_event
from modelyard.core.locks import alone, shared
from modelyard.features.errors import InvalidDefinition

from .arrived import Arrived
from .compacting import TOGETHER, Compacted, compact
from .files import MESSAGE, PUSHED_AT, PUSHES, batches_of, listed, schema_of
from .locks import APPENDING, READING


class PushLog:
    """Pushed rows in the order in which they came, in files that are each whole or not there.

    Many processes may append, read and compact at once. What `append` returned for survives a power cut. Rows of one
    push stay in order; pushes are ordered by when they say they were made, then by when they were written. Reading
    finds each row once, in this order, also while files are merged, and whenever a merge is cut off.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, rows: pa.Table, at: Micros) -> int:
        """Keep rows that were pushed at an instant; returns how many. Written, synced, then renamed into place."""
        taken = [name for name in (PUSHED_AT, MESSAGE) if name in rows.column_names]
        if taken:
            raise InvalidDefinition(f"The column name {taken[0]} is taken.", remedy="Rename the column.")
        if not len(rows):
            return 0
        with alone(self._folder / APPENDING):
            self._write(rows, at)
        self._tidy()
        return len(rows)

    def append_messages(self, rows: pa.Table, messages: Sequence[str], at: Micros) -> int:
        """Keep the rows of messages that are not in the log yet; returns how many were new.

        `messages` names each row's, (n_rows,): of equal names the first row counts, whenever and by whomever the others
        come.
        """
        if not len(rows):
            return 0
        with alone(self._folder / APPENDING), Arrived(self._folder) as arrived:
            fresh = arrived.fresh(messages)
            if fresh:
                named = [messages[place] for place in fresh]
                file = self._write(rows.take(fresh).append_column(MESSAGE, pa.array(named, pa.string())), at)
                arrived.add(named, file)
        self._tidy()
        return len(fresh)

    def files(self) -> list[Path]:
        """The files that count, in their order."""
        return listed(self._folder).counting

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows, with `PUSHED_AT` and `MESSAGE` beside their own columns, or of `columns` what each file has.

        SourceUnreadable for a file that is damaged.
        """
        if not self._folder.is_dir():
            return
        with shared(self._folder / READING):
            for file in self.files():
                yield from batches_of(file, columns)

    def schema(self) -> pa.Schema | None:
        """The columns of the first push, without the log's own; None when nothing was pushed."""
        if not self._folder.is_dir():
            return None
        with shared(self._folder / READING):
            for file in self.files():
                return pa.schema([each for each in schema_of(file) if each.name not in (PUSHED_AT, MESSAGE)])
        return None

    def compact(self) -> Compacted:
        """Merge small files, and delete what was merged unless somebody reads it. Pushing does it now and then."""
        return compact(self._folder)

    def _write(self, rows: pa.Table, at: Micros) -> str:
        marked = rows.append_column(PUSHED_AT, pa.array([at] * len(rows), pa.int64()))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, marked.schema) as writer:
            writer.write_table(marked)
        name = f"{at + 2**63:020d}-{time.monotonic_ns():020d}-{os.urandom(4).hex()}{PUSHES}"
        atomic_write(self._folder / name, sink.getvalue().to_pybytes())
        return name

    def _tidy(self) -> None:
        """Compact at every so many pushes that are not merged."""
        with os.scandir(self._folder) as entries:
            pushes = sum(each.name.endswith(PUSHES) for each in entries)
        if not pushes or pushes % TOGETHER:
            return
        try:
            self.compact()
        except OSError as error:  # what was pushed is there, and the next one tries again
            log_event("features", "not compacted", level=WARNING, folder=str(self._folder), why=str(error)[:500])
