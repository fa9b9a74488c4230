"""What `modelyard data` does with files and versions."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import Conflict, InvalidInput, ManualClock
from modelyard.operations import carry_out, datasets, write_template
from modelyard.wiring import Project

TABLE = pa.table({"id": range(100), "customer": [each % 9 for each in range(100)]})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A hundred rows of nine customers."""
    pq.write_table(TABLE, tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project without anything in it."""
    write_template("minimal", tmp_path / "shop")
    project = Project(tmp_path / "shop", clock=ManualClock(datetime(2026, 1, 5, tzinfo=UTC)), environment={})
    yield project
    project.close()


def test_a_profile_is_json_and_a_page(file: Path, tmp_path: Path) -> None:
    """The page never takes the place of the data."""
    found = datasets.profile_file(file, tmp_path / "page.html")
    assert json.loads(json.dumps(found))["rows"] == 100
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    with pytest.raises(InvalidInput, match="is the data itself"):
        datasets.profile_file(file, file)


def test_parts_are_files_and_are_judged(file: Path, tmp_path: Path) -> None:
    """What leaks is said; a folder that exists is left alone."""
    asked = datasets.SplitFile(file, tmp_path / "parts", "train=0.8,test=0.2", keys=("customer",))
    found = datasets.split_file(asked)
    assert [pq.read_table(each["file"]).num_rows for each in found["parts"]] == [80, 20]
    assert (found["verdict"], datasets.passed(found)) == ("fail", False)
    with pytest.raises(Conflict, match="exists already"):
        datasets.split_file(asked)
    for into, said in (("train:1", "is no share"), ("a=0.5,a=0.5", "named twice"), ("a=nan,b=0.5", "cannot be given")):
        with pytest.raises(InvalidInput, match=said):
            datasets.split_file(datasets.SplitFile(file, tmp_path / "other", into))
    assert not (tmp_path / "other").exists()


def test_a_version_is_added_listed_shown_and_compared(project: Project, file: Path) -> None:
    """As JSON, the digest first and last the same."""
    added = carry_out(datasets.add_version, project, datasets.AddVersion("rows", (file,), "first"))
    assert (added["new"], added["number"], added["columns"]) == (True, 1, 2)
    again = carry_out(datasets.add_version, project, datasets.AddVersion("rows", (file,)))
    assert (again["new"], again["digest"]) == (False, added["digest"])
    (listed,) = carry_out(datasets.list_versions, project, datasets.ListVersions())
    assert listed == {name: each for name, each in added.items() if name not in ("new", "pipelines")}
    shown = carry_out(datasets.show_version, project, datasets.OneDatasetVersion("rows", added["digest"][:10]))
    assert shown["profile"]["rows"] == 100
    same = carry_out(datasets.diff_versions, project, datasets.TwoVersions("rows", "1", "latest"))
    assert same["sentences"][-1] == "No column's values changed beyond what chance gives."


def test_a_dataset_of_the_project_file_may_be_a_version(project: Project, tmp_path: Path) -> None:
    """Its rows, those known by then."""
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 9)]
    pq.write_table(pa.table({"pages": [1, 2, 3], "known_at": days}), tmp_path / "visits.parquet")
    project.datasets.add("visits", [tmp_path / "visits.parquet"])
    settings = project.file.folder / "modelyard.yaml"
    settings.write_text(settings.read_text().replace("data.py:visits", "version:visits@1"))
    reading = Project(project.file.folder, clock=project.clock, environment={})
    rows = reading.services.dataset("visits", datetime(2026, 1, 5, tzinfo=UTC))
    reading.close()
    assert rows["pages"].to_pylist() == [1, 2]
