"""`modelyard.run` in a project, in the steps of its pipelines, and where there is none."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pyarrow as pa
import pytest

import modelyard as my
from modelyard.core import InvalidInput
from modelyard.tracking import LiveRun
from modelyard.wiring import Project

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

PIPELINE = """
import modelyard as my

@my.step(kind="train", secrets=("SHOP_PASSWORD",))
def train(rate: float) -> dict[str, float]:
    import mlflow, os
    with my.run(params={"rate": rate * 2, "how": os.environ["SHOP_PASSWORD"]}) as run:
        run.log(metrics={"loss": 0.5}, step=1)
        run.log(metrics={"loss": 0.25}, step=2)
        run.evaluate([0.2, 0.9, 0.6], [0, 1, 0])
    with my.run("again") as run:
        run.log(tags={"second": "yes"})
    mlflow.log_metric("plain", 1)
    return {"weight": rate}

@my.pipeline
def training(rate: float = 0.25) -> None:
    train(rate)
"""

READ = """
import json, sys, mlflow
def read(uri):
    client = mlflow.MlflowClient(uri)
    ids = [each.experiment_id for each in client.search_experiments()]
    told = []
    for run in client.search_runs(ids, order_by=["attributes.start_time ASC"]):
        told.append({
            "name": run.info.run_name, "status": run.info.status, "metrics": run.data.metrics,
            "params": run.data.params, "tags": run.data.tags,
            "experiment": client.get_experiment(run.info.experiment_id).name,
            "files": [each.path for each in client.list_artifacts(run.info.run_id)],
            "losses": [[each.step, each.value] for each in client.get_metric_history(run.info.run_id, "loss")],
            "datasets": [[each.dataset.name, each.dataset.digest] for each in run.inputs.dataset_inputs],
        })
    return told
"""
"""What a plain client has of every run, oldest first."""


@pytest.fixture
def folder(mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, which is the working directory."""
    (tmp_path / "modelyard.yaml").write_text("project: shop\npipelines:\n  training: {module: training.py}\n")
    (tmp_path / "training.py").write_text(PIPELINE)
    (tmp_path / ".modelyard").mkdir()
    shutil.copy(mlflow_tables, tmp_path / ".modelyard" / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_PASSWORD", "hunter22")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return tmp_path


def told(database: Path) -> list[dict[str, Any]]:
    """The runs of a store, as a plain client has them."""
    names: dict[str, Any] = {}
    exec(READ, names)
    found: list[dict[str, Any]] = names["read"](f"sqlite:///{database}")
    return found


def told_elsewhere(database: Path) -> list[dict[str, Any]]:
    """The same in another process, which knows nothing of this one."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    code = READ + "print(json.dumps(read(sys.argv[1])))"
    asked = [sys.executable, "-W", "ignore", "-c", code, f"sqlite:///{database}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=plain)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def learn_and_fail(run: LiveRun) -> None:
    """Fifty steps, then no memory is left."""
    for step in range(50):
        run.log(metrics={"loss": 1 / (1 + step)}, step=step)
    raise ValueError("no memory")


def test_runs_are_what_a_plain_client_in_another_process_reads(folder: Path) -> None:
    """In the project's store and experiment, with facts, seeds and data; a run that raises has said all it had to."""
    draws = []
    for _ in range(2):
        with my.run("seeded", seed=7, tags={"team": "größe"}) as run:
            draws.append(np.random.default_rng(np.random.randint(1_000)).random())
            digest = run.log_dataset(pa.table({"a": [1, 2]}), "rows")
            with my.run("inner"):
                mlflow.log_metric("plain", 3)
    assert draws[0] == draws[1]
    with pytest.raises(ValueError, match="no memory"), my.run("broken") as run:
        learn_and_fail(run)
    runs = told_elsewhere(folder / ".modelyard" / "mlflow.db")
    first, inner, broken = runs[0], runs[1], runs[-1]
    assert {each["experiment"] for each in runs} == {"shop"}
    assert (first["status"], first["params"], first["tags"]["team"]) == ("FINISHED", {"seed": "7"}, "größe")
    assert first["datasets"] == [["rows", digest[:32]]]
    assert first["tags"]["modelyard.dataset.rows"] == digest
    assert first["files"] == ["environment"]
    assert first["tags"]["modelyard.python"] == sys.version.split()[0]
    assert (inner["name"], inner["metrics"]) == ("inner", {"plain": 3.0})
    assert "mlflow.parentRunId" in inner["tags"]
    assert (broken["status"], broken["tags"]["modelyard.error"]) == ("FAILED", "ValueError: no memory")
    assert broken["losses"] == [[step, 1 / (1 + step)] for step in range(50)]
    assert "learning-curves.svg" in broken["files"]


def test_in_a_step_it_is_the_run_of_the_step(folder: Path) -> None:
    """No second run, however often it is opened; secrets are masked; plain calls land there too."""
    project = Project(folder)
    try:
        project.pipelines.run("training", {"rate": 0.25})
    finally:
        project.close()
    runs = {each["name"]: each for each in told(folder / ".modelyard" / "mlflow.db")}
    assert set(runs) == {"training", "train"}
    step, whole = runs["train"], runs["training"]
    assert (step["status"], whole["status"]) == ("FINISHED", "FINISHED")
    assert step["params"] == {"rate": "0.5", "how": "***"}  # what the step says of itself stays
    assert step["losses"] == [[1, 0.5], [2, 0.25]]
    assert step["metrics"]["plain"] == 1.0
    assert step["metrics"]["weight"] == 0.25
    assert step["metrics"]["auc"] == 1.0
    assert step["tags"]["second"] == "yes"
    assert {"evaluation", "learning-curves.svg"} <= set(step["files"])
    assert whole["files"] == ["environment"]
    assert whole["tags"]["modelyard.cpus"]


def test_a_version_of_the_projects_is_named_by_its_number(folder: Path) -> None:
    """`rows@1`, or as it was added; what is none, or has no name, is told."""
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    project = Project(folder)
    try:
        added = project.datasets.add("rows", [folder / "rows.csv"]).version
        with my.run("data", project=project) as run:
            assert run.log_dataset("rows@1") == run.log_dataset(added) == added.digest
            assert run.log_dataset({"a": [1]}, "m") != run.log_dataset(np.ones((2, 2)), "n")
            with pytest.raises(InvalidInput, match="has no name"):
                run.log_dataset(pa.table({"a": [1]}))
            with pytest.raises(InvalidInput, match="is no dataset"):
                run.log_dataset(np.ones((2, 2, 2)), "cube")
    finally:
        project.close()


@pytest.mark.usefixtures("untold_mlflow")
def test_without_a_project_it_is_where_mlflow_points(
    mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In MLflow's current experiment, and in no workspace; a version has no project to be looked up in."""
    shutil.copy(mlflow_tables, tmp_path / "own.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'own.db'}")
    with my.run("alone") as run, pytest.raises(InvalidInput, match="no project to look it up in"):
        run.log_dataset("rows@1")
    (found,) = told(tmp_path / "own.db")
    assert (found["name"], found["experiment"], found["status"]) == ("alone", "Default", "FINISHED")
    assert not (tmp_path / ".modelyard").exists()


@pytest.mark.long
def test_a_killed_process_loses_no_more_than_the_last_second(folder: Path) -> None:
    """What was logged before is there, in order and without a gap; the run stands as going on."""
    script = (
        "import time, modelyard as my\n"
        "with my.run('killed') as run:\n"
        "    for step in range(10_000_000):\n"
        "        run.log(metrics={'loss': float(step)}, step=step)\n"
        "        print(step, flush=True)\n"
        "        time.sleep(0.002)\n"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = time.monotonic() if process.stdout.readline() else 0.0
    seen = [(0, first)]
    while time.monotonic() < first + 2.5:
        seen.append((int(process.stdout.readline()), time.monotonic()))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (found,) = told(folder / ".modelyard" / "mlflow.db")
    steps = [step for step, _ in found["losses"]]
    assert steps == list(range(len(steps)))
    settled = [step for step, at in seen if at < seen[-1][1] - 2.0]  # a second's delay, and one for a busy machine
    assert len(steps) > len(settled) > 10
    assert found["status"] == "RUNNING"
