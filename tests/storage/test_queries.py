"""What the database looks at for an answer: told by its own plans, however many documents there are."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from modelyard.storage import RecordStore, Snapshot, open_record_store

ASKED: dict[str, tuple[Callable[[Snapshot], object], str]] = {
    "by a label": (lambda view: view.find("thing", "colour", "red"), "by_value (kind=? AND label=? AND value=?)"),
    "one by a label": (lambda view: view.find("thing", "colour", "red", limit=1), "by_value (kind=? AND label=?"),
    "by keys": (lambda view: view.many("thing", ["k1/1", "k2/1"]), "documents_1 (kind=? AND key=?)"),
    "by how keys begin": (lambda view: view.scan("thing", prefix="k1/"), "documents_1 (kind=? AND key>? AND key<?)"),
    "the next page": (lambda view: view.scan("thing", after="k1", limit=2), "documents_1 (kind=? AND key>?)"),
    "the newest": (lambda view: view.newest("thing", limit=2), "documents_by_creation (kind=?"),
    "the last entry": (lambda view: view.entries("s", limit=1, descending=True), "entries_1 (stream=? AND seq>?)"),
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordStore]:
    """A store on SQLite with some things in it."""
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    with store.transaction() as tx:
        for number in range(50):
            body = {"created_at": f"T{number:02d}", "run": "r" if number % 2 else None}
            tx.put("thing", f"k{number}/1", body, labels={"colour": "red" if number == 7 else "blue"})
            tx.append("s", {})
    yield store
    store.close()


@pytest.fixture
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The queries that reach a database while the test runs, with their values."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            found.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def plan_of(store: RecordStore, statement: str, values: Any) -> str:
    """How SQLite goes about a query."""
    with store._engine.connect() as connection:  # type: ignore[attr-defined]
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    return "; ".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize("what", ASKED)
def test_documents_are_found_by_an_index_and_not_among_all_others(
    store: RecordStore, statements: list[tuple[str, Any]], what: str
) -> None:
    """One statement, which neither reads a whole kind nor sorts it: a record of a hundred thousand costs the same."""
    ask, expected = ASKED[what]
    with store.snapshot() as view:
        assert ask(view)
    ((statement, values),) = statements
    told = plan_of(store, statement, values)
    assert expected in told
    assert "SCAN" not in told
    assert "autoindex_documents_1 (kind=?)" not in told
    assert "TEMP B-TREE" not in told


def test_counting_is_one_statement_and_hands_over_one_row(
    store: RecordStore, statements: list[tuple[str, Any]]
) -> None:
    """However many documents are counted, by however many fields."""
    with store.snapshot() as view:
        found = view.tally("thing", "run", "colour")
    assert [found[each].count for each in ("", "run", "colour")] == [50, 25, 0]
    assert len(statements) == 1
