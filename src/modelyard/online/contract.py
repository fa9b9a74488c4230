"""The online store: the newest value of each entity in each view, read in the path of a request."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from modelyard.core import Scalar

from .records import StoredRow

EntityKey = tuple[Scalar, ...]
"""The values of a view's join keys, in their order."""


class OnlineStore(Protocol):
    """Newest values by view and entity key.

    Many processes may read while one writes. A `write` is atomic for its view: a reader sees all of it or nothing.
    Rows never replace newer ones: a row whose (event_us, available_us) is less than the stored row's is left out.
    Writing the same rows twice changes nothing. Keys have types: 7 and "7" are two entities, 7 and 7.0 are one. Reads
    return copies. What was written survives `kill -9` of the writer.
    """

    def write(self, view: str, rows: Iterable[tuple[EntityKey, StoredRow]]) -> int:
        """Store rows in one step; returns how many were newer than what was there."""

    def read(self, view: str, keys: Sequence[EntityKey]) -> list[StoredRow | None]:
        """The stored rows in the order of `keys`; None where there is none. A key with a null matches nothing."""

    def count(self, view: str) -> int:
        """How many entities the view holds."""

    def clear(self, view: str) -> None:
        """Forget a view."""

    def close(self) -> None:
        """Release the store. Idempotent."""
