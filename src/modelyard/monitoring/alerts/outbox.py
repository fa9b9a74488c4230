"""The outbox: notifications on their way, durable, tried for a day, delivered at least once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from msgspec.structs import replace

from modelyard.core import Clock, ModelyardError, log_event, to_micros
from modelyard.storage import RecordStore, Transaction

from .errors import NotDelivered
from .groups import Group, Notice, groups, save, tell
from .records import LOUDNESS
from .responses import acknowledged, silenced
from .settings import AlertSettings, ReceiverSettings

OUTGOING = "alert-outgoing"
GIVE_UP = timedelta(hours=24)
"""What nobody took for so long is dead."""

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=15)
_DEAD_KEPT = 1_000


class Outgoing(msgspec.Struct, frozen=True):
    """One notification for one receiver. `id` is the same however often it is delivered."""

    id: str
    receiver: str
    notice: Notice
    created_at: datetime
    next_at: datetime
    attempts: int = 0
    error: str = ""
    dead: bool = False


class Receiver(Protocol):
    """Takes notifications. Slow ones are given up after seconds, not minutes."""

    def take(self, notice: Notice, identity: str, at: datetime) -> None:
        """Take one; it is theirs when this returns. NotDelivered says why it is not, without secrets."""


ReceiverOf = Callable[[str], Receiver]
"""The receiver of a name in the project file; ModelyardError when it cannot be used now."""


class Outbox:
    """Composes notifications and delivers them. Safe for several threads and processes.

    Composing is one transaction: what is to be told is either still waiting or in the outbox. Delivering comes first
    and is noted afterwards, so that who is killed in between delivers once more; receivers tell by the `id`.
    """

    def __init__(self, records: RecordStore, clock: Clock, settings: AlertSettings, project: str = "") -> None:
        self._records = records
        self._clock = clock
        self._settings = settings
        self._project = project

    def compose(self) -> int:
        """Put into the outbox what groups have to tell now; returns how many notifications that is."""
        now = self._clock.now()
        with self._records.snapshot() as view:
            if not any(_may_tell(each, now, self._settings) for each in groups(view)):
                return 0
        with self._records.transaction() as tx:
            is_silenced, is_acknowledged = silenced(tx, now), acknowledged(tx, now)
            count = 0
            for group in groups(tx):
                later, notice = tell(group, now, self._settings, is_silenced, is_acknowledged)
                if later != group:
                    save(tx, later)
                if notice is not None:
                    count += self._post(tx, replace(notice, project=self._project))
            return count

    def post(self, notice: Notice, receiver: str) -> Outgoing:
        """Put one notification for one receiver into the outbox, to be delivered as the others are."""
        with self._records.transaction() as tx:
            return _put(tx, replace(notice, project=self._project), receiver)

    def deliver(self, receiver_of: ReceiverOf, *, only: str | None = None) -> list[Outgoing]:
        """Deliver what is due, oldest first; returns what was tried, as it is now: with `error` what was not taken.

        What a receiver did not take is due again later and later; meanwhile nothing else of its group goes there, so
        that nothing resolves before it fired. `only` one receiver's.
        """
        tried, stuck = [], set()
        for each in self.waiting():
            line = (each.receiver, each.notice.deployment, each.notice.severity)
            if only not in (None, each.receiver) or line in stuck:
                continue
            if each.next_at > self._clock.now():
                stuck.add(line)
                continue
            done = self._deliver(each, receiver_of)
            tried.append(done)
            if done.error:
                stuck.add(line)
        return tried

    def waiting(self) -> list[Outgoing]:
        """What is on its way, oldest first."""
        return self._find("waiting")

    def dead(self) -> list[Outgoing]:
        """What nobody took within a day, oldest first."""
        return self._find("dead")

    def _find(self, state: str) -> list[Outgoing]:
        with self._records.snapshot() as view:
            return [msgspec.convert(each.body, Outgoing) for each in view.find(OUTGOING, "state", state)]

    def _post(self, tx: Transaction, notice: Notice) -> int:
        count = 0
        for name, receiver in self._settings.notify.items():
            meant = _meant_for(notice, receiver)
            if meant is not None:
                _put(tx, meant, name)
                count += 1
        return count

    def _deliver(self, outgoing: Outgoing, receiver_of: ReceiverOf) -> Outgoing:
        now = self._clock.now()
        try:
            receiver_of(outgoing.receiver).take(outgoing.notice, outgoing.id, now)
        except ModelyardError as error:
            return self._failed(outgoing, error.message[:300], now)
        except Exception as error:  # the edge to whatever a receiver's library does; the others go on
            return self._failed(outgoing, type(error).__name__, now)
        with self._records.transaction() as tx:
            tx.delete(OUTGOING, outgoing.id)
        return replace(outgoing, attempts=outgoing.attempts + 1, error="")

    def _failed(self, outgoing: Outgoing, error: str, now: datetime) -> Outgoing:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(outgoing.attempts, 20))
        dead = now - outgoing.created_at >= GIVE_UP
        later = replace(
            outgoing, attempts=outgoing.attempts + 1, error=error or "no reason", next_at=now + pause, dead=dead
        )
        with self._records.transaction() as tx:
            if tx.get(OUTGOING, outgoing.id) is not None:  # else another process has delivered it
                _write(tx, later)
            over = tx.find(OUTGOING, "state", "dead")[:-_DEAD_KEPT] if dead else []
            for each in over:
                tx.delete(OUTGOING, each.key)
        log_event("monitoring", "notification dead" if dead else "notification not taken, will be tried again",
                  receiver=outgoing.receiver, id=outgoing.id, attempts=later.attempts, error=later.error)  # fmt: skip
        return later


def check_known(settings: AlertSettings, receiver: str) -> ReceiverSettings:
    """The settings of a receiver; NotDelivered when the project file has none of this name any more."""
    if receiver not in settings.notify:
        raise NotDelivered(f"The project file names no receiver '{receiver}' any more.")
    return settings.notify[receiver]


def _may_tell(group: Group, now: datetime, settings: AlertSettings) -> bool:
    """Whether it is worth a transaction to look closer."""
    repeats = bool(group.told) and group.sent_at is not None and now >= group.sent_at + settings.repeat_interval
    return bool(group.waiting) or repeats


def _meant_for(notice: Notice, receiver: ReceiverSettings) -> Notice | None:
    """What of a notification a receiver wants to know."""
    if LOUDNESS[notice.severity] < LOUDNESS[receiver.severity]:
        return None
    if receiver.deployments and notice.deployment not in receiver.deployments:
        return None
    if receiver.resolved:
        return notice
    return replace(notice, resolved=()) if notice.fired else None


def _put(tx: Transaction, notice: Notice, receiver: str) -> Outgoing:
    """Into the outbox, under an id that sorts by time and is nobody else's."""
    stem = f"{to_micros(notice.at):016x}-{notice.deployment or 'all'}-{notice.severity.value}-{receiver}"
    taken = {each.key for each in tx.scan(OUTGOING, prefix=stem)}
    number = next(each for each in range(len(taken) + 1) if f"{stem}-{each}" not in taken)
    outgoing = Outgoing(f"{stem}-{number}", receiver, notice, notice.at, notice.at)
    _write(tx, outgoing)
    return outgoing


def _write(tx: Transaction, outgoing: Outgoing) -> None:
    state = "dead" if outgoing.dead else "waiting"
    tx.put(OUTGOING, outgoing.id, msgspec.to_builtins(outgoing), labels={"state": state})
