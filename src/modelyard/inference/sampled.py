"""A few rows as codes of their bins: what relations between columns looked like, in a byte a value."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .records import NumberProfile, ReferenceProfile, SampledRows

MISSING_CODE = 255
"""The code of a value that is not there, or is of the wrong type."""

_LAST = 254
_COLUMNS = 50

Codes = NDArray[np.uint8]


def sampled_columns(profile: ReferenceProfile) -> tuple[str, ...]:
    """The columns that samples have: all, or the fifty that matter most, in the profile's order."""
    names = [each.name for each in profile.columns]
    order = sorted(range(len(names)), key=lambda at: (-profile.importance.get(names[at], 0.0), at))
    return tuple(names[at] for at in sorted(order[:_COLUMNS]))


def number_codes(profile: NumberProfile, values: ArrayLike) -> Codes:
    """The bin (n,) of each number, as the profile counts them; a constant has below, at and above. NaN is missing."""
    numbers, edges = np.asarray(values, dtype=np.float64), np.array(profile.edges)
    found = np.searchsorted(edges, numbers, side="left")
    if profile.is_constant:
        found += np.searchsorted(edges, numbers, side="right")
    return np.where(np.isnan(numbers), MISSING_CODE, np.minimum(found, _LAST)).astype(np.uint8)


def level_codes(places: ArrayLike) -> Codes:
    """The places (n,) of levels among the profile's, as codes; NaN is missing, and later ones than 254 are one."""
    found = np.asarray(places, dtype=np.float64)
    missing = np.isnan(found)
    return np.where(missing, MISSING_CODE, np.minimum(np.where(missing, 0, found), _LAST)).astype(np.uint8)


def pack_rows(columns: Mapping[str, Codes], losses: ArrayLike | None = None) -> SampledRows:
    """Columns of codes (n,) as rows; `losses` (n,), where they are known, NaN where not."""
    matrix = np.column_stack(list(columns.values())) if columns else np.empty((0, 0), np.uint8)
    packed = b"" if losses is None else np.asarray(losses, dtype="<f4").tobytes()
    return SampledRows(tuple(columns), np.ascontiguousarray(matrix).tobytes(), packed)


def codes_of(rows: SampledRows, columns: Sequence[str] | None = None) -> Codes:
    """The codes (n, columns) of a sample, by default of all its columns."""
    matrix = np.frombuffer(rows.codes, np.uint8).reshape(-1, max(1, len(rows.columns)))
    if columns is None:
        return matrix
    return matrix[:, [rows.columns.index(each) for each in columns]]


def losses_of(rows: SampledRows) -> NDArray[np.float64]:
    """The loss (n,) of each row, NaN where it is not known."""
    if not rows.losses:
        return np.full(len(codes_of(rows)), np.nan)
    return np.frombuffer(rows.losses, "<f4").astype(np.float64)


def with_losses(rows: SampledRows, losses: ArrayLike) -> SampledRows:
    """The same rows, whose losses (n,) are known by now."""
    return msgspec.structs.replace(rows, losses=np.asarray(losses, dtype="<f4").tobytes())


def fences(profile: NumberProfile) -> tuple[float, float] | None:
    """Beyond which values are outliers: 1.5 interquartile ranges beyond the quartiles (Tukey 1977), as bins tell them.

    None where the bins tell no quartiles, or both are the same.
    """
    if not profile.edges or not (total := sum(profile.counts)):
        return None
    below = np.cumsum(profile.counts)[:-1] / total
    low, high = (int(np.argmin(np.abs(below - share))) for share in (0.25, 0.75))
    first, third = profile.edges[low], profile.edges[high]
    if not third > first:
        return None
    reach = 1.5 * (third - first)
    return first - reach, third + reach
