"""Models of every library are logged with signature and requirements, and load as they were."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
import xgboost
from skl2onnx import to_onnx
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelyard.core import InvalidInput, SystemClock
from modelyard.tracking import Run, Tracker

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

ROWS = np.random.default_rng(0).normal(size=(100, 3))
LABELS = (ROWS[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"])
SINGLE = ROWS.astype(np.float32)

OWN = """
import numpy as np

class Doubled:
    def predict(self, rows):
        return 2 * np.asarray(rows)[:, 0]

def summed(rows):
    return np.asarray(rows).sum(axis=1)
"""


class Nothing(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A step of one's own that changes nothing."""

    def fit(self, rows: Any, labels: Any = None) -> "Nothing":
        return self

    def transform(self, rows: Any) -> Any:
        return rows


@pytest.fixture
def run(store: Path) -> Run:
    """A run to log to."""
    return Tracker(f"sqlite:///{store / 'mlflow.db'}", (store / "artifacts").as_uri(), SystemClock()).begin("e", "r")


def booster() -> Any:
    """XGBoost's own class, which scikit-learn knows nothing of."""
    return xgboost.train({"nthread": 1}, xgboost.DMatrix(ROWS, LABELS), 2)


def boosted() -> Any:
    """LightGBM, trained with names."""
    return lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1).fit(FRAME, LABELS)


def mixed() -> Any:
    """A pipeline of two libraries and a step of one's own."""
    last = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1)
    return make_pipeline(StandardScaler(), Nothing(), last).fit(ROWS, LABELS)


def converted() -> Any:
    """An ONNX model."""
    return to_onnx(LogisticRegression().fit(SINGLE, LABELS), SINGLE[:1], options={"zipmap": False})


@pytest.mark.parametrize(
    ("make", "sample", "flavour", "needed"),
    [
        (lambda: LogisticRegression().fit(ROWS, LABELS), ROWS[:4], "sklearn", {"scikit-learn", "cloudpickle"}),
        (mixed, ROWS[:4], "sklearn", {"scikit-learn", "lightgbm"}),
        (boosted, FRAME[:4], "lightgbm", {"lightgbm", "pandas"}),
        (lambda: xgboost.XGBClassifier(n_estimators=2).fit(ROWS, LABELS), ROWS[:4], "xgboost", {"xgboost-cpu"}),
        (booster, ROWS[:4], "xgboost", {"xgboost-cpu"}),
        (converted, SINGLE[:4], "onnx", {"onnx", "onnxruntime"}),
    ],
    ids=["sklearn", "pipeline", "lightgbm", "xgboost", "booster", "onnx"],
)
def test_a_model_is_kept_with_what_it_needs(
    run: Run, make: Callable[[], Any], sample: Any, flavour: str, needed: set[str]
) -> None:
    """Pinned versions of its libraries and of MLflow, the types of its inputs and outputs; it loads and answers."""
    uri = run.log_model(make(), sample)
    told = mlflow.models.get_model_info(uri)
    assert flavour in told.flavors
    assert told.signature.inputs is not None
    assert told.signature.outputs is not None
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    lines = dict(line.split("==") for line in (folder / "requirements.txt").read_text().split())
    assert needed | {"mlflow", "numpy"} <= set(lines)
    assert len(mlflow.pyfunc.load_model(uri).predict(sample)) in (4, 2)


def test_the_original_comes_back(run: Run) -> None:
    """As its own library has it, not as MLflow's function of rows."""
    uri = run.log_model(boosted(), FRAME[:4], "scorer")
    again = run._tracker.load_model(uri)
    np.testing.assert_array_equal(again.predict_proba(FRAME), boosted().predict_proba(FRAME))
    assert mlflow.models.get_model_info(uri).name == "scorer"


def test_python_of_ones_own_answers_where_neither_its_file_nor_modelyard_is(
    run: Run, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file goes with the model: another process, elsewhere, without this library, has the same answers."""
    (store / "source").mkdir()
    (store / "source" / "own_models.py").write_text(OWN)
    monkeypatch.syspath_prepend(store / "source")
    own = __import__("own_models")
    uris = [run.log_model(model, ROWS[:4], name) for name, model in (("a", own.Doubled()), ("b", own.summed))]
    folders = [mlflow.artifacts.download_artifacts(each) for each in uris]
    asked = (
        "import sys; sys.modules['modelyard'] = None\n"
        "import mlflow, numpy as np\n"
        f"for each in {folders!r}: print(mlflow.pyfunc.load_model(each).predict(np.ones((2, 3))).tolist())"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, cwd="/", check=False)
    assert told.stdout.split("\n")[:2] == ["[2.0, 2.0]", "[3.0, 3.0]"], told.stderr


def test_requirements_of_the_caller_win(run: Run) -> None:
    """Over those found, whatever way their names are written; others are added."""
    uri = run.log_model(LogisticRegression().fit(ROWS, LABELS), ROWS[:4], "m", ["Scikit_Learn>=1.0", "pandas"])
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    lines = (folder / "requirements.txt").read_text().split()
    assert {"Scikit_Learn>=1.0", "pandas"} <= set(lines)
    assert not [each for each in lines if each.startswith("scikit-learn==")]


def test_what_cannot_predict_is_no_model(run: Run) -> None:
    """And it is told what is."""
    with pytest.raises(InvalidInput, match="A dict cannot be logged as a model") as caught:
        run.log_model({"weights": 1}, ROWS[:4])
    assert "log_file" in caught.value.remedy
