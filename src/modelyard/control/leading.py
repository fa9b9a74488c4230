"""Of all control processes of a record store one leads; the others wait for it to end or to fall silent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import WARNING

from modelyard.core import ModelyardError, log_event
from modelyard.storage import Lease

LEADER = "control"
"""The lease that the leader holds."""

_JOIN_SECONDS = 2.0

Leads = Callable[[], bool]
"""Whether this process leads now: asked before each thing that only the leader does."""


def always() -> bool:
    """Who is alone leads."""
    return True


class Leader:
    """Asks for the lease again and again. Safe to read from any thread.

    It leads from the moment the lease is its own until the lease might have run out, by its own monotonic clock: when
    the record store is away for that long, it stops before another process can begin.
    """

    def __init__(self, lease: Lease, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.lease = lease
        self._monotonic = monotonic
        self._confirmed: float | None = None
        self._waits_for: str | None = None

    def __call__(self) -> bool:
        """Whether this process leads now."""
        lasts = self.lease.lasts.total_seconds()
        return self._confirmed is not None and self._monotonic() - self._confirmed < lasts

    @property
    def waits_for(self) -> str | None:
        """Who leads instead, when that is known."""
        return None if self() else self._waits_for

    def ask(self) -> None:
        """Take the lease or renew it; what changed by that is logged."""
        led, before, asked = self(), self._waits_for, self._monotonic()
        holder = None if led else self.lease.holder()
        if (led and self.lease.renew()) or (not led and self._may_take(holder) and self.lease.take()):
            self._confirmed, self._waits_for = asked, None
        else:
            found = self.lease.holder()
            self._confirmed, self._waits_for = None, found.holder if found is not None else None
        if self() and not led:
            log_event("control", "leads", epoch=self.lease.epoch)
        elif led and not self():
            log_event("control", "leads no longer", level=WARNING, leader=self._waits_for)
        elif self._waits_for is not None and self._waits_for != before:
            log_event("control", "waits: another control process leads", leader=self._waits_for)

    def _may_take(self, holder: object) -> bool:
        """Whoever waits only looks, and writes when it is his turn."""
        return holder is None or self.lease.mine()

    def stop(self) -> None:
        """Hand over."""
        led, self._confirmed = self(), None
        self.lease.release()
        if led:
            log_event("control", "hands over")


@contextmanager
def leading(leader: Leader) -> Iterator[None]:
    """Ask for the lease from a thread while the block lasts, three times in each; it is handed over in the end."""
    stopping = threading.Event()
    every = leader.lease.lasts.total_seconds() / 3

    def keep() -> None:
        while not stopping.wait(every):
            _ask(leader)

    _ask(leader)
    thread = threading.Thread(target=keep, daemon=True, name="leading")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_JOIN_SECONDS)
        try:
            leader.stop()
        except ModelyardError as error:
            log_event("control", "not handed over: the lease runs out by itself", level=WARNING, error=error.message)


def _ask(leader: Leader) -> None:
    try:
        leader.ask()
    except ModelyardError as error:
        log_event("control", "the lease cannot be asked for, will be tried again", level=WARNING, error=error.message)
