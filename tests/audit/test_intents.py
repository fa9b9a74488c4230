"""No crash leaves half of a change."""

from pathlib import Path

import pytest

from modelyard.access import local_principal
from modelyard.audit import AuditLog, Intent, Intents, IntentUndone
from modelyard.core import ManualClock, SeededIds, Unavailable
from modelyard.storage import RecordStore, Transaction, open_record_store


class Crash(BaseException):
    """The process ends here."""


class World:
    """Where changes take effect; told to crash or to refuse, it does."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        self.projected: list[str] = []
        self.trouble: dict[str, BaseException] = {}

    def apply(self, intent: Intent) -> None:
        self._maybe("before apply")
        self.applied.append(intent.subject)
        self._maybe("after apply")

    def project(self, intent: Intent) -> None:
        self._maybe("before project")
        self.projected.append(intent.subject)
        self._maybe("after project")

    def undo(self, tx: Transaction, intent: Intent) -> None:
        tx.delete("decision", intent.subject)

    def _maybe(self, where: str) -> None:
        if where in self.trouble:
            raise self.trouble.pop(where)


@pytest.fixture
def records(tmp_path: Path) -> RecordStore:
    """A record store with nothing in it."""
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    return store


@pytest.fixture
def world() -> World:
    """Where changes take effect."""
    return World()


@pytest.fixture
def intents(records: RecordStore, clock: ManualClock, world: World) -> Intents:
    """Intents over that world."""
    return Intents(records, AuditLog(records, clock), clock, SeededIds(0), {"change": world})


def decide(tx: Transaction) -> None:
    """What the change decides."""
    tx.put("decision", "a", {"yes": True}, expect=0)


def change(intents: Intents) -> Intent:
    """Carry out the change."""
    return intents.carry_out("change", "a", {}, local_principal(), decide)


def decided(records: RecordStore) -> bool:
    """Whether the decision stands."""
    with records.snapshot() as view:
        return view.get("decision", "a") is not None


def test_a_change_is_decided_applied_projected_and_audited(
    intents: Intents, records: RecordStore, world: World, clock: ManualClock
) -> None:
    """Once each; nothing is left to do."""
    assert change(intents).state == "done"
    assert (world.applied, world.projected) == (["a"], ["a"])
    assert decided(records)
    assert intents.pending() == []
    assert AuditLog(records, clock).verify().entries == 1


@pytest.mark.parametrize("where", ["before apply", "after apply", "before project", "after project"])
def test_a_crash_anywhere_is_finished_by_the_reconciler(
    intents: Intents, records: RecordStore, world: World, where: str
) -> None:
    """The process dies at a seam; the next one finishes, and the decision stands all along."""
    world.trouble[where] = Crash()
    with pytest.raises(Crash):
        change(intents)
    assert decided(records)
    assert [each.state for each in intents.reconcile()] == ["done"]
    assert "a" in world.applied
    assert "a" in world.projected
    assert intents.reconcile() == []


def test_what_cannot_be_applied_is_taken_back(intents: Intents, records: RecordStore, world: World) -> None:
    """The decision is undone in one transaction, audited, and the caller is told why."""
    world.trouble["before apply"] = Unavailable("the disk is full", remedy="Free some space.")
    with pytest.raises(IntentUndone, match="the disk is full"):
        change(intents)
    assert not decided(records)
    assert intents.pending() == []
    with records.snapshot() as view:
        assert [entry.body["action"] for entry in view.entries("audit")] == ["change", "change.undone"]


def test_a_projection_that_fails_is_tried_again_later(intents: Intents, world: World) -> None:
    """It undoes nothing and raises nothing: what only shows may wait."""
    world.trouble["before project"] = Unavailable("MLflow is down")
    assert change(intents).state == "applied"
    assert [each.state for each in intents.reconcile()] == ["done"]
    assert world.applied == ["a"]


def test_a_decision_that_is_refused_leaves_nothing(intents: Intents, records: RecordStore, world: World) -> None:
    """Neither intent, nor audit, nor effect."""
    change(intents)
    with pytest.raises(Exception, match="at revision 1, not 0"):
        change(intents)
    assert world.applied == ["a"]
    with records.snapshot() as view:
        assert len(view.entries("audit")) == 1
