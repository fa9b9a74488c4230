"""One person's records: written to a file, and taken away wherever the project can."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.core import InvalidInput, ManualClock, to_micros
from modelyard.history import ExportExists
from modelyard.journal import Journal, OutcomeRecord, PredictionRecord, TruthRecord
from modelyard.online import StoredRow, table_of
from modelyard.operations import carry_out, logs, persons, write_template
from modelyard.routing import FeedFolder, Route, ServerStatus, pseudonym
from modelyard.wiring import Project

from ..conftest import NOON

AT = to_micros(NOON)
TABLE = table_of("spending", ["customer"], ["total"])


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A new project, whose deployment assigns by customer, with a view of customers."""
    write_template("minimal", tmp_path)
    file = tmp_path / "modelyard.yaml"
    text = file.read_text()
    file.write_text(
        text.replace("  shop:\n", "  shop:\n    assign_by: customer\n", 1) + "\nfeatures: {module: views.py}\n"
    )
    (tmp_path / "views.py").write_text(
        "import modelyard as my\n"
        "customer, shop = my.Entity(name='customer'), my.Entity(name='shop')\n"
        "spending = my.FeatureView(name='spending', entities=[customer], source='s.csv', event_time='at',"
        " features=['total'])\n"
        "both = my.FeatureView(name='both', entities=[customer, shop], source='s.csv', event_time='at',"
        " features=['total'])\n"
        "shops = my.FeatureView(name='shops', entities=[shop], source='s.csv', event_time='at', features=['total'])\n"
    )
    project = Project(tmp_path, clock=ManualClock(NOON), environment={})
    yield project
    project.close()


def told(entity: str, identity: str) -> list[PredictionRecord | TruthRecord | OutcomeRecord]:
    """An answer to somebody, its truth, what came of it."""
    return [
        PredictionRecord(identity, AT, "shop", 1, "1", "live", "live", True, entity, (1.0, "x"), "1", (0.5,), 10),
        TruthRecord(identity, "shop", 1, AT, AT, AT),
        OutcomeRecord("shop", entity, "bought", 2.0, AT, AT),
    ]


@pytest.fixture
def journal(project: Project) -> Iterator[Journal]:
    """What a running server writes: Anna under her name and her pseudonym, and Ben; and online rows of each."""
    journal = Journal(project.journal_folder, "server-1", project.clock)
    hidden = pseudonym(Route("shop", "", 0, (), "shop"), "7")
    journal.append([*told("7", "p1"), *told("8", "p2")])
    journal.append([*told(hidden, "p3")])
    with project.records.transaction() as tx:
        tx.append("routes/shop", {"deployment": "shop", "model": "m", "generation": 1, "arms": [], "salt": "shop"})
    for table in (TABLE, table_of("shops", ["shop"], ["total"])):
        project.online.write(table, [((key,), StoredRow(AT, AT, (3.5,))) for key in (7, "7", 8)])
    yield journal
    journal.close()


def test_a_person_is_erased_wherever_the_project_can(
    project: Project, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers that run begin new segments; pseudonyms are known; what is out of reach is said; audited twice."""
    status = ServerStatus("server-1", 1, "http://here", AT, AT, 1, {}, ())
    project.feed.write_status(status)
    monkeypatch.setattr(FeedFolder, "ask_for_new_segments", lambda _: journal.rotate())
    done = carry_out(persons.erase_person, project, persons.Person("7"))
    assert (done["predictions"], done["truths"], done["outcomes"], done["waiting"]) == (2, 2, 2, 0)
    assert done["online"] == {TABLE: 2}
    assert project.log.predictions("shop").column("entity").to_pylist() == ["8"]
    assert project.online.count(TABLE) == 1
    assert project.online.count(table_of("shops", ["shop"], ["total"])) == 3
    said = " ".join(done["unreached"])
    assert all(word in said for word in ("dataset versions", "bundles", "backups", "several keys: both"))
    entries = [each.body for each in project.audit.entries()]
    assert [each["action"] for each in entries] == ["log.erase", "log.erased"]
    assert {each["subject"] for each in entries} == {done["digest"]}
    assert carry_out(persons.erase_person, project, persons.Person("7"))["digest"] == done["digest"]
    assert carry_out(persons.erase_person, project, persons.Person("8"))["digest"] != done["digest"]


def test_segments_that_nobody_closes_are_told(
    project: Project, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of another machine, say, that does not follow: what waits is counted, and nobody waits for ever."""
    monkeypatch.setattr(persons, "_PATIENCE_S", 0.0)
    assert carry_out(persons.erase_person, project, persons.Person("7"))["waiting"] == 6


def test_all_that_is_known_of_a_person_is_written_to_one_file(
    project: Project, journal: Journal, tmp_path: Path
) -> None:
    """Sealed or not, with labels and features; readable by its owner alone; and audited without the name."""
    file = tmp_path / "seven.json"
    done = carry_out(logs.log_export, project, logs.LogExport(file, entity="7"))
    assert done == {"predictions": 2, "outcomes": 2, "online": 1, "queued": 0, "file": str(file)}
    found = json.loads(file.read_text())
    assert [each["prediction_id"] for each in found["predictions"]] == ["p1", "p3"]
    assert {each["label"] for each in found["predictions"]} == {"1"}
    assert [each["values"] for each in found["online"][TABLE]] == [[3.5], [3.5]]
    assert file.stat().st_mode & 0o777 == 0o600
    assert project.audit.entries()[-1].body["action"] == "log.export"
    assert '"7"' not in str(project.audit.entries()[-1].body)
    with pytest.raises(ExportExists):
        carry_out(logs.log_export, project, logs.LogExport(file, entity="7"))
    with pytest.raises(InvalidInput, match=r"ends in \.json|is a JSON document"):
        carry_out(logs.log_export, project, logs.LogExport(tmp_path / "x.csv", entity="7"))
    for entity, deployment in ((None, None), ("7", "shop")):
        with pytest.raises(InvalidInput, match="whose records"):
            carry_out(logs.log_export, project, logs.LogExport(tmp_path / "x.json", deployment, entity))
    with pytest.raises(InvalidInput, match="nobody's"):
        carry_out(persons.erase_person, project, persons.Person(""))


def test_the_views_of_another_key_are_named(project: Project, journal: Journal) -> None:
    """Shop 7 is no customer: only who says so erases it."""
    done = carry_out(persons.erase_person, project, persons.Person("7", ("shop",)))
    assert done["online"] == {table_of("shops", ["shop"], ["total"]): 2}
