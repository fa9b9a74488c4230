"""Rows as Python has them, over a store of packed rows."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

from .batch import RowBatch
from .contract import ViewWriter
from .keys import encode_key
from .records import EntityKey, StoredRow, ViewState
from .rows import unpack


class RowAccess:
    """What each store does in the same way. See `contract.OnlineStore`."""

    def writer(self, view: str) -> AbstractContextManager[ViewWriter]:
        """As the contract says."""
        raise NotImplementedError

    def fetch(self, view: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """As the contract says."""
        raise NotImplementedError

    def state(self, view: str) -> ViewState:
        """As the contract says."""
        raise NotImplementedError

    def write(self, view: str, rows: Iterable[tuple[EntityKey, StoredRow]]) -> int:
        """As the contract says."""
        with self.writer(view) as writer:
            writer.add(RowBatch.of_rows(rows))
        return writer.stored

    def read(self, view: str, keys: Sequence[EntityKey]) -> list[StoredRow | None]:
        """As the contract says."""
        found = self.fetch(view, [encode_key(key) for key in keys])
        return [None if data is None else unpack(data) for data in found]

    def forget(self, view: str, keys: Sequence[EntityKey]) -> int:
        """As the contract says."""
        known = {key for each in keys if (key := encode_key(each)) is not None}
        return self.remove(view, sorted(known)) if known else 0

    def remove(self, view: str, keys: Sequence[bytes]) -> int:
        """The same, of encoded keys."""
        raise NotImplementedError

    def count(self, view: str) -> int:
        """As the contract says."""
        return self.state(view).rows
