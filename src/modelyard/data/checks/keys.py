"""Whether keys repeat: exactly, in bounded memory. Beyond a budget they go to a file of DuckDB's, which is removed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .seen import Seen, positive_zero

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BUDGET = 96 * 2**20
"""Bytes of keys that wait in memory before they go to the file."""

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "256MB",
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": False,
}


Repeat = tuple[int, list[pa.Scalar]]
"""A row's number, from 0, and the key in it."""


class Keys:
    """The keys of a table, gathered batch by batch; a key is one value or several, and none of them is missing."""

    def __init__(self, width: int, folder: Path, budget: int = BUDGET) -> None:
        self._names = [f"k{at}" for at in range(width)]
        self._folder = folder
        self._budget = budget
        self._kinds: list[pa.DataType] = []
        self._waiting: list[pa.Table] = []
        self._bytes = 0
        self._spilled: DuckDBPyConnection | None = None

    def gather(self, first_row: int, columns: Sequence[Seen]) -> None:
        """Take the keys of a batch; its first row has the number `first_row`."""
        self._kinds = [each.type for each in columns]
        arrays = [_stored(each) for each in columns]
        rows = pa.array(np.arange(first_row, first_row + len(columns[0])))
        table = pa.table([*arrays, rows], names=[*self._names, "place"])
        if any(each.missing for each in columns):
            table = table.drop_null()
        self._waiting.append(table)
        self._bytes += table.nbytes
        if self._bytes > self._budget:
            self._spill()

    def repeated(self, shown: int) -> tuple[int, list[Repeat]]:
        """How many rows repeat the key of an earlier one, and the first repetitions of some of these keys."""
        if self._spilled is None:
            if self._all_differ():
                return 0, []
            with _connect(":memory:") as session:
                return self._count(session, shown)
        if self._waiting:
            self._spill()
        try:
            return self._count(self._spilled, shown)
        finally:
            self.close()

    def _all_differ(self) -> bool:
        """Whether keys that are single whole numbers, all in memory, differ: sorting these is quicker than hashing."""
        if not self._waiting or self._waiting[0].num_columns != 2 or not pa.types.is_integer(self._waiting[0][0].type):
            return not self._waiting
        keys = np.concatenate([each[0].to_numpy() for each in self._waiting])
        keys.sort()
        return not bool((keys[1:] == keys[:-1]).any())

    def close(self) -> None:
        """Let go of the file; whoever gave the folder removes it."""
        if self._spilled is not None:
            self._spilled.close()

    def _spill(self) -> None:
        waiting = self._taken()
        if self._spilled is None:
            self._folder.mkdir()
            self._spilled = _connect(str(self._folder / "keys.duckdb"), temp_directory=str(self._folder))
            self._spilled.register("waiting", waiting.slice(0, 0))
            self._spilled.execute("CREATE TABLE keys AS SELECT * FROM waiting")
        self._spilled.register("waiting", waiting)
        self._spilled.execute("INSERT INTO keys SELECT * FROM waiting")
        self._spilled.unregister("waiting")

    def _taken(self) -> pa.Table:
        waiting, self._waiting, self._bytes = pa.concat_tables(self._waiting), [], 0
        return waiting

    def _count(self, session: Any, shown: int) -> tuple[int, list[Repeat]]:
        if self._spilled is None:
            session.register("keys", self._taken())
        names = ", ".join(self._names)
        groups = f"SELECT {names}, min(place) AS earliest, count(*) AS times FROM keys GROUP BY {names}"
        (count,) = session.execute(f"SELECT coalesce(sum(times - 1), 0)::BIGINT FROM ({groups})").fetchone()
        if not count:
            return 0, []
        some = f"SELECT * FROM ({groups}) WHERE times > 1 ORDER BY earliest LIMIT {shown}"
        repeats = f"FROM keys JOIN ({some}) USING ({names}) WHERE place > earliest GROUP BY {names}"
        again = f"SELECT min(place), {names} {repeats} ORDER BY 1"
        found = session.execute(again).fetchall()
        return int(count), [
            (row, [_original(*each) for each in zip(key, self._kinds, strict=True)]) for row, *key in found
        ]


def _stored(seen: Seen) -> pa.Array:
    """Values as something that is equal exactly where they are, and that DuckDB stores bit by bit."""
    array, kind = positive_zero(seen.array), seen.type
    if pa.types.is_decimal(kind):
        array = array.cast(pa.string())
    elif pa.types.is_temporal(kind):
        array = array.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    if pa.types.is_null(kind):
        return array.cast(pa.int8())
    if pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_integer(array.type):
        return array
    return pc.cast(array, pa.large_binary())


def _original(stored: Any, kind: pa.DataType) -> pa.Scalar:
    """The value that `_stored` made this of; a decimal as its text."""
    if pa.types.is_temporal(kind):
        return pa.scalar(stored, pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
    if pa.types.is_decimal(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.scalar(stored.decode())
    return pa.scalar(stored, kind)


def _connect(database: str, **settings: str) -> "DuckDBPyConnection":
    import duckdb  # noqa: PLC0415 - only keys that may repeat, or are too many for memory, pay for it

    return duckdb.connect(database, config={**_SETTINGS, **settings})
