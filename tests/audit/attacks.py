"""What somebody with the database, or with the file of checkpoints, could do to the record of what was done."""

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from modelyard.access import local_principal
from modelyard.audit import AuditLog, AuditReport, Checkpoints, FileSink
from modelyard.audit.chain import GENESIS, hash_of
from modelyard.core import ManualClock, canonical_json
from modelyard.core.signing import PRIVATE_FILE, PrivateKey, PublicKey, make_key_pair, read_private_key
from modelyard.storage import open_record_store

from ..databases import new_database

ENTRIES, BETWEEN = 24, 6
"""So many entries, and a checkpoint after so many each."""

STRANGE: tuple[object, ...] = ("x", None, 1, {"to": 99}, [], "0" * 64)
"""What an attacker writes."""

State = bytes | Mapping[str, Sequence[tuple[object, ...]]]
"""A whole database: the file of SQLite's, or the rows of each table."""

TABLES = {"documents": "kind, key, revision, CAST(body AS TEXT)", "entries": "stream, seq, CAST(body AS TEXT)"}
"""What holds the record, and its columns."""


@dataclass
class OwnKeys:
    """The keys of a workspace, as `Checkpoints` asks for them."""

    private: PrivateKey | None
    public: tuple[PublicKey, ...]

    def own(self) -> PrivateKey | None:
        """The key that signs."""
        return self.private

    def known(self) -> tuple[PublicKey, ...]:
        """The keys that count."""
        return self.public


def new_key(folder: Path) -> PrivateKey:
    """A fresh key."""
    make_key_pair(folder)
    return read_private_key(folder / PRIVATE_FILE)


class Yard:
    """A record store with its audit record, a file of checkpoints, and the key that signs them."""

    def __init__(self, folder: Path, clock: ManualClock, key: PrivateKey | None, server: str | None = None) -> None:
        """In a file of SQLite's, or in a new database of a server's."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.clock, self.server = folder, clock, server
        self.older: dict[int, State] = {}
        self.keys = OwnKeys(key, () if key is None else (key.public,))
        self.database: Path | str = new_database(server) if server else folder / "records.db"
        self.sink = folder / "checkpoints.jsonl"
        self.records = open_record_store(f"sqlite:///{self.database}" if server is None else str(self.database))
        self.log = AuditLog(self.records, clock)
        self.checkpoints = Checkpoints(self.records, self.log, lambda: FileSink(self.sink), self.keys, clock)

    def record(self, count: int = 1) -> None:
        """More entries."""
        with self.records.transaction() as tx:
            for number in range(count):
                self.log.record(tx, local_principal(), "model.promote", f"model/{number}", {"to": number})

    def copy(self, into: Path, clock: ManualClock | None = None) -> "Yard":
        """The same at another place, to be attacked."""
        made = Yard(into, clock or self.clock, self.keys.private, self.server)
        made.older = self.older
        if self.server is not None:
            made.records.migrate()
        made.restore(self)
        return made

    def restore(self, original: "Yard") -> None:
        """Make this one what another is."""
        put_back(self.database, state_of(original.database))
        shutil.copy(original.sink, self.sink)

    def verify(self) -> AuditReport:
        """What an honest look finds."""
        return self.checkpoints.verify()


def honest(folder: Path, clock: ManualClock, key: PrivateKey | None, server: str | None = None) -> Yard:
    """Entries with checkpoints among them, the newest at the end; older states of the database beside it."""
    yard = Yard(folder, clock, key, server)
    yard.records.migrate()
    for _ in range(ENTRIES // BETWEEN):
        yard.record(BETWEEN)
        yard.checkpoints.write()
        yard.older[yard.log.head().number] = state_of(yard.database)
    return yard


def state_of(database: Path | str) -> State:
    """Everything in a database."""
    if isinstance(database, Path):
        return database.read_bytes()
    with Database(database) as opened:
        return {name: opened.rows(f"SELECT {columns} FROM {name}") for name, columns in TABLES.items()}


def put_back(database: Path | str, state: State) -> None:
    """Make a database what it, or another, was."""
    if isinstance(database, Path) and isinstance(state, bytes):
        database.write_bytes(state)
        return
    assert not isinstance(state, bytes)
    with Database(database) as opened:
        for name, columns in TABLES.items():
            opened.run(f"DELETE FROM {name}")
            opened.run_all(f"INSERT INTO {name} VALUES ({', '.join('?' * columns.count(', '))}, ?)", state[name])


class Database:
    """The record behind the store's back."""

    def __init__(self, database: Path | str) -> None:
        """The file of SQLite's, or the URL of a database of PostgreSQL's."""
        file = isinstance(database, Path)
        self.connection: Any = sqlite3.connect(database) if file else psycopg.connect(_plain(str(database)))
        self._mark = "?" if file else "%s"

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        with closing(self.connection):
            self.connection.commit()

    def run(self, statement: str, *values: object) -> None:
        self.connection.execute(statement.replace("?", self._mark), values)

    def run_all(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self.connection.cursor().executemany(statement.replace("?", self._mark), rows)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return list(self.connection.execute(query.replace("?", self._mark), values))

    def body(self, number: int) -> dict[str, Any]:
        query = "SELECT CAST(body AS TEXT) FROM entries WHERE stream = 'audit' AND seq = ?"
        found: dict[str, Any] = json.loads(self.rows(query, number)[0][0])
        return found

    def put(self, number: int, body: object) -> None:
        said = body if isinstance(body, str) else json.dumps(body)
        self.run("UPDATE entries SET body = ? WHERE stream = 'audit' AND seq = ?", said, number)

    def last(self) -> int:
        return int(self.rows("SELECT coalesce(max(seq), 0) FROM entries WHERE stream = 'audit'")[0][0])

    def head(self, number: int, hashed: str) -> None:
        said = json.dumps({"seq": number, "hash": hashed})
        self.run("UPDATE documents SET body = ? WHERE kind = 'audit-head' AND key = 'head'", said)

    def forget_checkpoint(self) -> None:
        self.run("DELETE FROM documents WHERE kind = 'audit-head' AND key = 'checkpoint'")

    def rehash(self) -> None:
        """Numbers without gaps, right hashes, and a head that fits."""
        numbers = [row[0] for row in self.rows("SELECT seq FROM entries WHERE stream = 'audit' ORDER BY seq")]
        previous = GENESIS
        for place, number in enumerate(numbers, start=1):
            self.run("UPDATE entries SET seq = ? WHERE stream = 'audit' AND seq = ?", place, number)
            body = {**self.body(place), "previous": previous}
            previous = body["hash"] = hash_of(body)
            self.put(place, body)
        self.head(len(numbers), previous)


def _plain(url: str) -> str:
    """A database's URL as its driver wants it."""
    return url.replace("+psycopg", "", 1)


Attack = Callable[[Yard, random.Random], None]


def edit(yard: Yard, chance: random.Random) -> None:
    """One value of one entry, and not its hash."""
    with Database(yard.database) as database:
        number = chance.randint(1, ENTRIES)
        body = database.body(number)
        name = chance.choice(["at", "principal", "source", "action", "subject", "detail", "previous", "hash", "new"])
        body[name] = chance.choice([each for each in STRANGE if each != body.get(name, "nothing")])
        database.put(number, body)


def garble(yard: Yard, chance: random.Random) -> None:
    """What is no entry at all, and no JSON."""
    no_json = ["", "{", "[" * 50_000, '{"at": NaN, "hash": "x"}', '{"hash": 1e999}']
    said = [*no_json, "null", "[]", "{}", "3", '{"hash": 1}']
    with Database(yard.database) as database:
        database.put(chance.randint(1, ENTRIES), chance.choice(said))


def delete(yard: Yard, chance: random.Random) -> None:
    """One entry."""
    with Database(yard.database) as database:
        database.run("DELETE FROM entries WHERE stream = 'audit' AND seq = ?", chance.randint(1, ENTRIES))


def swap(yard: Yard, chance: random.Random) -> None:
    """Two entries, each in the other's place."""
    first, second = chance.sample(range(1, ENTRIES + 1), 2)
    with Database(yard.database) as database:
        one, two = database.body(first), database.body(second)
        database.put(first, two)
        database.put(second, one)


def truncate(yard: Yard, chance: random.Random) -> None:
    """The newest entries, or all."""
    with Database(yard.database) as database:
        database.run("DELETE FROM entries WHERE stream = 'audit' AND seq >= ?", chance.randint(1, ENTRIES))


def insert(yard: Yard, chance: random.Random) -> None:
    """One more at the end, with a right hash, that the head knows nothing of."""
    with Database(yard.database) as database:
        body = {**database.body(ENTRIES), "previous": database.body(ENTRIES)["hash"], "subject": str(chance.random())}
        body["hash"] = hash_of(body)
        database.run("INSERT INTO entries VALUES ('audit', ?, ?)", ENTRIES + 1, json.dumps(body))


def spoil_the_head(yard: Yard, chance: random.Random) -> None:
    """Another number, another hash, nothing, no JSON."""
    with Database(yard.database) as database:
        if (way := chance.randrange(4)) == 0:
            database.run("DELETE FROM documents WHERE kind = 'audit-head' AND key = 'head'")
        elif way == 1:
            said = chance.choice(["null", "[]", '{"seq": "1"}', *(["", "{"] if yard.server is None else [])])
            database.run("UPDATE documents SET body = ? WHERE kind = 'audit-head' AND key = 'head'", said)
        else:
            database.head(ENTRIES - chance.randrange(2) * (way - 1), "f" * 64)


def rewrite(yard: Yard, chance: random.Random) -> None:
    """A changed or a missing entry, and then everything right again: numbers, hashes, head."""
    with Database(yard.database) as database:
        number = chance.randint(1, ENTRIES)
        if chance.random() < 0.5:
            database.put(number, {**database.body(number), "principal": "somebody else"})
        else:
            database.run("DELETE FROM entries WHERE stream = 'audit' AND seq = ?", number)
        database.rehash()
        if chance.random() < 0.5:
            database.forget_checkpoint()


def truncate_with_head(yard: Yard, chance: random.Random) -> None:
    """The newest entries, and a head that knows of no more."""
    with Database(yard.database) as database:
        kept = chance.randint(0, ENTRIES - 1)
        database.run("DELETE FROM entries WHERE stream = 'audit' AND seq > ?", kept)
        if kept:
            database.head(kept, database.body(kept)["hash"])
        else:
            database.run("DELETE FROM documents WHERE kind = 'audit-head'")
        if chance.random() < 0.5:
            database.forget_checkpoint()


def replay(yard: Yard, chance: random.Random) -> None:
    """An older database in the place of this one, and perhaps some honest work since."""
    older = chance.randrange(BETWEEN, ENTRIES, BETWEEN)
    put_back(yard.database, yard.older[older])
    yard.clock.advance(timedelta(seconds=1))
    if more := chance.randrange(2 * ENTRIES):
        yard.record(more)


def truncate_and_go_on(yard: Yard, chance: random.Random) -> None:
    """The newest entries are cut off; then honest work goes on, and would cover it up."""
    truncate(yard, chance)
    with Database(yard.database) as database:
        database.forget_checkpoint()
    yard.sink.unlink()
    yard.record(chance.randint(1, 2 * ENTRIES))


def forge_a_checkpoint(yard: Yard, chance: random.Random) -> None:
    """The record is rewritten, and the checkpoints with it, under the old signatures."""
    rewrite(yard, chance)
    with Database(yard.database) as database:
        said = [json.loads(line) for line in yard.sink.read_bytes().splitlines()]
        last = database.last()
        for each in said:
            each["seq"] = min(each["seq"], last)
            each["hash"] = database.body(each["seq"])["hash"]
        database.forget_checkpoint()
    yard.sink.write_bytes(b"".join(canonical_json(each) + b"\n" for each in said))


def withhold_checkpoints(yard: Yard, chance: random.Random) -> None:
    """The newest checkpoints are taken away, or all."""
    lines = yard.sink.read_bytes().splitlines(keepends=True)
    yard.sink.write_bytes(b"".join(lines[: chance.randrange(len(lines))]))


def contradict(yard: Yard, chance: random.Random) -> None:
    """A checkpoint of another record is put among ours."""
    line = json.loads(chance.choice(yard.sink.read_bytes().splitlines()))
    with yard.sink.open("ab") as file:
        file.write(canonical_json({**line, "hash": "e" * 64, "key": "", "signature": ""}) + b"\n")


ON_ENTRIES: tuple[Attack, ...] = (edit, delete, swap, truncate)
"""What every audit is asked first."""

MORE: tuple[Attack, ...] = (
    garble, insert, spoil_the_head, rewrite, truncate_with_head, replay, truncate_and_go_on, forge_a_checkpoint,
    withhold_checkpoints, contradict,
)  # fmt: skip
