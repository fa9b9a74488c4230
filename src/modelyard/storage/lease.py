"""A lease: of all processes on one record store one does a thing at a time, and who was thought dead does no harm."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import uuid4
from weakref import WeakValueDictionary

import msgspec
import psutil

from modelyard.core import Clock, ModelyardError

from .contract import RecordStore, Snapshot, Transaction
from .errors import LeaseLost, LeaseTaken

KIND = "lease"
"""The kind of the documents that leases are stored as."""

LASTS = timedelta(seconds=15)
"""How long a holder may be silent before another takes over."""

_HERE: "WeakValueDictionary[str, Lease]" = WeakValueDictionary()
"""What this very process holds, by its token: what it held and could not give back, the store being away, has ended."""


class LeaseRecord(msgspec.Struct, frozen=True):
    """A lease as stored. `epoch` counts who held it, one after another, and never falls; no token means that it is
    free.
    """

    epoch: int
    until: str
    host: str = ""
    pid: int = 0
    process_started: float = 0.0
    token: str = ""
    since: str = ""

    @property
    def holder(self) -> str:
        """Who it is, for a person."""
        return f"process {self.pid} on {self.host}"


class Lease:
    """The right to do what `name` says, held by at most one process at a time.

    A holder renews it; who is silent for `lasts` by the injected clock loses it to the next one that asks, and at once
    where it is a process of this machine that has ended. A holder that was only slow is kept from harm by `check`: in
    the transaction that writes what it did, the epoch must still be its own. The clocks of several machines should
    agree to a fraction of `lasts`; where they do not, a lease moves too soon or too late, and `check` still holds.

    With `while_alive` a process of this machine keeps it as long as it lives, however silent it is: what takes long and
    is better not begun twice.

    Safe for several threads of one process, which hold it together. A fork does not hold its parent's.
    """

    def __init__(
        self, records: RecordStore, name: str, clock: Clock, *, lasts: timedelta = LASTS, while_alive: bool = False
    ) -> None:
        self.name = name
        self.lasts = lasts
        self._while_alive = while_alive
        self._records = records
        self._clock = clock
        self._token = uuid4().hex
        self._epoch = 0
        self._lock = threading.Lock()

    @property
    def epoch(self) -> int:
        """The epoch at which this lease was last taken; 0 before."""
        return self._epoch

    def stored(self, view: Snapshot | None = None) -> LeaseRecord | None:
        """The lease as it stands, now or in a view of the records; None when nobody ever had it."""
        if view is not None:
            return _stored(view, self.name)
        with self._records.snapshot() as now:
            return _stored(now, self.name)

    def holder(self, view: Snapshot | None = None) -> LeaseRecord | None:
        """Who holds it now, this process or another; None when it is free to be taken.

        With a transaction as the view, nobody can take it before the end of that.
        """
        found = self.stored(view)
        return found if found is not None and self._in_force(found) else None

    def mine(self) -> bool:
        """Whether it is held here, though it may have run out: nobody else took it since."""
        found = self.stored()
        return found is not None and found.token == self._token

    def take(self) -> bool:
        """Take it where it is free, or go on holding it; False when another process holds it."""
        with self._lock, self._records.transaction() as tx:
            found = _stored(tx, self.name)
            if found is not None and found.token == self._token:
                self._write(tx, found.epoch, since=found.since)
                return True
            if found is not None and self._in_force(found):
                return False
            epoch = found.epoch + 1 if found is not None else 1
            _HERE[self._token] = self
            self._write(tx, epoch, since=self._clock.now().isoformat())
            self._epoch = epoch
            return True

    def renew(self) -> bool:
        """Hold it for `lasts` from now; False when it is another's, or was given back.

        A power cut may take a renewal back, never the taking.
        """
        with self._lock, self._records.transaction(durable=False) as tx:
            found = _stored(tx, self.name)
            if found is None or found.token != self._token:
                return False
            self._write(tx, found.epoch, since=found.since)
            return True

    def release(self) -> None:
        """Give it back, where it is held, so that nobody has to wait."""
        _HERE.pop(self._token, None)
        with self._lock, self._records.transaction() as tx:
            found = _stored(tx, self.name)
            if found is not None and found.token == self._token:
                tx.put(KIND, self.name, msgspec.to_builtins(LeaseRecord(found.epoch, self._clock.now().isoformat())))

    def check(self, view: Snapshot) -> None:
        """LeaseLost unless it is still held. In a transaction, nobody can take it before the end of that."""
        found = _stored(view, self.name)
        if found is None or found.token != self._token:
            now = "nobody" if found is None or not found.token else found.holder
            raise LeaseLost(
                f"The lease '{self.name}' is no longer held here: {now} has it.",
                context={"lease": self.name, "epoch": self._epoch},
                remedy="Nothing to do: whoever holds it goes on.",
            )

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Hold it while the block lasts, renewed from a thread; LeaseTaken when another process holds it."""
        if not self.take():
            found = self.stored()
            who = found.holder if found is not None else "another process"
            raise LeaseTaken(
                f"The lease '{self.name}' is held by {who}.",
                context={"lease": self.name, "holder": who},
                remedy="Wait until it is done.",
            )
        stopping = threading.Event()
        thread = threading.Thread(target=self._keep, args=(stopping,), daemon=True, name=f"lease-{self.name}")
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
            self.release()

    def _keep(self, stopping: threading.Event) -> None:
        while not stopping.wait(self.lasts.total_seconds() / 3):
            try:
                if not self.renew():
                    return
            except ModelyardError:
                continue  # the store is away for a moment; `check` says whether that was too long

    def _write(self, tx: Transaction, epoch: int, *, since: str) -> None:
        until = (self._clock.now() + self.lasts).isoformat()
        pid = os.getpid()
        started = psutil.Process(pid).create_time()
        record = LeaseRecord(epoch, until, socket.gethostname(), pid, started, self._token, since)
        tx.put(KIND, self.name, msgspec.to_builtins(record))

    def _in_force(self, found: LeaseRecord) -> bool:
        if not found.token:
            return False
        if found.token == self._token:
            return True
        here = found.host == socket.gethostname()
        if here and _has_ended(found):
            return False
        return (here and self._while_alive) or self._clock.now() < datetime.fromisoformat(found.until)


def _has_ended(found: LeaseRecord) -> bool:
    """Whether the holder, a process of this machine, is no more, or is this one and holds it no more."""
    try:
        process = psutil.Process(found.pid)
        same = abs(process.create_time() - found.process_started) < 1
        forgotten = found.pid == os.getpid() and found.token not in _HERE
        return not same or forgotten or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _stored(view: Snapshot, name: str) -> LeaseRecord | None:
    document = view.get(KIND, name)
    return None if document is None else msgspec.convert(document.body, LeaseRecord)
