"""What a worker process can load, and how each is asked. Libraries are named here and loaded in that process only."""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal
from zipfile import ZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..records import Field, Task
from .frames import data_frame

Matrix = NDArray[np.float64]
Ask = Callable[[Matrix], Any]
"""Scores of encoded rows, as the library gives them: (n,), (n, 1) or (n, classes)."""

LIGHTGBM_FILE, XGBOOST_FILE = "model.txt", "model.ubj"
"""A model in its library's own format."""

PYTHON_FILE, PICKLE_FILE, ARCHIVE_FILE = "python.json", "model.joblib", "model.zip"
"""A `PythonModel`, and beside it a pickled estimator or a packed folder."""

SOURCE_MODULE = "model.py"
"""The module of a folder of code that has `load(folder)`, which gives an object with `predict(rows)`."""


class PythonModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`python.json`: what kind of Python a bundle holds, and how it is asked.

    `estimator`: a pickle with the method `call`, asked with a matrix or, as `frame` says, with a data frame whose
    levels are strings or pandas' categories. `source`: code with `load(folder)`, asked with a list of dictionaries.
    `pyfunc`: an MLflow model, asked with a data frame.
    """

    kind: Literal["estimator", "source", "pyfunc"]
    task: Task
    fields: tuple[Field, ...]
    frame: Literal["", "strings", "categories"] = ""
    call: Literal["predict", "predict_proba"] = "predict"


def load_lightgbm(folder: Path) -> Ask:
    """`model.txt` on LightGBM itself."""
    booster = import_module("lightgbm").Booster(model_file=str(folder / LIGHTGBM_FILE))
    return lambda matrix: booster.predict(matrix, num_threads=1)


def load_xgboost(folder: Path) -> Ask:
    """`model.ubj` on XGBoost itself: all rounds, or up to the best one where the file names it."""
    xgboost = import_module("xgboost")
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(folder / XGBOOST_FILE)
    best = booster.attr("best_iteration")
    rounds = (0, 0) if best is None else (0, int(best) + 1)
    names, kinds = booster.feature_names, booster.feature_types
    coded = bool(kinds and "c" in kinds)

    def ask(matrix: Matrix) -> Any:
        rows = xgboost.DMatrix(matrix, feature_names=names, feature_types=kinds, enable_categorical=coded, nthread=1)
        return booster.predict(rows, iteration_range=rounds)

    return ask


def load_python(folder: Path) -> Ask:
    """A pickle, code, or an MLflow model with code in it."""
    told = msgspec.json.decode((folder / PYTHON_FILE).read_bytes(), type=PythonModel)
    ask = {"estimator": _estimator, "source": _source, "pyfunc": _pyfunc}[told.kind](folder, told)

    def scores(matrix: Matrix) -> Any:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of versions, names and unseen levels: a server's log is no place for them
            answers = np.asarray(ask(matrix), dtype=np.float64)
        if len(answers) != len(matrix):
            raise ValueError(f"it gave scores of shape {answers.shape} for {len(matrix)} rows")
        answers = answers.reshape(len(matrix), -1)
        return answers[:, 1:] if told.task == "binary" and answers.shape[1] == 2 else answers

    return scores


def _estimator(folder: Path, told: PythonModel) -> Ask:
    method = getattr(import_module("joblib").load(folder / PICKLE_FILE), told.call)
    if not told.frame:
        ask: Ask = method
        return ask
    coded = told.frame == "categories"
    return lambda matrix: method(data_frame(matrix, told.fields, coded=coded))


def _source(folder: Path, told: PythonModel) -> Ask:
    place = _unpacked(folder)
    sys.path.insert(0, str(place))
    model = import_module(SOURCE_MODULE.removesuffix(".py")).load(place)
    return lambda matrix: model.predict(plain_rows(matrix, told.fields))


def _pyfunc(folder: Path, told: PythonModel) -> Ask:
    model = import_module("mlflow.pyfunc").load_model(str(_unpacked(folder)))
    schema = model.metadata.get_input_schema()
    wanted = {} if schema is None or not schema.has_input_names() else schema.input_dict()

    def ask(matrix: Matrix) -> Any:
        frame = data_frame(matrix, told.fields, coded=False)
        for name, column in wanted.items():
            if name in frame and frame[name].dtype.kind == "f" and not frame[name].isna().any():
                frame[name] = frame[name].astype(column.type.to_numpy())
        return model.predict(frame)

    return ask


def _unpacked(folder: Path) -> Path:
    """The archive in this process's own directory, which goes when it does."""
    place = Path.cwd() / "model"
    with ZipFile(folder / ARCHIVE_FILE) as archive:
        archive.extractall(place)  # the library keeps names within the folder
    return place


def plain_rows(matrix: Matrix, fields: Sequence[Field]) -> list[dict[str, float | str | None]]:
    """Encoded rows as a caller sends them: numbers, levels as strings, None for missing."""
    return [
        {spec.name: _plain(value, spec) for spec, value in zip(fields, row, strict=True)} for row in matrix.tolist()
    ]


def _plain(value: float, spec: Field) -> float | str | None:
    if value != value:  # noqa: PLR0124 - NaN
        return None
    return value if spec.kind == "number" else spec.categories[int(value)]


LOADERS: Mapping[str, Callable[[Path], Ask]] = {
    "lightgbm": load_lightgbm,
    "xgboost": load_xgboost,
    "python": load_python,
}
"""Loaders by the name of the runtime."""
