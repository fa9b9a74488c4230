"""Every record store keeps every promise, on real databases."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.storage import RecordStore, open_record_store
from modelyard.testing import RecordStoreSuite

from ..databases import new_database


def opener(url: str) -> Callable[[], RecordStore]:
    """Opens migrated stores of one database."""

    def open_store() -> RecordStore:
        store = open_record_store(url)
        store.migrate()
        return store

    return open_store


class TestSqlite(RecordStoreSuite):
    """SQLite in a file."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], RecordStore]:
        return opener(f"sqlite:///{tmp_path / 'deep' / 'records.db'}")

    @pytest.fixture
    def another_store(self, tmp_path: Path) -> Callable[[], RecordStore]:
        return opener(f"sqlite:///{tmp_path / 'another.db'}")


class TestPostgreSql(RecordStoreSuite):
    """PostgreSQL, a database a test."""

    @pytest.fixture
    def open_store(self, postgres: str) -> Callable[[], RecordStore]:
        return opener(new_database(postgres))

    @pytest.fixture
    def another_store(self, postgres: str) -> Callable[[], RecordStore]:
        return opener(new_database(postgres))
