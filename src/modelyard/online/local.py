"""The embedded online store: memory-mapped LMDB, many reading processes and one writer."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import lmdb
import msgspec

from modelyard.core import Scalar

from .contract import EntityKey
from .errors import OnlineUnavailable
from .records import StoredRow

_DECODE = msgspec.msgpack.Decoder(StoredRow).decode
_ENCODE = msgspec.msgpack.Encoder().encode


class LocalOnlineStore:
    """See `contract.OnlineStore`. The file grows as needed up to `map_bytes` of address space.

    Writes are not flushed to the disk one by one: they survive `kill -9`, and after a power cut the views are
    materialized again, which is what an online store can always do.
    """

    def __init__(self, folder: Path, *, readonly: bool = False, map_bytes: int = 4 << 30) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if readonly and not (folder / "data.mdb").exists():
                LocalOnlineStore(folder, map_bytes=map_bytes).close()
            self._env = lmdb.open(
                str(folder),
                map_size=map_bytes,
                readonly=readonly,
                sync=False,
                metasync=False,
                max_dbs=0,
                readahead=False,
            )
        except (OSError, lmdb.Error) as error:
            raise OnlineUnavailable(
                f"The online store in {folder} cannot be opened: {error}.",
                remedy="Remove the folder, then: modelyard features materialize.",
            ) from error

    def write(self, view: str, rows: Iterable[tuple[EntityKey, StoredRow]]) -> int:
        try:
            with self._env.begin(write=True) as transaction:
                return sum(_put(transaction, view, key, row) for key, row in rows)
        except lmdb.Error as error:
            raise OnlineUnavailable(
                f"The online store took none of the rows of '{view}': {error}.",
                context={"view": view},
                remedy="It is full, or its disk is: see modelyard doctor.",
            ) from error

    def read(self, view: str, keys: Sequence[EntityKey]) -> list[StoredRow | None]:
        with self._env.begin(buffers=True) as transaction:
            found = [None if None in key else transaction.get(_name(view, key)) for key in keys]
            return [None if data is None else _DECODE(data) for data in found]

    def count(self, view: str) -> int:
        prefix = _prefix(view)
        with self._env.begin() as transaction, transaction.cursor() as cursor:
            if not cursor.set_range(prefix):
                return 0
            total = 0
            for key in cursor.iternext(values=False):
                if not key.startswith(prefix):
                    break
                total += 1
            return total

    def clear(self, view: str) -> None:
        prefix = _prefix(view)
        with self._env.begin(write=True) as transaction, transaction.cursor() as cursor:
            while cursor.set_range(prefix) and cursor.key().startswith(prefix):
                cursor.delete()

    def close(self) -> None:
        self._env.close()


def _put(transaction: lmdb.Transaction, view: str, key: EntityKey, row: StoredRow) -> bool:
    """Store one row if it has a key and is newer than what is there; whether it was stored."""
    if None in key:
        return False
    name = _name(view, key)
    current = transaction.get(name)
    if current is not None and not _newer(row, _DECODE(current)):
        return False
    transaction.put(name, _ENCODE(row))
    return True


def _prefix(view: str) -> bytes:
    return view.encode() + b"\x00"


def _name(view: str, key: EntityKey) -> bytes:
    name = _prefix(view) + _ENCODE(tuple(_plain(part) for part in key))
    return name if len(name) <= 500 else _prefix(view) + _hash(name)


def _plain(part: Scalar) -> Scalar:
    """Whole numbers are one entity however they are written: JSON has 7 and 7.0, a column with nulls 7.0 only."""
    if isinstance(part, float) and part.is_integer():
        part = int(part)
    return str(part) if isinstance(part, int) and not -(2**63) <= part < 2**64 else part


def _hash(name: bytes) -> bytes:
    """LMDB's keys end at 511 bytes; longer ones are kept by their digest."""
    from hashlib import sha256  # noqa: PLC0415 - only very long keys come here

    return b"\xc1" + sha256(name).digest()


def _newer(row: StoredRow, current: StoredRow) -> bool:
    return (row.event_us, row.available_us) > (current.event_us, current.available_us) or (
        (row.event_us, row.available_us) == (current.event_us, current.available_us) and row.values != current.values
    )
