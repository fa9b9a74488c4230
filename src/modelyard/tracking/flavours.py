"""Models as MLflow keeps them: the flavour, the signature, and what must be installed to load them."""

import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.core import InvalidInput

from .facts import requirements_of


@dataclass(frozen=True)
class Flavour:
    """A module of MLflow's, the name of its argument for the model, and what is given besides."""

    module: str
    argument: str
    modules: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


_PICKLED = {"serialization_format": "cloudpickle"}
"""MLflow's own default refuses models of trees, and classes of one's own."""

FLAVOURS: Mapping[str, Flavour] = {
    "lightgbm": Flavour("mlflow.lightgbm", "lgb_model", ("lightgbm", "numpy", "cloudpickle"), _PICKLED),
    "xgboost": Flavour("mlflow.xgboost", "xgb_model", ("xgboost", "numpy")),
    "sklearn": Flavour("mlflow.sklearn", "sk_model", ("sklearn", "numpy", "cloudpickle"), _PICKLED),
    "onnx": Flavour("mlflow.onnx", "onnx_model", ("onnx", "onnxruntime", "numpy"), {"save_as_external_data": False}),
    "torch": Flavour(
        "mlflow.pytorch", "pytorch_model", ("torch", "numpy", "cloudpickle"), {"serialization_format": "pickle"}
    ),
    "python": Flavour("mlflow.pyfunc", "python_model", ("numpy", "cloudpickle")),
}
"""By the library that a model's class, or one that it extends, comes from; `python` for what is none of these.
"""


def flavour_of(model: Any) -> str:
    """Which of the flavours a model is; InvalidInput for what cannot predict."""
    homes = [each.__module__.partition(".")[0] for each in type(model).__mro__]
    library = next((each for each in FLAVOURS if each in homes), "python")
    if library == "python" and not (callable(model) or callable(getattr(model, "predict", None))):
        raise InvalidInput(
            f"A {type(model).__name__} cannot be logged as a model: it neither predicts nor can be called.",
            context={"path": "model"},
            remedy="Give a model of scikit-learn, XGBoost, LightGBM, ONNX or PyTorch, an object with predict, or a "
            "function of rows. Any other object is a file: run.log_file(PATH).",
        )
    return library


def logging_arguments(model: Any, sample: Any, requirements: Sequence[str]) -> dict[str, Any]:
    """What MLflow's `Model.log` is called with for a model, besides where to put it.

    `sample`: a few rows as the model reads them. `requirements` are added to those that are found, and win over them.
    Raises what the model raises for its sample.
    """
    from mlflow.models import infer_signature  # noqa: PLC0415 - it takes seconds, and only logging needs it

    library = flavour_of(model)
    flavour, rows = FLAVOURS[library], as_read(sample)
    signature = infer_signature(_plain(rows), _outputs(model, rows, library))
    modules = {*flavour.modules, *modules_of(model), *(("pandas",) if hasattr(rows, "iloc") else ())}
    module = import_module(flavour.module)
    known = inspect.signature(module.save_model).parameters  # older MLflow has no such choice, and needs none
    return {
        "flavor": module,
        flavour.argument: _subject(model, library),
        "signature": signature,
        "pip_requirements": _together(requirements_of(modules), requirements),
        "code_paths": code_paths(model) or None,
        **{name: value for name, value in flavour.options.items() if name in known},
    }


def as_read(sample: Any) -> Any:
    """Rows as libraries take them: a data frame for a table or columns, an array for lists, all else as it is."""
    if isinstance(sample, pa.Table):
        return sample.to_pandas()
    if isinstance(sample, list | tuple):
        return np.asarray(sample)
    if isinstance(sample, Mapping) and all(np.ndim(each) == 1 for each in sample.values()):
        import pandas as pd  # noqa: PLC0415 - as above

        return pd.DataFrame(dict(sample))
    return sample


def modules_of(model: Any) -> set[str]:
    """The top-level modules of the classes of a model and of the estimators inside it, and those their code names."""
    kinds = {kind for part in _parts(model) for kind in type(part).__mro__ if kind is not object}
    homes = {kind.__module__.partition(".")[0] for kind in kinds}
    own = (sys.modules.get(each.__module__) for each in [*kinds, *_functions(model)] if _is_own(each.__module__))
    named = {value.__name__.partition(".")[0] for module in own for value in vars(module).values() if _is_module(value)}
    return {each for each in homes | named if not each.startswith(("modelyard", "mlflow", "__main__"))}


def code_paths(model: Any) -> list[str]:
    """The files, or packages, of the user's own that the classes of a model come from; none of `__main__`, whose are
    kept with the model itself.
    """
    kinds: list[Any] = [kind for part in _parts(model) for kind in type(part).__mro__]
    names = {each.__module__.partition(".")[0] for each in [*kinds, *_functions(model)] if _is_own(each.__module__)}
    files = (getattr(sys.modules.get(name), "__file__", None) for name in sorted(names - {"__main__"}))
    paths = (Path(file) for file in files if file)
    return [str(each.parent if each.name == "__init__.py" else each) for each in paths]


def _parts(model: Any) -> Iterable[Any]:
    """A model, and the estimators that it is made of."""
    yield model
    if callable(getattr(model, "get_params", None)) and not isinstance(model, type):
        for value in model.get_params(deep=True).values():
            yield from (each for each in _flat(value) if hasattr(each, "get_params"))


def _flat(value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def _functions(model: Any) -> list[Any]:
    return [model] if hasattr(model, "__code__") else []


def _is_module(value: Any) -> bool:
    return type(value) is type(sys)


def _is_own(name: str) -> bool:
    """Whether a module is the user's: neither installed, nor of Python's own library."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if module is None or name.partition(".")[0] in {"modelyard", *sys.stdlib_module_names}:
        return name == "__main__"
    return file is not None and not {"site-packages", "dist-packages"} & set(Path(file).parts)


def _subject(model: Any, library: str) -> Any:
    """What MLflow takes for a model of one's own: an object of its class."""
    if library != "python" or _is_pyfunc(model):
        return model
    pyfunc = import_module("mlflow.pyfunc")
    answer = model.predict if callable(getattr(model, "predict", None)) else model

    def predict(_self: Any, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG001 - MLflow's
        return answer(model_input)

    predict.__annotations__.clear()  # MLflow would read types of rows from them
    with warnings.catch_warnings(record=True):  # of the types that it lacks; MLflow overrules mere filters
        # Made inside a function, it is kept with the model as it is: whoever loads it needs no Modelyard.
        return type("Asked", (pyfunc.PythonModel,), {"predict": predict})()


def _is_pyfunc(model: Any) -> bool:
    return any(kind.__module__.startswith("mlflow.") for kind in type(model).__mro__)


def _outputs(model: Any, rows: Any, library: str) -> Any:
    asked: Mapping[str, Callable[[Any, Any], Any]] = {"onnx": _ask_onnx, "torch": _ask_torch, "python": _ask_python}
    if library in asked:
        return asked[library](model, rows)
    if library == "xgboost" and type(model).__name__ == "Booster":
        from xgboost import DMatrix  # noqa: PLC0415 - only its own models need it

        return model.predict(DMatrix(rows, feature_names=model.feature_names))
    return model.predict(rows)


def _ask_onnx(model: Any, rows: Any) -> Any:
    """Its outputs by name; a single input takes the rows themselves."""
    from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415 - only such models need it

    options = SessionOptions()
    options.log_severity_level = 4
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = rows if isinstance(rows, Mapping) else {session.get_inputs()[0].name: np.asarray(rows)}
    names = [each.name for each in session.get_outputs()]
    answers = dict(zip(names, session.run(names, given), strict=True))
    return {name: each for name, each in answers.items() if isinstance(each, np.ndarray)}


def _ask_torch(model: Any, rows: Any) -> Any:
    import torch  # noqa: PLC0415 - only such models need it

    given = rows if torch.is_tensor(rows) else torch.tensor(np.asarray(rows, dtype=np.float32).tolist())
    with torch.no_grad():
        return np.asarray(model(given).tolist(), dtype=np.float32)


def _ask_python(model: Any, rows: Any) -> Any:
    if _is_pyfunc(model):
        return model.predict(None, rows)
    return model.predict(rows) if hasattr(model, "predict") else model(rows)


def _plain(rows: Any) -> Any:
    """Rows of which MLflow reads types: a tensor of PyTorch as an array."""
    return np.asarray(rows.tolist(), dtype=np.float32) if type(rows).__module__.startswith("torch") else rows


def _together(found: Sequence[str], given: Sequence[str]) -> list[str]:
    told = {_name(each) for each in given}
    return [*(each for each in found if _name(each) not in told), *given]


def _name(requirement: str) -> str:
    for separator in "=<>!~[; @":
        requirement = requirement.partition(separator)[0]
    return requirement.strip().lower().replace("_", "-")
