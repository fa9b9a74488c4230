"""Aliases: who held what when, and who gives way to whom."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard.access import Principal, Role
from modelyard.core import InvalidInput
from modelyard.registry import (
    Move,
    aliases_of,
    check_alias,
    in_force_at,
    moves_of,
    point_alias,
    previous_holders,
    set_archived,
    take_back,
)
from modelyard.registry.versions import STATES
from modelyard.storage import RecordStore, Snapshot, open_record_store

ANA = Principal("ana", (Role.OPERATOR,), "key")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def records(tmp_path: Path) -> RecordStore:
    """An empty record store."""
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    return store


def move(records: RecordStore, alias: str, to: int | None, minute: int, kind: str = "move") -> Move:
    """Move an alias of `fraud`."""
    at = (NOON + timedelta(minutes=minute)).isoformat()
    with records.transaction() as tx:
        return point_alias(tx, "fraud", alias, to, at=at, principal=ANA, reason="why", kind=kind)  # type: ignore[arg-type]


def archived(view: Snapshot) -> set[int]:
    """The archived versions of `fraud`."""
    return {int(each.key.partition("/")[2]) for each in view.scan(STATES, prefix="fraud/") if each.body["archived"]}


def test_who_is_followed_is_archived_and_comes_back_when_it_holds_again(records: RecordStore) -> None:
    """Unless it holds another alias; whoever is only demoted is not."""
    move(records, "production", 1, 1)
    move(records, "staging", 1, 2)
    move(records, "production", 2, 3)
    with records.transaction() as tx:
        assert archived(tx) == set()  # 1 is staging still
    move(records, "staging", 3, 4)
    with records.transaction() as tx:
        assert archived(tx) == {1}
    back = move(records, "production", 1, 5, "rollback")
    assert (back.before, back.archived, back.revived) == (2, 2, True)
    move(records, "production", None, 6)
    move(records, "challenger", 4, 7)
    move(records, "challenger", 5, 8)
    with records.transaction() as tx:
        assert archived(tx) == {2}  # a challenger is not archived, nor who was only demoted
        assert aliases_of(tx, "fraud") == {"staging": 3, "challenger": 5}


def test_what_is_taken_back_leaves_alias_and_archive_as_they_were(records: RecordStore) -> None:
    """Also for a version that came from the archive; and only while nobody has moved the alias since."""
    move(records, "production", 1, 1)
    with records.transaction() as tx:
        set_archived(tx, "fraud", 2, archived=True)
    made = move(records, "production", 2, 2)
    with records.transaction() as tx:
        assert archived(tx) == {1}
        take_back(tx, "fraud", made, principal=ANA, reason="undone")
        assert archived(tx) == {2}
        assert aliases_of(tx, "fraud") == {"production": 1}
    move(records, "production", 3, 3)
    with records.transaction() as tx:
        take_back(tx, "fraud", made, principal=ANA, reason="too late")
        assert aliases_of(tx, "fraud") == {"production": 3}
        assert [each.kind for each in moves_of(tx, "fraud")] == ["move", "move", "undo", "move"]


def test_who_held_an_alias_at_a_time(records: RecordStore) -> None:
    """The move in force then; before the first there is none, and while nobody held it neither."""
    for minute, (alias, to) in enumerate([("production", 1), ("staging", 2), ("production", 2), ("production", None)]):
        move(records, alias, to, minute)
    with records.snapshot() as view:
        moves = moves_of(view, "fraud")

    def held(minutes: float) -> dict[str, int | None]:
        return {each.alias: each.to for each in in_force_at(moves, NOON + timedelta(minutes=minutes))}

    assert held(-1) == {}
    assert held(0) == {"production": 1}
    assert held(2.5) == {"production": 2, "staging": 2}
    assert held(3) == {"staging": 2}


@pytest.mark.parametrize(
    ("moves", "earlier"),
    [
        ([], []),
        (["1"], []),
        (["1", "2", "3"], [2, 1]),
        (["1", "2", "3", "back 2"], [1]),
        (["1", "2", "3", "back 2", "back 1"], []),
        (["1", "2", "back 1", "3"], [1]),
        (["1", "2", "3", "back 1", "4"], [1]),
        (["1", "2", "1"], [2]),
        (["1", "2", "none"], [2, 1]),
        (["1", "2", "undo 1"], []),
        (["1", "undo none"], []),
        (["1", "2", "undo 1", "3"], [1]),
    ],
)
def test_a_version_that_was_rolled_back_is_nobodys_predecessor(moves: list[str], earlier: list[int]) -> None:
    """Rolling back twice goes back twice, and never to what the first rollback left."""
    made, now = [], None
    for each in moves:
        kind, _, to = each.rpartition(" ")
        number = None if to == "none" else int(to)
        spelled = {"back": "rollback", "undo": "undo"}.get(kind, "move")
        made.append(Move("", "production", now, number, "ana", "", kind=spelled))  # type: ignore[arg-type]
        now = number
    assert previous_holders(made, "production") == earlier


@pytest.mark.parametrize("name", ["3", "v3", "V12", "latest", "Latest", "none", "Archived", "", "a/b", "a" * 129, "é"])
def test_what_means_something_already_is_no_alias(name: str) -> None:
    """Numbers and labels of versions, MLflow's own words, and what is no name at all."""
    with pytest.raises(InvalidInput):
        check_alias(name)


def test_a_stage_is_a_spelling_of_its_alias() -> None:
    """Whatever its case."""
    assert [check_alias(each) for each in ("Production", "STAGING", "challenger", "v2-candidate")] == [
        "production", "staging", "challenger", "v2-candidate",
    ]  # fmt: skip
