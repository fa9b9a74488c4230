"""Sources of labels that the project file declares are read again and again, and each label comes once."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from modelyard.core import InvalidProjectFile, ManualClock, NotFound, to_micros
from modelyard.journal import Journal, PredictionRecord
from modelyard.operations import carry_out, logs, write_template
from modelyard.operations.labels import LabelsOf, LabelsOfFile, add_label_file, sync_labels
from modelyard.wiring import FILE_NAME, Project

HOUR = timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path, clock: ManualClock) -> Path:
    """A project with an answer an hour to entities e0, e1, …, and no labels yet."""
    write_template("minimal", tmp_path)
    journal = Journal(tmp_path / ".modelyard" / "journal", "s", clock)
    for hour in range(4):
        at = to_micros(clock.now() - hour * HOUR)
        journal.append(
            [PredictionRecord(f"p{hour}", at, "shop", 1, "1", "live", "live", True, f"e{hour}", (1.0,), "1", (0.5,), 9)]
        )
    journal.close()
    return tmp_path


def declare(folder: Path, **settings: object) -> None:
    """Declare where the labels of `shop` come from."""
    file = folder / FILE_NAME
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "labels": {"shop": settings}}))


def write(folder: Path, *rows: str) -> None:
    """Write the file of labels."""
    (folder / "labels.csv").write_text("\n".join(["who,when,known,truth", *rows]) + "\n")


@pytest.fixture
def by_entity(folder: Path, clock: ManualClock) -> Iterator[Project]:
    """A project that joins labels of a file by entity and time."""
    declare(folder, source="labels.csv", entity="who", at="when", available_at="known", label="truth", every="2h")
    write(folder, f"e0,{clock.now().isoformat()},{(clock.now() + HOUR).isoformat()},1")
    with closing(Project(folder, clock=clock, environment={})) as project:
        yield project


def test_a_declared_source_is_read_when_it_is_due_and_adds_what_is_new(by_entity: Project, clock: ManualClock) -> None:
    """By the record store's word, so that restarts change nothing."""
    folder = by_entity.file.folder
    assert {name: each.added for name, each in by_entity.labels.sync_when_due().items()} == {"shop": 1}
    assert by_entity.labels.sync_when_due() == {}
    noon = clock.now()
    write(folder, f"e0,{noon.isoformat()},{(noon + HOUR).isoformat()},1", f"e1,{noon.isoformat()},{noon.isoformat()},0")
    clock.advance(2 * HOUR)
    with closing(Project(folder, clock=clock, environment={})) as restarted:
        found = restarted.labels.sync_when_due()["shop"]
        assert (found.added, found.known, found.unmatched) == (1, 1, 0)
        assert restarted.log.stats("shop").joined == 2
        assert carry_out(sync_labels, restarted, LabelsOf())["shop"]["known"] == 2


@pytest.mark.parametrize("kind", ["query", "dataset"])
def test_labels_come_from_queries_and_datasets_too(folder: Path, clock: ManualClock, kind: str) -> None:
    """A query of DuckDB over files, and a dataset of the project."""
    write(folder, "p0,,,1", "p1,,,0")
    if kind == "query":
        declare(folder, query="SELECT who, truth FROM 'labels.csv'", prediction_id="who", label="truth")
    else:
        text = yaml.safe_load((folder / FILE_NAME).read_text())
        text["datasets"]["told"] = {"source": "labels.csv", "label": "truth"}
        (folder / FILE_NAME).write_text(yaml.safe_dump(text))
        declare(folder, dataset="told", prediction_id="who", label="truth")
    with closing(Project(folder, clock=clock, environment={})) as project:
        assert [project.labels.sync("shop").added for _ in range(2)] == [2, 0]


def test_a_file_of_labels_is_added_by_hand_and_seen_in_the_statistics(folder: Path, clock: ManualClock) -> None:
    """The project's only deployment need not be named."""
    write(folder, "p0,,,1", "p1,,,0", "p9,,,0")
    with closing(Project(folder, clock=clock, environment={})) as project:
        given = LabelsOfFile(str(folder / "labels.csv"), prediction_id="who", label="truth", at="when")
        assert carry_out(add_label_file, project, given) == {
            "rows": 3, "added": 3, "known": 0, "unlabelled": 0, "early": 1, "unmatched": 0, "newest": None,
        }  # fmt: skip
        told = carry_out(logs.log_stats, project, logs.LogOf("shop"))
        assert (told["predictions"], told["truths"], told["joined"], told["coverage"]["labelled"]) == (4, 3, 2, 2)
        rows = carry_out(logs.log_query, project, logs.LogQuery(view="labelled", deployment="shop"))
        assert {row["prediction_id"]: row["label"] for row in rows} == {"p0": "1", "p1": "0"}


def test_retention_and_redaction_are_on_the_audit_record(folder: Path, clock: ManualClock) -> None:
    """What was asked, without saying whose records they were."""
    text = yaml.safe_load((folder / FILE_NAME).read_text())
    (folder / FILE_NAME).write_text(yaml.safe_dump({**text, "log": {"retention": {"predictions": "1d"}}}))
    with closing(Project(folder, clock=clock, environment={})) as project:
        assert project.redact_log(entities=["e1"]).records == 1
        clock.advance(timedelta(days=9))
        assert project.retire_log().records == 4
        assert project.retire_log().records == 0
        entries = [each.body for each in project.audit.entries()]
        assert [each["action"] for each in entries] == ["log.redact", "log.retire"]
        assert "e1" not in str(entries)


def test_what_is_declared_wrongly_is_told_with_its_line(folder: Path, clock: ManualClock) -> None:
    """Two sources at once, neither id nor entity, a deployment that is not there."""
    declare(folder, source="a.csv", query="SELECT 1", prediction_id="p")
    with pytest.raises(InvalidProjectFile, match="one of source, dataset and query"):
        Project(folder, environment={})
    declare(folder, source="a.csv")
    with pytest.raises(InvalidProjectFile, match="prediction_id, or by entity and at"):
        Project(folder, environment={})
    declare(folder, dataset="visit", prediction_id="p")
    with pytest.raises(InvalidProjectFile, match="did you mean 'visits'"):
        Project(folder, environment={})
    write_template("minimal", folder / "other")
    with closing(Project(folder / "other", environment={})) as project, pytest.raises(NotFound, match="no labels"):
        project.labels.sync("shop")
