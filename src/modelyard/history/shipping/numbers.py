"""Numbers of records by family and segment, in a database of SQLite."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from modelyard.core import make_folder
from modelyard.journal import Family

from .ranges import Ranges

Place = tuple[Family, str]
"""A family, and a segment of it."""


def opened(path: Path) -> sqlite3.Connection:
    """A database whose commits survive a power cut; every statement outside of a transaction is one."""
    make_folder(path.parent)
    database = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        database.execute("PRAGMA synchronous = EXTRA")
        database.execute("PRAGMA schema_version").fetchone()  # reads the file: what is no database is told here
    except BaseException:
        database.close()
        raise
    return database


class Numbers:
    """A table of ranges, each row read once: change what `of` gives, `put` it back, and `write`. For one writer."""

    def __init__(self, database: sqlite3.Connection, table: str) -> None:
        self._database = database
        self._table = table
        self._known: dict[Place, Ranges] = {}
        self._changed: set[Place] = set()
        database.execute(
            f"CREATE TABLE IF NOT EXISTS {table} "
            "(family TEXT, segment TEXT, ranges TEXT NOT NULL, PRIMARY KEY (family, segment)) WITHOUT ROWID"
        )

    def of(self, family: Family, segment: str) -> Ranges:
        """The ranges of a segment."""
        place = (family, segment)
        if place not in self._known:
            asked = f"SELECT ranges FROM {self._table} WHERE family = ? AND segment = ?"
            found = self._database.execute(asked, place).fetchone()
            self._known[place] = [] if found is None else msgspec.json.decode(found[0], type=Ranges)
        return self._known[place]

    def put(self, family: Family, segment: str, ranges: Ranges) -> None:
        """Say what the ranges of a segment are from now on; `write` writes it."""
        self._known[family, segment] = ranges
        self._changed.add((family, segment))

    def every(self) -> Iterator[tuple[Place, Ranges]]:
        """All segments and their ranges, as written."""
        for family, segment, ranges in self._database.execute(f"SELECT * FROM {self._table}").fetchall():
            yield (family, segment), msgspec.json.decode(ranges, type=Ranges)

    def write(self) -> None:
        """Write what was put; within whatever transaction is under way."""
        rows = [(*place, msgspec.json.encode(self._known[place]).decode()) for place in sorted(self._changed)]
        self._database.executemany(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?, ?)", rows)
        self._changed.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._database.execute(f"DELETE FROM {self._table}")
        self._known.clear()
        self._changed.clear()
