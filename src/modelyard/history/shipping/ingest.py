"""Taking in: records that come through a stream go into the log of this machine, each exactly once.

Messages may come twice; a record is named by its segment and number there. What has come is remembered in a database of
SQLite as ranges of numbers for each segment. Records and ranges become true together:

1. the records are written to a segment of this machine's journal, under a name that nobody reads, and flushed;
2. one transaction adds the ranges, and says that this segment is to be placed;
3. the segment gets its name: it is read, and sealed as any other;
4. the messages are acknowledged.

A crash before 2 leaves a file that nobody asked for, which the next start deletes, and the messages come again; one
after 2 leaves a file that the next start places, and messages that come again are known.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from modelyard.core import Clock, sync_folder
from modelyard.journal import FAMILIES, SUFFIX, Family, Record, write_segment
from modelyard.streams import Consumer, Delivery

from ..compacting import compact
from ..errors import NotALogRecord
from ..sealing import seal
from .alone import alone
from .numbers import Numbers, opened
from .ranges import add
from .wire import Shipment, read

_INCOMING = ".incoming"
_SEALED_AFTER = 200_000
"""Records after which segments are sealed while more comes."""


@dataclass(frozen=True)
class Ingested:
    """What one step took in: new records, messages that had come before, and messages that are none."""

    records: int
    again: int = 0
    refused: int = 0

    def __add__(self, other: "Ingested") -> "Ingested":
        return Ingested(self.records + other.records, self.again + other.again, self.refused + other.refused)


class Ingester:
    """Takes records from a stream into the journal and log of this machine, and remembers in `state` which have come.

    One process at a time for a log: `run` raises ShippingInUse. The log's readers see each batch of a family at once,
    and no record twice. Messages that are no records become dead letters.
    """

    def __init__(self, journal: Path, folder: Path, state: Path, clock: Clock) -> None:
        self._journal = journal
        self._folder = folder
        self._state = state
        self._clock = clock
        self._count = 0

    def run(self, consumer: Consumer, *, rows: int = 20_000, seconds: float = 2.0) -> Ingested:
        """Take in what has come to the group until there is no more. Raises what the consumer raises; safe to repeat.

        A segment is written for `rows` records of a family, or what came in `seconds`; a consumer must let as many be
        in flight. Segments are sealed now and then, and at the end.
        """
        total, sealed = Ingested(0), 0
        with alone(self._state.with_suffix(".lock"), "takes in this log"), closing(self._begun()) as database:
            while True:
                found = consumer.gather(rows, seconds)
                total += self._taken(consumer, database, found)
                done = not found and not any((consumer.lag().waiting, consumer.lag().unacknowledged))
                if total.records - sealed >= _SEALED_AFTER or (done and total.records > sealed):
                    seal(self._journal, self._folder)
                    compact(self._folder)
                    sealed = total.records
                if done:
                    return total

    def _begun(self) -> sqlite3.Connection:
        """The database, with what a crash left half done made whole."""
        database = opened(self._state)
        database.execute("CREATE TABLE IF NOT EXISTS to_place (path TEXT PRIMARY KEY) WITHOUT ROWID")
        self._place(database, [Path(path) for (path,) in database.execute("SELECT path FROM to_place").fetchall()])
        for family in FAMILIES:
            for left in (self._journal / family).glob(f"*{_INCOMING}"):
                left.unlink()
        return database

    def _taken(self, consumer: Consumer, database: sqlite3.Connection, found: Sequence[Delivery]) -> Ingested:
        shipments, refused = _read(consumer, found)
        received = Numbers(database, "received")
        fresh: dict[Family, list[Record]] = {}
        for each in shipments:
            ranges = received.of(each.family, each.segment)
            if add(ranges, each.number):
                received.put(each.family, each.segment, ranges)
                fresh.setdefault(each.family, []).append(each.record)
        if fresh:
            self._keep(database, fresh, received)
        consumer.acknowledge([each for each in found if each.position not in refused])
        count = sum(map(len, fresh.values()))
        return Ingested(count, len(shipments) - count, len(refused))

    def _keep(self, database: sqlite3.Connection, fresh: dict[Family, list[Record]], received: Numbers) -> None:
        """Steps 1 to 3."""
        files = [self._write(family, records) for family, records in fresh.items()]
        database.execute("BEGIN IMMEDIATE")
        received.write()
        database.executemany("INSERT INTO to_place VALUES (?)", [(str(each),) for each in files])
        database.execute("COMMIT")
        self._place(database, files)

    def _write(self, family: Family, records: Sequence[Record]) -> Path:
        """Write records to a segment that is no part of the log yet; the name that it is to have."""
        self._count += 1
        name = f"{self._clock.micros():016d}-ingest-{os.getpid()}-{self._count:06d}{SUFFIX}"
        path = self._journal / family / name
        write_segment(path.with_suffix(_INCOMING), records)
        return path

    def _place(self, database: sqlite3.Connection, files: Sequence[Path]) -> None:
        """Give segments their names, unless they had them and were sealed since, and forget that they were to be."""
        for each in files:
            incoming = each.with_suffix(_INCOMING)
            if incoming.exists():
                incoming.replace(each)
                sync_folder(each.parent)
        database.executemany("DELETE FROM to_place WHERE path = ?", [(str(each),) for each in files])


def _read(consumer: Consumer, found: Sequence[Delivery]) -> tuple[list[Shipment], set[str]]:
    """The records among messages, and the positions of those that are none, which are put aside."""
    shipments: list[Shipment] = []
    refused: set[str] = set()
    for each in found:
        try:
            shipments.append(read(each.message))
        except NotALogRecord as error:
            consumer.dead_letter(each, error.message)
            refused.add(each.position)
    return shipments, refused
