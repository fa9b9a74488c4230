"""Runs are read, found and set side by side, whoever made them."""

from pathlib import Path
from xml.etree import ElementTree

import mlflow
import numpy as np
import pytest
from mlflow.data.numpy_dataset import from_numpy

from modelyard.core import InvalidInput, SystemClock
from modelyard.tracking import (
    LiveRun,
    TrackedRunNotFound,
    Tracker,
    UsedDataset,
    compare_runs,
    comparison_page,
    comparison_picture,
    find_run,
    read_runs,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own


@pytest.fixture
def tracker(store: Path) -> Tracker:
    """A store with two runs of plain MLflow, one of ours with a step below it, in two experiments."""
    made = Tracker(f"sqlite:///{store / 'mlflow.db'}", (store / "artifacts").as_uri(), SystemClock())
    for name, rate in (("slow", 0.1), ("fast", 0.9)):
        with mlflow.start_run(run_name=name):
            mlflow.log_params({"rate": rate, "depth": 3})
            mlflow.log_metric("auc", 0.5 + rate / 4)
            for step in range(3):
                mlflow.log_metric("loss", rate / (1 + step), step=step)
            mlflow.log_input(from_numpy(np.array([1])))
    whole = made.begin("ours", "<b>whole", {"modelyard.run": "r-1", "modelyard.python": "3.11"})
    live = LiveRun(made, whole, dataset=lambda given, name: UsedDataset("d", "f" * 64, "t", {}))
    live.log(params={"rate": 1, "depth": 3}, metrics={"auc": 0.75})
    live.evaluate([0.1, 0.8, 0.6], [0, 1, 0], name="")
    live.log_dataset([])
    live.finish()
    made.begin("ours", "a step", parent=whole).end("FINISHED")
    return made


def test_runs_are_listed_newest_first(tracker: Tracker) -> None:
    """Those of plain MLflow like ours; steps only when asked for; of one experiment, or so many."""
    assert [each.name for each in read_runs(tracker)] == ["<b>whole", "fast", "slow"]
    assert len(read_runs(tracker, inner=True)) == 4
    assert [each.name for each in read_runs(tracker, "Default", limit=1)] == ["fast"]
    fast = read_runs(tracker, "Default")[0]
    assert (fast.status, fast.params["rate"], fast.metrics["auc"]) == ("FINISHED", "0.9", 0.725)
    assert len(fast.datasets) == 1
    assert read_runs(tracker, "ours")[0].seconds is None  # it goes on
    with pytest.raises(TrackedRunNotFound, match="no experiment 'Defalt'") as caught:
        read_runs(tracker, "Defalt")
    assert "Did you mean 'Default'?" in caught.value.remedy


def test_a_run_is_found_by_what_one_knows_of_it(tracker: Tracker) -> None:
    """Its id, the beginning of it, its name, a pipeline run's id."""
    whole = read_runs(tracker, "ours")[0]
    for text in (whole.id, whole.id[:8], "<b>whole", "r-1"):
        assert find_run(tracker, text).id == whole.id
    found = find_run(tracker, whole.id)
    assert found.files == ("evaluation",)
    assert found.datasets == {"d": "f" * 64}
    for unknown in ("fst", whole.id[:3], "../../etc", "' OR 1=1", "x" * 10_000):
        with pytest.raises(TrackedRunNotFound, match="There is no run") as caught:
            find_run(tracker, unknown)
        assert len(str(caught.value)) < 1_000
    with pytest.raises(TrackedRunNotFound) as caught:
        find_run(tracker, "fst")
    assert "Did you mean 'fast'?" in caught.value.remedy


def test_a_comparison_tells_what_differs(tracker: Tracker) -> None:
    """Parameters and facts that differ, every metric, courses by step."""
    found = compare_runs(tracker, ["slow", "fast", "r-1"])
    assert found.params == {"rate": ("0.1", "0.9", "1")}
    assert found.same_params == 1
    assert found.metrics["loss"] == (0.1 / 3, 0.3, None)
    assert found.curves["loss"][1] == ((0.0, 0.9), (1.0, 0.45), (2.0, 0.3))
    assert found.curves["loss"][2] == ()
    assert "auc" not in found.curves
    assert found.facts["python"] == (None, None, "3.11")
    assert found.roc[:2] == (None, None)
    assert found.roc[2] is not None
    for texts in ([], ["slow"], ["slow"] * 21):
        with pytest.raises(InvalidInput, match="to compare"):
            compare_runs(tracker, texts)


def test_the_picture_and_the_page_stand_alone(tracker: Tracker) -> None:
    """Names are text; nothing is fetched; runs of one name are told apart."""
    with mlflow.start_run(run_name="fast"):
        pass
    older = read_runs(tracker, "Default")[1]
    found = compare_runs(tracker, ["fast", older.id, "r-1"])
    assert len(set(found.labels)) == 3
    picture, page = comparison_picture(found), comparison_page(found)
    titles = "".join(ElementTree.fromstring(picture).itertext())
    assert "ROC" in titles
    assert "loss" in titles
    assert "<b>whole" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_runs_without_anything_can_be_compared(tracker: Tracker) -> None:
    """There is a picture all the same, which says that there is nothing."""
    for name in ("bare", "naked"):
        with mlflow.start_run(run_name=name):
            pass
    found = compare_runs(tracker, ["bare", "naked"])
    ElementTree.fromstring(comparison_picture(found))
    assert (found.metrics, found.params) == ({}, {})


def test_asking_a_store_that_is_not_there_does_not_make_one(store: Path) -> None:
    """A list of nothing would leave a file behind."""
    assert Tracker(f"sqlite:///{store / 'other.db'}", "", SystemClock()).is_empty
    assert not Tracker(f"sqlite:///{store / 'mlflow.db'}", "", SystemClock()).is_empty
    assert not Tracker("http://127.0.0.1:1", "", SystemClock()).is_empty
    assert not (store / "other.db").exists()
