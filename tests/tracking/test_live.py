"""A run that goes on, as a plain MLflow client sees it afterwards."""

import os
from contextlib import nullcontext
from math import isnan, nan
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from modelyard.core import InvalidInput, SystemClock
from modelyard.tracking import LiveRun, Run, Tracker, TrackingUnavailable, UsedDataset, active_run

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own


def dataset(given: Any, name: str | None) -> UsedDataset:
    """Any dataset, by its name."""
    return UsedDataset(name or "", "d" * 64, "table", {"rows": len(given)})


def tracker_of(store: Path) -> Tracker:
    """A tracker of a store."""
    return Tracker(f"sqlite:///{store / 'mlflow.db'}", (store / "artifacts").as_uri(), SystemClock())


@pytest.fixture
def opened(store: Path) -> Run:
    """A run that has begun."""
    return tracker_of(store).begin("prices", "first")


@pytest.fixture
def live(store: Path, opened: Run) -> LiveRun:
    """The same, to log to."""
    return LiveRun(tracker_of(store), opened, dataset=dataset, mask=lambda text: text.replace("hunter2", "***"))


def test_every_value_of_a_tight_loop_is_there_with_its_step(live: LiveRun, opened: Run) -> None:
    """In order, in few writes; the courses are drawn."""
    writes = 0
    original = opened.log_points

    def counted(*given: Any, **named: Any) -> None:
        nonlocal writes
        writes += 1
        original(*given, **named)

    live._outbox._write = counted
    for step in range(1_500):
        live.log(metrics={"train_loss": 1 / (1 + step), "val_loss": 2 / (1 + step)}, step=step)
    live.finish()
    client = mlflow.MlflowClient()
    history = client.get_metric_history(live.id, "val_loss")
    assert [(each.step, each.value) for each in history] == [(step, 2 / (1 + step)) for step in range(1_500)]
    assert writes <= 12  # of 3,000 values
    drawn = Path(client.download_artifacts(live.id, "learning-curves.svg")).read_text()
    assert "train_loss" in drawn
    assert drawn.count("<svg") == 2  # one chart, of both


def test_all_kinds_of_values_are_taken(live: LiveRun) -> None:
    """Numpy's numbers, NaN, truths; values that are anything as text; secrets masked."""
    live.log(
        params={"n": np.int64(3), "none": None, "password": "is hunter2", "list": [1, 2]},
        metrics={"single": float(np.float32(0.5)), "numpy": np.float64(0.25), "nan": nan, "yes": True},
        tags={"why": "hunter2 said so", "number": 7},
    )
    live.log(params={"n": 3})
    live.finish()
    data = mlflow.MlflowClient().get_run(live.id).data
    assert data.params == {"n": "3", "none": "None", "password": "is ***", "list": "[1, 2]"}
    assert isnan(data.metrics.pop("nan"))
    assert data.metrics == {"single": 0.5, "numpy": 0.25, "yes": 1.0}
    assert (data.tags["why"], data.tags["number"]) == ("*** said so", "7")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metrics": {"loss": "low"}}, "Metric 'loss' is 'low', which is no number"),
        ({"metrics": {"a*b": 1.0}}, r"does not take 'a\*b'"),
        ({"params": {"../up": 1, "": 2}}, "does not take the names '../up', ''"),
        ({"params": {"rate": 2}}, "'rate' is '1' and cannot become '2'"),
    ],
)
def test_what_cannot_be_logged_is_told_at_once(live: LiveRun, given: dict[str, Any], said: str) -> None:
    """By the call that is wrong, and nothing of it is logged."""
    live.log(params={"rate": 1})
    with pytest.raises(InvalidInput, match=said) as caught:
        live.log(**given)
    assert caught.value.remedy
    live.finish()
    data = mlflow.MlflowClient().get_run(live.id).data
    assert (data.params, data.metrics) == ({"rate": "1"}, {})


def test_an_evaluation_is_metrics_and_a_page(live: LiveRun) -> None:
    """Slices as metrics of their own; several evaluations stand apart; what the model remembers is logged by step."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 2))
    labels = (rows[:, 0] + random.normal(size=300) > 0).astype(int)
    model = HistGradientBoostingClassifier(max_iter=7, early_stopping=True, random_state=0).fit(rows, labels)
    town = np.where(rows[:, 1] > 0, "Wien/Süd", "Graz")
    first = live.evaluate(model, labels, rows=rows, slices={"town": town}, names=["a", "b"])
    second = live.evaluate(1 - model.predict_proba(rows)[:, 1], labels, name="reversed")
    live.finish()
    client = mlflow.MlflowClient()
    logged = client.get_run(live.id).data.metrics
    assert logged["auc"] == pytest.approx(first.metrics["auc"])
    assert logged["reversed/auc"] == pytest.approx(1 - logged["auc"])
    assert logged["slice/town/Graz/accuracy"] == first.slices[1].metrics["accuracy"] or first.slices[0].value == "Graz"
    assert "slice/town/Wien_Süd/auc" in logged
    assert len(client.get_metric_history(live.id, "validation_score")) == len(model.validation_score_)
    files = {each.path.rpartition("/")[2] for each in client.list_artifacts(live.id, "evaluation")}
    assert {"index.html", "evaluation.json", "roc.svg", "permutation-importance.svg", "reversed"} <= files
    assert second.losses == ()


def test_files_texts_and_figures_are_kept_where_they_are_named(live: LiveRun, store: Path) -> None:
    """In folders of the run's, and never outside of it."""
    import plotly.graph_objects as go

    (store / "notes.txt").write_text("said")
    live.log_file(store / "notes.txt")
    live.log_file(store / "notes.txt", "deep/down/n.txt")
    live.log_text("hunter2", "words/secret.md")
    live.log_figure("<svg xmlns='http://www.w3.org/2000/svg'/>", "plain.svg")
    live.log_figure(go.Figure(), "plots/empty.html")
    live.finish()
    client = mlflow.MlflowClient()
    files = {each.path for each in client.list_artifacts(live.id)}
    assert files == {"notes.txt", "deep", "words", "plain.svg", "plots"}
    assert Path(client.download_artifacts(live.id, "words/secret.md")).read_text() == "***"
    for name in ("../up.txt", "a//b", "", "a/"):
        with pytest.raises(InvalidInput):
            live.log_text("x", name)
    with pytest.raises(InvalidInput, match="no file"):
        live.log_file(store / "nothing")
    with pytest.raises(InvalidInput, match="no figure"):
        live.log_figure(3, "x.png")


def test_a_dataset_is_an_input_of_the_run(live: LiveRun) -> None:
    """MLflow shows the first half of its digest, a tag has all of it."""
    assert live.log_dataset([1, 2, 3], "cus/tomers") == "d" * 64
    live.finish()
    run = mlflow.MlflowClient().get_run(live.id)
    assert run.inputs is not None
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("cus/tomers", "d" * 32)
    assert run.data.tags["modelyard.dataset.cus_tomers"] == "d" * 64


def test_when_mlflow_is_gone_the_end_says_how_much_is_lost(live: LiveRun) -> None:
    """Logging does not stop the training; ending does not hide it."""

    def refuse(points: object) -> None:
        raise TrackingUnavailable("MLflow is down.")

    live._outbox._write = refuse
    live.log(metrics={"loss": 1.0})
    with pytest.raises(TrackingUnavailable):
        live.finish()
    assert live.waiting == 1


def test_an_active_run_ends_as_its_block_does_and_mlflow_points_where_it_did(store: Path) -> None:
    """FINISHED, FAILED, KILLED by Ctrl-C; plain calls land in it; one below another; the outer one goes on."""
    elsewhere = tracker_of(store)
    client = mlflow.MlflowClient()
    before = mlflow.get_tracking_uri(), os.environ["MLFLOW_TRACKING_URI"]
    ended: dict[str, str] = {}
    with mlflow.start_run() as outer:
        for error in (None, ValueError("bad"), KeyboardInterrupt(), SystemExit(0), SystemExit(3)):
            expected = nullcontext() if error is None else pytest.raises(type(error))
            with expected, active_run(elsewhere, "inner", None, {"t": "1"}) as run:
                _work(run, error, ended)
            now = mlflow.active_run()
            assert now is not None
            assert now.info.run_id == outer.info.run_id
        with active_run(elsewhere, "ended early", None, {}):
            mlflow.end_run()
        assert mlflow.active_run() is not None
    runs = {told: client.get_run(key) for key, told in ended.items()}
    assert {told: run.info.status for told, run in runs.items()} == {
        "None": "FINISHED",
        "ValueError('bad')": "FAILED",
        "KeyboardInterrupt()": "KILLED",
        "SystemExit(0)": "FINISHED",
        "SystemExit(3)": "KILLED",
    }
    assert all(run.data.metrics == {"plain": 1.0} for run in runs.values())
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {outer.info.run_id}
    assert (mlflow.get_tracking_uri(), os.environ["MLFLOW_TRACKING_URI"]) == before
    assert "MLFLOW_REGISTRY_URI" not in os.environ


def _work(run: Run, error: BaseException | None, ended: dict[str, str]) -> None:
    """Log something the plain way, and raise."""
    mlflow.log_metric("plain", 1)
    ended[run.id] = repr(error)
    if error is not None:
        raise error
