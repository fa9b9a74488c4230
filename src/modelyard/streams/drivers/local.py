"""Streams in files of SQLite: for one machine, with no broker.

A stream is a database of its own: messages by number, and for each group the number of its next message and what was
delivered and not acknowledged. Every step is one transaction, so any number of processes may publish and consume.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from modelyard.core import Clock, Micros, SystemClock

from ..address import StreamAddress
from ..errors import StreamUnavailable
from ..records import ConsumerOptions, Delivery, Lag, Message

SUFFIX = ".stream"
"""What the file of a stream ends with; its name begins with the stream's."""

_LIMIT = 16 << 20
_BUSY_SECONDS = 30.0
_LOOK_SECONDS = 0.02
_TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
    headers TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS groups (name TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    grp TEXT NOT NULL, number INTEGER NOT NULL, attempt INTEGER NOT NULL, due INTEGER NOT NULL,
    PRIMARY KEY (grp, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due ON deliveries (grp, due);
"""


class LocalBroker:
    """See `contract.Broker`. What was published survives a power cut; a delivery or an acknowledgement may not."""

    def __init__(self, address: StreamAddress, clock: Clock | None = None) -> None:
        self._folder = Path(address.hosts)
        self._limit = int(address.options.get("max_bytes", _LIMIT))
        self._keep = address.options.get("keep")
        self._clock = clock or SystemClock()
        self._open: dict[str, sqlite3.Connection] = {}

    def limit(self) -> int:
        return self._limit

    def exists(self, name: str) -> bool:
        return self._file(name).is_file()

    def names(self) -> list[str]:
        return sorted(each.stem for each in self._folder.glob(f"*{SUFFIX}"))

    def create(self, name: str) -> None:
        with self.told():
            self._folder.mkdir(parents=True, exist_ok=True)
            self.connection(name).executescript(_TABLES)

    def send(self, name: str, messages: Sequence[Message]) -> None:
        at = self._clock.micros()
        rows = [(at, each.key, each.value, json.dumps(dict(each.headers))) for each in messages]
        with self.writing(name, durable=True) as database:
            database.executemany("INSERT INTO messages (at, key, value, headers) VALUES (?, ?, ?, ?)", rows)
            if self._keep is not None:
                database.execute(
                    "DELETE FROM messages WHERE number <= (SELECT MAX(number) FROM messages) - ?", (self._keep,)
                )

    def feed(self, name: str, group: str, options: ConsumerOptions) -> "LocalFeed":
        with self.writing(name) as database:
            database.execute("INSERT OR IGNORE INTO groups VALUES (?, 0)", (group,))
        return LocalFeed(self, name, group, options, self._clock)

    def lag(self, name: str, group: str) -> Lag:
        counts = (
            "SELECT (SELECT COUNT(*) FROM messages WHERE number >= "
            "COALESCE((SELECT next FROM groups WHERE name = ?), 0)), "
            "(SELECT COUNT(*) FROM deliveries JOIN messages USING (number) WHERE grp = ?)"
        )
        with self.told():
            waiting, out = self.connection(name).execute(counts, (group, group)).fetchone()
        return Lag(waiting, out)

    def rewind(self, name: str, group: str, since: Micros | None) -> None:
        first = (
            "SELECT COALESCE(MIN(number), (SELECT COALESCE(MAX(number), 0) + 1 FROM messages)) "
            "FROM messages WHERE at >= ?"
        )
        with self.writing(name) as database:
            (number,) = database.execute(first, (since if since is not None else -(2**63),)).fetchone()
            database.execute("DELETE FROM deliveries WHERE grp = ?", (group,))
            database.execute("INSERT OR REPLACE INTO groups VALUES (?, ?)", (group, number))

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def connection(self, name: str) -> sqlite3.Connection:
        """The database of a stream."""
        if name not in self._open:
            database = sqlite3.connect(self._file(name), timeout=_BUSY_SECONDS, isolation_level=None)
            self._open[name] = database
        return self._open[name]

    @contextmanager
    def writing(self, name: str, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction; with `durable` it survives a power cut. Either way none leaves the database damaged."""
        with self.told():
            database = self.connection(name)
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    @contextmanager
    def told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StreamUnavailable(
                f"The streams in {self._folder} cannot be used: {error}.",
                remedy="Check free space and permissions, and that the folder is on a disk of this machine.",
            ) from error

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"


class LocalFeed:
    """See `contract.Feed`. Looks for messages every 20 ms while it waits."""

    def __init__(self, broker: LocalBroker, name: str, group: str, options: ConsumerOptions, clock: Clock) -> None:
        self._broker, self._name, self._group, self._clock = broker, name, group, clock
        self._redeliver_us = round(options.redeliver_s * 1_000_000)

    def fetch(self, limit: int, wait_s: float) -> list[Delivery]:
        if limit <= 0:
            return []
        end = time.monotonic() + wait_s
        while True:
            if self._something() and (found := self._take(limit)):
                return found
            left = end - time.monotonic()
            if left <= 0:
                return []
            time.sleep(min(_LOOK_SECONDS, left))

    def confirm(self, deliveries: Sequence[Delivery]) -> None:
        rows = [(self._group, int(each.position)) for each in deliveries]
        with self._broker.writing(self._name) as database:
            database.executemany("DELETE FROM deliveries WHERE grp = ? AND number = ?", rows)

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        rows = [(self._group, int(each.position), each.attempt) for each in deliveries]
        with self._broker.writing(self._name) as database:
            database.executemany("UPDATE deliveries SET due = 0 WHERE grp = ? AND number = ? AND attempt = ?", rows)

    def close(self) -> None:
        """Nothing is held: what was delivered has been given back, or is due some time."""

    def _something(self) -> bool:
        """Whether there may be something to take, without keeping anybody from writing."""
        asked = (
            "SELECT EXISTS (SELECT 1 FROM deliveries WHERE grp = :group AND due <= :now) OR EXISTS "
            "(SELECT 1 FROM messages WHERE number >= (SELECT next FROM groups WHERE name = :group))"
        )
        with self._broker.told():
            values = {"group": self._group, "now": self._clock.micros()}
            return bool(self._broker.connection(self._name).execute(asked, values).fetchone()[0])

    def _take(self, limit: int) -> list[Delivery]:
        now = self._clock.micros()
        with self._broker.writing(self._name) as database:
            again = database.execute(_AGAIN, (self._group, now, limit)).fetchall()
            fresh = database.execute(_FRESH, (self._group, limit - len(again))).fetchall()
            if fresh:
                database.execute("UPDATE groups SET next = ? WHERE name = ?", (fresh[-1][0] + 1, self._group))
            found = [*again, *fresh]
            rows = [(self._group, row[0], row[5] + 1, now + self._redeliver_us) for row in found]
            database.executemany("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?)", rows)
        return [_delivery(row) for row in found]


_AGAIN = (
    "SELECT number, at, key, value, headers, attempt FROM deliveries JOIN messages USING (number) "
    "WHERE grp = ? AND due <= ? ORDER BY number LIMIT ?"
)
_FRESH = (
    "SELECT number, at, key, value, headers, 0 FROM messages "
    "WHERE number >= (SELECT next FROM groups WHERE name = ?) ORDER BY number LIMIT ?"
)


def _delivery(row: tuple[int, int, bytes, bytes, str, int]) -> Delivery:
    number, at, key, value, headers, attempt = row
    return Delivery(Message(value, key, json.loads(headers)), str(number), attempt + 1, Micros(at))
