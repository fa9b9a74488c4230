"""A workspace of the first schema, restored and upgraded: nothing is lost, whatever happens meanwhile.

`schema_0001.sql` is what SQLite's `.dump` said of a workspace of that time: two trainings, a deployment, a promotion;
`checkpoints_0001.jsonl` stood beside it. Neither is ever written anew.
"""

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event

import modelyard.storage.migrate
from modelyard.audit import AuditLog
from modelyard.core import ManualClock, SystemClock
from modelyard.operations import audits, carry_out, models, runs, write_template
from modelyard.operations.models import noticed_elsewhere
from modelyard.storage import Entry, Labelled, RecordStore, SchemaTooNew, open_record_store
from modelyard.storage.migrate import HEAD, REVISIONS
from modelyard.wiring import Project

from ..conftest import NOON
from ..databases import new_database
from ..killing import in_child

DUMP = Path(__file__).with_name("schema_0001.sql").read_text()


@pytest.fixture
def url(database_server: str | None, tmp_path: Path) -> str:
    """The first schema's workspace in a database of its own."""
    if database_server is None:
        with closing(sqlite3.connect(tmp_path / "records.db")) as connection:
            connection.executescript(DUMP)
        return f"sqlite:///{tmp_path / 'records.db'}"
    made = new_database(database_server)
    by_code_point = DUMP.replace("VARCHAR(64)", 'VARCHAR(64) COLLATE "C"').replace(
        "VARCHAR(512)", 'VARCHAR(512) COLLATE "C"'
    )
    with psycopg.connect(made.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(by_code_point.encode())
    return made


@pytest.fixture
def opened(url: str) -> Iterator[RecordStore]:
    """Its store, not migrated yet."""
    store = open_record_store(url)
    yield store
    store.close()


def told() -> Any:
    """What the dump says, read by the interpreter's own SQLite alone: documents, then entries, in their order."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(DUMP)
        found = {
            (kind, key): (revision, json.loads(body))
            for kind, key, revision, body in connection.execute("SELECT * FROM documents")
        }
        assert len(found) > 30
        entries = connection.execute("SELECT * FROM entries").fetchall()
    return [(place, found[place]) for place in sorted(found)], sorted((s, n, json.loads(b)) for s, n, b in entries)


def kept(store: RecordStore) -> Any:
    """The same of a store."""
    with store.snapshot() as view:
        every = list(view.everything())
    documents = [each.document for each in every if isinstance(each, Labelled)]
    entries = [(each.stream, each.seq, each.body) for each in every if isinstance(each, Entry)]
    return [((each.kind, each.key), (each.revision, each.body)) for each in documents], entries


def schema(store: RecordStore) -> tuple[str, bool]:
    """Which revision a database says it has, and whether the index is there that came with the second."""
    engine: Engine = store._engine  # type: ignore[attr-defined]
    catalogue = "pg_indexes WHERE indexname" if engine.name == "postgresql" else "sqlite_master WHERE name"
    with engine.connect() as connection:
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        found = connection.exec_driver_sql(f"SELECT 1 FROM {catalogue} = 'documents_by_creation'").first()
    return str(revision), found is not None


def test_every_revision_is_known_in_its_order() -> None:
    """Stores compare what a database says with these before Alembic is imported."""
    folder = modelyard.storage.migrate.__file__.replace("migrate.py", "migrations")
    walked = [each.revision for each in ScriptDirectory(folder).walk_revisions()]
    assert tuple(walked[::-1]) == REVISIONS


def test_nothing_is_lost_and_all_is_found_again(opened: RecordStore) -> None:
    """Documents with revisions, entries with numbers; the audit record verifies; what the new index finds is there."""
    assert schema(opened) == ("0001", False)
    opened.migrate()
    assert schema(opened) == (HEAD, True)
    assert kept(opened) == told()
    assert AuditLog(opened, SystemClock()).verify().intact
    with opened.snapshot() as view:
        assert [each.body["number"] for each in view.newest("model-version")] == [2, 1]
        assert [each.body["number"] for each in view.find("model-version", "label", "purchase/v2")] == [2]
    with opened.transaction() as tx:
        assert tx.append("audit-again", {}) == 1
    opened.migrate()


@pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own
def test_commands_work_on_what_an_older_version_left(tmp_path: Path) -> None:
    """Versions, runs, deployments and the audit record, as that version left them."""
    write_template("minimal", tmp_path / "shop")
    (tmp_path / "shop" / ".modelyard").mkdir()
    with closing(sqlite3.connect(tmp_path / "shop" / ".modelyard" / "records.db")) as connection:
        connection.executescript(DUMP)
    beside = Path(__file__).with_name("checkpoints_0001.jsonl")
    shutil.copy(beside, tmp_path / "shop" / ".modelyard" / "audit-checkpoints.jsonl")
    project = Project(tmp_path / "shop", clock=ManualClock(NOON), environment={})
    with noticed_elsewhere():
        listed = carry_out(models.list_models, project, models.ListModels())
    assert [(each["number"], each["aliases"]) for each in listed] == [(2, ["production"]), (1, [])]
    assert {each["id"] for each in carry_out(runs.list_pipeline_runs, project, runs.Runs())} == {"first", "second"}
    report = carry_out(audits.audit_verify, project, audits.AuditVerify())
    assert (report["intact"], report["covered"]) == (True, 4)
    assert carry_out(audits.audit_list, project, audits.AuditPage(limit=1, newest=True))[0]["number"] == 4
    project.close()


def test_a_newer_schema_is_refused_and_left_alone(opened: RecordStore) -> None:
    """With what to do; an older version must not write into what it does not understand."""
    with opened._engine.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(SchemaTooNew, match=r"schema '0099'; this Modelyard knows those up to") as refused:
        opened.migrate()
    assert "modelyard restore" in refused.value.remedy
    assert schema(opened) == ("0099", False)


def upgrade(url: str, before: Callable[[int], None] = lambda _: None) -> None:
    """Upgrade on a connection of one's own; `before` is told the number of each statement."""
    count = 0

    def note(*_: Any) -> None:
        nonlocal count
        count += 1
        before(count)

    event.listen(Engine, "after_cursor_execute", note)
    store = open_record_store(url)
    try:
        store.migrate()
    finally:
        store.close()
        event.remove(Engine, "after_cursor_execute", note)


def killed_at(url: str, statement: int) -> int:
    """How an upgrade ended that kills itself after so many statements."""

    def kill(number: int) -> None:
        if number == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    return in_child(lambda: upgrade(url, kill))


def test_killed_after_any_statement_it_is_as_before_and_goes_on(url: str, opened: RecordStore) -> None:
    """`kill -9` leaves the first schema whole at every statement, and the next start upgrades."""
    statement = 1
    while (ended := killed_at(url, statement)) != 0:
        assert ended == -signal.SIGKILL
        assert schema(opened) == ("0001", False)
        statement += 1
    assert statement > 5
    assert schema(opened) == (HEAD, True)
    assert kept(opened) == told()


def test_two_processes_upgrade_at_once(url: str, opened: RecordStore) -> None:
    """One does it, the other waits and finds it done."""
    children = []
    for _ in range(2):
        if (child := os.fork()) == 0:
            try:
                upgrade(url)
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    assert schema(opened) == (HEAD, True)
    assert kept(opened) == told()
