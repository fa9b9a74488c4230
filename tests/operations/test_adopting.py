"""A model and data become a project: what is written, what is refused, and that nothing is left of what failed."""

import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import joblib
import mlflow
import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from modelyard import adopt, load_bundle
from modelyard.bundling import NoFaithfulRuntime, OnnxFile, as_read_model
from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.core import Conflict, InvalidInput, ModelyardError
from modelyard.inference import PythonNotPermitted
from modelyard.operations.adopting.folder import claimed
from modelyard.operations.adopting.given import as_name
from modelyard.operations.adopting.match import match_columns, task_for
from modelyard.storage import StoreUnavailable
from modelyard.wiring import FILE_NAME, Project, load_project_file, model_command

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("untold_mlflow")]

NAMES = ["width", "height", "depth"]
Command = Callable[..., tuple[int, Any, str]]


def crates(rows: int = 120) -> pd.DataFrame:
    """Crates: three measures, what is in them, and a number that nobody needs."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(rows, 3)).round(3), columns=NAMES)
    frame["content"] = np.where(frame.width + frame.height > 0, "tea", "coffee")
    return frame.assign(shelf=range(rows), volume=frame.width * 2 + frame.depth)


@pytest.fixture
def folder(mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows, and a model that knows its columns; MLflow's tables are made already."""
    monkeypatch.chdir(tmp_path)
    frame = crates()
    frame.to_csv("crates.csv", index=False)
    joblib.dump(LogisticRegression().fit(frame[NAMES], frame.content), "tea.joblib")
    (tmp_path / ".modelyard").mkdir()
    shutil.copy(mlflow_tables, tmp_path / ".modelyard" / "mlflow.db")
    return tmp_path


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Types `modelyard …`: exit code, standard output (a document where it is one), standard error."""

    def command(*words: object) -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", *map(str, words)])
        exit_code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return exit_code, json.loads(out) if out.startswith("{") else out, err

    return command


def left(folder: Path) -> set[str]:
    """What stands in a folder and its workspace."""
    return {str(each.relative_to(folder)) for each in (*folder.iterdir(), *(folder / ".modelyard").glob("*"))}


def test_a_file_and_a_table_become_a_project(folder: Path, type_in: Command) -> None:
    """Its file loads as it is, the data keeps its promises, and version 1 answers as the model does."""
    told = type_in("adopt", "--model", "tea.joblib", "--data", "crates.csv", "--target", "content", "--json")[1]
    assert (told["name"], told["version"], told["task"], told["verdict"]) == ("tea", 1, "binary", "pass")
    assert (told["columns"], told["unused"]) == (NAMES, ["shelf", "volume"])
    assert told["metrics"]["auc"] > 0.99
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = load_project_file(folder, {}).settings
    assert settings.models["tea"].features == tuple(NAMES)
    assert settings.deployments["tea"].model == "tea@production"
    assert settings.monitoring["tea"].metric == "auc"
    assert type_in("data", "validate", "crates", "--json")[1]["verdict"] == "pass"
    with closing(Project(folder, environment={})) as project:
        version, kept = project.models.get("tea", 1), project.datasets.get("crates")
        bundle = load_bundle(project.models.fetch_bundle(version, folder / "fetched"))
        model_command(project, "tea/1", {})
    assert version.gate_passed
    assert bundle.info.datasets == {"crates": kept.digest}
    assert bundle.profile.rows == 120
    frame = crates()
    expected = joblib.load("tea.joblib").predict(frame[NAMES])
    assert bundle.predict(frame[NAMES].to_numpy().tolist()).labels == tuple(expected)
    lineage = type_in("model", "lineage", "tea", 1, "--json")[1]
    assert ("dataset:crates@1", lineage["subject"], "rows of its profile") in {
        (each["source"], each["target"], each["how"]) for each in lineage["arrows"]
    }
    (data,) = type_in("model", "card", "tea", 1, "--json")[1]["data"]
    assert (data["label"], data["rows"]) == ("crates@1", 120)
    assert type_in("model", "promote", "--name", "tea", "--version", 1, "--stage", "production")[0] == 0
    code_again, _, err = type_in("adopt", "--model", "tea.joblib", "--data", "crates.csv", "--target", "content")
    assert (code_again, "PROJECT_EXISTS" in err) == (4, True)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "a target that is misspelt": ({"target": "contnet"}, "NO_SUCH_COLUMN", "Did you mean 'content'"),
    "a target that the model reads": ({"target": "depth"}, "WRONG_TARGET", "Name another column"),
    "a target with other labels": ({"target": "shelf"}, "WRONG_LABELS", "Name the column"),
    "a target without values": ({"target": "empty"}, "WRONG_TARGET", "Name a column"),
    "a number for texts": ({"model": "line.joblib"}, "WRONG_LABELS", "column of numbers"),
    "no model file": ({"model": "tea.jobli"}, "NO_MODEL_FILE", "Did you mean 'tea.joblib'"),
    "no model": ({"model": "dict.joblib"}, "NOT_A_MODEL", "Save the trained model"),
    "no pickle": ({"model": "junk.joblib"}, "UNREADABLE_MODEL", "Save it again"),
    "a model without probabilities": ({"model": "svc.joblib"}, "NO_PROBABILITIES", "Calibrate"),
    "MLflow nowhere": ({"model": "models:/tea/1"}, "NO_TRACKING", "MLFLOW_TRACKING_URI"),
    "no data file": ({"data": "creates.csv"}, "NO_DATA", "Did you mean 'crates.csv'"),
    "a folder for data": ({"data": "."}, "NOT_A_FILE", "Name one file"),
    "no rows": ({"data": "none.csv"}, "TOO_FEW_ROWS", "some hundred"),
    "one row": ({"data": "one.csv"}, "TOO_FEW_ROWS", "some hundred"),
    "an empty file": ({"data": "empty.csv"}, "UNREADABLE_DATA", "Give a file"),
    "columns that lack": ({"data": "less.csv"}, "NO_SUCH_COLUMN", "Did you mean 'widht'"),
    "columns that nobody has": ({"columns": ["a", "b", "c"]}, "NO_SUCH_COLUMN", "In the data"),
    "too few columns": ({"columns": ["width"]}, "WHICH_COLUMNS", "Name all"),
    "a column twice": ({"columns": ["width", "width", "depth"]}, "WHICH_COLUMNS", "Name each once"),
    "a task that is none": ({"task": "binray"}, "NO_TASK", "Did you mean 'binary'"),
    "another task": ({"task": "regression"}, "WRONG_TASK", "Leave --task out"),
    "too many classes": ({"classes": ["a", "b", "c"]}, "WRONG_CLASSES", "in the order"),
    "a class twice": ({"classes": ["a", "a"]}, "WRONG_CLASSES", "each class once"),
    "no tolerance": ({"tolerance": float("nan")}, "WRONG_TOLERANCE", "0 or more"),
    "no name": ({"name": "../up"}, "INVALID_NAME", "letters"),
    "a file for a folder": ({"into": "crates.csv"}, "NO_FOLDER", "--into"),
    "values of another length": ({"target": [1, 2, 3]}, "WRONG_TARGET", "one value for each row"),
    "values beside their column": ({"target": pd.Series([0] * 120, name="content")}, "WRONG_TARGET", "Name it"),
    "a variable that is no model": ({"model": {"weights": [1]}}, "NOT_A_MODEL", "Save the trained model"),
    "a variable that is no table": ({"data": 7}, "INVALID_INPUT", "Give a table"),
}


def test_what_does_not_fit_is_refused_and_leaves_nothing(folder: Path) -> None:
    """Each with its code and what to do about it, in a few lines."""
    frame = crates().assign(empty=None)
    frame.to_csv("crates.csv", index=False)
    frame[:1].to_csv("one.csv", index=False)
    frame[:0].to_csv("none.csv", index=False)
    frame.rename(columns={"width": "widht"}).to_csv("less.csv", index=False)
    Path("empty.csv").touch()
    Path("junk.joblib").write_bytes(b"hello")
    joblib.dump({"weights": [1]}, "dict.joblib")
    joblib.dump(LinearRegression().fit(frame[NAMES], frame.volume), "line.joblib")
    joblib.dump(LinearSVC().fit(frame[NAMES], frame.content), "svc.joblib")
    before = left(folder)
    for what, (changed, error_code, remedy) in WRONG.items():
        given: dict[str, Any] = {"model": "tea.joblib", "data": "crates.csv", "target": "content", **changed}
        with pytest.raises(ModelyardError) as caught:
            adopt(**given)
        error = caught.value
        assert (what, error.code) == (what, error_code)
        assert remedy in error.remedy, (what, error.remedy)
        assert len(error.message) + len(error.remedy) < 1200
        assert left(folder) == before, what


def test_what_fails_halfway_is_undone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record store that is none, found out when all else is written: the folder is what it was."""
    monkeypatch.setenv("MODELYARD_STORES_RECORDS", f"sqlite:///{folder}/crates.csv")
    before = left(folder)
    with pytest.raises(StoreUnavailable):
        adopt("tea.joblib", "crates.csv", "content")
    assert left(folder) == before
    with pytest.raises(StoreUnavailable):
        adopt("tea.joblib", "crates.csv", "content", into="new")
    assert not Path("new").exists()


@pytest.mark.parametrize("name", [FILE_NAME, ".adopting.yaml", "crates.schema.yaml", ".modelyard/records.db"])
def test_nothing_is_written_over(folder: Path, name: str) -> None:
    """Neither a project, nor one that was never finished, nor a schema."""
    Path(name).write_text("mine")
    before = left(folder)
    with pytest.raises(Conflict, match=r"exists already|never finished"):
        adopt("tea.joblib", "crates.csv", "content")
    assert (Path(name).read_text(), left(folder)) == ("mine", before)


def test_a_shared_store_that_knows_the_name_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version that the project file names must be that of these rows."""
    adopt("tea.joblib", "crates.csv", "content")
    monkeypatch.setenv("MODELYARD_STORES_RECORDS", f"sqlite:///{folder}/.modelyard/records.db")
    with pytest.raises(Conflict, match="has a model 'tea' already"):
        adopt("tea.joblib", "crates.csv", "content", into="again")
    with pytest.raises(Conflict, match="has a dataset 'crates' already"):
        adopt("tea.joblib", "crates.csv", "content", into="again", name="green")
    assert not Path("again").exists()


def test_who_comes_second_takes_nothing_from_the_first(folder: Path) -> None:
    """Two that found the same folder free: one is refused, and removes nothing of the other's."""
    with claimed(folder, "project: first\n", ["a.schema.yaml"]):
        Path(".modelyard", "records.db").write_text("first")
        before = left(folder)
        with pytest.raises(Conflict, match="by another process"), claimed(folder, "project: second\n", ["b.yaml"]):
            pass
        assert left(folder) == before
    assert Path(FILE_NAME).read_text() == "project: first\n"
    assert not Path(".adopting.yaml").exists()


@pytest.mark.long
def test_python_is_kept_by_permission_and_its_cost_told(folder: Path) -> None:
    """Without it the refusal says what a row costs; with it the project file permits the one digest."""
    frame = crates()
    near = KNeighborsClassifier(weights="distance").fit(frame[NAMES], frame.content)
    with pytest.raises(NoFaithfulRuntime) as caught:
        adopt(near, "crates.csv", "content", name="near")
    assert "µs a row: --allow-python" in caught.value.remedy
    told = adopt(near, "crates.csv", "content", name="near", allow_python=True)
    assert told.runtime == "python"
    assert told.row_us is not None
    assert "no fast runtime carries it: Python" in str(told)
    with closing(Project(folder, environment={})) as project:
        assert project.settings.security.digests == (told.bundle,)
        model_command(project, "near/1", {})
    text = Path(FILE_NAME).read_text()
    Path(FILE_NAME).write_text(text[: text.index("security:")])
    with closing(Project(folder, environment={})) as project, pytest.raises(PythonNotPermitted):
        model_command(project, "near/1", {})


def test_what_a_notebook_holds_is_adopted_as_it_is(folder: Path, mlflow_tables: Path) -> None:
    """A matrix model with an Arrow table, and columns said; rows without their truth are told of. MLflow stays."""
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mine.db")
    frame = crates()
    frame.loc[:4, "volume"] = np.nan
    known = frame.dropna()
    line = LinearRegression().fit(known[NAMES].to_numpy(), known.volume)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    told = adopt(line, table, "volume", name="line", columns=NAMES)
    assert (told.task, told.classes, told.dataset) == ("regression", (), "line-rows@1")
    assert told.metrics["r2"] == pytest.approx(1)
    assert "5 rows without volume are in the dataset, and in no metric or profile" in told.notes
    assert "3 columns as told" in told.matched
    assert mlflow.get_tracking_uri() == f"sqlite:///{folder}/mine.db"
    assert not Path("mine.db").exists()
    settings = load_project_file(folder, {}).settings
    assert (settings.models["line"].task, settings.monitoring["line"].metric) == ("regression", "accuracy")


def test_columns_are_matched_by_name_or_by_place() -> None:
    """By the names that the model knows, in its order; by their places only where their number leaves no choice."""
    frame = crates()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    turned = as_read_model(LogisticRegression().fit(frame[NAMES[::-1]], frame.content))
    by_name = match_columns(turned, table, "content")
    assert (by_name.columns, by_name.unused) == (("depth", "height", "width"), ("shelf", "volume"))
    nameless = as_read_model(LogisticRegression().fit(frame[NAMES].to_numpy(), frame.content))
    by_place = match_columns(nameless, table.select([*NAMES, "content"]), "content")
    assert by_place.columns == tuple(NAMES)
    assert "by their places" in by_place.how
    with pytest.raises(InvalidInput, match="reads 3; beside the target the data has 5") as caught:
        match_columns(nameless, table, "content")
    assert "--columns width,height,depth" in caught.value.remedy


def test_the_task_of_an_onnx_file_is_told_from_labels_and_answers() -> None:
    """Texts are classes, fractions a number, whole numbers what the width of the answers says."""
    frame = crates()
    inputs = pa.Table.from_pandas(frame[NAMES], preserve_index=False)

    def told(model: Any, labels: Any) -> str:
        proto = to_onnx(model, frame[NAMES].to_numpy()[:1].astype(np.float32), options={"zipmap": False})
        return task_for(OnnxFile(proto.SerializeToString()), inputs, np.asarray(labels), None)[0]

    line = LinearRegression().fit(frame[NAMES].to_numpy(), frame.volume)
    proto = to_onnx(line, frame[NAMES].to_numpy()[:1].astype(np.float32))
    assert task_for(OnnxFile(proto.SerializeToString()), inputs, frame.volume.to_numpy(), None)[0] == "regression"
    two = LogisticRegression().fit(frame[NAMES].to_numpy(), frame.content == "tea")
    assert told(two, (frame.content == "tea").astype(int)) == "binary"
    three = LogisticRegression().fit(frame[NAMES].to_numpy(), frame.shelf % 3)
    assert told(three, frame.shelf % 3) == "multiclass"


def test_an_onnx_model_in_memory_gets_the_names_of_its_classes(folder: Path) -> None:
    """Which it only numbers: labels that are names are refused until they are told."""
    frame = crates()
    model = LogisticRegression().fit(frame[NAMES].to_numpy(), frame.content == "tea")
    proto = to_onnx(model, frame[NAMES].to_numpy()[:1].astype(np.float32), options={"zipmap": False})
    assert isinstance(proto, onnx.ModelProto)
    rows = frame[[*NAMES, "content"]]
    with pytest.raises(InvalidInput) as caught:
        adopt(proto, rows, "content", tolerance=1e-4)
    assert "--classes coffee,tea" in caught.value.remedy
    told = adopt(proto, rows, "content", classes=["coffee", "tea"], tolerance=1e-4)
    assert (told.name, told.task, told.classes) == ("onnx-model", "binary", ("coffee", "tea"))
    assert told.metrics["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("text", "name"),
    [("my model (2)", "my-model-2"), ("../up", "up"), ("größe", "gr-e"), ("…", "model")],
)
def test_any_text_gives_a_name(text: str, name: str) -> None:
    """With dashes for what a name cannot have."""
    assert as_name(text) == name


CELLS = [
    """
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
import modelyard as my

class Doubled(BaseEstimator, TransformerMixin):
    def fit(self, rows, truth=None):
        return self
    def transform(self, rows):
        return np.asarray(rows) * 2

frame = pd.read_csv("crates.csv")
model = make_pipeline(Doubled(), LogisticRegression()).fit(frame[["width", "height"]], frame.content)
""",
    'told = my.adopt(model, frame[["width", "height"]], frame.content, name="doubled", allow_python=True)',
    "repr(told)",
]


@pytest.mark.long
def test_cells_of_a_notebook_define_what_they_adopt(folder: Path) -> None:
    """In a process that runs cells in `__main__` below an event loop, as IPython does, the class goes along."""
    done = subprocess.run(
        [sys.executable, "-c", _KERNEL, json.dumps(CELLS)], capture_output=True, text=True, check=False, timeout=100
    )
    assert "Registered doubled version 1" in done.stdout, done.stderr
    assert "no fast runtime carries it: Python" in done.stdout
    with closing(Project(folder, environment={})) as project:
        bundle = load_bundle(
            project.models.fetch_bundle(project.models.get("doubled", 1), folder / "fetched"), trust=project.trust
        )
        with closing(bundle):
            assert bundle.predict([{"width": 3.0, "height": 3.0}]).labels == ("tea",)


_KERNEL = """
import asyncio, code, json, sys

async def kernel(cells):
    shell = code.InteractiveInterpreter(sys.modules["__main__"].__dict__)
    for cell in cells[:-1]:
        shell.runsource(cell, "<cell>", "exec")
        await asyncio.sleep(0)
    shell.runsource("print(" + cells[-1] + ")", "<cell>", "exec")

asyncio.run(kernel(json.loads(sys.argv[1])))
"""
