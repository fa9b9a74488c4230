"""Vectors, as embeddings are: compared by the distances between them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.stats import centroid_shift, vector_energy

from .judging import Measured, judged, sides
from .numbers import missing_of, without_values
from .options import CompareOptions
from .records import ColumnDrift

LOOKED_AT = 1_000
"""So many rows of each side are compared: distances grow with their square."""

_LEAST = 50


def judge_vectors(
    name: str, reference: pa.Array, current: pa.Array, options: CompareOptions, *, columns: int, rows: tuple[int, int]
) -> ColumnDrift:
    """Judge even samples of both sides: lists of numbers; null, and a list that holds a NaN or a null, is missing."""
    (x, gone_x), (y, gone_y) = (_matrix(each) for each in (reference, current))
    missing = missing_of(gone_x, len(reference), gone_y, len(current), options, columns)
    facts = sides((len(reference), len(current)), (gone_x, gone_y))
    facts |= {"rows_ref": rows[0], "rows_cur": rows[1]}
    facts |= {"type_ref": str(reference.type), "type_cur": str(current.type)}
    if not len(x) or not len(y):
        return without_values(name, "vector", missing, facts)
    if x.shape[1] != y.shape[1]:
        reason = f"vectors of {x.shape[1]} numbers became vectors of {y.shape[1]}"
        return ColumnDrift(name=name, kind="vector", verdict="fail", reason=reason, **facts)
    found = vector_energy(x, y, alpha=options.alpha / columns / 3)
    if found is None or min(len(x), len(y)) < _LEAST:
        reason = f"{min(len(x), len(y))} vectors cannot show it: {_LEAST} are needed"
        return ColumnDrift(name=name, kind="vector", verdict="inconclusive", reason=reason, **facts)
    energy = Measured("energy", found.statistic, options.threshold_of("energy"), found.bound)
    return judged(
        name,
        "vector",
        [energy],
        [missing],
        (len(x), len(y)),
        p_value=found.p_value,
        energy=found.statistic,
        shift=centroid_shift(x, y),
        **facts,
    )


def _matrix(values: pa.Array) -> tuple[NDArray[np.float64], int]:
    """The vectors of the commonest length, whole and finite (n, d), and how many are not."""
    there = values.drop_null()
    lengths = np.asarray(pc.list_value_length(there))
    if not len(there):
        return np.empty((0, 0)), len(values)
    width = int(np.bincount(lengths).argmax())
    chosen = there.filter(pa.array(lengths == width))
    flat = pc.list_flatten(chosen).cast(pa.float64()).to_numpy(zero_copy_only=False)
    rows = flat.reshape(len(chosen), width)
    whole = rows[np.isfinite(rows).all(axis=1)]
    return whole, len(values) - len(whole)
