"""The online store on PostgreSQL, for those who have one and want no other server.

All rows are in one table by view and key, and what is known of the views in another. A write is a transaction: rows are
staged in a table of its own, then one statement brings them into the view. A read is one statement, and so sees one
moment.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlsplit

from modelyard.core import Micros

from .access import RowAccess
from .batch import RowBatch
from .errors import OnlineUnavailable
from .records import ViewState
from .resp import no_address

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
"""What an address begins with; the last is how SQLAlchemy spells it."""

_ROWS, _VIEWS = "modelyard_online_2_rows", "modelyard_online_2_views"
"""The tables; the number is the version of rows and keys, as in the embedded store."""

_SMALL = 2_000
_LOCK = 7_226_104_417_325_161_313
"""Of whoever makes the tables: two that do at once would meet in the catalog."""

_TABLES = f"""
CREATE TABLE IF NOT EXISTS {_ROWS} (
    view text NOT NULL, key bytea NOT NULL, event bigint NOT NULL, available bigint NOT NULL, data bytea NOT NULL,
    PRIMARY KEY (view, key)
);
CREATE TABLE IF NOT EXISTS {_VIEWS} (
    view text PRIMARY KEY, rows bigint NOT NULL DEFAULT 0, until bigint, newest bigint, written bigint
)
"""
_READ = f"SELECT key, data FROM {_ROWS} WHERE view = %s AND key = ANY(%s)"
_REMOVE = f"DELETE FROM {_ROWS} WHERE view = %s AND key = ANY(%s)"
_GIVEN = """
SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::bigint[], %s::bytea[]) AS given (key, event, available, data)
"""
_STAGED = """
SELECT DISTINCT ON (key) key, event, available, data FROM staged ORDER BY key, event DESC, available DESC, n DESC
"""
_STATE = f"SELECT rows, until, newest, written FROM {_VIEWS} WHERE view = %s"
_MARK = f"""
UPDATE {_VIEWS} SET rows = rows + %s, until = GREATEST(until, %s), newest = GREATEST(newest, %s),
    written = COALESCE(%s, written) WHERE view = %s
"""
_T = TypeVar("_T")


def _put(given: str) -> str:
    """The statement that brings rows into a view; how many were stored, and how many of these were not there."""
    return f"""
    WITH put AS (
        INSERT INTO {_ROWS} AS there (view, key, event, available, data)
        SELECT %s, key, event, available, data FROM ({given}) AS rows
        ON CONFLICT (view, key) DO UPDATE
        SET event = excluded.event, available = excluded.available, data = excluded.data
        WHERE (excluded.event, excluded.available) > (there.event, there.available)
           OR ((excluded.event, excluded.available) = (there.event, there.available) AND excluded.data <> there.data)
        RETURNING xmax = 0 AS fresh
    ) SELECT count(*), count(*) FILTER (WHERE fresh) FROM put
    """


class PostgresOnlineStore(RowAccess):
    """See `contract.OnlineStore`. Safe for many threads, and for many writers: those of one view wait for each other.

    Connects when it is first used, and again after the server was away. The first write makes the tables, for which
    its user needs the right; readers need that of reading them. OnlineUnavailable where psycopg is not installed.
    """

    def __init__(self, url: str, *, timeout_s: float = 2.0) -> None:
        check_postgres_address(url)
        self._psycopg = _library()
        self._url = "postgresql:" + url.partition(":")[2]
        self._timeout_s = timeout_s
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._is_there = False

    @contextmanager
    def writer(self, view: str) -> Iterator["_Writer"]:
        """See the contract."""
        with self._told(), self._connected(reading=False) as connection:
            self._make_tables(connection)
            with connection.transaction():
                writer = _Writer(connection, view)
                yield writer
                writer.commit()

    def fetch(self, view: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """See the contract."""
        asked = [key for key in keys if key is not None]
        if not asked:
            return [None] * len(keys)
        found = dict(self._asked(_READ, (view, asked)))
        return [None if key is None else found.get(key) for key in keys]

    def state(self, view: str) -> ViewState:
        """See the contract."""
        found = self._asked(_STATE, (view,))
        return ViewState(*found[0]) if found else ViewState()

    def views(self) -> list[str]:
        """See the contract."""
        return sorted(name for (name,) in self._asked(f"SELECT view FROM {_VIEWS}", ()))

    def remove(self, view: str, keys: Sequence[bytes]) -> int:
        """See the contract."""
        with self._told(), self._connected(reading=False) as connection:
            self._make_tables(connection)
            with connection.transaction():
                gone = connection.execute(_REMOVE, (view, list(keys))).rowcount
                connection.execute(f"UPDATE {_VIEWS} SET rows = rows - %s WHERE view = %s", (gone, view))
        return int(gone)

    def clear(self, view: str) -> None:
        """See the contract."""
        with self._told(), self._connected(reading=False) as connection:
            self._make_tables(connection)
            with connection.transaction():
                connection.execute(f"DELETE FROM {_VIEWS} WHERE view = %s", (view,))
                connection.execute(f"DELETE FROM {_ROWS} WHERE view = %s", (view,))

    def close(self) -> None:
        """See the contract."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _asked(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        """The rows of a statement; none before anybody wrote. Asked again when an idle connection had been closed."""
        with self._told():
            while True:
                is_used = bool(self._idle)
                connection = self._idle.pop() if is_used else self._connection(reading=True)
                try:
                    found: list[Any] = connection.execute(statement, values, prepare=True, binary=True).fetchall()
                except self._psycopg.errors.UndefinedTable:
                    found = []
                except self._psycopg.OperationalError:
                    connection.close()
                    if is_used:
                        continue
                    raise
                except BaseException:
                    connection.close()
                    raise
                self._idle.append(connection)
                return found

    @contextmanager
    def _connected(self, *, reading: bool) -> Iterator[Any]:
        connection = self._connection(reading=reading)
        try:
            yield connection
        finally:
            connection.close()

    def _connection(self, *, reading: bool) -> Any:
        """A connection; one for reading gives up when the server does not answer in time."""
        limits = f"-c statement_timeout={round(self._timeout_s * 1000)}" if reading else ""
        return self._psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=max(2, round(self._timeout_s)),
            application_name="modelyard",
            options=limits,
        )

    def _make_tables(self, connection: Any) -> None:
        if self._is_there:
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            connection.execute(_TABLES)
        self._is_there = True

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            reason = " ".join(str(error).split()).replace(urlsplit(self._url).password or "\0", "…")[:300]
            raise OnlineUnavailable(
                f"The online store at {without_password(self._url)} does not answer: {reason}."
                if isinstance(error, self._psycopg.OperationalError)
                else f"The online store at {without_password(self._url)} refuses: {reason}.",
                remedy="See that the server runs and that stores.online in modelyard.yaml is its address.",
            ) from error


class _Writer:
    """See `contract.ViewWriter`. One small batch waits for the commit; as soon as there is more, all is staged."""

    def __init__(self, connection: Any, view: str) -> None:
        self._connection = connection
        self._view = view
        self._waiting: RowBatch | None = None
        self._is_staged = False
        self._until: int | None = None
        self._newest: int | None = None
        self._at: int | None = None
        self._count = 0
        self.stored = 0

    def add(self, batch: RowBatch) -> None:
        """See the contract."""
        if not len(batch):
            return
        newest = int(batch.events.max())
        self._newest = newest if self._newest is None else max(self._newest, newest)
        waiting, self._waiting = self._waiting, None
        if waiting is None and not self._is_staged and len(batch) <= _SMALL:
            self._waiting = batch
            return
        for each in (waiting, batch):
            if each is not None:
                self._stage(each)

    def mark(self, *, until: Micros | None, at: Micros) -> None:
        """See the contract."""
        self._until, self._at = until, at

    def commit(self) -> None:
        """Bring what was added into the view; the transaction's end lets it take effect."""
        execute: Callable[..., Any] = self._connection.execute
        execute(f"INSERT INTO {_VIEWS} (view) VALUES (%s) ON CONFLICT DO NOTHING", (self._view,))
        execute(f"SELECT FROM {_VIEWS} WHERE view = %s FOR UPDATE", (self._view,))
        fresh = 0
        if self._is_staged:
            self.stored, fresh = execute(_put(_STAGED), (self._view,)).fetchone()
        elif self._waiting is not None:
            each = self._waiting
            given = (self._view, list(each.keys), each.events.tolist(), each.available.tolist(), list(each.rows))
            self.stored, fresh = execute(_put(_GIVEN), given, binary=True).fetchone()
        execute(_MARK, (fresh, self._until, self._newest, self._at, self._view))

    def _stage(self, batch: RowBatch) -> None:
        if not self._is_staged:
            self._connection.execute(
                "CREATE TEMPORARY TABLE staged (n bigint, key bytea, event bigint, available bigint, data bytea) "
                "ON COMMIT DROP"
            )
            self._is_staged = True
        with self._connection.cursor() as cursor, cursor.copy("COPY staged FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "bytea", "int8", "int8", "bytea"])
            for row in zip(
                range(self._count, self._count + len(batch)),
                batch.keys,
                batch.events.tolist(),
                batch.available.tolist(),
                batch.rows,
                strict=True,
            ):
                copy.write_row(row)
        self._count += len(batch)


def is_postgres_address(url: str) -> bool:
    """Whether a text begins as an address of PostgreSQL does."""
    return url.partition("://")[0] in SCHEMES


def check_postgres_address(url: str) -> None:
    """InvalidInput for what is no address of a database; never quotes a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise no_address(url) from None  # the cause may quote the password
    if not is_postgres_address(url) or parts.fragment or "password=" in parts.query:
        raise no_address(url)


def without_password(url: str) -> str:
    """An address for a message."""
    parts = urlsplit(url)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _library() -> Any:
    """psycopg, which only those who use this store need."""
    try:
        return import_module("psycopg")
    except ImportError as error:
        raise OnlineUnavailable(
            "psycopg, which speaks to PostgreSQL, is not installed.", remedy="pip install 'modelyard[postgres]'"
        ) from error
