"""Which messages are in the log: an index over its column of messages, beside it.

The log alone says what is there. The index is brought up to it whenever it is opened, so that it may lag behind, or be
lost, and nothing comes twice.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from .files import MERGES, MESSAGE, batches_of, listed, merged_into

_NAME = ".arrived.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS messages (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_TOGETHER = 500


class Arrived:
    """The index of a log's folder, for whoever holds the lock of appending. Closed at the block's end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = _opened(folder / _NAME)
        try:
            self._follow()
        except BaseException:
            self._database.close()
            raise

    def fresh(self, messages: Sequence[str]) -> list[int]:
        """The places of those that are not in the log, of equal names the first."""
        known = set[str]()
        for start in range(0, len(messages), _TOGETHER):
            part = messages[start : start + _TOGETHER]
            marks = ",".join("?" * len(part))
            asked = f"SELECT name FROM messages WHERE name IN ({marks})"
            known.update(name for (name,) in self._database.execute(asked, part))
        first: dict[str, int] = {}
        for place, name in enumerate(messages):
            if name not in known:
                first.setdefault(name, place)
        return list(first.values())

    def add(self, messages: Iterable[str], file: str) -> None:
        """These are in a file of the log."""
        with self._database:
            self._database.executemany("INSERT OR IGNORE INTO messages VALUES (?)", ((each,) for each in messages))
            self._database.execute("INSERT OR IGNORE INTO files VALUES (?)", (file,))

    def _follow(self) -> None:
        """Take in the files that are not known."""
        known = {name for (name,) in self._database.execute("SELECT name FROM files")}
        there = listed(self._folder).counting
        for file in there:
            if file.name in known:
                continue
            merged = merged_into(file) if file.suffix == MERGES else []
            is_known = bool(merged) and known.issuperset(merged)
            self.add([] if is_known else _messages(file), file.name)
        gone = known.difference(each.name for each in there)
        with self._database:
            self._database.executemany("DELETE FROM files WHERE name = ?", ((each,) for each in gone))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._database.close()


def _messages(file: Path) -> Iterable[str]:
    for batch in batches_of(file, [MESSAGE]):
        if MESSAGE in batch.schema.names:
            yield from batch.column(MESSAGE).drop_null().to_pylist()


def _opened(path: Path) -> sqlite3.Connection:
    """The database; a new one where it is damaged, for everything in it is in the log."""
    try:
        return _connected(path)
    except sqlite3.DatabaseError:
        for each in (path, path.with_name(f"{_NAME}-wal"), path.with_name(f"{_NAME}-shm")):
            each.unlink(missing_ok=True)
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=30)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is read from the log again
        database.executescript(_TABLES)
    except BaseException:
        database.close()
        raise
    return database
