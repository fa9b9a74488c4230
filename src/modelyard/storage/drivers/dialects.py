"""What differs between databases: opening, and beginning a transaction that excludes other writers."""

import json
import sqlite3
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, ColumnElement, Connection, Engine, case, create_engine, event, func, text
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from modelyard.core import make_folder

from ..errors import StoreUnavailable
from ..tables import documents

CONNECT_SECONDS = 30
BUSY_SECONDS = 30
"""How long somebody else's lock is waited for, by readers, too."""
SAFE_WAL = (3, 51, 3)
"""From this SQLite on, write-ahead logging cannot corrupt a database that two connections use."""

_WRITERS_LOCK = 0x6D6F64656C79  # any constant: one advisory lock for all writers of a database


class Dialect(Protocol):
    """One kind of database."""

    @property
    def created(self) -> str:
        """The SQL of when a document says that it was made, as text by code point; what `documents_by_creation` has."""

    @property
    def group(self) -> str:
        """The SQL of what a document's key begins with before its first slash; empty text where there is none."""

    def said(self, field: str) -> ColumnElement[Any]:
        """What a document's body says at the top under a name; NULL where it says nothing."""

    def open(self, url: URL) -> Engine: ...
    def relax(self, connection: Connection) -> None:
        """Let the next transaction return before it is on the disk, as far as that can damage nothing."""

    def begin_write(self, connection: Connection) -> None: ...
    def begin_read(self, connection: Connection) -> None: ...


class Sqlite:
    """SQLite in rollback-journal mode unless the library is new enough for WAL; transactions begin IMMEDIATE."""

    # A body that somebody has spoilt is found by nothing, rather than in the way of every query.
    created = "(CASE WHEN json_valid(body) THEN json_extract(body, '$.created_at') END)"
    group = "substr(key, 1, max(instr(key, '/') - 1, 0))"

    def said(self, field: str) -> ColumnElement[Any]:
        body = documents.c.body
        return case((func.json_valid(body) == 1, func.json_extract(body, f'$."{field}"')))

    def open(self, url: URL) -> Engine:
        if url.database:
            _make_folder(Path(url.database).parent)
        # A connection a transaction: nothing is shared between threads, or inherited by a forked child.
        engine = create_engine(
            url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS}, json_serializer=_compact
        )
        event.listen(engine, "connect", _prepare_sqlite)
        return engine

    def relax(self, connection: Connection) -> None:
        # With a rollback journal NORMAL still forces it to the disk before the database: OFF could damage both.
        connection.exec_driver_sql("PRAGMA synchronous = NORMAL")

    def begin_write(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def begin_read(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")


class PostgreSql:
    """PostgreSQL: writers queue at one advisory lock, readers see one snapshot."""

    created = """((body ->> 'created_at') COLLATE "C")"""
    group = "substr(key, 1, greatest(strpos(key, '/') - 1, 0))"

    def said(self, field: str) -> ColumnElement[Any]:
        return func.json_extract_path_text(documents.c.body, field)

    def open(self, url: URL) -> Engine:
        waiting = f"{url.query.get('options', '')} -c lock_timeout={BUSY_SECONDS}s"
        return create_engine(
            url,
            poolclass=NullPool,
            connect_args={"connect_timeout": CONNECT_SECONDS, "options": waiting},
            json_serializer=_compact,
        )

    def relax(self, connection: Connection) -> None:
        connection.execute(text("SET LOCAL synchronous_commit = off"))

    def begin_write(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITERS_LOCK})

    def begin_read(self, connection: Connection) -> None:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


DIALECTS: dict[str, Dialect] = {"sqlite": Sqlite(), "postgresql": PostgreSql()}


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # this driver must not begin transactions of its own
    cursor = connection.cursor()
    mode = "WAL" if sqlite3.sqlite_version_info >= SAFE_WAL else "DELETE"
    cursor.execute(f"PRAGMA journal_mode = {mode}")
    cursor.execute("PRAGMA synchronous = EXTRA")  # the end of a rollback journal is on the disk, too
    cursor.close()


def _make_folder(folder: Path) -> None:
    try:
        make_folder(folder)
    except OSError as error:
        raise StoreUnavailable(
            f"The folder {folder} of the record store cannot be made: {error}.", remedy="Correct stores.records."
        ) from error


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
