"""`modelyard run`: in a project and outside of any, for runs of plain MLflow."""

import json
from pathlib import Path
from xml.etree import ElementTree

import mlflow
import pytest

from .conftest import Command

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own


@pytest.fixture
def folder(tmp_path: Path, untold_mlflow: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no project, with a store of MLflow's and two runs in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'plain.db'}")
    return tmp_path


def test_runs_of_plain_mlflow_are_listed_shown_and_compared(modelyard: Command, folder: Path) -> None:
    """For people and as JSON; in a project its own store is read; what is wrong is a sentence with its exit code."""
    code, _, err = modelyard("run", "list")
    assert (code, "NO_RUNS" in err) == (5, True)
    assert not (folder / "plain.db").exists()
    for name, rate in (("slow", 0.1), ("fast", 0.9)):
        with mlflow.start_run(run_name=name):
            mlflow.log_param("rate", rate)
            mlflow.log_metrics({"auc": 0.5 + rate / 4, "slice/town/Graz/auc": float("nan")})
    code, out, _ = modelyard("run", "list", "--json", "--limit", "1")
    assert (code, [each["name"] for each in json.loads(out)]) == (0, ["fast"])
    code, out, _ = modelyard("run", "list")
    assert "auc=0.725" in out
    assert "town" not in out
    found = json.loads(modelyard("run", "show", "slow", "--json")[1])
    assert (found["params"], found["metrics"]["slice/town/Graz/auc"]) == ({"rate": "0.1"}, None)
    assert "1 metric of slices" in modelyard("run", "show", "slow")[1]
    code, out, err = modelyard("run", "compare", "slow", "fast", "--json", "--html", "page.html", "--svg", "p.svg")
    compared = json.loads(out)
    assert compared["params"] == {"rate": ["0.1", "0.9"]}
    assert compared["metrics"]["auc"] == [0.525, 0.725]
    assert not {"svg", "html"} & set(compared)
    assert "<svg" in (folder / "page.html").read_text()
    ElementTree.parse(folder / "p.svg")
    assert "Wrote page.html." in err
    for words, expected in (
        (("run", "show", "fsat"), 5),
        (("run", "compare", "slow"), 2),
        (("run", "compare", "slow", "fast", "--svg", "no/where.svg"), 2),
        (("run", "list", "--limit", "0"), 2),
        (("run", "list", "--project", "nowhere"), 5),
    ):
        code, out, _ = modelyard(*words, "--json")
        assert code == expected
        assert json.loads(out)["error"]["remedy"]
    (folder / "modelyard.yaml").write_text(f"project: shop\nstores: {{tracking: 'sqlite:///{folder / 'plain.db'}'}}\n")
    code, out, _ = modelyard("run", "list", "--json")
    assert [each["name"] for each in json.loads(out)] == ["fast", "slow"]
