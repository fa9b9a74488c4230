"""Where the steps of a project's pipelines run: by the project file, the environment, or a name."""

from pathlib import Path

import pytest

from modelyard.core import InvalidInput
from modelyard.execution import RayMissing
from modelyard.pipelines import list_runs
from modelyard.wiring import Project, load_project_file

SUMS = """
import modelyard as my


@my.step
def add(count: int) -> int:
    return sum(range(count))


@my.pipeline
def adding(count: int = 3) -> None:
    add(count)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose file chooses Ray."""
    (tmp_path / "sums.py").write_text(SUMS)
    text = "project: sums\nexecution: {engine: ray}\npipelines: {adding: {module: sums.py}}\n"
    (tmp_path / "modelyard.yaml").write_text(text)
    return tmp_path


def test_settings_inside_a_section_come_from_the_environment_too(folder: Path) -> None:
    """Over those of the file, and `config show` says so."""
    loaded = load_project_file(folder, {"MODELYARD_EXECUTION_RAY_ADDRESS": "10.0.0.1:6379"})
    assert loaded.settings.execution.ray.address == "10.0.0.1:6379"
    origins = {each.path: each.source for each in loaded.origins}
    assert origins["execution.ray.address"] == "environment MODELYARD_EXECUTION_RAY_ADDRESS"


@pytest.mark.parametrize("name", ["rai", ""])
def test_an_engine_that_there_is_not_starts_no_run(folder: Path, name: str) -> None:
    """An empty name is none, not the default."""
    project = Project(folder, environment={})
    try:
        with pytest.raises(InvalidInput, match=f"no engine '{name}'"):
            project.pipelines.run("adding", {}, engine=name)
        assert list_runs(project.records) == []
    finally:
        project.close()


def test_a_run_records_its_engine_and_a_missing_one_starts_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name goes before the project file; what is missing is said before anything is on record."""
    monkeypatch.setattr("modelyard.execution.ray_connection.find_spec", lambda _: None)
    project = Project(folder, environment={})
    try:
        with pytest.raises(RayMissing):
            project.pipelines.run("adding", {})
        assert list_runs(project.records) == []
        run = project.pipelines.run("adding", {}, engine="local")
        assert (run.engine, run.result("transform")) == ("local", 3)
        assert [each.engine for each in list_runs(project.records)] == ["local"]
    finally:
        project.close()
