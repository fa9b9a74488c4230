"""All features of a window together, from a sample of its rows: what none of them shows alone."""

from contextlib import AbstractContextManager

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from modelyard.inference import MISSING_CODE, ColumnProfile, NumberProfile, ReferenceProfile, SampledRows, codes_of

from .comparing import CompareOptions, Joint
from .comparing.joint import Sampled, encoded, judge_together

Matrix = NDArray[np.float64]


def alone() -> AbstractContextManager[object]:
    """Small matrices on one thread. Those of a library take turns at them, and wait for each other many times as long
    where servers have the processors; sums are then also the same however many processors there are.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def drift_together(profile: ReferenceProfile, reference: SampledRows | None, now: SampledRows | None) -> Joint | None:
    """The verdict on all columns at once, of which values are known to their bin or level.

    None where there is no sample to compare, or fewer than two columns.
    """
    if reference is None or now is None:
        return None
    with alone():
        return judge_together(_columns(profile, reference, now), CompareOptions())


def encoded_rows(profile: ReferenceProfile, reference: SampledRows, now: SampledRows) -> tuple[Matrix, Matrix] | None:
    """Both samples as finite columns scaled alike (n, d) and (m, d); None where they share none."""
    columns = _columns(profile, reference, now)
    if not columns:
        return None
    _, x, y = encoded(columns)
    return x, y


def _columns(profile: ReferenceProfile, reference: SampledRows, now: SampledRows) -> list[Sampled]:
    known = {each.name: each for each in profile.columns}
    shared = [name for name in reference.columns if name in now.columns and name in known]
    if not shared:
        return []
    before, after = codes_of(reference, shared), codes_of(now, shared)
    return [
        Sampled(
            name,
            isinstance(known[name], NumberProfile),
            _arrow(known[name], before[:, at]),
            _arrow(known[name], after[:, at]),
        )
        for at, name in enumerate(shared)
    ]


def _arrow(profile: ColumnProfile, codes: NDArray[np.uint8]) -> pa.Array:
    """Bins as numbers, levels as text, null where a value is missing."""
    missing = codes == MISSING_CODE
    numbers = pa.array(codes.astype(np.float64), mask=missing)
    return numbers if isinstance(profile, NumberProfile) else pa.array(codes.astype(str).astype(object), mask=missing)
