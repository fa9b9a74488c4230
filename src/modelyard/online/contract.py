"""The online store: the newest value of each entity in each view, read in the path of a request."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from modelyard.core import Micros

from .batch import RowBatch
from .records import EntityKey, StoredRow, ViewState


class ViewWriter(Protocol):
    """One write of a view, of any number of batches, which readers see as a whole or not at all."""

    @property
    def stored(self) -> int:
        """How many rows were new or newer than what was there; known for certain when the write has ended."""

    def add(self, batch: RowBatch) -> None:
        """Put rows into this write. Batches may bring the same keys again: the newest stays, of equals the last."""

    def mark(self, *, until: Micros | None, at: Micros) -> None:
        """Keep with the rows up to when the view is known (None: as before), and when it was written."""


class OnlineStore(Protocol):
    """Newest values by view and entity key.

    Many processes may read while one writes. A write is atomic for its view, however many batches it has: a reader sees
    all of it or nothing, also when the writer is killed. A read of many keys sees them at one moment. Rows never
    replace newer ones: a row whose (event_us, available_us) is less than the stored row's is left out. Writing the same
    rows twice changes nothing. Keys have types: 7 and "7" are two entities, 7 and 7.0 are one. What was written
    survives `kill -9` of the writer. Raises OnlineUnavailable when the store cannot be reached or takes no more.
    """

    def writer(self, view: str) -> AbstractContextManager[ViewWriter]:
        """Begin a write; it takes effect when the block ends, and not at all when that raises."""

    def fetch(self, view: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """The packed rows (see `rows`) of encoded keys (see `keys`), in their order; None where there is none."""

    def write(self, view: str, rows: Iterable[tuple[EntityKey, StoredRow]]) -> int:
        """Store rows in one step; returns how many were newer than what was there."""

    def read(self, view: str, keys: Sequence[EntityKey]) -> list[StoredRow | None]:
        """The stored rows in the order of `keys`; None where there is none. A key with a null matches nothing."""

    def state(self, view: str) -> ViewState:
        """How many entities the view holds, and up to when it is known."""

    def count(self, view: str) -> int:
        """How many entities the view holds."""

    def views(self) -> list[str]:
        """The views that hold or held something."""

    def forget(self, view: str, keys: Sequence[EntityKey]) -> int:
        """Take the rows of these entities out, in one step; how many there were. Rows may come again by a write."""

    def clear(self, view: str) -> None:
        """Forget a view."""

    def close(self) -> None:
        """Release the store. Idempotent."""
