"""The record store is stopped, slow or held by somebody: servers go on, who needs it says so, and nobody is restarted.

MLflow, brokers and online stores that are away have tests in their rooms: `docs/reliability.md` names them.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from modelyard.bundling import BuiltBundle
from modelyard.control import LEADER, Leader
from modelyard.core import ManualClock
from modelyard.storage import Lease, RecordStore, StoreUnavailable, open_record_store
from modelyard.storage.drivers import dialects

from ..databases import drop_database, new_database
from ..serving.harness import Server, live
from .proxy import Link, State

pytestmark = pytest.mark.long

Fault = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Away:
    """A record store, and what can be wrong with it; every object of it was opened before."""

    store: RecordStore
    faults: dict[str, Fault]
    refuses: bool
    """Whether what is asked meanwhile is refused; else it takes longer."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute is two seconds."""
    monkeypatch.setattr(dialects, "BUSY_SECONDS", 2)


@contextmanager
def sqlite_held(file: Path, how: str) -> Iterator[None]:
    """Another process's transaction that does not end."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute(f"BEGIN {how}")
        yield
        other.execute("ROLLBACK")


@contextmanager
def moved(file: Path) -> Iterator[None]:
    """A database whose volume is not mounted."""
    folder = file.parent
    folder.rename(folder.with_name("elsewhere"))
    folder.with_name(folder.name).write_text("no folder")
    yield
    folder.unlink()
    folder.with_name("elsewhere").rename(folder)


@contextmanager
def linked(link: Link, state: State) -> Iterator[None]:
    """A link that is not what it was."""
    link.become(state)
    yield
    link.become("whole")


@contextmanager
def tables_locked(url: str) -> Iterator[None]:
    """By somebody who keeps readers out, too."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as other:
        other.execute("LOCK TABLE documents IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


SQLITE = ("held by a writer's commit", "not mounted")
POSTGRESQL = ("stopped", "slow", "tables locked")


@pytest.fixture
def away(request: pytest.FixtureRequest, tmp_path: Path, impatient: None) -> Iterator[Away]:
    """A store with some documents, by the name of what will be wrong."""
    with ExitStack() as every:
        if request.param in SQLITE:
            file = tmp_path / "volume" / "records.db"
            store = open_record_store(f"sqlite:///{file}")
            faults: dict[str, Fault] = {
                "held by a writer's commit": lambda: sqlite_held(file, "EXCLUSIVE"),
                "not mounted": lambda: moved(file),
            }
        else:
            server: str = request.getfixturevalue("postgres")
            url = new_database(server)
            every.callback(drop_database, server, url)
            parsed = make_url(url)
            link = every.enter_context(Link(Path(str(parsed.query["host"])) / f".s.PGSQL.{parsed.port or 5432}"))
            through = parsed.set(host="127.0.0.1", port=link.port).difference_update_query(["host"])
            store = open_record_store(through.render_as_string(hide_password=False))
            faults = {
                "stopped": lambda: linked(link, "gone"),
                "slow": lambda: linked(link, "slow"),
                "tables locked": lambda: tables_locked(url),
            }
        every.callback(store.close)
        store.migrate()
        write(store, "before")
        yield Away(store, {request.param: faults[request.param]}, request.param != "slow")


def write(store: RecordStore, key: str) -> None:
    """A document."""
    with store.transaction() as tx:
        tx.put("thing", key, {"x": 1}, expect=0)


def written(store: RecordStore) -> list[str]:
    """All of them."""
    with store.snapshot() as view:
        return [each.key for each in view.scan("thing")]


@pytest.mark.parametrize("away", [*SQLITE, *POSTGRESQL], indirect=True)
def test_a_record_store_that_is_away_is_told_and_comes_back(away: Away, clock: ManualClock) -> None:
    """Reading and writing are refused within the time that is declared; a lease ends by itself; then all goes on."""
    leader = Leader(Lease(away.store, LEADER, clock), monotonic=clock.monotonic)
    leader.ask()
    assert leader()
    (fault,) = away.faults.values()
    with fault():
        if away.refuses:
            for act in (lambda: write(away.store, "refused"), lambda: written(away.store), leader.ask):
                with pytest.raises(StoreUnavailable, match="record store"):
                    act()
        else:
            write(away.store, "slow")
            assert written(away.store) == ["before", "slow"]
            leader.ask()
        clock.advance(timedelta(seconds=60))
        assert not leader()  # nobody confirmed it
    write(away.store, "after")
    assert written(away.store) == (["after", "before"] if away.refuses else ["after", "before", "slow"])
    leader.ask()
    assert leader()


@pytest.mark.parametrize("away", SQLITE, indirect=True)
def test_servers_do_not_notice(away: Away, built: BuiltBundle, tmp_path: Path) -> None:
    """They answer, are ready, and even start anew."""
    server = Server(tmp_path, patience=120)
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    server.start()
    try:
        (fault,) = away.faults.values()
        with fault():
            assert {server.predict(amount=float(at))[0] for at in range(10)} == {200}
            server.stop()
            server.start()
            assert {server.predict(amount=float(at))[0] for at in range(10)} == {200}
    finally:
        server.stop()
    assert len(server.log.predictions("fraud")) == 20
