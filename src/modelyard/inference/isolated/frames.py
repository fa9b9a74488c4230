"""Encoded rows as data frames, for models that were trained on them."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import Field


def data_frame(matrix: NDArray[np.float64], fields: Sequence[Field], *, coded: bool) -> Any:
    """Rows as a pandas data frame: levels as strings, NaN for missing; levels as pandas' categories when `coded`.

    Loads pandas, by its name: called where bundles are built and in worker processes, never in a server.
    """
    pd = import_module("pandas")
    columns: dict[str, Any] = {}
    for at, spec in enumerate(fields):
        column = matrix[:, at]
        if spec.kind == "number":
            columns[spec.name] = column
            continue
        codes = np.where(np.isnan(column), -1, column).astype(np.int64)
        levels = pd.Categorical.from_codes(codes, categories=list(spec.categories))
        columns[spec.name] = levels if coded else pd.Series(levels).astype("str").where(codes >= 0)
    return pd.DataFrame(columns)
