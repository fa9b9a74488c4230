"""A lease is held by one process at a time on every record store, and real processes lose it when they are killed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.core import SystemClock
from modelyard.storage import Lease, RecordStore
from modelyard.testing import LeaseSuite

from ..databases import new_database
from .test_record_stores import opener

HOLD = """
import sys, time
from modelyard.core import SystemClock
from modelyard.storage import Lease, open_record_store
store = open_record_store(sys.argv[1])
store.migrate()
with Lease(store, "leader", SystemClock()).kept():
    print("held", flush=True)
    sys.stdin.read()
"""


class TestSqlite(LeaseSuite):
    """SQLite in a file."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], RecordStore]:
        return opener(f"sqlite:///{tmp_path / 'records.db'}")


class TestPostgreSql(LeaseSuite):
    """PostgreSQL, a database a test."""

    @pytest.fixture
    def open_store(self, postgres: str) -> Callable[[], RecordStore]:
        return opener(new_database(postgres))


def test_a_killed_process_of_this_machine_keeps_nobody_waiting(tmp_path: Path) -> None:
    """While it lives it holds the lease; after `kill -9` the next one has it at once, at a new epoch."""
    url = f"sqlite:///{tmp_path / 'records.db'}"
    lease = Lease(opener(url)(), "leader", SystemClock())
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            assert not lease.take()
        finally:
            process.kill()
    assert lease.take()
    assert lease.epoch == 2
