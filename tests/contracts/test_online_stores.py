"""Every online store keeps every promise, on real servers, and when its writers are killed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import uuid4

import psycopg
import pytest
from tests.contracts.redis_server import serve

from modelyard.online import (
    LocalOnlineStore,
    OnlineStore,
    OnlineUnavailable,
    PostgresOnlineStore,
    RedisOnlineStore,
    StoredRow,
    ViewState,
    open_online_store,
)
from modelyard.testing import OnlineStoreSuite

WRITER = """
import sys
from pathlib import Path
from modelyard.online import open_online_store
from modelyard.testing.online import batch
store = open_online_store(sys.argv[1], Path(sys.argv[2]))
version = (store.state("v").newest_us or 0) + 1
while True:
    with store.writer("v") as writer:
        for start in range(0, 9000, 3000):
            writer.add(batch(start, start + 3000, version, float(version)))
        writer.mark(until=version, at=version)
    print(version, flush=True)
    version += 1
"""
"""Writes version after version of nine thousand rows in three batches, from where another left off."""


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """The address of a server."""
    yield from serve()


class TestLocal(OnlineStoreSuite):
    """The embedded store."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[OnlineStore]:
        store = LocalOnlineStore(tmp_path / "online", map_bytes=64 << 20)
        yield store
        store.close()


class TestRedis(OnlineStoreSuite):
    """A server of Valkey or Redis, emptied before each test."""

    @pytest.fixture
    def store(self, redis: str) -> Iterator[OnlineStore]:
        store = RedisOnlineStore(redis)
        for view in store.views():
            store.clear(view)
        yield store
        store.close()

    def test_nothing_is_left_of_a_large_write(self, store: OnlineStore) -> None:
        """What was staged has become the view, or has been merged into it."""
        assert isinstance(store, RedisOnlineStore)
        self.test_a_large_write_obeys_the_same_rules_as_a_small_one(store)
        store.clear("v")
        self.test_a_write_that_raises_has_not_been(store)
        names = store._once(lambda connection: connection.call(b"KEYS", b"*staged*"))
        assert names == []


class TestPostgres(OnlineStoreSuite):
    """A server of PostgreSQL, emptied before each test."""

    @pytest.fixture
    def store(self, postgres: str) -> Iterator[OnlineStore]:
        store = PostgresOnlineStore(postgres)
        for view in store.views():
            store.clear(view)
        yield store
        store.close()


def emptied(address: str) -> None:
    """Forget the view on a server."""
    store = open_online_store(address, Path())
    store.clear("v")
    store.close()


def killed_writers(address: str, folder: Path, kills: int) -> int:
    """Kill writer after writer at some moment, while somebody reads: each read finds one version, and none is lost.

    The last version that is there.
    """
    random, store, last = Random(0), open_online_store(address, folder), 0
    keys = [(key,) for key in range(0, 9000, 90)]
    for _ in range(kills):
        command = [sys.executable, "-c", WRITER, address, str(folder)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        end = time.monotonic() + random.random() * 0.15
        while time.monotonic() < end:
            assert len({each and each.values[0] for each in store.read("v", keys)}) == 1
        writer.kill()
        rest = writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
        acknowledged = int(rest[-1]) if rest and rest[-1].isdigit() else acknowledged
        (found,) = {each and each.values[0] for each in store.read("v", keys)}
        state = store.state("v")
        assert isinstance(found, float)
        assert found >= acknowledged - 1 >= last - 1
        assert (state.rows, state.until_us, state.newest_us) == (9000, found, found)
        last = int(found)
    store.close()
    return last


def test_killed_writers_leave_whole_writes_only(tmp_path: Path) -> None:
    """The embedded store; the next writer goes on where the last whole write ended."""
    assert killed_writers("local", tmp_path / "online", kills=3) >= 3


def test_killed_writers_leave_whole_writes_on_a_server_too(redis: str, tmp_path: Path) -> None:
    """What they had staged is never seen."""
    emptied(redis)
    assert killed_writers(redis, tmp_path, kills=3) >= 3


def test_killed_writers_leave_whole_writes_in_a_database_too(postgres: str, tmp_path: Path) -> None:
    """A transaction that nobody ended has not been."""
    emptied(postgres)
    assert killed_writers(postgres, tmp_path, kills=2) >= 2


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_hundreds_of_killed_writers(tmp_path: Path, redis: str, postgres: str) -> None:
    """The same, many times on each store."""
    assert killed_writers("local", tmp_path / "online", kills=200) >= 200
    for address in (redis, postgres):
        emptied(address)
        assert killed_writers(address, tmp_path, kills=200) >= 200


def test_a_server_is_asked_with_its_password_and_database() -> None:
    """And says no without; what it says is told, the password never."""
    for address in serve(password := uuid4().hex):
        store = RedisOnlineStore(address.removesuffix("0") + "3")
        assert store.count("v") == 0
        store.close()
        bare = RedisOnlineStore(address.replace(f":{password}@", ""))
        with pytest.raises(OnlineUnavailable, match="refuses: NOAUTH") as caught:
            bare.count("v")
        assert password not in str(caught.value)
        bare.close()
        wrong = RedisOnlineStore(address.replace(password, "another"))
        with pytest.raises(OnlineUnavailable, match="refuses: WRONGPASS") as caught:
            wrong.count("v")
        assert "another" not in str(caught.value)


@pytest.mark.parametrize("address", ["redis://joe:s3cret@127.0.0.1:1/0", "postgresql://joe:s3cret@127.0.0.1:1/shop"])
def test_a_server_that_is_away_is_told(address: str, tmp_path: Path) -> None:
    """At the first question, not before: a server of predictions starts without it."""
    store = open_online_store(address, tmp_path)
    with pytest.raises(OnlineUnavailable, match=r"://127\.0\.0\.1:1/(0|shop) does not answer") as caught:
        store.read("v", [(1,)])
    assert "s3cret" not in str(caught.value)
    with pytest.raises(OnlineUnavailable, match="does not answer"), store.writer("v"):
        pass


def test_a_database_goes_on_after_its_connections_were_closed(postgres: str) -> None:
    """As when it was started anew; and one whose tables nobody made is empty."""
    emptied(postgres)
    store = PostgresOnlineStore(postgres)
    store.write("v", [((1,), StoredRow(1, 1, (2.5,)))])
    store.read("v", [(1,)])
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'modelyard'")
        (found,) = store.read("v", [(1,)])
        assert found is not None
        assert found.values == (2.5,)
        admin.execute("DROP TABLE modelyard_online_2_rows, modelyard_online_2_views")
    assert (store.read("v", [(1,)]), store.state("v"), store.views()) == ([None], ViewState(), [])
    store.close()
    store = PostgresOnlineStore(postgres)
    assert store.write("v", [((1,), StoredRow(1, 1, (2.5,)))]) == 1
    store.close()


def test_a_database_that_refuses_says_why(postgres: str) -> None:
    """In its own words."""
    store = PostgresOnlineStore(postgres.replace("/postgres?", "/nothere?"))
    with pytest.raises(OnlineUnavailable, match="does not exist"):
        store.read("v", [(1,)])


def test_reading_from_a_database_imports_nothing_heavy(postgres: str, tmp_path: Path) -> None:
    """What a server of predictions does."""
    program = (
        "import sys; from pathlib import Path; from modelyard.online import open_online_store\n"
        "open_online_store(sys.argv[1], Path(), readonly=True).read('v', [(1,)])\n"
        "print(*{'pandas', 'pyarrow', 'sqlalchemy', 'polars', 'duckdb'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program, postgres], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
