"""Drift of arrays at hand, without files: one feature, or a mapping of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from modelyard.core import InvalidInput

from .compare import compare_columns
from .options import CompareOptions
from .records import ColumnDrift, Verdict


@dataclass(frozen=True)
class DriftResult:
    """The drift of one feature.

    `drift_score` is the effect in [0, 1]: KS for numbers, total variation for levels, the energy coefficient for
    vectors; of a column that has values on one side only, the change of the missing share. `is_drifted` is the verdict
    `fail`; look at `verdict` to tell a pass from too little data. `p_value` decides nothing; None where there is none.
    """

    feature: str
    drift_score: float
    is_drifted: bool
    p_value: float | None
    verdict: Verdict
    reason: str
    column: ColumnDrift


def detect_drift(
    reference: ArrayLike, current: ArrayLike, threshold: float | None = None, *, feature: str = "feature"
) -> DriftResult:
    """Whether one feature drifted: values (n,), (m,), numbers or text, None and NaN missing; rows (n, d) are vectors.

    Anything beyond `threshold` that chance alone does not explain; by default PSI .2 or KS .15 (total variation for
    text). InvalidInput for arrays without rows, or that hold neither.
    """
    found = compare_columns(
        {feature: _array(reference, feature)},
        {feature: _array(current, feature)},
        CompareOptions(threshold, joint=False),
        columns=[feature],
    )
    return _result(found.columns[0])


def monitor_features(
    reference: Mapping[str, ArrayLike], current: Mapping[str, ArrayLike], threshold: float | None = None
) -> list[DriftResult]:
    """The drift of each feature that both mappings (or data frames) have, in the reference's order.

    Judged together: the risk of a false alarm is of all features at once. See `detect_drift`.
    """
    shared = [name for name in reference if name in current]
    if not shared:
        raise InvalidInput(
            "No feature is in both mappings.", code="NOTHING_TO_COMPARE", remedy="Give both the same names."
        )
    sides = [{str(name): _array(each[name], str(name)) for name in shared} for each in (reference, current)]
    # Each feature may have its own number of rows, which a table's columns may not.
    options = CompareOptions(threshold, joint=False, alpha=CompareOptions().alpha / len(shared))
    found = [
        compare_columns({name: sides[0][name]}, {name: sides[1][name]}, options, columns=[name]) for name in sides[0]
    ]
    return [_result(each.columns[0]) for each in found]


def _result(column: ColumnDrift) -> DriftResult:
    effects = (column.ks, column.total_variation, column.energy)
    missing = abs((column.missing_cur or 0.0) - (column.missing_ref or 0.0))
    score = next((each for each in effects if each is not None), 1.0 if column.kind == "mixed" else missing)
    return DriftResult(
        feature=column.name,
        drift_score=score,
        is_drifted=column.verdict == "fail",
        p_value=column.p_value,
        verdict=column.verdict,
        reason=column.reason,
        column=column,
    )


def _array(values: Any, feature: str) -> pa.Array | pa.ChunkedArray:
    """As Arrow reads it; rows of a matrix are vectors."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    try:
        if isinstance(values, np.ndarray) and values.ndim == 2:
            return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        return pa.array(values if hasattr(values, "dtype") else list(values), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"The values of '{feature[:80]}' are neither all numbers nor all text: {str(error)[:200]}.",
            code="BAD_VALUES",
            remedy="Give one kind of value, with None where one is missing.",
        ) from error
