"""The models that are served, trained once on synthetic rows, and kept in every form that a server here takes."""

import hashlib
import json
import logging
import shutil
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelyard.bundling import BuiltBundle, Facts, build_bundle, build_profile, infer_signature
from modelyard.core import ModelyardError
from modelyard.inference import Encoder

from ..environments import PEERS
from .records import ModelName

FEATURES = 20
TRAINING_ROWS = 4000
BODIES = 64
"""Different bodies that a load takes in turn."""

_RECIPE = f"1: {FEATURES} features, {TRAINING_ROWS} rows, forest 200x10, xgboost 200, logistic, huge 4000x16"
NAMES = tuple(f"f{index:02d}" for index in range(FEATURES))
Rows = NDArray[np.float64]


class NotCarried(RuntimeError):
    """Our bundles do not carry this kind of model yet; the message says what was tried."""


@dataclass(frozen=True)
class Trained:
    """A trained model on disk. `folder` holds `model.joblib`; `mlflow` and `xgboost` are made when asked for."""

    name: ModelName
    folder: Path

    @property
    def joblib(self) -> Path:
        return self.folder / "model.joblib"

    @cached_property
    def fitted(self) -> Any:
        """The model itself, of scikit-learn's kind."""
        return joblib.load(self.joblib)

    @property
    def mlflow(self) -> Path:
        """The model as an MLflow model."""
        target = self.folder / "mlflow"
        if not target.exists():
            _save_mlflow(self.fitted, target)
        return target

    @property
    def xgboost(self) -> Path:
        """The booster in XGBoost's own format; only of XGBoost models."""
        target = self.folder / "model.json"
        if not target.exists():
            self.fitted.save_model(target)
        return target

    def bundle(self, into: Path, *, version: str = "1") -> BuiltBundle:
        """The model as our bundle, built anew in each run, for its format is what is measured; else NotCarried."""
        features, labels = data()
        table = pa.table({name: features[:, index] for index, name in enumerate(NAMES)})
        signature = infer_signature(table, required=NAMES)
        rows = [tuple(row) for row in features[:600].tolist()]
        matrix = Encoder(signature)(rows).matrix
        scores = self.fitted.predict_proba(matrix)[:, 1]
        accuracy = float(np.mean((scores > 0.5) == labels[:600]))
        try:
            return build_bundle(
                self.fitted,
                rows,
                signature=signature,
                task="binary",
                plan={"request": [{"name": name, "kind": "number", "required": True} for name in NAMES], "views": []},
                profile=build_profile(
                    signature,
                    matrix,
                    scores,
                    importance=dict.fromkeys(NAMES, 1 / FEATURES),
                    performance={"accuracy": accuracy},
                ),
                facts=Facts(model=f"bench-{self.name}", version=version, classes=("0", "1")),
                into=into,
            )
        except ModelyardError as error:
            shutil.rmtree(into, ignore_errors=True)
            raise NotCarried(f"our bundles do not carry '{self.name}' yet: {error.message}") from error


def data() -> tuple[Rows, NDArray[np.int64]]:
    """Synthetic rows (n, 20) float64 and labels (n,) of two classes, by a fixed seed."""
    random = np.random.default_rng(7)
    rows = random.normal(size=(TRAINING_ROWS, FEATURES))
    signal = rows[:, 0] + rows[:, 1] * rows[:, 2] + np.sin(3 * rows[:, 3]) + 0.5 * random.normal(size=TRAINING_ROWS)
    return rows, (signal > 0).astype(np.int64)


def sample(rows: int) -> list[list[list[float]]]:
    """Matrices of `rows` rows for the bodies of a load, rounded as a client would send them."""
    random = np.random.default_rng(11)
    found: list[list[list[float]]] = np.round(random.normal(size=(BODIES, rows, FEATURES)), 4).tolist()
    return found


def trained(name: ModelName) -> Trained:
    """The model of a name, trained when it is not there or its recipe has changed."""
    mark = hashlib.sha256(_RECIPE.encode()).hexdigest()[:12]
    folder = PEERS / "models" / f"{name}-{mark}"
    if not (folder / "model.joblib").exists():
        folder.mkdir(parents=True, exist_ok=True)
        joblib.dump(_fit(name), folder / "model.joblib")
        (folder / "recipe.json").write_text(json.dumps(_RECIPE))
    return Trained(name, folder)


def _fit(name: ModelName) -> Any:
    rows, labels = data()
    return _model(name).fit(rows, labels)


def _model(name: ModelName) -> Any:
    match name:
        case "forest":
            return RandomForestClassifier(200, max_depth=10, random_state=0)
        case "huge":
            return ExtraTreesClassifier(4000, max_depth=16, max_features=1, random_state=0)
        case "logistic":
            return make_pipeline(StandardScaler(), LogisticRegression())
        case "xgboost":
            return _xgboost()


def _xgboost() -> Any:
    try:
        from xgboost import XGBClassifier  # noqa: PLC0415 - an extra of ours
    except ImportError as error:
        raise NotCarried("xgboost is not installed: pip install modelyard[xgboost]") from error
    return XGBClassifier(n_estimators=200, max_depth=6, n_jobs=1, random_state=0)


def _save_mlflow(fitted: Any, target: Path) -> None:
    import mlflow  # noqa: PLC0415 - only for the peers that take its format

    flavour = mlflow.xgboost if type(fitted).__name__.startswith("XGB") else mlflow.sklearn
    options = {} if flavour is mlflow.xgboost else {"serialization_format": "cloudpickle"}
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it warns of the format that its tree models need
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flavour.save_model(fitted, target, pip_requirements=["scikit-learn"], **options)
