"""A record store in a file, and a project's worth of parts on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.core import ManualClock
from modelyard.storage import RecordStore, open_record_store

from .desk import Desk


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordStore]:
    """A record store in a file."""
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def desk(records: RecordStore, clock: ManualClock) -> Desk:
    """The default rules and one receiver."""
    return Desk(records, clock)
