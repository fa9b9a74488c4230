"""From a model file to a model, and what it says of itself: its columns, levels, task and classes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.core import InvalidInput, ModelyardError, NotFound, nearest
from modelyard.data import read_table
from modelyard.inference import SOURCE_MODULE, Task

from .mlflow_folder import is_mlflow_folder, read_mlflow_folder
from .original import OnnxFile, library_of
from .python_folder import PythonFolder, pack_source
from .torch_module import TorchModule, read_torch

_KINDS = (
    ".joblib, .pkl, .pickle (scikit-learn, LightGBM, XGBoost), .onnx, .json, .ubj (XGBoost), .txt, .lgb (LightGBM), "
    ".pt, .pth (PyTorch), .py with load(folder), and folders with MLmodel or model.py"
)

_MISSING_LIBRARY = (
    "Install its library: pip install 'modelyard[lightgbm,xgboost]', or pip install torch. Code of your own must be "
    "found as well: PYTHONPATH=FOLDER."
)


@dataclass(frozen=True)
class ReadModel:
    """A model, and where what it was kept with tells them: the columns it reads, and rows as an example."""

    model: Any
    columns: list[str] | None = None
    example: pa.Table | None = None


def read_model(path: Path) -> ReadModel:
    """The model in a file or folder. A pickle runs its author's code: only for files that the caller trusts.

    Code, a `.py` file or a folder with `model.py`, is not run here: see `PythonFolder`.
    """
    if not path.exists():
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, beside)
        raise NotFound(
            f"There is no model file {path}.",
            code="NO_MODEL_FILE",
            remedy=f"{f'Did you mean {close!r}? ' if close else ''}Files that can be read: {_KINDS}.",
        )
    readers: dict[str, Callable[[Path], Any]] = {
        ".joblib": _pickled, ".pkl": _pickled, ".pickle": _pickled, ".onnx": _onnx,
        ".json": _xgboost, ".ubj": _xgboost, ".txt": _lightgbm, ".lgb": _lightgbm,
        ".pt": read_torch, ".pth": read_torch, ".py": pack_source,
    }  # fmt: skip
    reader = _folder_reader(path) if path.is_dir() else readers.get(path.suffix)
    if reader is None:
        raise InvalidInput(
            f"{path} is no kind of model file that is known.", code="UNREADABLE_MODEL", remedy=f"There are {_KINDS}."
        )
    try:
        read = reader(path)
    except ModelyardError:
        raise
    except ImportError as error:
        raise InvalidInput(
            f"{path} needs a library that is not installed: {error}.",
            code="UNREADABLE_MODEL",
            remedy=_MISSING_LIBRARY,
        ) from error
    except Exception as error:  # an unpickled class, or a library's parser, may raise anything
        raise InvalidInput(
            f"{path} cannot be read as a model: {type(error).__name__}: {str(error)[:300]}",
            code="UNREADABLE_MODEL",
            remedy="Save it again with the versions of libraries that are installed here. A class of a script or "
            "notebook must be in a module that can be imported, or be saved with cloudpickle.",
        ) from error
    found = read if isinstance(read, ReadModel) else as_read_model(read)
    require_model(found.model, str(path))
    return found


def as_read_model(model: Any) -> ReadModel:
    """A model in memory, with the columns that it knows."""
    return ReadModel(model, columns_of(model))


def require_model(model: Any, called: str) -> None:
    """Return when a thing can predict; InvalidInput otherwise. `called`: where it comes from."""
    if isinstance(model, OnnxFile | PythonFolder | TorchModule) or callable(getattr(model, "predict", None)):
        return
    raise InvalidInput(
        f"{called} holds a {type(model).__name__}, which is no model: it has no predict.",
        code="NOT_A_MODEL",
        remedy=f"Save the trained model itself. There are {_KINDS}.",
    )


def _folder_reader(path: Path) -> Callable[[Path], Any] | None:
    if is_mlflow_folder(path):
        return _mlflow
    return pack_source if (path / SOURCE_MODULE).is_file() else None


def _mlflow(path: Path) -> ReadModel:
    found = read_mlflow_folder(path, _onnx)
    columns = columns_of(found.model) or (None if found.columns is None else list(found.columns))
    return ReadModel(found.model, columns, found.example)


def read_sample(path: Path) -> pa.Table:
    """Rows in a Parquet, CSV or .npy file; columns of a .npy are called f0, f1, ..."""
    if path.suffix != ".npy":
        return read_table(path)
    try:
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"Cannot read {path}: {error}.", code="UNREADABLE_SAMPLE") from error
    if matrix.ndim != 2:
        raise InvalidInput(
            f"{path} holds an array of {matrix.ndim} dimensions.",
            code="UNREADABLE_SAMPLE",
            remedy="Save rows and columns: (n_rows, n_features).",
        )
    return pa.table({f"f{index}": matrix[:, index].astype(np.float64) for index in range(matrix.shape[1])})


def read_tensors(path: Path, inputs: Sequence[str], label: str | None = None) -> dict[str, Any]:
    """Arrays by name, (n_rows, …), of a .npz file; of a .npy file, which is the only input; or columns of a table.

    An only column beside the label is the only input, whatever its name.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as held:
                return {name: _strings(held[name]) for name in held.files}
        if path.suffix == ".npy":
            return {inputs[0]: _strings(np.load(path, allow_pickle=False))}
    except (OSError, ValueError) as error:
        raise InvalidInput(f"Cannot read {path}: {error}.", code="UNREADABLE_SAMPLE") from error
    table = read_table(path)
    found = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    others = [name for name in found if name != label]
    if len(others) == 1 and len(inputs) == 1:
        found[inputs[0]] = found.pop(others[0])
    return found


def _strings(array: Any) -> Any:
    """Strings as objects, as ONNX Runtime takes them."""
    return array.astype(object) if array.dtype.kind == "U" else array


def columns_of(model: Any) -> list[str] | None:
    """The names of the columns that a model was trained on, in order; None when it does not know any.

    Of an ONNX file with several inputs their names.
    """
    if isinstance(model, OnnxFile):
        inputs = _onnx_inputs(model)
        return [name for name, _ in inputs] if len(inputs) > 1 else None
    booster = _booster(model)
    if library_of(model) == "lightgbm":
        names = list(booster.feature_name())
        return None if names[:1] == ["Column_0"] else names
    known = booster.feature_names if library_of(model) == "xgboost" else getattr(model, "feature_names_in_", None)
    return None if known is None else [str(each) for each in known]


def width_of(model: Any) -> int | None:
    """How many columns a model was trained on; None when it does not know."""
    if (names := columns_of(model)) is not None:
        return len(names)
    if isinstance(model, OnnxFile):
        inputs = _onnx_inputs(model)
        return inputs[0][1] if len(inputs) == 1 else None
    if library_of(model) == "lightgbm":
        return int(_booster(model).num_feature())
    if library_of(model) == "xgboost":
        return int(_booster(model).num_features())
    known = getattr(model, "n_features_in_", None)
    return None if known is None else int(known)


def _onnx_inputs(model: OnnxFile) -> list[tuple[str, int | None]]:
    """The inputs of an ONNX file, and the columns of each where it says so."""
    import onnx  # noqa: PLC0415 - only such files need it

    graph = onnx.load_model_from_string(model.data).graph
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    return [(each.name, _columns_in(each.type.tensor_type.shape.dim)) for each in inputs]


def _columns_in(sides: Sequence[Any]) -> int | None:
    fixed = len(sides) == 2 and sides[1].HasField("dim_value")
    return int(sides[1].dim_value) if fixed else None


def levels_of(model: Any) -> dict[str, list[str]]:
    """The levels that a model itself knows, by column, in its own order; columns that it treats otherwise are left out.

    A sample may lack a level that training had, which would then be treated as unseen.
    """
    if library_of(model) == "lightgbm":
        return _lightgbm_levels(model)
    found: dict[str, list[str]] = {}
    for name, encoder, columns in _transformers(model):
        steps = [each for _, each in getattr(encoder, "steps", [(name, encoder)])]
        for step in steps:
            if hasattr(step, "categories_") and len(step.categories_) == len(columns):
                for column, levels in zip(columns, step.categories_, strict=True):
                    found[str(column)] = [each for each in levels.tolist() if isinstance(each, str)]
    return {column: levels for column, levels in found.items() if levels}


def task_of(model: Any) -> Task | None:
    """The task, as the model shows it; None when it does not."""
    library = library_of(model)
    if isinstance(model, OnnxFile | PythonFolder | TorchModule):
        return None
    if type(model).__name__ == "Booster":
        return _objective_task(_objective(model, library))
    if hasattr(model, "classes_") and hasattr(model, "predict_proba"):
        return "binary" if len(model.classes_) == 2 else "multiclass"
    return "regression" if getattr(model, "_estimator_type", None) == "regressor" or _regressor(model) else None


def classes_of(model: Any, task: Task, outputs: int) -> tuple[str, ...]:
    """The names of the classes, in the order of scores."""
    if task == "regression":
        return ()
    known: Sequence[Any] | None = getattr(model, "classes_", None)
    return tuple(str(each) for each in (range(max(outputs, 2)) if known is None else known))


def _regressor(model: Any) -> bool:
    from sklearn.base import is_regressor  # noqa: PLC0415 - only when a model is read

    return bool(is_regressor(model))


def _objective(booster: Any, library: str) -> str:
    if library == "lightgbm":
        objective = booster.dump_model(num_iteration=1).get("objective", "")
        return str(objective).partition(" ")[0]
    return str(json.loads(booster.save_config())["learner"]["objective"]["name"])


def _objective_task(objective: str) -> Task | None:
    kinds: Mapping[str, Task] = {
        "binary": "binary", "binary:logistic": "binary", "multiclass": "multiclass", "multi:softprob": "multiclass",
    }  # fmt: skip
    if objective in kinds:
        return kinds[objective]
    return "regression" if objective.startswith(("reg", "poisson", "huber", "quantile", "count:")) else None


def _booster(model: Any) -> Any:
    if library_of(model) == "lightgbm":
        return getattr(model, "booster_", model)
    return model.get_booster() if hasattr(model, "get_booster") else model


def _lightgbm_levels(model: Any) -> dict[str, list[str]]:
    booster = _booster(model)
    known = booster.pandas_categorical or []
    infos = booster.dump_model(num_iteration=1)["feature_infos"]
    coded = [name for name in booster.feature_name() if infos.get(name, {}).get("values")]
    if len(coded) != len(known):
        return {}
    return {name: [str(each) for each in levels] for name, levels in zip(coded, known, strict=True)}


def _transformers(model: Any) -> list[tuple[str, Any, Sequence[Any]]]:
    found: list[tuple[str, Any, Sequence[Any]]] = []
    for part in (model, *(each for _, each in getattr(model, "steps", []))):
        found += [each for each in getattr(part, "transformers_", []) if not isinstance(each[1], str)]
    return found


def _pickled(path: Path) -> Any:
    import joblib  # noqa: PLC0415 - reads plain pickles too

    return joblib.load(path)


def _onnx(path: Path) -> OnnxFile:
    import onnx  # noqa: PLC0415 - only such files need it

    model = onnx.load(path)  # with weights in files beside it
    for tensor in model.graph.initializer:
        tensor.ClearField("external_data")
        tensor.data_location = onnx.TensorProto.DEFAULT
    return OnnxFile(model.SerializeToString())


def _xgboost(path: Path) -> Any:
    import xgboost  # noqa: PLC0415 - an extra

    booster = xgboost.Booster()
    booster.load_model(path)
    return booster


def _lightgbm(path: Path) -> Any:
    import lightgbm  # noqa: PLC0415 - an extra

    return lightgbm.Booster(model_file=str(path))
