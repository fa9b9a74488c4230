"""What answers may cost, and have: money is held before an upstream is asked, and settled when the answer is on record.

Kept in LMDB beside the journal, for all workers of a server together. What a killed process held is settled by
`recover`, so that what is spent is the sum of the costs on record.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import lmdb
import msgspec

from modelyard.core import make_folder
from modelyard.core.locks import alone

from ..errors import BudgetSpent, BudgetUnknown

_SIZE = 512 << 20
"""Bytes that the file may grow to: more than all workers' answers under way come to, with the longest names."""

_SPENT, _HELD, _ONE = b"spent/", b"held/", b"one/"


class Reservation(msgspec.Struct, frozen=True, array_like=True):
    """Money held for one answer of a budget. `note` is what its holder wants to find again, as text."""

    identity: str
    budget: str
    micros: int
    owner: str
    note: str = ""


class Ledger:
    """Budgets in whole micros. Each call is one transaction, which a kill leaves done or undone, whoever shares it;
    BudgetUnknown when the disk refuses it.

    Who opens one owns what it reserves, until it is closed or its process ends.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """`durable`: every transaction survives a power cut too, at the price of a disk flush."""
        self._folder = folder
        try:
            make_folder(folder / "owners")
            self._store = lmdb.open(str(folder), map_size=_SIZE, sync=durable, max_dbs=0, max_readers=1024)
        except (OSError, lmdb.Error) as error:
            raise _unwritable(folder, error) from error
        self._owner = uuid4().hex
        self._lock = os.open(self._owner_file(self._owner), os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def reserve(self, budget: str, limit: int, identity: str, micros: int, note: str = "") -> None:
        """Hold money; BudgetSpent when spent and held would come to more than the limit with it."""
        with self._writing() as txn:
            spent, held = _read(txn, _SPENT, budget), _read(txn, _HELD, budget)
            if spent + held + micros > limit:
                raise BudgetSpent(
                    f"The budget '{budget}' has {limit - spent - held} of {limit} micros left; this may cost {micros}.",
                    context={"code": "insufficient_quota", "spent": spent, "held": held, "limit": limit},
                    remedy="Ask for fewer tokens (max_tokens), wait for the next period, or raise serving.budget.",
                )
            _write(txn, _HELD, budget, held + micros)
            one = Reservation(identity, budget, micros, self._owner, note)
            txn.put(_ONE + identity.encode(), msgspec.msgpack.encode(one))

    def settle(self, identity: str, cost: int) -> None:
        """Let go of what was held for an answer, and count what it cost; what is settled already stays as it is."""
        with self._writing() as txn:
            found = txn.pop(_ONE + identity.encode())
            if found is None:
                return
            one = msgspec.msgpack.decode(found, type=Reservation)
            _write(txn, _HELD, one.budget, _read(txn, _HELD, one.budget) - one.micros)
            _write(txn, _SPENT, one.budget, _read(txn, _SPENT, one.budget) + cost)

    def state(self, budget: str) -> tuple[int, int]:
        """What is spent of a budget, and what is held."""
        with self._store.begin() as txn:
            return _read(txn, _SPENT, budget), _read(txn, _HELD, budget)

    def recover(self, costs: Callable[[set[str]], Mapping[str, int]], record: Callable[[Reservation], None]) -> int:
        """Settle what ended processes held; how many answers that were.

        `costs` tells the costs on record of those of these identities that are there. For the others nobody knows what
        the upstream made of them: they are recorded, by `record`, as having cost all that was held. One process at a
        time does so.
        """
        with alone(self._folder / "recovering"):
            left = [one for one in self._reservations() if self._ended(one.owner)]
            known = costs({one.identity for one in left}) if left else {}
            for one in left:
                if one.identity not in known:
                    record(one)
                self.settle(one.identity, known.get(one.identity, one.micros))
            for owner in {one.owner for one in left}:
                self._owner_file(owner).unlink(missing_ok=True)
            return len(left)

    def close(self) -> None:
        """Own nothing any more."""
        self._store.close()
        self._owner_file(self._owner).unlink(missing_ok=True)
        os.close(self._lock)

    @contextmanager
    def _writing(self) -> Iterator["lmdb.Transaction"]:
        """A transaction; BudgetUnknown when it cannot be written, and then nothing of it is."""
        try:
            with self._store.begin(write=True) as txn:
                yield txn
        except lmdb.Error as error:
            raise _unwritable(self._folder, error) from error

    def _reservations(self) -> list[Reservation]:
        with self._store.begin() as txn, txn.cursor() as cursor:
            found = []
            if cursor.set_range(_ONE):
                for key, value in cursor:
                    if not key.startswith(_ONE):
                        break
                    found.append(msgspec.msgpack.decode(value, type=Reservation))
            return found

    def _ended(self, owner: str) -> bool:
        """Whether an owner is gone: its process held a lock that the system drops when it ends."""
        if owner == self._owner:
            return False
        with _opened(self._owner_file(owner)) as descriptor:
            if descriptor is None:
                return True
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def _owner_file(self, owner: str) -> Path:
        return self._folder / "owners" / owner


def _unwritable(folder: Path, error: Exception) -> BudgetUnknown:
    return BudgetUnknown(
        f"The ledger of budgets in {folder} cannot be written: {error}.",
        remedy="Free space on its disk; answers are refused until then.",
    )


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    descriptor = None
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDWR)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _read(txn: "lmdb.Transaction", kind: bytes, budget: str) -> int:
    return int(txn.get(kind + budget.encode()) or 0)


def _write(txn: "lmdb.Transaction", kind: bytes, budget: str, micros: int) -> None:
    txn.put(kind + budget.encode(), b"%d" % micros)
