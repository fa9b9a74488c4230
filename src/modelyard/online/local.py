"""The embedded online store: memory-mapped LMDB, many reading processes and one writer.

Each view has a table of LMDB's; what is known of the views stands beside the tables.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
import msgspec
import numpy as np

from modelyard.core import Micros

from .access import RowAccess
from .batch import RowBatch
from .errors import OnlineUnavailable
from .mapped import release_pages
from .records import ViewState

FORMAT = b"2:"
"""Heads the name of everything this version writes: what others wrote is not read, and is removed by the next writer,
for views can always be materialized again. Raise it whenever rows or keys written before would be read wrongly."""

_STATE = FORMAT + b"\x00"
_MOST_VIEWS = 512
_LARGE = 256 << 20
"""When the file has so many bytes, writes let go of the pages that they touch: in the end these may be all of them."""

_TOUCHING = 2000
"""So many rows at a time: the system maps 16 pages around each that is touched."""

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(ViewState).decode


def copy_local(folder: Path, into: Path) -> bool:
    """Copy the embedded store in a folder as of one moment, whoever writes to it; False where there is none."""
    if not (folder / "data.mdb").is_file():
        return False
    into.mkdir(parents=True)
    try:
        with lmdb.open(str(folder), readonly=True, max_dbs=_MOST_VIEWS, max_readers=1024) as store:
            store.copy(str(into), compact=True)
    except (OSError, lmdb.Error) as error:
        raise OnlineUnavailable(
            f"The online store in {folder} cannot be copied: {error}.", remedy="Look: modelyard doctor."
        ) from error
    return True


class LocalOnlineStore(RowAccess):
    """See `contract.OnlineStore`. The file grows as needed up to `map_bytes` of address space.

    Safe for many threads. Writes are not flushed to the disk one by one: they survive `kill -9`, and after a power cut
    the views are materialized again, which is what an online store can always do. A write may be larger than memory.
    """

    def __init__(self, folder: Path, *, readonly: bool = False, map_bytes: int = 64 << 30) -> None:
        self._tables: dict[str, Any] = {}
        self._opening = threading.Lock()
        self._file = folder / "data.mdb"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if readonly and not self._file.exists():
                LocalOnlineStore(folder, map_bytes=map_bytes).close()
            self._env = lmdb.open(
                str(folder),
                map_size=map_bytes,
                readonly=readonly,
                sync=False,
                metasync=False,
                max_dbs=_MOST_VIEWS,
                max_readers=1024,
                readahead=False,
            )
            self._env.reader_check()  # forgets readers that were killed, so that their pages are used again
            if not readonly:
                self._remove_other_formats()
        except (OSError, lmdb.Error) as error:
            raise OnlineUnavailable(
                f"The online store in {folder} cannot be opened: {error}.",
                remedy="Remove the folder, then: modelyard features materialize.",
            ) from error

    @contextmanager
    def writer(self, view: str) -> Iterator["_Writer"]:
        """See the contract."""
        try:
            table = self._table(view, create=True)
            with self._env.begin(write=True) as transaction:
                writer = _Writer(transaction, table, _known(transaction, view), self._file)
                yield writer
                transaction.put(_STATE + view.encode(), _ENCODE(writer.known))
        except lmdb.Error as error:
            raise OnlineUnavailable(
                f"The online store took none of the rows of '{view}': {error}.",
                context={"view": view},
                remedy="It is full, or its disk is: see modelyard doctor.",
            ) from error

    def fetch(self, view: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """See the contract."""
        table = self._tables.get(view) or self._table(view)
        if table is None:
            return [None] * len(keys)
        try:
            with self._env.begin(db=table) as transaction:
                get: Callable[[bytes], bytes | None] = transaction.get
                return [None if key is None else get(key) for key in keys]
        except lmdb.Error as error:
            raise _unreadable(view, error) from error

    def state(self, view: str) -> ViewState:
        """See the contract."""
        table = self._table(view)
        if table is None:
            return ViewState()
        with self._env.begin() as transaction:
            return msgspec.structs.replace(_known(transaction, view), rows=transaction.stat(table)["entries"])

    def views(self) -> list[str]:
        """See the contract."""
        with self._env.begin() as transaction:
            names = [bytes(name) for name in transaction.cursor().iternext(values=False)]
        return sorted(name.removeprefix(_STATE).decode() for name in names if name.startswith(_STATE))

    def remove(self, view: str, keys: Sequence[bytes]) -> int:
        """See the contract."""
        table = self._table(view)
        if table is None:
            return 0
        with self._env.begin(write=True) as transaction:
            return sum(bool(transaction.delete(key, db=table)) for key in keys)

    def clear(self, view: str) -> None:
        """See the contract."""
        table = self._table(view)
        if table is None:
            return
        with self._env.begin(write=True) as transaction:
            transaction.drop(table, delete=False)  # the table itself stays: other processes hold it open
            transaction.delete(_STATE + view.encode())

    def close(self) -> None:
        """See the contract."""
        self._env.close()

    def _table(self, view: str, *, create: bool = False) -> Any:
        """The table of a view; None when there is none yet. LMDB lets one thread at a time open tables."""
        with self._opening:
            if view not in self._tables:
                try:
                    self._tables[view] = self._env.open_db(FORMAT + view.encode(), create=create)
                except (lmdb.NotFoundError, lmdb.ReadonlyError):
                    return None
            return self._tables[view]

    def _remove_other_formats(self) -> None:
        with self._env.begin() as transaction:
            names = [bytes(name) for name in transaction.cursor().iternext(values=False)]
        if others := [name for name in names if not name.startswith(FORMAT)]:
            with self._env.begin(write=True) as transaction:
                for name in others:
                    self._remove(transaction, name)

    def _remove(self, transaction: Any, name: bytes) -> None:
        try:
            transaction.drop(self._env.open_db(name, txn=transaction, create=False))
        except lmdb.IncompatibleError:  # a value, not a table
            transaction.delete(name)


class _Writer:
    """See `contract.ViewWriter`: everything happens in one transaction of LMDB's."""

    def __init__(self, transaction: lmdb.Transaction, table: Any, known: ViewState, file: Path) -> None:
        self._transaction = transaction
        self._file = file
        self._table = table
        self.known = known
        self.stored = 0

    def add(self, batch: RowBatch) -> None:
        """See the contract."""
        if self._file.stat().st_size < _LARGE:
            self._put(batch)
            return
        for start in range(0, len(batch), _TOUCHING):
            self._put(batch.taken(np.arange(start, min(start + _TOUCHING, len(batch)))))
            release_pages(self._file)

    def _put(self, batch: RowBatch) -> None:
        table = self._table
        if self._transaction.stat(table)["entries"]:
            batch = batch.newer_than(self._current(batch.keys))
        if not len(batch):
            return
        with self._transaction.cursor(table) as cursor:
            cursor.putmulti(zip(batch.keys, batch.rows, strict=True))
        self.stored += len(batch)
        self.known = self.known.with_event(int(batch.events.max()))

    def _current(self, keys: Sequence[bytes]) -> list[bytes | None]:
        get, table = self._transaction.get, self._table
        found: list[Any] = [get(key, None, table) for key in keys]
        return found

    def mark(self, *, until: Micros | None, at: Micros) -> None:
        """See the contract."""
        self.known = self.known.marked(until, at)


def _known(transaction: lmdb.Transaction, view: str) -> ViewState:
    data = transaction.get(_STATE + view.encode())
    return ViewState() if data is None else _DECODE(data)


def _unreadable(view: str, error: Exception) -> OnlineUnavailable:
    return OnlineUnavailable(
        f"The online store cannot be read: {error}.",
        context={"view": view},
        remedy="Start this process again; if that does not help, remove the store's folder and materialize.",
    )
