"""The record store on SQL: one implementation, with the few differences of each database in `dialects`."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    String,
    Table,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import DBAPIError

from ..contract import Body, Document, Entry, Group, Labelled, Snapshot, Tally, Transaction
from ..errors import RevisionConflict, StoreNotEmpty, StoreUnavailable
from ..migrate import migrate
from ..tables import documents, entries, labels
from .dialects import Dialect

# Statements that every write or step of a run needs are built once: SQLAlchemy takes longer to build one than SQLite to
# carry it out.
_DOCUMENT = (documents.c.kind == bindparam("of_kind"), documents.c.key == bindparam("of_key"))
_GET = select(documents).where(*_DOCUMENT)
_REVISION = select(documents.c.revision).where(*_DOCUMENT)
_INSERT = insert(documents)
_UPDATE = update(documents).where(*_DOCUMENT)
_DELETE = delete(documents).where(*_DOCUMENT)
_LABEL = insert(labels)
_UNLABEL = delete(labels).where(labels.c.kind == bindparam("of_kind"), labels.c.key == bindparam("of_key"))
_LAST_ENTRY = select(func.coalesce(func.max(entries.c.seq), 0)).where(entries.c.stream == bindparam("of_stream"))
_ENTRY = insert(entries)

_PAGE = 2000
"""So many rows are in memory at a time when everything is read or written."""

_KEYS = 500
"""So many keys are asked for at once: databases limit the values of a statement."""


class SqlRecordStore:
    """See `contract.RecordStore`."""

    def __init__(self, engine: Engine, dialect: Dialect) -> None:
        self._engine = engine
        self._dialect = dialect

    @property
    def url(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Transaction]:
        with self._connected() as connection:
            if not durable:
                self._dialect.relax(connection)
            self._dialect.begin_write(connection)
            try:
                yield SqlTransaction(connection, self._dialect)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._connected() as connection:
            self._dialect.begin_read(connection)
            yield SqlSnapshot(connection, self._dialect)
            connection.rollback()

    def migrate(self) -> None:
        with self._connected() as connection:
            self._dialect.begin_write(connection)
            migrate(connection)
            connection.commit()

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise StoreUnavailable(
                f"The record store {self.url} failed: {str(error.orig).strip()}.",
                context={"url": self.url},
                remedy="Check that it runs and that nothing holds it for long: modelyard doctor.",
            ) from error


class SqlSnapshot:
    """Reads on one open connection."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def get(self, kind: str, key: str) -> Document | None:
        return next(iter(self._documents(_GET, of_kind=kind, of_key=key)), None)

    def scan(
        self, kind: str, *, prefix: str = "", after: str = "", limit: int | None = None, descending: bool = False
    ) -> list[Document]:
        key = documents.c.key
        query = select(documents).where(documents.c.kind == kind).limit(limit)
        query = query.order_by(key.desc() if descending else key)
        if prefix:
            query = query.where(key >= prefix, key < prefix + "\U0010ffff")
        if after:
            query = query.where(key < after if descending else key > after)
        return self._documents(query)

    def find(self, kind: str, label: str, value: str, *, limit: int | None = None) -> list[Document]:
        # Not a join: to have the order for nothing, SQLite would look for the label of every document of the kind.
        named = select(labels.c.key).where(labels.c.kind == kind, labels.c.label == label, labels.c.value == value)
        among = documents.c.key.in_(named)
        query = select(documents).where(documents.c.kind == kind, among).order_by(documents.c.key).limit(limit)
        return self._documents(query)

    def many(self, kind: str, keys: Collection[str]) -> list[Document]:
        wanted, found = sorted(keys), list[Document]()
        for start in range(0, len(wanted), _KEYS):
            among = documents.c.key.in_(wanted[start : start + _KEYS])
            found += self._documents(select(documents).where(documents.c.kind == kind, among).order_by(documents.c.key))
        return found

    def newest(self, kind: str, *, after: Document | None = None, limit: int | None = None) -> list[Document]:
        created = literal_column(self._dialect.created, String())
        query = select(documents).where(documents.c.kind == kind, created.is_not(None)).limit(limit)
        if after is not None:
            query = query.where(tuple_(created, documents.c.key) < (str(after.body["created_at"]), after.key))
        return self._documents(query.order_by(created.desc(), documents.c.key.desc()))

    def groups(self, kind: str) -> list[Group]:
        name, key = literal_column(self._dialect.group, String()), documents.c.key
        query = select(name, func.count(), func.max(key)).where(documents.c.kind == kind, name != "")
        found = self._connection.execute(query.group_by(name).order_by(name))
        return [Group(*row) for row in found]

    def tally(self, kind: str, *fields: str) -> dict[str, Tally]:
        created = literal_column(self._dialect.created, String())
        asked: list[ColumnElement[Any]] = [func.count(), func.max(created)]
        for each in fields:
            said = func.coalesce(self._dialect.said(each), "") != ""
            asked += [func.count(case((said, 1))), func.max(case((said, created)))]
        row = self._connection.execute(select(*asked).select_from(documents).where(documents.c.kind == kind)).one()
        return {
            name: Tally(count, last or "") for name, count, last in zip(("", *fields), row[::2], row[1::2], strict=True)
        }

    def entries(
        self, stream: str, *, after: int = 0, limit: int | None = None, descending: bool = False
    ) -> list[Entry]:
        query = select(entries).where(entries.c.stream == stream, entries.c.seq > after).limit(limit)
        query = query.order_by(entries.c.seq.desc() if descending else entries.c.seq)
        return [Entry(row.stream, row.seq, row.body) for row in self._connection.execute(query)]

    def everything(self) -> Iterator[Labelled | Entry]:
        for page in self._pages(documents.c.kind, documents.c.key):
            first, last = ((row.kind, row.key) for row in (page[0], page[-1]))
            known: dict[tuple[str, str], dict[str, str]] = {}
            within = tuple_(labels.c.kind, labels.c.key).between(first, last)
            for row in self._connection.execute(select(labels).where(within)):
                known.setdefault((row.kind, row.key), {})[row.label] = row.value
            for row in page:
                document = Document(row.kind, row.key, row.revision, row.body)
                yield Labelled(document, known.get((row.kind, row.key), {}))
        for page in self._pages(entries.c.stream, entries.c.seq):
            yield from (Entry(row.stream, row.seq, row.body) for row in page)

    def _pages(self, *key: Column[Any]) -> Iterator[Sequence[Row[Any]]]:
        """All rows of the table of these columns in their order, some thousand at a time."""
        query = select(key[0].table).order_by(*key).limit(_PAGE)
        page = self._connection.execute(query).all()
        while page:
            yield page
            last = tuple(getattr(page[-1], column.name) for column in key)
            page = self._connection.execute(query.where(tuple_(*key) > last)).all()

    def _documents(self, query: Select[tuple[str, str, int, Body]], **values: str) -> list[Document]:
        found = self._connection.execute(query, values)
        return [Document(row.kind, row.key, row.revision, row.body) for row in found]


class SqlTransaction(SqlSnapshot):
    """Writes on one open connection, which no other writer shares."""

    def put(
        self,
        kind: str,
        key: str,
        body: Body,
        *,
        expect: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> int:
        revision = self._revision(kind, key, expect)
        values = {"revision": revision + 1, "body": dict(body)}
        if revision:
            self._connection.execute(_UPDATE, {"of_kind": kind, "of_key": key, **values})
        else:
            self._connection.execute(_INSERT, {"kind": kind, "key": key, **values})
        self._relabel(kind, key, labels or {}, existed=bool(revision))
        return revision + 1

    def delete(self, kind: str, key: str, *, expect: int | None = None) -> None:
        if self._revision(kind, key, expect):
            self._relabel(kind, key, {}, existed=True)
            self._connection.execute(_DELETE, {"of_kind": kind, "of_key": key})

    def append(self, stream: str, body: Body) -> int:
        seq = int(self._connection.execute(_LAST_ENTRY, {"of_stream": stream}).scalar_one()) + 1
        self._connection.execute(_ENTRY, {"stream": stream, "seq": seq, "body": dict(body)})
        return seq

    def fill(self, kept: Iterable[Labelled | Entry]) -> int:
        for table in (documents, entries):
            if self._connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None:
                raise StoreNotEmpty(
                    f"The record store holds {table.name} already.",
                    remedy="Give it an empty database: what is there would be mixed with what comes.",
                )
        every = iter(kept)
        return sum(self._filled(page) for page in iter(lambda: list(islice(every, _PAGE)), []))

    def _filled(self, page: Sequence[Labelled | Entry]) -> int:
        rows: dict[Table, list[dict[str, Any]]] = {documents: [], labels: [], entries: []}
        for each in page:
            if isinstance(each, Entry):
                rows[entries].append({"stream": each.stream, "seq": each.seq, "body": dict(each.body)})
                continue
            found = each.document
            place = {"kind": found.kind, "key": found.key}
            rows[documents].append({**place, "revision": found.revision, "body": dict(found.body)})
            rows[labels] += ({**place, "label": label, "value": value} for label, value in each.labels.items())
        for table, values in rows.items():
            if values:
                self._connection.execute(insert(table), values)
        return len(page)

    def _revision(self, kind: str, key: str, expect: int | None) -> int:
        """The present revision (0 for none), once it is what the caller expects."""
        revision = self._connection.execute(_REVISION, {"of_kind": kind, "of_key": key}).scalar() or 0
        if expect is None or expect == revision:
            return revision
        raise RevisionConflict(
            f"{kind} '{key}' is at revision {revision}, not {expect}: someone changed it in the meantime.",
            context={"kind": kind, "key": key, "revision": revision, "expected": expect},
            remedy="Read it again and repeat the change if it is still wanted.",
        )

    def _relabel(self, kind: str, key: str, wanted: Mapping[str, str], *, existed: bool) -> None:
        if existed:
            self._connection.execute(_UNLABEL, {"of_kind": kind, "of_key": key})
        if wanted:
            rows = [{"kind": kind, "key": key, "label": label, "value": value} for label, value in wanted.items()]
            self._connection.execute(_LABEL, rows)
