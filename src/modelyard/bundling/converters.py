"""Converters from trained models to the runtimes of bundles, in the order they are tried."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

_FLOAT32_FIRST = ("RandomForest", "ExtraTrees", "GradientBoosting", "DecisionTree")
"""scikit-learn's own trees cast their input to float32; its histogram trees do not."""


@dataclass(frozen=True)
class Converter:
    """Turns a model into the files of one runtime; raises whatever its library raises when it cannot."""

    runtime: str
    suits: Callable[[Any], bool]
    convert: Callable[[Any], dict[str, bytes]]


def _to_treelite(model: Any) -> dict[str, bytes]:
    import treelite  # noqa: PLC0415 - only building needs the importer

    # The importer casts scikit-learn's category table, which lists 'missing' as NaN; that entry is never looked up.
    with np.errstate(invalid="ignore"):
        converted = treelite.sklearn.import_model(model)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model"
        converted.serialize(str(file))
        return {"model.treelite": file.read_bytes()}


def _is_float32_tree(model: Any) -> bool:
    return type(model).__name__.startswith(_FLOAT32_FIRST)


def _is_histogram_tree(model: Any) -> bool:
    return type(model).__name__.startswith("HistGradientBoosting")


CONVERTERS: tuple[Converter, ...] = (
    Converter("treelite", _is_histogram_tree, _to_treelite),
    Converter("treelite-float32", _is_float32_tree, _to_treelite),
)
