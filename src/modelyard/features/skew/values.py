"""Values of both sides, made alike: as the server hands them to a model."""

import math

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Scalar
from modelyard.features.instants import as_instants


def as_served(column: pa.ChunkedArray) -> list[Scalar]:
    """A column of features as the online store would give it to a model: flags are 1 and 0, times microseconds."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8()).cast(pa.float64())
    elif pa.types.is_floating(kind):
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_nan(column), None, column)
    elif pa.types.is_temporal(kind):
        column = as_instants(column, "feature").cast(pa.int64())
    values: list[Scalar] = column.to_pylist()
    return values


def alike(served: Scalar, recomputed: Scalar, tolerance: float) -> bool:
    """Whether two values count as one: numbers within the tolerance, relative to the greater or absolute."""
    if served is None or recomputed is None:
        return served is recomputed
    if isinstance(served, str) or isinstance(recomputed, str):
        return served == recomputed
    return served == recomputed or (
        tolerance > 0 and math.isclose(served, recomputed, rel_tol=tolerance, abs_tol=tolerance)
    )


def distance(served: Scalar, recomputed: Scalar) -> float | None:
    """How far two numbers lie apart; None where one of them is none."""
    if isinstance(served, int | float) and isinstance(recomputed, int | float):
        return abs(float(served) - float(recomputed))
    return None
