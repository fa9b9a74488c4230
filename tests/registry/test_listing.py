"""Versions a page at a time: none told twice, none left out, and no more asked of the store than a page needs."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from sqlalchemy import Engine, event

from modelyard.access import local_principal
from modelyard.audit import AuditLog
from modelyard.core import ManualClock
from modelyard.registry import ModelVersion, ModelVersionNotFound, Registry, point_alias, set_archived
from modelyard.storage import RecordStore, open_artifact_store, open_record_store

from ..databases import new_database

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def registry_on(records: RecordStore, folder: Path) -> Registry:
    """A registry that asks MLflow nothing."""
    records.migrate()
    clock = ManualClock(NOON)
    nobody = cast("Any", None)
    return Registry(records, AuditLog(records, clock), open_artifact_store(folder / "artifacts"), nobody, clock)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry on SQLite."""
    records = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    yield registry_on(records, tmp_path)
    records.close()


def add(registry: Registry, name: str, numbers: range, at: datetime = NOON) -> None:
    """Versions that were registered at one moment."""
    with registry.records.transaction() as tx:
        for number in numbers:
            made = ModelVersion(name, number, f"v{number}", at.isoformat(), "ann")
            key = f"{name}/{number:08d}"
            tx.put("model-version", key, msgspec.to_builtins(made), labels={"label": f"{name}/v{number}"})


def point(registry: Registry, name: str, alias: str, to: int) -> None:
    """Let a version hold an alias."""
    with registry.records.transaction() as tx:
        point_alias(tx, name, alias, to, at=NOON.isoformat(), principal=local_principal(), reason="")


def archive(registry: Registry, name: str, numbers: range) -> None:
    """Archive versions."""
    with registry.records.transaction() as tx:
        for number in numbers:
            set_archived(tx, name, number, archived=True)


def pages(registry: Registry, limit: int, between: Callable[[], None] = lambda: None, **asked: Any) -> list[str]:
    """All pages of a list, one after the other, with something that happens between them."""
    found: list[str] = []
    before = None
    while page := registry.listed(limit=limit, before=before, **asked):
        found += [f"{each.name}/{each.number}" for each in page]
        before = (page[-1].name, str(page[-1].number))
        between()
    return found


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_pages_join_to_the_whole_though_all_came_at_one_moment(registry: Registry, limit: int) -> None:
    """Within one moment they are told by name and number, backwards."""
    for name in ("b", "a", "B"):
        add(registry, name, range(1, 6))
    expected = [f"{name}/{number}" for name in ("b", "a", "B") for number in range(5, 0, -1)]
    assert pages(registry, limit) == expected
    assert pages(registry, limit, name="a") == expected[5:10]


def test_the_newest_of_all_models_come_first(registry: Registry) -> None:
    """Whatever they are called; of one model the number says it."""
    for hours, name in enumerate(("c", "a", "b")):
        add(registry, name, range(1, 3), NOON + timedelta(hours=hours, microseconds=hours % 2))
    assert pages(registry, 4) == ["b/2", "b/1", "a/2", "a/1", "c/2", "c/1"]


@pytest.mark.parametrize("name", [None, "a"])
def test_what_is_added_between_pages_moves_nothing(registry: Registry, name: str | None) -> None:
    """Versions that come meanwhile are on no later page, and push none from one page to the next."""
    add(registry, "a", range(1, 12))
    expected, later = pages(registry, 100, name=name), iter(range(12, 40))

    def between() -> None:
        add(registry, "a", range(each := next(later), each + 1), NOON + timedelta(minutes=each))

    assert pages(registry, 3, between, name=name) == expected


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("Production", ["b/2", "a/3"]),
        ("staging", ["a/5"]),
        ("archived", ["b/1", "a/2", "a/1"]),
        ("none", ["b/6", "b/5", "b/4", "b/3", "a/6", "a/4"]),
        ("challenger", []),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 50])
def test_stages_are_told_by_pages_too(registry: Registry, stage: str, expected: list[str], limit: int) -> None:
    """As the whole list of the same stage has them, of all models and of one."""
    for name, hour in (("a", 0), ("b", 1)):
        add(registry, name, range(1, 7), NOON + timedelta(hours=hour))
    archive(registry, "a", range(1, 3))
    archive(registry, "b", range(1, 2))
    for name, alias, number in (("a", "production", 3), ("a", "staging", 5), ("b", "production", 2)):
        point(registry, name, alias, number)
    assert pages(registry, limit, stage=stage) == expected
    assert pages(registry, limit, stage=stage, name="a") == [each for each in expected if each.startswith("a/")]
    whole = {f"{each.name}/{each.number}" for each in registry.versions(stage=stage)}
    assert whole == set(expected)


def test_a_page_after_nothing_that_is_there_is_refused(registry: Registry) -> None:
    """A version that was deleted meanwhile is no place to go on from: better said than guessed."""
    add(registry, "a", range(1, 3))
    with pytest.raises(ModelVersionNotFound, match="no version or alias '9'"):
        registry.listed(limit=2, before=("a", "9"))


def test_models_are_summed_up(registry: Registry) -> None:
    """By name: how many versions, the newest, who holds what; a page of them, and how many there are."""
    for name in ("b", "a", "c"):
        add(registry, name, range(1, 4))
    point(registry, "a", "production", 2)
    point(registry, "c", "staging", 3)
    found, total = registry.summaries(limit=2)
    assert [(each.name, each.versions, each.newest.number, list(each.holders)) for each in found] == [
        ("a", 3, 3, ["production"]),
        ("b", 3, 3, []),
    ]
    assert (found[0].holders["production"].label, total) == ("v2", 3)
    assert [each.name for each in registry.summaries(skip=2)[0]] == ["c"]
    assert (registry.names(), registry.has("b"), registry.has("bb")) == (["a", "b", "c"], True, False)


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """The statements that reach a database while the test runs."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


ASKED: dict[str, Callable[[Registry], object]] = {
    "all": lambda registry: registry.listed(limit=20),
    "the next page": lambda registry: registry.listed(limit=20, before=("m01", "3")),
    "one model": lambda registry: registry.listed("m01", limit=20),
    "production": lambda registry: registry.listed(stage="production", limit=20),
    "archived": lambda registry: registry.listed(stage="archived", limit=20),
    "models": lambda registry: registry.summaries(limit=20),
}


@pytest.mark.parametrize("kind", ASKED)
def test_a_page_costs_as_many_statements_however_many_there_are(
    registry: Registry, asked: list[str], kind: str
) -> None:
    """With 4 models and 12 versions, and with 40 models and 1,200: no statement a version, nor a model."""
    counts = []
    for models, versions in ((4, 3), (40, 30)):
        for number in range(models):
            add(registry, f"m{number:02d}", range(1, versions + 1))
            point(registry, f"m{number:02d}", "production", 2)
            archive(registry, f"m{number:02d}", range(1, 2))
        asked.clear()
        ASKED[kind](registry)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 5


def test_the_newest_are_read_from_an_index(registry: Registry, asked: list[str]) -> None:
    """SQLite says of the very statement that it neither sorts nor looks at every version."""
    add(registry, "a", range(1, 30))
    registry.listed(limit=20)
    (statement,) = [each for each in asked if "ORDER BY" in each and "IS NOT NULL" in each]
    with registry.records._engine.connect() as connection:  # type: ignore[attr-defined]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("model-version", 20, 0)).all()
    told = " ".join(str(row[-1]) for row in plan)
    assert "documents_by_creation" in told
    assert "TEMP B-TREE" not in told


def test_on_postgresql_pages_join_to_the_whole(postgres: str, tmp_path: Path) -> None:
    """By code point, as on SQLite."""
    records = open_record_store(new_database(postgres))
    registry = registry_on(records, tmp_path)
    for name in ("b", "a", "B"):
        add(registry, name, range(1, 6))
    assert pages(registry, 4) == [f"{name}/{number}" for name in ("b", "a", "B") for number in range(5, 0, -1)]
    assert [each.name for each in registry.summaries()[0]] == ["B", "a", "b"]
    records.close()
