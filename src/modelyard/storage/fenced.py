"""A record store that only writes while a lease is held."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from .contract import RecordStore, Snapshot, Transaction


class FencedRecordStore:
    """A store whose every write transaction first asks whether the writer may: whatever `check` raises is passed on,
    and nothing is written. Reads are asked nothing. Otherwise see `contract.RecordStore`.
    """

    def __init__(self, store: RecordStore, check: Callable[[Transaction], None]) -> None:
        self._store = store
        self._check = check

    @property
    def url(self) -> str:
        return self._store.url

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Transaction]:
        with self._store.transaction(durable=durable) as tx:
            self._check(tx)
            yield tx

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        return self._store.snapshot()

    def migrate(self) -> None:
        self._store.migrate()

    def close(self) -> None:
        self._store.close()
