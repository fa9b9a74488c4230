"""What Modelyard asks of MLflow, with real MLflow on SQLite."""

from datetime import UTC, datetime, timedelta
from math import isnan, nan
from pathlib import Path

import mlflow
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from modelyard.core import ManualClock, SystemClock
from modelyard.tracking import RegisteredModels, Run, Tracker, TrackingUnavailable

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROWS = [[0.0], [1.0]] * 20

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an MLflow store on SQLite."""
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="module")
def time() -> ManualClock:
    """A clock for all runs of this file."""
    return ManualClock(BEGIN)


@pytest.fixture(scope="module")
def tracker(folder: Path, time: ManualClock) -> Tracker:
    """A tracker of that store."""
    return Tracker(f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri(), time)


def client(folder: Path) -> mlflow.MlflowClient:
    """A plain MLflow client, as anybody may have one."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return mlflow.MlflowClient(uri, uri)


def logged(tracker: Tracker, run: Run) -> str:
    """A small model, logged."""
    return run.log_model(HistGradientBoostingClassifier(max_iter=2).fit(ROWS, [0, 1] * 20), ROWS[:2])


def test_damaged_tables_are_said_to_be(tmp_path: Path, time: ManualClock) -> None:
    """Which file, and what to do; nothing of SQLAlchemy's."""
    (tmp_path / "mlflow.db").write_bytes(b"no tables " * 500)
    damaged = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "", time)
    with pytest.raises(TrackingUnavailable, match=r"mlflow\.db cannot be used: file is not a database") as raised:
        damaged.tagged("Default", "a", "b")
    assert "modelyard restore" in raised.value.remedy


def test_a_run_begins_and_ends_by_the_injected_clock(tracker: Tracker, time: ManualClock, folder: Path) -> None:
    """FINISHED, with name, tags, parameters and metrics as a plain client sees them."""
    began = time.now()
    with tracker.run("Verspätung / delay", "erster Lauf", {"team": "größe"}) as run:
        run.log(params={"rate": 0.1, "größe": None}, metrics={"auc": 0.9, "n": 3})
        time.advance(timedelta(hours=1))
    found = client(folder).get_run(run.id)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "erster Lauf")
    assert (found.info.start_time, found.info.end_time) == (
        began.timestamp() * 1000,
        (began + timedelta(hours=1)).timestamp() * 1000,
    )
    assert found.data.params == {"rate": "0.1", "größe": "None"}
    assert found.data.metrics == {"auc": 0.9, "n": 3.0}
    assert found.data.tags["team"] == "größe"


def test_runs_stand_below_others_and_are_found_again(tracker: Tracker, folder: Path, tmp_path: Path) -> None:
    """Begun and ended when the caller says; a file is kept under the name it is given."""
    parent = tracker.begin("nested", "the whole", {"job": "7"}, at=BEGIN)
    child = tracker.begin("nested", "a part", parent=parent)
    child.log(tags={"state": "done"})
    (tmp_path / "odd name").write_text("said\n")
    child.log_file(tmp_path / "odd name", "log.txt")
    child.end("KILLED", BEGIN + timedelta(minutes=1))
    found = client(folder).get_run(child.id)
    assert (found.info.status, found.info.end_time) == ("KILLED", (BEGIN.timestamp() + 60) * 1000)
    assert found.data.tags["mlflow.parentRunId"] == parent.id
    assert found.data.tags["state"] == "done"
    assert [each.path for each in client(folder).list_artifacts(child.id)] == ["log.txt"]
    again = tracker.tagged("nested", "job", "7")
    assert again is not None
    assert again.id == parent.id
    assert tracker.tagged("nested", "job", "8") is None


def test_the_experiment_of_the_caller_is_left_alone(
    tracker: Tracker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notebooks set one for themselves: our runs and models go where they belong, and theirs stays current."""
    tracker.prepare()
    theirs = mlflow.set_experiment("theirs").experiment_id
    with tracker.run("delay", "beside theirs") as run:
        source = logged(tracker, run)
    found = client(folder).get_logged_model(source.removeprefix("models:/"))
    assert found.source_run_id == run.id
    assert found.experiment_id != theirs
    assert mlflow.active_run() is None
    with mlflow.start_run() as own:
        assert own.info.experiment_id == theirs
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)


def test_a_run_whose_block_raises_has_failed(tracker: Tracker, folder: Path) -> None:
    """The error goes on its way, also Ctrl-C."""
    for error in (RuntimeError("no memory"), KeyboardInterrupt()):
        with pytest.raises(type(error)), tracker.run("delay", "broken") as run:
            raise error
        assert client(folder).get_run(run.id).info.status == "FAILED"


def test_many_and_long_and_unfinite_values_are_logged(tracker: Tracker, folder: Path) -> None:
    """More than MLflow takes in one batch; a parameter keeps 6000 characters; NaN stays NaN."""
    with tracker.run("delay", "much") as run:
        run.log(params={f"p{at}": at for at in range(120)}, metrics={f"m{at}": at for at in range(1100)})
        run.log(params={"long": "x" * 7000}, metrics={"nan": nan})
        run.log()
    data = client(folder).get_run(run.id).data
    assert (len(data.params), len(data.metrics)) == (121, 1101)
    assert data.params["long"] == "x" * 6000
    assert isnan(data.metrics["nan"])


def test_what_mlflow_refuses_is_our_error_with_its_words(tracker: Tracker) -> None:
    """A parameter written twice, a name it does not take, and whatever does not exist; never MLflow's own exception."""
    with tracker.run("delay", "refused") as run:
        run.log(params={"a": 1})
        with pytest.raises(TrackingUnavailable, match="Changing param values is not allowed"):
            run.log(params={"a": 2})
        with pytest.raises(TrackingUnavailable, match="Names may only contain"):
            run.log(params={"a*": 1})
    for ask in (
        lambda: tracker.load_model("models:/nobody/1"),
        lambda: tracker.load_model("runs:/nothing/model"),
        lambda: RegisteredModels(tracker).run_facts("nobody"),
        lambda: RegisteredModels(tracker).create("delay", "models:/m-nothing", "no run"),
        lambda: tracker.log_model("no run", HistGradientBoostingClassifier(max_iter=2).fit(ROWS, [0, 1] * 20), ROWS),
    ):
        with pytest.raises(TrackingUnavailable, match=r"MLflow at sqlite.*stores\.tracking") as caught:
            ask()
        assert ".." not in caught.value.message.replace("...", "")


def test_a_store_that_is_none_is_our_error_and_shows_no_password() -> None:
    """The URI may hold one."""
    with pytest.raises(TrackingUnavailable) as caught:
        RegisteredModels(Tracker("nonsense://me:hunter2@host/db", "file:///tmp", SystemClock())).shown("delay")
    assert "nonsense://me:***@host/db" in caught.value.message
    assert "hunter2" not in str(caught.value) + str(caught.value.context)


def test_two_projects_in_one_process_keep_their_models_apart(tracker: Tracker, folder: Path, tmp_path: Path) -> None:
    """MLflow remembers one address for the whole process; each tracker says its own again."""
    other = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", (tmp_path / "artifacts").as_uri(), ManualClock(BEGIN))
    with tracker.run("delay", "here") as here, other.run("delay", "there") as there:
        sources = {tracker: logged(tracker, here), other: logged(other, there)}
        assert list(tracker.load_model(sources[tracker]).predict([[1.0]])) == [1]
        assert list(other.load_model(sources[other]).predict([[0.0]])) == [0]
    assert client(folder).get_run(here.id).info.status == "FINISHED"
