"""The closed list of runtimes: a bundle names one of these, and nothing else is ever loaded."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .isolated import load_isolated
from .onnx import load_onnx, load_onnx_tensors
from .treelite import load_treelite


class Runtime(Protocol):
    """A loaded model. Safe for several threads."""

    def scores(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_rows, n_fields) float64 to (n_rows, n_scores) float64."""

    def close(self) -> None:
        """Release what it holds beyond memory; it is not asked again."""


ISOLATED = ("lightgbm", "xgboost", "python")
"""Runtimes in a worker process of their own; their loaders also take the `IsolationLimits` of that process."""

RUNTIMES: Mapping[str, Callable[..., Runtime]] = {
    "onnx": load_onnx,
    "onnx-float32": partial(load_onnx, single=True),
    "onnx-tensors": load_onnx_tensors,
    "treelite": load_treelite,
    "treelite-float32": partial(load_treelite, single=True),
    **{kind: partial(load_isolated, kind=kind) for kind in ISOLATED},
}
"""Loaders by the name in `bundle.json`; each takes the bundle's folder.

`-float32` marks models whose input is rounded to float32 first, as scikit-learn's forests and XGBoost do.
"""
