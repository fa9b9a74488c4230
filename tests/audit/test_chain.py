"""Whoever edits the record of what was done is found out."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from modelyard.access import local_principal
from modelyard.audit import AuditLog
from modelyard.core import ManualClock
from modelyard.storage import RecordStore, open_record_store


@pytest.fixture
def records(tmp_path: Path) -> RecordStore:
    """A record store with nothing in it."""
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    return store


@pytest.fixture
def audit(records: RecordStore, clock: ManualClock) -> AuditLog:
    """An audit record of twenty entries."""
    log = AuditLog(records, clock)
    for number in range(20):
        with records.transaction() as tx:
            log.record(tx, local_principal(), "promote", f"model/{number}", {"to": number})
    return log


def tamper(path: Path, *statements: str) -> None:
    """Change the database behind the store's back."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_an_untouched_record_is_intact(audit: AuditLog) -> None:
    """Twenty entries, each naming who, what and when."""
    report = audit.verify()
    assert (report.entries, report.intact) == (20, True)
    assert audit.entries(limit=1)[0].body["principal"] == local_principal().name


SWAP = (
    "UPDATE entries SET seq = -1 WHERE stream = 'audit' AND seq = {n}",
    "UPDATE entries SET seq = {n} WHERE stream = 'audit' AND seq = {m}",
    "UPDATE entries SET seq = {m} WHERE stream = 'audit' AND seq = -1",
)


@pytest.mark.parametrize(
    "attack",
    [
        lambda n, m: [
            f"UPDATE entries SET body = replace(body, 'promote', 'pr0mote') WHERE stream='audit' AND seq = {n}"
        ],
        lambda n, m: [f"DELETE FROM entries WHERE stream = 'audit' AND seq = {n}"],
        lambda n, m: [f"DELETE FROM entries WHERE stream = 'audit' AND seq >= {n}"],
        lambda n, m: [each.format(n=n, m=m) for each in SWAP],
    ],
    ids=["edit", "delete", "truncate", "swap"],
)
def test_every_attack_is_found(audit: AuditLog, tmp_path: Path, attack: Callable[[int, int], list[Any]]) -> None:
    """At a random place each time."""
    first, second = random.Random(str(attack)).sample(range(1, 21), 2)
    tamper(tmp_path / "records.db", *attack(first, second))
    report = audit.verify()
    assert not report.intact
    assert report.why


def test_an_entry_is_taken_back_with_its_transaction(audit: AuditLog, records: RecordStore) -> None:
    """What was not done is not on record."""

    def fail() -> None:
        with records.transaction() as tx:
            audit.record(tx, local_principal(), "promote", "model/x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert audit.verify().entries == 20
