"""Runs of pipelines as MLflow shows them: nested, with parameters, metrics, logs, pictures, the steps' own calls."""

import shutil
from pathlib import Path

import mlflow
import pytest

from modelyard.pipelines import StepFailed
from modelyard.wiring import Project

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

PIPELINE = """
import modelyard as my

@my.step(kind="train")
def train(rate: float) -> dict[str, float]:
    import mlflow
    mlflow.log_metric("loss", rate / 2)
    print("training")
    (my.context().folder / "curve.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return {"weight": rate}

@my.step(kind="evaluate")
def evaluate(model: dict[str, float], broken: bool) -> dict[str, float]:
    import mlflow
    mlflow.log_param("fold", 3)
    if broken:
        raise ValueError("no rows")
    return {"accuracy": 0.5 + model["weight"]}

@my.pipeline
def training(rate: float = 0.25, broken: bool = False) -> None:
    evaluate(train(rate), broken)
"""


@pytest.fixture
def project(tmp_path: Path, mlflow_tables: Path) -> Project:
    """A project with one pipeline, whose steps log to MLflow themselves."""
    (tmp_path / ".modelyard").mkdir()
    shutil.copy(mlflow_tables, tmp_path / ".modelyard" / "mlflow.db")
    (tmp_path / "modelyard.yaml").write_text("project: shop\npipelines:\n  training: {module: training.py}\n")
    (tmp_path / "training.py").write_text(PIPELINE)
    return Project(tmp_path, environment={})


def shown(project: Project, experiment: str) -> dict[str, mlflow.entities.Run]:
    """The runs of an experiment by name, as a plain client has them; of two runs of one name the newer."""
    client = mlflow.MlflowClient(f"sqlite:///{project.workspace / 'mlflow.db'}")
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])
    return {run.info.run_name: run for run in runs}


def test_a_run_and_its_steps_are_runs_of_mlflow(project: Project) -> None:
    """What a step logs itself lands in its own run, though both ran in one process; its log and pictures are there."""
    try:
        run = project.pipelines.run("training", {"rate": 0.25}, experiment="prices")
    finally:
        project.close()
    runs = shown(project, "prices")
    whole, train, evaluate = runs["training"], runs["train"], runs["evaluate"]
    assert whole.data.tags["modelyard.run"] == run.id
    assert whole.data.params["rate"] == "0.25"
    assert whole.data.metrics == {"accuracy": 0.75}
    assert train.data.metrics == {"loss": 0.125, "weight": 0.25}
    assert evaluate.data.params["fold"] == "3"
    assert evaluate.data.metrics == {"accuracy": 0.75}
    assert {each.info.status for each in runs.values()} == {"FINISHED"}
    assert {each.data.tags["mlflow.parentRunId"] for each in (train, evaluate)} == {whole.info.run_id}
    client = mlflow.MlflowClient(f"sqlite:///{project.workspace / 'mlflow.db'}")
    assert {each.path for each in client.list_artifacts(train.info.run_id)} == {"log.txt", "curve.svg"}


def test_a_failed_step_and_a_resumed_run_are_shown_as_what_they_are(project: Project) -> None:
    """The run that is resumed goes on in MLflow where it stood, and ends well there too."""
    try:
        with pytest.raises(StepFailed):
            project.pipelines.run("training", {"broken": True}, "run-1")
        failed = shown(project, "training")
        assert (failed["training"].info.status, failed["evaluate"].info.status) == ("FAILED", "FAILED")
        assert failed["evaluate"].data.tags["modelyard.error"] == "ValueError: no rows"
        code = project.file.folder / "training.py"
        code.write_text(code.read_text().replace("if broken:", "if False:"))
        project.pipelines.resume("run-1")
    finally:
        project.close()
    ended = shown(project, "training")
    assert ended["training"].info.run_id == failed["training"].info.run_id
    assert (ended["training"].info.status, ended["evaluate"].info.status) == ("FINISHED", "FINISHED")
