"""Which columns the rows of a Feast view have, and had before somebody changed its schema.

Feast goes on serving what was materialized before a feature was added or taken away. Rows here are kept by the columns
that they have, so a view's rows may lie in several tables; what each had is kept beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from modelyard.core import Scalar
from modelyard.online import OnlineStore, StoredRow, table_of

MOST = 8
"""So many layouts of a view are read; rows of older ones are forgotten."""

_REGISTER = "feast-layouts"


@dataclass(frozen=True)
class Layout:
    """The join keys and the features of rows, in their order, and the table that has them."""

    table: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class ViewLayouts:
    """Where the rows of one view are."""

    store: OnlineStore
    project: str
    view: str
    keys: tuple[str, ...]

    def layout(self, features: Sequence[str]) -> Layout:
        """The layout of rows with these features."""
        return Layout(table_of(f"{self.project}.{self.view}", self.keys, features), tuple(features))

    def known(self) -> list[Layout]:
        """All layouts that rows were written in, the latest last."""
        return [self.layout(msgspec.json.decode(str(each), type=list[str])) for each in self._row().values]

    def remember(self, features: Sequence[str]) -> None:
        """Note that rows are written in a layout from now on."""
        row, written = self._row(), msgspec.json.encode(list(features)).decode()
        if row.values and row.values[-1] == written:
            return
        values: list[Scalar] = [each for each in row.values if each != written]
        for forgotten in values[: -(MOST - 1)]:
            self.store.clear(self.layout(msgspec.json.decode(str(forgotten), type=list[str])).table)
        kept = (*values[-(MOST - 1) :], written)
        self.store.write(self._register, [((self.view,), StoredRow(row.event_us + 1, 0, kept))])

    def forget(self) -> None:
        """Remove the view's rows, in whatever layout."""
        for each in self.known():
            self.store.clear(each.table)
        row = self._row()
        self.store.write(self._register, [((self.view,), StoredRow(row.event_us + 1, 0, ()))])

    @property
    def _register(self) -> str:
        return f"{self.project}.{_REGISTER}"

    def _row(self) -> StoredRow:
        (found,) = self.store.read(self._register, [(self.view,)])
        return found or StoredRow(0, 0, ())


def join_keys(view: Any) -> tuple[str, ...]:
    """The join keys of a Feast view, in the one order that keys are written in."""
    return tuple(sorted(each.name for each in getattr(view, "entity_columns", None) or ()))
