"""Which version a dataset has now, when a function of the project makes it."""

from pathlib import Path

import pytest

from modelyard.core import InvalidInput
from modelyard.data import UnreadableData
from modelyard.pipelines import forget_changed
from modelyard.wiring import Project, load_project_file

PROJECT = """
project: made
datasets:
  told: {source: "rows.py:rows", version: "rows.py:version", event_time: at, known_at: at, label: y}
  untold: {source: "rows.py:rows", event_time: at, known_at: at, label: y}
"""

ROWS = """
from pathlib import Path

WIDTH = 1


def version():
    return Path(__file__).with_name("edition.txt").read_text()


def rows(as_of):
    return WIDTH
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose rows come from a function, at edition 1."""
    (tmp_path / "modelyard.yaml").write_text(PROJECT)
    (tmp_path / "rows.py").write_text(ROWS)
    (tmp_path / "edition.txt").write_text("1")
    return tmp_path


def version(folder: Path, name: str = "told") -> str | None:
    """As it is found once the files that changed were loaded anew."""
    forget_changed(folder)
    return Project(folder).pipelines.dataset_versions(name)


def test_a_function_without_a_version_is_only_known_by_reading(folder: Path) -> None:
    """None: nothing that reads it is cached."""
    assert version(folder, "untold") is None


def test_the_version_is_what_the_project_says_and_the_code_of_the_source(folder: Path) -> None:
    """It stays while nothing changes, and is another with the edition, and with what the source's code reaches."""
    first = version(folder)
    assert first is not None
    assert version(folder) == first
    (folder / "edition.txt").write_text("2")
    second = version(folder)
    assert second != first
    (folder / "rows.py").write_text(ROWS.replace("WIDTH = 1", "WIDTH = 2"))
    assert version(folder) not in {None, first, second}


def test_a_version_that_is_not_there_says_so(folder: Path) -> None:
    """The name that was meant is told."""
    (folder / "modelyard.yaml").write_text(PROJECT.replace("rows.py:version", "rows.py:versoin"))
    with pytest.raises(UnreadableData, match="no function 'versoin'") as caught:
        version(folder)
    assert "version" in caught.value.remedy


def test_only_functions_need_one(folder: Path) -> None:
    """Files have the version of their bytes; saying another would hide that they changed."""
    (folder / "modelyard.yaml").write_text(PROJECT.replace("rows.py:rows", "rows.csv"))
    with pytest.raises(InvalidInput, match="for a source that is a function"):
        load_project_file(folder)
