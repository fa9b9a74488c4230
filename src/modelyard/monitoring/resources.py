"""What servers use of the machine, beside what their models answer: processor, memory, rows that wait."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from modelyard.core import Clock, Micros
from modelyard.routing import ServerStatus
from modelyard.storage import RecordStore, Transaction

from .alerts import AlertBook, AlertState, Series, series

KIND = "resource-use"
SOURCE = "resources"
SPEAKS_FOR = ("cpu_cores", "memory_bytes", "queue_rows")
"""The metrics told, by server."""

KEPT = timedelta(days=8)
"""How long looks are kept for pages."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


class ResourceUse(msgspec.Struct, frozen=True):
    """What the servers of a deployment used together at an instant.

    `cpu_cores`: processor time per time since the last look, None at the first. A server that hosts several deployments
    counts whole for each.
    """

    at: str
    servers: int
    cpu_cores: float | None
    memory_bytes: int
    queue_rows: int


@dataclass(frozen=True)
class _Spent:
    """Processor time of a server up to its heartbeat."""

    started_us: Micros
    heartbeat_us: Micros
    seconds: float


class ResourceWatch:
    """Tells the rules what servers use, every `alerts.every`, and keeps it for eight days."""

    def __init__(
        self, statuses: Callable[[], Sequence[ServerStatus]], book: AlertBook, records: RecordStore, clock: Clock
    ) -> None:
        self._statuses = statuses
        self._book = book
        self._records = records
        self._clock = clock
        self._spent: dict[str, _Spent] = {}

    def look(self, deployments: Sequence[str]) -> list[AlertState]:
        """Look once at all of them; returns what changed. A deployment that no server has tells nothing."""
        now, statuses = self._clock.now(), self._statuses()
        cores = {each.server: self._cores(each) for each in statuses}
        changed = []
        for deployment in deployments:
            own = [each for each in statuses if deployment in each.generations]
            if own:
                changed += self._tell(deployment, own, cores, now)
        self._spent = {each.server: _Spent(each.started_us, each.heartbeat_us, each.cpu_seconds) for each in statuses}
        return changed

    def told(self, deployment: str, since: datetime) -> list[ResourceUse]:
        """The looks from an instant on, oldest first."""
        with self._records.snapshot() as view:
            found = view.scan(KIND, prefix=f"{deployment}/", after=f"{deployment}/{(since - _HOUR).isoformat()}")
        looks = [msgspec.convert(each, ResourceUse) for document in found for each in document.body["looks"]]
        return [each for each in looks if each.at >= since.isoformat()]

    def _tell(
        self, deployment: str, own: Sequence[ServerStatus], cores: dict[str, float | None], now: datetime
    ) -> list[AlertState]:
        values: dict[Series, float] = {}
        for each in own:
            values[series("memory_bytes", instance=each.server)] = float(each.memory_bytes)
            values[series("queue_rows", instance=each.server)] = float(each.queue_rows)
            if (used := cores[each.server]) is not None:
                values[series("cpu_cores", instance=each.server)] = used
        known = [used for each in own if (used := cores[each.server]) is not None]
        self._keep(
            deployment,
            ResourceUse(
                now.isoformat(),
                len(own),
                sum(known) if known else None,
                sum(each.memory_bytes for each in own),
                sum(each.queue_rows for each in own),
            ),
            now,
        )
        every = self._book.settings.every
        return self._book.tell(SOURCE, deployment, values, at=now, every=every, speaks_for=SPEAKS_FOR)

    def _cores(self, status: ServerStatus) -> float | None:
        """Processor time per time since the last look; None when the server started since, or has not moved on."""
        last = self._spent.get(status.server)
        if last is None or last.started_us != status.started_us or status.heartbeat_us <= last.heartbeat_us:
            return None
        return max(0.0, (status.cpu_seconds - last.seconds) / ((status.heartbeat_us - last.heartbeat_us) / 1e6))

    def _keep(self, deployment: str, use: ResourceUse, now: datetime) -> None:
        """An hour is a document; those that are older than eight days go as new ones come."""
        hour = _EPOCH + (now - _EPOCH) // _HOUR * _HOUR
        key = f"{deployment}/{hour.isoformat()}"
        with self._records.transaction() as tx:
            before = tx.get(KIND, key)
            looks = [*(before.body["looks"] if before is not None else ()), msgspec.to_builtins(use)]
            tx.put(KIND, key, {"looks": looks})
            if before is None:
                _forget(tx, deployment, hour - KEPT)


def _forget(tx: Transaction, deployment: str, before: datetime) -> None:
    for each in tx.scan(KIND, prefix=f"{deployment}/", limit=48):
        if each.key < f"{deployment}/{before.isoformat()}":
            tx.delete(KIND, each.key)
