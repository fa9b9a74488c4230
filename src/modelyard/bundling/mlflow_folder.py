"""Models that MLflow wrote: a folder with `MLmodel`, read by its most telling flavour."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from modelyard.core import InvalidInput
from modelyard.tracking import without_telemetry

from .python_folder import pack_pyfunc
from .torch_module import TorchModule

MLMODEL = "MLmodel"


@dataclass(frozen=True)
class MlflowModel:
    """What such a folder holds: the model, the columns its signature names, and its example of an input."""

    model: Any
    columns: tuple[str, ...] | None
    example: pa.Table | None


def is_mlflow_folder(path: Path) -> bool:
    """Whether MLflow wrote this folder."""
    return (path / MLMODEL).is_file()


def read_mlflow_folder(path: Path, onnx: Callable[[Path], Any]) -> MlflowModel:
    """Read the folder; `onnx` reads an ONNX file. A pickle in it runs its author's code: for trusted folders only.

    InvalidInput when no flavour is one that bundles are built of.
    """
    told = yaml.safe_load((path / MLMODEL).read_text(encoding="utf-8"))
    flavors: Mapping[str, Mapping[str, Any]] = told.get("flavors") or {}
    columns = _columns(told.get("signature"))
    return MlflowModel(_model(path, flavors, onnx), columns, _example(path, told.get("saved_input_example_info")))


def _model(path: Path, flavors: Mapping[str, Mapping[str, Any]], onnx: Callable[[Path], Any]) -> Any:
    without_telemetry()
    for name in ("sklearn", "xgboost", "lightgbm"):
        if name in flavors:
            return import_module(f"mlflow.{name}").load_model(str(path))
    if "onnx" in flavors:
        return onnx(path / str(flavors["onnx"].get("data", "model.onnx")))
    if "pytorch" in flavors:
        return TorchModule(import_module("mlflow.pytorch").load_model(str(path), map_location="cpu"))
    if "python_function" in flavors:  # a class of its author's, or a library that only MLflow knows how to ask
        return pack_pyfunc(path)
    raise InvalidInput(
        f"{path} is an MLflow model of the flavours {', '.join(sorted(flavors)) or 'none'}.",
        code="UNREADABLE_MODEL",
        remedy="Bundles are built of sklearn, xgboost, lightgbm, onnx, pytorch and python_function.",
    )


def _columns(signature: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    inputs = json.loads((signature or {}).get("inputs") or "[]")
    named = tuple(str(each["name"]) for each in inputs if each.get("name"))
    return named if named and len(named) == len(inputs) else None


def _example(path: Path, told: Mapping[str, Any] | None) -> pa.Table | None:
    """The example as a table, when it is one of rows and named columns."""
    if not told or not (path / str(told.get("artifact_path", ""))).is_file():
        return None
    read = json.loads((path / str(told["artifact_path"])).read_text(encoding="utf-8"))
    if not isinstance(read, dict) or not {"columns", "data"} <= read.keys():
        return None
    return pa.table({str(name): [row[at] for row in read["data"]] for at, name in enumerate(read["columns"])})
