"""What of the history a model learns from: all of it, the newest, or the newest most."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import InvalidInput, did_you_mean, to_micros
from modelyard.core.durations import parse_duration

from .time import instants

WEIGHT = "sample_weight"
"""The column that says how much a row weighs when a model learns from it."""

_KEYS = ("half_life", "length")
_SECOND = timedelta(seconds=1)


def training_window(table: pa.Table, time: str, as_of: datetime, window: Mapping[str, str] | None) -> pa.Table:
    """The rows that a window takes, by the column `time`; weighed rows get a column `sample_weight`, in (0, 1].

    `window`: durations by name. `length`: only rows that are at most so old at `as_of`. `half_life`: a row so old
    weighs half of a new one, one twice so old a quarter. None or empty: all rows, none of them weighed. Rows without a
    time are left out of any other window; those of a later time weigh 1. InvalidInput for other names, for what is no
    duration, and for a table with a column of that name already.
    """
    if not window:
        return table
    if unknown := [name for name in window if name not in _KEYS]:
        raise InvalidInput(f"A training window has no '{unknown[0]}'.", remedy=did_you_mean(unknown[0], _KEYS))
    length, half_life = (parse_duration(window[name]) if name in window else None for name in ("length", "half_life"))
    at = instants(table, time)
    kept = pc.is_valid(at)
    if length is not None:
        border = pa.scalar(to_micros(as_of - length), pa.int64()).cast(at.type)
        kept = pc.and_kleene(kept, pc.greater_equal(at, border))
    rows = table.filter(kept)
    if half_life is None:
        return rows
    if WEIGHT in table.column_names:
        raise InvalidInput(f"The table has a column '{WEIGHT}' already.", remedy="Give it another name.")
    ages = (to_micros(as_of) - instants(rows, time).cast(pa.int64()).to_numpy()) / 1e6
    weights = np.exp2(-np.maximum(ages, 0.0) / (half_life / _SECOND))
    return rows.append_column(WEIGHT, pa.array(weights, pa.float64()))
