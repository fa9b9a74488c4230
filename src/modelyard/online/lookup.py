"""One view, read for some entities as of an instant each: values and how they came to be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelyard.core import Micros, Scalar

from .contract import OnlineStore
from .errors import StaleFeatures
from .keys import encode_key, encode_rows
from .records import FALLS_BACK, SERVES_EXPIRED, Presence, StoredRow, ViewPlan
from .rows import Ints, Unpacked, unpack, unpack_columns

_FEW = 4
"""Up to so many rows are quicker one by one."""

_FOR_EVER = 1 << 62


@dataclass(frozen=True)
class ViewColumns:
    """Of each feature that is read of a view, in that order, lists of values and presences, as long as the keys.

    `rows` says how each row as a whole came to be: present, missing or expired.
    """

    values: list[list[Scalar]]
    presence: list[list[Presence]]
    rows: list[Presence]


class ViewLookup:
    """Reads one view of a plan, and applies its ttl and its policy for stale values."""

    def __init__(self, view: ViewPlan) -> None:
        self.view = view
        self.table = view.table
        self._places = [view.stored.index(name) for name in view.read]
        self._ttl_us = _FOR_EVER if view.ttl_s is None else round(view.ttl_s * 1e6)
        falls_back = view.stale in FALLS_BACK
        self._instead = [view.defaults.get(name) if falls_back else None for name in view.read]

    def one(self, store: OnlineStore, key: Sequence[Scalar], at: Micros) -> tuple[list[Scalar], list[Presence]]:
        """The features of one entity. StaleFeatures when the policy is `error` and nothing is fresh."""
        (data,) = store.fetch(self.table, [encode_key(key)])
        stored = None if data is None else unpack(data)
        how = self._how(stored, at)
        if how is not Presence.PRESENT:
            self.check(how)
        return self._row(stored, how)

    def many(self, store: OnlineStore, keys: Sequence[Sequence[Scalar]], at: Micros | Ints) -> ViewColumns:
        """The features of entities, given by the columns of their keys, as of one instant or one each, shape (n_rows,).

        What the policy `error` refuses has its presence in `rows`; `check` raises for it.
        """
        return self.of_rows(store.fetch(self.table, encode_rows(keys)), at)

    def of_rows(self, found: Sequence[bytes | None], at: Micros | Ints) -> ViewColumns:
        """The features of packed rows, None where there is none."""
        there = [row for row in found if row is not None]
        if len(there) > _FEW:
            unpacked = unpack_columns(there, len(self.view.stored), self._places)
            if len(there) == len(found) and self._all_fresh(unpacked, at):
                return _all_present(unpacked, len(found))
        instants = at.tolist() if isinstance(at, np.ndarray) else [at] * len(found)
        return self._by_row([None if row is None else unpack(row) for row in found], instants)

    def check(self, how: Presence) -> None:
        """Raise StaleFeatures if the view's policy does not allow a row that is not present."""
        if self.view.stale == "error" and how is not Presence.PRESENT:
            raise StaleFeatures(
                f"View '{self.view.name}' has no fresh value for this entity ({how.value}).",
                context={"view": self.view.name, "presence": how.value},
                remedy="Materialize it: modelyard features materialize --feature-view " + self.view.name,
            )

    def _all_fresh(self, rows: Unpacked, at: Micros | Ints) -> bool:
        late = (rows.events > at) | (rows.available > at) | (at - rows.events > self._ttl_us)
        return not late.any()

    def _by_row(self, rows: Sequence[StoredRow | None], instants: Sequence[Micros]) -> ViewColumns:
        how = [self._how(row, at) for row, at in zip(rows, instants, strict=True)]
        made = [self._row(row, each) for row, each in zip(rows, how, strict=True)]
        features = range(len(self._places))
        values = [[row[0][at] for row in made] for at in features]
        return ViewColumns(values, [[row[1][at] for row in made] for at in features], how)

    def _how(self, stored: StoredRow | None, at: Micros) -> Presence:
        if stored is None or stored.event_us > at or stored.available_us > at:
            return Presence.MISSING
        return Presence.EXPIRED if at - stored.event_us > self._ttl_us else Presence.PRESENT

    def _row(self, stored: StoredRow | None, how: Presence) -> tuple[list[Scalar], list[Presence]]:
        served = how is Presence.PRESENT or (how is Presence.EXPIRED and self.view.stale in SERVES_EXPIRED)
        if stored is None or not served:
            return self._instead, [how] * len(self._places)
        values = [stored.values[at] for at in self._places]
        if how is Presence.EXPIRED:
            return values, [how] * len(values)
        return values, [Presence.NULL if value is None else how for value in values]


def _all_present(rows: Unpacked, count: int) -> ViewColumns:
    """All rows are fresh: only nulls tell one value from another."""
    present = [Presence.PRESENT] * count
    presence = [
        [Presence.NULL if value is None else Presence.PRESENT for value in column] if gap else present
        for column, gap in zip(rows.columns, rows.gaps, strict=True)
    ]
    return ViewColumns(rows.columns, presence, present)
