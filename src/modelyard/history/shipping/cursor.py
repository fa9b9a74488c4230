"""Which records of a log were shipped to a place, in a database of SQLite beside the log.

A record is named by the segment it was written in and its number there, whatever files it is in: a file that took the
place of others holds no new records. What is known of a segment is kept for ever, as ranges of numbers.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from logging import WARNING
from pathlib import Path

import numpy as np
import pyarrow as pa

from modelyard.core import digest_of, log_event
from modelyard.journal import Family

from ..catalog import Entry
from ..files import DAMAGE, part_batches
from .numbers import Numbers, opened
from .ranges import ranges_of, size_without, united, within

FOLDER = "shipping"
"""Where in the log's folder cursors are."""

_TABLES = """
CREATE TABLE IF NOT EXISTS passed (file TEXT PRIMARY KEY, family TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (shown TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Cursor:
    """What was shipped to one place. What is not written down is shipped again, under the same name.

    One that is damaged is set aside, and all is shipped again. One process at a time ships; others may `note_retired`.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._database = opened(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            log_event("history", "cursor damaged", level=WARNING, file=str(path), damage=str(error)[:200])
            path.replace(path.with_suffix(".damaged"))
            self._database = opened(path)
        self._database.executescript(_TABLES)
        self._shipped = Numbers(self._database, "shipped")
        self._retired = Numbers(self._database, "retired")

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    @property
    def place(self) -> str:
        """The place, as it may be shown; empty before `named`."""
        found = self._database.execute("SELECT shown FROM place").fetchone()
        return "" if found is None else str(found[0])

    def named(self, place: str) -> None:
        """Say which place it is."""
        self._database.execute("INSERT OR IGNORE INTO place VALUES (?)", (place,))

    def fresh(self, family: Family, table: pa.Table) -> np.ndarray:
        """Which records of a table with segment and position were not shipped: bool (n,)."""
        mask = np.ones(len(table), np.bool_)
        for segment, at, numbers in _by_segment(table):
            mask[at] = ~within(self._shipped.of(family, segment), numbers)
        return mask

    def add(self, family: Family, table: pa.Table) -> None:
        """Write down that the records of a table were shipped."""
        self._note(self._shipped, family, table)

    def passed(self, family: Family, files: Sequence[Entry]) -> set[str]:
        """Those of the files of which every record was shipped; what is known of other files is forgotten."""
        known = {name for (name,) in self._database.execute("SELECT file FROM passed WHERE family = ?", (family,))}
        names = {each.name for each in files}
        gone = [(name,) for name in known - names]
        self._database.executemany("DELETE FROM passed WHERE file = ?", gone)
        return known & names

    def has_passed(self, entry: Entry) -> bool:
        """Whether every record of a file is known to have been shipped."""
        return self._database.execute("SELECT 1 FROM passed WHERE file = ?", (entry.name,)).fetchone() is not None

    def pass_by(self, entry: Entry) -> None:
        """Write down that every record of a file was shipped."""
        self._database.execute("INSERT OR IGNORE INTO passed VALUES (?, ?)", (entry.name, entry.family))

    def retire(self, folder: Path, entry: Entry) -> int:
        """Note those records of a file that were not shipped, before the file is deleted; how many they are."""
        count = 0
        try:
            for table in where_written(folder, entry):
                mask = self.fresh(entry.family, table)
                count += int(mask.sum())
                self._note(self._retired, entry.family, table.filter(pa.array(mask)))
        except DAMAGE as error:  # what cannot be read was lost before
            log_event("history", "sealed file damaged", level=WARNING, file=entry.name, damage=str(error)[:500])
        return count

    def lost(self) -> int:
        """How many records were deleted before they were shipped, since it was last asked."""
        self._database.execute("BEGIN IMMEDIATE")
        count = sum(
            size_without(ranges, self._shipped.of(family, segment))
            for (family, segment), ranges in self._retired.every()
        )
        self._retired.clear()
        self._database.execute("COMMIT")
        return count

    def _note(self, numbers: Numbers, family: Family, table: pa.Table) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        for segment, _, found in _by_segment(table):
            numbers.put(family, segment, united(numbers.of(family, segment), ranges_of(found)))
        numbers.write()
        self._database.execute("COMMIT")


def cursor_file(folder: Path, place: str) -> Path:
    """Where the cursor of a place is, for the log in `folder`."""
    return folder / FOLDER / f"{digest_of(place.encode())[:16]}.db"


def where_written(folder: Path, entry: Entry) -> Iterator[pa.Table]:
    """Segment and position of the records of a file, a row group at a time."""
    for batch in part_batches(folder, entry, ("segment", "position"), "segment", None, None):
        yield pa.Table.from_batches([batch])


def note_retired(folder: Path, entries: Sequence[Entry]) -> dict[str, int]:
    """How many records of files that are about to be deleted were not shipped yet, by the place they should go to.

    Each place's next shipping counts them as lost.
    """
    found: dict[str, int] = {}
    for path in sorted((folder / FOLDER).glob("*.db")):
        cursor = Cursor(path)
        try:
            count = sum(_retired(cursor, folder, entries))
            if count:
                found[cursor.place] = count
        finally:
            cursor.close()
    for place, count in found.items():
        log_event("history", "retired before they were shipped", level=WARNING, records=count, place=place)
    return found


def _retired(cursor: Cursor, folder: Path, entries: Sequence[Entry]) -> Iterator[int]:
    for entry in entries:
        if not cursor.has_passed(entry):
            yield cursor.retire(folder, entry)


def _by_segment(table: pa.Table) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each segment of a table with its rows (k,) and their numbers (k,)."""
    if len(table) == 0:
        return
    encoded = table.column("segment").combine_chunks().dictionary_encode()
    codes, numbers = encoded.indices.to_numpy(), table.column("position").to_numpy()
    order = np.argsort(codes, kind="stable")
    for at in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        yield encoded.dictionary[int(codes[at[0]])].as_py(), at, numbers[at]
