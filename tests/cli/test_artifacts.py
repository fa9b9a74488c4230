"""`modelyard pipeline artifacts`, `fetch` and `metrics`: what the steps of a run gave, and how its metrics went."""

import json
from pathlib import Path

import pytest

from modelyard.pipelines import RUN_TAG, newest_runs
from modelyard.tracking.tracker import Point
from modelyard.wiring import Project

from .conftest import Command

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own


@pytest.fixture
def modelyard(modelyard: Command, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in the shop: exit code, stdout, stderr."""
    monkeypatch.chdir(shop)
    return modelyard


@pytest.fixture
def trained_in(shop: Path) -> str:
    """The one run of the shop, of which MLflow has a metric with steps."""
    project = Project(shop)
    (found, *_), _ = newest_runs(project.records)
    tracked = project.tracker.tagged(found.pipeline, RUN_TAG, found.id)
    assert tracked is not None
    tracked.log_points([Point("loss", 1.0 / (1 + step), 1_700_000_000_000 + step, step) for step in range(3)])
    project.close()
    return found.id


def test_what_a_run_gave_is_listed_and_fetched(modelyard: Command, trained_in: str, tmp_path: Path) -> None:
    """Every artifact of every step by a name; a file of one, never over another."""
    code, out, _ = modelyard("pipeline", "artifacts", trained_in, "--json")
    listed = {each["name"]: each for each in json.loads(out)}
    assert code == 0
    assert {"load", "split/0", "split/1", "train", "evaluate"} <= set(listed)
    assert (listed["evaluate"]["form"], listed["evaluate"]["file"]) == ("json", "evaluate.json")
    assert listed["evaluate/evaluation.html"]["form"] == "picture"
    for name in ("evaluate", "split/0", "evaluate/evaluation.html"):
        into = tmp_path / listed[name]["file"]
        code, out, _ = modelyard("pipeline", "fetch", trained_in, name, "-o", str(into), "--json")
        assert (code, json.loads(out)["size"]) == (0, listed[name]["size"])
        assert into.stat().st_size == listed[name]["size"]
    assert json.loads((tmp_path / "evaluate.json").read_text())["auc"] > 0.5
    again = modelyard("pipeline", "fetch", trained_in, "evaluate", "-o", str(tmp_path / "evaluate.json"))
    assert (again[0], "is there already" in again[2]) == (2, True)


def test_what_a_run_never_gave_is_not_found(modelyard: Command, trained_in: str) -> None:
    """With the nearest name; what looks like a path is a name that is not there."""
    for name, told in (("evaluat", "Did you mean 'evaluate'?"), ("../modelyard.yaml", "gave no '../modelyard.yaml'")):
        code, out, err = modelyard("pipeline", "fetch", trained_in, name)
        assert (code, out) == (5, "")
        assert told in err
    assert modelyard("pipeline", "artifacts", "nosuch")[0] == 5


def test_metrics_by_step_are_those_of_mlflow(modelyard: Command, trained_in: str) -> None:
    """Of the run and of its steps; one with several steps as it went."""
    code, out, _ = modelyard("pipeline", "metrics", trained_in, "--json")
    told = json.loads(out)
    assert (code, told["run"]) == (0, trained_in)
    assert told["courses"] == {"training": {"loss": [[0.0, 1.0], [1.0, 0.5], [2.0, 1.0 / 3.0]]}}
    assert told["metrics"]["evaluate"]["auc"] == told["metrics"]["training"]["auc"]
    code, out, _ = modelyard("pipeline", "metrics", trained_in)
    assert code == 0
    assert [line.split() for line in out.splitlines() if "loss" in line.split()] == [
        ["training", "loss", "0.3333", "3"]
    ]
